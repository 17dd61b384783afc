"""What type checkers know by name is what the registry has."""

from __future__ import annotations

from pathlib import Path

import pytest

from realtime_sync.dispatch.names import resolve_name
from realtime_sync.errors import ConfigurationError

from .by_name_files import files, live, notices, patterns, realtime


@pytest.mark.parametrize(
    "path, text", list(files()), ids=lambda value: str(value)[-20:]
)
def test_files_of_names_are_those_of_the_registry(path: Path, text: str) -> None:
    """If not, run ``python -m tests.session.by_name_files``."""
    assert "".join(text.split()) == "".join(path.read_text(encoding="utf-8").split())


@pytest.mark.parametrize(
    "name", sorted({**realtime(), **live(), **notices(), **patterns(realtime())})
)
def test_names_for_checkers_are_names_for_handlers(name: str) -> None:
    """What an editor offers can be registered for."""
    key, _ = resolve_name(name)
    assert key


@pytest.mark.parametrize("name", ["response.don", "respons.*", "client.response.done"])
def test_names_that_are_not_offered_are_refused(name: str) -> None:
    """The checker and the decorator agree."""
    offered = {**realtime(), **live(), **notices()}
    assert name not in {**offered, **patterns(offered)}
    with pytest.raises(ConfigurationError):
        resolve_name(name)
