"""The kit as a whole: light to import, its faults and its sounds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from realtime_sync import testing
from realtime_sync.errors import ConfigurationError
from realtime_sync.server import FAULTS, serve
from realtime_sync.testing import faults, silence, speech, tone

ROOT = Path(__file__).parent.parent.parent
HEAVY = ("attrs", "cattrs", "numpy", "requests", "soxr", "websocket", "websockets",
         "werkzeug")  # fmt: skip
INNER = ("client", "protocol.codec", "server", "session", "state", "transport")


def loaded_by(module: str) -> set[str]:
    """What a fresh interpreter has loaded after an import."""
    code = f"import sys, {module}; print(*sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True,
        timeout=60, check=True,
    )  # fmt: skip
    return set(answer.stdout.split())


@pytest.mark.parametrize("module", ["testing", "testing.plugin"])
def test_import_loads_neither_client_nor_server(module: str) -> None:
    """pytest imports the plugin in every run, whatever is tested."""
    loaded = loaded_by(f"realtime_sync.{module}")
    inner = {f"realtime_sync.{name}" for name in INNER}
    ours = {"attrs"} if "pytest" in loaded else set()

    assert set() == loaded & ({*HEAVY} - ours)
    assert set() == loaded & inner


@pytest.mark.parametrize("name", testing.__all__)
def test_name_of_the_kit_is_there_and_documented(name: str) -> None:
    """Every name can be had and says what it is."""
    assert getattr(testing, name).__doc__
    assert name in dir(testing)


def test_unknown_name_is_an_attribute_error() -> None:
    """Late loading does not turn a misspelling into something else."""
    with pytest.raises(AttributeError, match="Szenario"):
        testing.Szenario


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_every_fault_has_a_function(name: str) -> None:
    """It makes the same fault as the string, and says what it does."""
    make: Any = getattr(faults, name)
    where: Any = 401 if name == "refuse" else 5

    assert faults.fault(name, where) == make(where)
    assert FAULTS[name] in make.__doc__
    assert name in dir(faults)


def test_faults_are_given_to_the_server() -> None:
    """As they are, or as text."""
    with serve(faults=[faults.drop_after(5), "null_ids"]) as server:
        assert ["drop_after", "null_ids"] == [each.name for each in server.faults]


def test_fault_that_does_not_exist_is_refused() -> None:
    """By either way of naming it."""
    with pytest.raises(AttributeError, match="drop_after"):
        faults.drop_behind
    with pytest.raises(ConfigurationError, match="drop_after"):
        faults.fault("drop_behind")
    with pytest.raises(ConfigurationError, match="place"):
        faults.drop_after()


def test_sounds_are_as_long_as_was_asked_for() -> None:
    """PCM of 16 bits at 24 kHz."""
    assert bytes(4800) == silence(0.1)
    assert 4800 == len(tone(0.1))
    assert 0 < max(tone(0.1))


def test_speech_is_spoken_by_the_mouth_of_the_server() -> None:
    """With silence behind it, so that the end of the turn is heard."""
    pytest.importorskip("hibari")
    bare, padded = speech("Hello."), speech("Hello.", pause=0.5)

    assert len(bare) > 9600
    assert bare + bytes(24_000) == padded
