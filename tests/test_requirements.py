"""What setup.cfg asks an installer for, on each Python that it names."""

from __future__ import annotations

import re
import sys
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
PYTHON = "Programming Language :: Python :: "
WHEELS = {
    "5.0.4": ["3.10", "3.11", "3.12", "3.13"],
    "5.1.1": ["3.11", "3.13"],
}
"""Releases of pocketsphinx, and the Pythons that they have wheels for."""


def configuration() -> ConfigParser:
    """Read setup.cfg."""
    parser = ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def extras() -> set[str]:
    """List what a user can add to the package."""
    return set(configuration()["options.extras_require"])


def groups() -> dict[str, Any]:
    """Read what developers install."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return dict(tomllib.loads(text)["dependency-groups"])


def named_pythons() -> list[str]:
    """List the minor versions in the classifiers."""
    lines = configuration()["metadata"]["classifiers"].split("\n")
    found = [line.removeprefix(PYTHON) for line in lines if line.startswith(PYTHON)]
    return [version for version in found if version[-1].isdigit()]


def required(extra: str, python: str) -> dict[str, SpecifierSet]:
    """Expand an extra on a Python to the releases it takes of each distribution."""
    found: dict[str, SpecifierSet] = {}
    for line in configuration()["options.extras_require"][extra].split("\n"):
        if not line or line.startswith("#"):
            continue
        one = Requirement(line)
        full = {"python_version": python, "python_full_version": python + ".0"}
        if one.marker is not None and not one.marker.evaluate(full):
            continue
        if one.name == "realtime-sync":
            for inner in one.extras:
                found.update(required(inner, python))
        else:
            assert one.name not in found, f"{one.name} is named twice on {python}"
            found[one.name] = one.specifier
    return found


@pytest.mark.parametrize(
    ("python", "release"),
    [("3.10", "5.0.4"), ("3.11", "5.1.1"), ("3.12", "5.0.4"), ("3.13", "5.1.1")],
)
def test_newest_pocketsphinx_that_is_allowed_has_a_wheel(
    python: str, release: str
) -> None:
    """An installer takes the newest, and builds it where there is no wheel."""
    allowed = required("demo", python)["pocketsphinx"].filter(WHEELS)

    assert release == max(allowed, key=Version)
    assert python in WHEELS[release]


def test_every_python_that_is_named_is_in_the_table() -> None:
    """Naming another one means looking for its wheels."""
    assert WHEELS["5.0.4"] == named_pythons()


def test_what_developers_need_is_no_extra() -> None:
    """Who looks for what can be added finds what is for users."""
    assert set() == extras() & set(groups())
    assert {"core", "dev", "docs", "lint", "release", "test", "typing"} == set(groups())


def test_all_has_every_other_extra() -> None:
    """One word for who would not choose."""
    found = required("all", "3.11")
    rest = extras() - {"all"}
    asked = {name for extra in rest for name in required(extra, "3.11")}

    assert asked == set(found)


def test_every_extra_that_is_named_in_a_message_exists() -> None:
    """A command in a message works as it stands."""
    asks = re.compile(r"""install_command\(["'](\w+)|extra(?:: str)? ?= ?["'](\w+)""")
    named = {
        name
        for path in (ROOT / "realtime_sync").rglob("*.py")
        for found in asks.finditer(path.read_text(encoding="utf-8"))
        for name in found.groups()
        if name
    }

    assert {"audio", "demo", "server"} <= named
    assert set() == named - extras()


def test_no_message_writes_the_command_of_an_extra_by_hand() -> None:
    """By hand it is not quoted for every shell, and is wrong for a clone."""
    by_hand = re.compile(r"pip install .?realtime.sync", re.I)
    found = [
        path.name
        for path in (ROOT / "realtime_sync").rglob("*.py")
        if by_hand.search(path.read_text(encoding="utf-8"))
    ]

    assert [] == found


def test_every_extra_is_in_the_table_of_the_documentation() -> None:
    """In alphabetical order, as in setup.cfg."""
    page = (ROOT / "docs/intro/install.rst").read_text(encoding="utf-8")

    assert sorted(extras()) == re.findall(r"^   \* - ``(\w+)``$", page, re.M)


@pytest.mark.parametrize("extra", ["voice", "demo", "evaluation", "all"])
def test_demo_asks_for_the_same_distributions_on_every_python(extra: str) -> None:
    """No marker leaves a Python without one of them."""
    named = [sorted(required(extra, python)) for python in named_pythons()]

    assert named[:1] * len(named) == named
    assert "pocketsphinx" in named[0]
