"""The test file that the documentation shows is a test file that passes."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

PAGE = Path(__file__).parent.parent.parent / "docs" / "howto" / "testing.rst"


def shown_file() -> str:
    """The first block of the page."""
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(".. code-block:: python\n")
    lines = rest.splitlines()
    end = next(n for n, line in enumerate(lines) if line and not line.startswith(" "))
    return textwrap.dedent("\n".join(lines[:end])).strip() + "\n"


def test_shown_test_file_is_short_and_passes(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fixture, a scripted answer, a fault, the snapshot: in thirty lines."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(shown_file())
    result = pytester.runpytest_inprocess("-p", "realtime_sync.testing.plugin")

    result.assert_outcomes(passed=2)
    assert len(shown_file().splitlines()) <= 30
    for shown in ("realtime_scenario", "frames.answer", "faults.", ".snapshot"):
        assert shown in shown_file()
