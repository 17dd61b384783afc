"""What a browser makes of the style, in a notebook's theme and in the system's."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from realtime_sync.jupyter.html import framed_html
from realtime_sync.report import element, style

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
ASKED = """<script>
const found = {};
for (const each of document.querySelectorAll("[id]")) {
  const shown = getComputedStyle(each.querySelector(".rs"));
  found[each.id] = [shown.colorScheme, shown.backgroundColor];
}
const page = getComputedStyle(document.body);
found.page = [page.colorScheme, page.backgroundColor];
document.title = JSON.stringify(found);
</script>"""
LIGHT, DARK = ["light", "rgb(255, 255, 255)"], ["dark", "rgb(21, 23, 26)"]
NOTEBOOKS = {
    "plain": ("", LIGHT),
    "lab-light": ('data-jp-theme-light="true"', LIGHT),
    "lab-dark": ('data-jp-theme-light="false"', DARK),
    "vscode-light": ('class="vscode-light"', LIGHT),
    "vscode-dark": ('class="vscode-dark"', DARK),
}

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no browser here"),
    pytest.mark.timeout(90),
]


def styles(html: str, folder: Path, *options: str) -> dict[str, list[str]]:
    """Schemes and grounds that a browser gives to a page and what is in it."""
    page = folder / "page.html"
    page.write_text(html + ASKED, encoding="utf-8")
    assert CHROMIUM is not None
    fixed = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    profile = f"--user-data-dir={folder / 'profile'}"
    command = [CHROMIUM, *fixed, *options, profile, "--dump-dom", page.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
    title = re.search(r"<title>(.*?)</title>", dom)
    assert title is not None, dom
    found: dict[str, list[str]] = json.loads(title[1])
    return found


def test_a_part_of_a_notebook_follows_its_theme(tmp_path: Path) -> None:
    """Whatever the system prefers: a notebook has a setting of its own."""
    parts = "".join(
        f'<div id="{name}" {marks}>{framed_html("hello")}</div>'
        for name, (marks, _) in NOTEBOOKS.items()
    )
    found = styles(parts, tmp_path, "--blink-settings=preferredColorScheme=0")
    found.pop("page")

    assert {name: told for name, (_, told) in NOTEBOOKS.items()} == found


@pytest.mark.parametrize(("preferred", "ground"), [(0, DARK[1]), (1, LIGHT[1])])
def test_a_page_of_its_own_follows_the_system(
    preferred: int, ground: str, tmp_path: Path
) -> None:
    """Its players, too, which are drawn by the browser."""
    html = f"<body class='rs rs-page'>{element('style', style())}"
    option = f"--blink-settings=preferredColorScheme={preferred}"

    assert ["light dark", ground] == styles(html, tmp_path, option)["page"]
