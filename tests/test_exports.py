"""The public names: sorted, pinned, documented."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import realtime_sync

PUBLIC = [
    "Audio",
    "CloseReport",
    "CommandHandle",
    "Context",
    "Endpoint",
    "EventStream",
    "RealtimeClient",
    "ReconnectPolicy",
    "RecordedMirror",
    "Reply",
    "ResponseHandle",
    "Router",
    "Session",
    "SessionConfig",
    "Snapshot",
    "Steps",
    "Subscription",
    "Threads",
    "UNSET",
    "__version__",
    "connect",
    "delete_recordings",
    "errors",
    "events",
    "live",
    "on",
    "open_sessions",
    "plan_interruption",
    "read_recording",
    "replay",
]
"""Changing this list changes the public API: say so in ``CHANGES.rst``."""


def test_public_names_are_the_pinned_ones() -> None:
    """A name becomes public, or stops being so, only on purpose."""
    assert PUBLIC == list(realtime_sync.__all__)


def test_public_names_are_sorted() -> None:
    """A sorted list is merged without conflicts and read without searching."""
    assert sorted(realtime_sync.__all__) == list(realtime_sync.__all__)


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_is_there_and_listed(name: str) -> None:
    """Every name can be had, the ones that load late included, and is in dir()."""
    assert getattr(realtime_sync, name) is not None
    assert name in dir(realtime_sync)


@pytest.mark.parametrize(
    "name", [n for n in PUBLIC if n not in ("UNSET", "__version__")]
)
def test_public_name_has_a_docstring(name: str) -> None:
    """What is public is documented where it is defined."""
    assert inspect.getdoc(getattr(realtime_sync, name))


@pytest.mark.parametrize("name", PUBLIC)
def test_public_members_have_docstrings(name: str) -> None:
    """Every public method and property of a public class says what it does."""
    value = getattr(realtime_sync, name)
    if not inspect.isclass(value):
        return
    silent = [
        f"{name}.{member}"
        for member, part in vars(value).items()
        if not member.startswith("_")
        and isinstance(part, (types.FunctionType, property, classmethod, staticmethod))
        and not inspect.getdoc(part)
    ]

    assert [] == silent


LAYERS = [
    "audio",
    "audio.telephony",
    "errors",
    "evaluation",
    "jupyter",
    "report",
    "rest.call_control",
    "rest.webhooks",
    "server",
    "telemetry",
    "testing",
    "tools",
]


@pytest.mark.parametrize("layer", LAYERS)
def test_public_names_of_layer_are_sorted_and_documented(layer: str) -> None:
    """The optional layers keep the same rules as the package itself."""
    module = importlib.import_module(f"realtime_sync.{layer}")
    names = getattr(module, "__all__", [])
    values = {name: getattr(module, name) for name in names}
    described = (type, types.FunctionType)
    silent = [
        name
        for name, value in values.items()
        if isinstance(value, described) and not inspect.getdoc(value)
    ]

    assert sorted(names) == list(names)
    assert [] == silent


def test_unknown_name_is_an_attribute_error() -> None:
    """Late loading does not turn a misspelling into something else."""
    with pytest.raises(AttributeError, match="conect"):
        realtime_sync.conect


REFERENCE = Path(__file__).parent.parent / "docs" / "reference"


def documented() -> Iterator[tuple[str, Any]]:
    """Everything that a page of the reference documents, by its dotted name."""
    pages = "\n".join(p.read_text(encoding="utf-8") for p in REFERENCE.glob("*.rst"))
    for kind, name in re.findall(r"\.\. auto(module|class|function):: (\S+)", pages):
        if kind == "module":
            yield name, importlib.import_module(name)
            continue
        yield name, pkgutil.resolve_name(name)


def described(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """A value and what belongs to it, as far as it is public and ours."""
    yield name, value
    if inspect.ismodule(value):
        names = getattr(value, "__all__", None) or [
            key
            for key, part in vars(value).items()
            if getattr(part, "__module__", None) == value.__name__
        ]
        for key in names:
            part = getattr(value, key)
            if not key.startswith("_") and isinstance(part, (type, *DESCRIBED)):
                yield from described(f"{name}.{key}", part)
    elif inspect.isclass(value):
        for key, part in vars(value).items():
            if not key.startswith("_") and isinstance(part, DESCRIBED):
                yield f"{name}.{key}", part


DESCRIBED = (types.FunctionType, property, classmethod, staticmethod)


def test_everything_in_the_reference_has_a_docstring() -> None:
    """The reference is made of docstrings, so none of them may be missing."""
    found = dict(pair for known in documented() for pair in described(*known))
    silent = sorted(name for name, value in found.items() if not inspect.getdoc(value))

    assert len(found) > 300
    assert [] == silent


def test_every_event_class_has_a_docstring() -> None:
    """Its first line is what the server, or the command, means."""
    names = realtime_sync.events.__all__
    silent = [n for n in names if not vars(getattr(realtime_sync.events, n))["__doc__"]]

    assert [] == silent


def test_every_public_name_is_in_the_reference() -> None:
    """What can be imported can be looked up."""
    known = {name.removeprefix("realtime_sync.") for name, _ in documented()}
    missing = set(PUBLIC) - known - {"UNSET", "__version__", "events", "live", "on"}

    assert set() == missing
