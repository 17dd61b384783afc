"""Answers to whoever looks for the verbs of the other protocol."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import WrongProtocol


class Elsewhere:
    """
    A namespace of commands that the protocol of a session does not have.

    Args:
        name: of it.
        ways: command -> what to do instead.
    """

    def __init__(self, name: str, ways: Mapping[str, str]) -> None:
        self._name = name
        self._ways = ways

    def __getattr__(self, verb: str) -> Elsewhere:
        if verb.startswith("_"):
            raise AttributeError(verb)
        name = f"{self._name}.{verb}"
        if name in self._ways:
            raise WrongProtocol(_explanation_of_other_protocol(name, self._ways[name]))
        if any(each.startswith(name + ".") for each in self._ways):
            return Elsewhere(name, self._ways)
        first = next(w for n, w in self._ways.items() if n.startswith(self._name))
        raise WrongProtocol(_explanation_of_other_protocol(name, first))


def missing_in_other_protocol(
    session: object, name: str, ways: Mapping[str, str]
) -> AttributeError:
    """The exception for an attribute that a session does not have."""
    if name in ways:
        return WrongProtocol(_explanation_of_other_protocol(name, ways[name]))
    kind = type(session).__name__
    return AttributeError(f"{kind!r} object has no attribute {name!r}")


def _explanation_of_other_protocol(name: str, way: str) -> str:
    return f"{name} is of the other protocol, which this session does not speak: {way}"
