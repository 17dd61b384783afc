"""The public names: sorted, pinned, documented."""

from __future__ import annotations

import importlib
import inspect
import types

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
    "Reply",
    "ResponseHandle",
    "Router",
    "Session",
    "SessionConfig",
    "Snapshot",
    "Subscription",
    "UNSET",
    "__version__",
    "connect",
    "errors",
    "events",
    "on",
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


LAYERS = ["audio", "audio.telephony", "errors", "server", "tools", "webhooks"]


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
