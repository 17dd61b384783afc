"""
What a scenario expects, and why a command is not it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Optional, Union

from ..errors import ConfigurationError
from ..protocol.codec import to_mapping
from ..protocol.events import ClientEvent, ServerEvent
from ..protocol.registry import canonical, client_names
from . import frames
from .scripted_engine import Close, Frame, Said

Command = Union[ClientEvent, Mapping[str, Any]]
Answer = Union[Said, Callable[[Any], Any], Iterable[Any]]


class ScenarioExpectation:
    """
    One command that a scenario expects; made by `Scenario.expect`.

    Attributes:
        command: canonical type of the command.
        met: how often it has come.
    """

    def __init__(
        self,
        command: Union[str, type[ClientEvent]],
        *,
        where: Optional[Callable[[Any], Any]],
        like: Optional[Mapping[str, Any]],
        times: Optional[int],
        anywhere: bool,
    ) -> None:
        self.command = _expected_name(command)
        self.met = 0
        self.times = times
        self.anywhere = anywhere
        self._where = where
        self._like = None if like is None else to_mapping(like)
        self._replies: list[Answer] = []
        self._acknowledge = False

    def __repr__(self) -> str:
        return f"<Expectation {self}>"

    def __str__(self) -> str:
        conditions = [self.command]
        if self._like is not None:
            conditions.append(f"like {self._like}")
        if self._where is not None:
            conditions.append("where " + getattr(self._where, "__name__", "..."))
        if self.times != 1:
            often = "any number of" if self.times is None else str(self.times)
            conditions.append(f"{often} times")
        return ", ".join(conditions)

    @property
    def satisfied(self) -> bool:
        """Whether the scenario may go on without more of it."""
        return self.met >= (self.times or 0)

    @property
    def used_up(self) -> bool:
        """Whether it does not want to come once more."""
        return self.times is not None and self.met >= self.times

    def reply(self, *replies: Answer) -> ScenarioExpectation:
        """
        What the server answers, each time.

        Args:
            *replies: frames (GA), events, `Close`, messages as bytes, functions of
                the command that give any of these, and iterables of them.

        Returns:
            This expectation; what is given by a second call comes behind.

        Raises:
            TypeError: something among them is none of these.
        """
        for each in replies:
            if isinstance(each, str) or not (
                isinstance(each, (Mapping, ServerEvent, Close, bytes, Iterable))
                or callable(each)
            ):
                raise TypeError(f"a server cannot reply {each!r}")
        self._replies += replies
        return self

    def acknowledge(self) -> ScenarioExpectation:
        """Answer as a server does that agrees; before what `reply` says."""
        self._acknowledge = True
        return self

    def close(self, code: int = 1000, reason: str = "") -> ScenarioExpectation:
        """End the connection; code 1006 does without a close frame."""
        return self.reply(Close(code, reason))

    def problem(self, command: Command) -> Optional[str]:
        """Why a command is not the expected one, or None if it is."""
        kind = canonical(str(_expected_kind(command)))
        if kind != self.command:
            return f"it is {kind}"
        if self._like is not None:
            difference = unlike_expectation(to_mapping(command), self._like, "")
            if difference:
                return difference
        if self._where is None:
            return None
        try:
            return None if self._where(command) else "where says no"
        except Exception as exc:
            return f"where raised {exc!r}"

    def answer(self, command: Command, session: Frame) -> list[Said]:
        """
        What is to be said; notes that the command has come.

        Args:
            command: the command.
            session: the configuration so far.
        """
        self.met += 1
        said: list[Said] = []
        if self._acknowledge:
            said += frames.acknowledged(command, session)
        for reply in self._replies:
            said += flat_expected_replies(reply, command)
        return said


def unlike_expectation(value: object, pattern: object, path: str) -> Optional[str]:
    """
    The first difference between a frame and what is expected of it.

    Mappings may have more than the pattern, lists may not.
    """
    if isinstance(pattern, Mapping) and isinstance(value, Mapping):
        for name, wanted in pattern.items():
            inner = f"{path}.{name}" if path else str(name)
            if name not in value:
                return f"there is no {inner}"
            difference = unlike_expectation(value[name], wanted, inner)
            if difference:
                return difference
        return None
    if isinstance(pattern, list) and isinstance(value, list):
        if len(pattern) != len(value):
            return f"{path} has {len(value)} elements, not {len(pattern)}"
        pairs = enumerate(zip(value, pattern))
        found = (
            unlike_expectation(got, wanted, f"{path}[{at}]")
            for at, (got, wanted) in pairs
        )
        return next((each for each in found if each), None)
    return None if value == pattern else f"{path} is {value!r}, not {pattern!r}"


def flat_expected_replies(reply: Optional[Answer], command: Command) -> list[Said]:
    if reply is None:
        return []
    if isinstance(reply, (Mapping, ServerEvent, Close, bytes)):
        return [reply]
    if callable(reply):
        return flat_expected_replies(reply(command), command)
    said: Iterable[Any] = reply
    return [each for part in said for each in flat_expected_replies(part, command)]


def _expected_name(command: Union[str, type[ClientEvent]]) -> str:
    if isinstance(command, type) and issubclass(command, ClientEvent):
        return command.type
    if not isinstance(command, str):
        raise TypeError(f"expected a command's name or class, not {command!r}")
    name = canonical(command)
    if name not in client_names() and "." in name:
        import difflib

        close = difflib.get_close_matches(name, sorted(client_names()), n=1)
        if close:
            raise ConfigurationError(
                f"no command is called {command!r}; did you mean {close[0]!r}?"
            )
    return name


def _expected_kind(command: Command) -> Any:
    if isinstance(command, Mapping):
        return command.get("type")
    return command.type
