"""What is said where the packages of the extra are not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

PROBE = """
import sys
sys.modules[sys.argv[1]] = None
import realtime_sync.contrib.celery as room
from realtime_sync.contrib.celery import NoAnswer, Order
from realtime_sync.errors import ConfigurationError
try:
    getattr(room, sys.argv[2])
except (ConfigurationError, AttributeError, ImportError) as exc:
    print(type(exc).__name__, exc)
"""


@pytest.mark.parametrize(
    ("missing", "name", "error", "said"),
    [
        ("celery", "Fleet", "ConfigurationError", "a fleet needs celery: "),
        ("kombu", "Fleet", "ConfigurationError", "a fleet needs kombu: "),
        ("kombu", "RemoteCall", "ConfigurationError", "a fleet needs kombu: "),
        # What is no part of the extra is not laid to it.
        ("wave", "Fleet", "ModuleNotFoundError", "import of wave halted"),
        ("celery", "Fleets", "AttributeError", "has no attribute 'Fleets'"),
    ],
)
def test_name_that_needs_the_extra_says_how_to_install_it(
    missing: str, name: str, error: str, said: str
) -> None:
    """The room can be imported without it; its errors and records need no Celery."""
    answer = subprocess.run(
        [sys.executable, "-c", PROBE, missing, name],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout

    assert answer.startswith(error)
    assert said in answer
    assert ("[celery]" in answer) is (error == "ConfigurationError")


def test_every_name_is_found_and_listed() -> None:
    """Those that are loaded when they are first used too."""
    import realtime_sync.contrib.celery as room

    assert set(room.__all__) <= set(dir(room))
    assert all(getattr(room, name).__name__ == name for name in room.__all__)
