"""
What a caller wrote and the vocabulary does not have.

A frame from the wire may hold anything. Fields that a caller gives by name are
different: a misspelt one would be sent to a server that refuses the command,
or worse, ignores the field.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from ..errors import ConfigurationError
from .dialects.tables import RESPONSE_ASKED, SESSION_ASKED
from .events._base import ClientEvent
from .structure import known_keys_of_structure
from .unstructure import to_mapping

_BODIES = {
    "session": tuple(row.flat for row in SESSION_ASKED),
    "response": tuple(row.flat for row in RESPONSE_ASKED),
}
"""Members of commands that hold named fields, and their beta spellings."""


def configurable_by_caller() -> frozenset[str]:
    """Names of what a session's configuration may hold, in both spellings."""
    from .sessions import SessionConfig  # Not needed until somebody errs.

    return frozenset((*known_keys_of_structure(SessionConfig), *_BODIES["session"]))


def losses_of_caller(given: object, kept: object, path: str = "") -> Iterator[str]:
    """
    Yield the path of everything that is in one frame and not in another.

    Args:
        given: plain data as the caller gave it, in the canonical shape.
        kept: the same after it went through a class.
    """
    if isinstance(given, Mapping) and isinstance(kept, Mapping):
        for name, each in given.items():
            where = f"{path}.{name}" if path else str(name)
            if name in kept:
                yield from losses_of_caller(each, kept[name], where)
            else:
                yield where
    elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        for index, pair in enumerate(zip(given, kept)):
            yield from losses_of_caller(*pair, f"{path}[{index}]")
    elif given != kept:
        yield path


def take_extra_of_caller(
    frame: Mapping[str, Any],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """
    Take the vendor's fields, given as ``extra``, out of a command's frame.

    Returns the frame without them, and them.
    """
    for name in _BODIES:
        body = frame.get(name)
        if isinstance(body, Mapping) and isinstance(body.get("extra"), Mapping):
            left = {key: each for key, each in body.items() if key != "extra"}
            return {**frame, name: left}, dict(body["extra"])
    return dict(frame), {}


def refuse_unknown_of_caller(command: ClientEvent) -> None:
    """
    Complain about fields of a configuration that the protocol does not have.

    Raises:
        TypeError: there is such a field; the message has the nearest names.
    """
    for body, spellings in _BODIES.items():
        config = getattr(command, body, None)
        extra = getattr(config, "extra", None)
        if extra:
            known = (*known_keys_of_structure(type(config)), *spellings)
            raise TypeError(
                f"{command.type}: {_no_such_for_caller(sorted(extra)[0], known)}"
            )


def refuse_misfits_of_caller(kind: str, problems: list[str]) -> None:
    """
    Complain about values that do not fit.

    Raises:
        TypeError: there are some.
    """
    if problems:
        raise TypeError(f"{kind}: {'; '.join(problems)}")


def refuse_output_of_transcription(config: object, *, modalities: bool) -> None:
    """
    Refuse how a session is to speak that never does; an echo of nothing passes.

    Args:
        config: of a transcription session.
        modalities: refuse ``output_modalities`` too, which only the beta takes.

    Raises:
        ConfigurationError: it says something of that.
    """
    output = getattr(getattr(config, "audio", None), "output", None)
    told = [f"audio.output.{name}" for name in to_mapping(output or {})]
    if modalities and getattr(config, "output_modalities", None):
        told.append("output_modalities")
    if told:
        raise ConfigurationError(
            "a transcription session says nothing: it has no use for " + ", ".join(told)
        )


def has_extra_of_caller(command: ClientEvent) -> bool:
    """Whether a command, or its configuration, has fields beyond the protocol's."""
    if command.extra:
        return True
    configs = [getattr(command, body, None) for body in _BODIES]
    return any(getattr(config, "extra", None) for config in configs)


def add_extra_of_caller(command: ClientEvent, vendor: Mapping[str, Any]) -> None:
    """Put a vendor's fields into the configuration that a new command carries."""
    for body in _BODIES:
        config = getattr(command, body, None)
        if vendor and config is not None:
            config.__dict__["extra"] = dict(vendor)


def _no_such_for_caller(name: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(name, known, n=3)
    hint = f"; did you mean {', '.join(near)}?" if near else ""
    return (
        f"there is no field {name!r}{hint} "
        "(a vendor's own fields are given as extra={...})"
    )
