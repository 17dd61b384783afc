"""
A server that follows a script: which commands must come, and what it answers.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from threading import RLock
from typing import Any, Optional, Union

from ..protocol import jsontext
from ..protocol.codec import Codec, to_mapping
from ..protocol.events import ClientEvent
from . import frames
from .expectations import Answer, Command, ScenarioExpectation, flat_expected_replies
from .scripted_engine import Frame, PlayedEngine, Said, script_complaint

_MOST_SHOWN = 400


class ScenarioFailed(AssertionError):
    """A client did not keep to the scenario."""


class Scenario:
    """
    Expects commands and answers them.

    It takes the place of a server: behind a `MemoryTransport`, or behind a real
    socket as ``serve(agent=scenario)``. A command that is not expected is answered
    with an ``error`` that lists every expectation with the reason why it was not
    met, and `verify` fails with the same list. Any thread; clients that come one
    after the other, or at once, share the expectations.

    Usable as a context manager, which verifies at the end.

    Args:
        ordered: commands must come in the order in which they are expected.
        greeting: what a client is greeted with; None for silence. By default a
            ``session.created``.

    Attributes:
        received: every command that came, in order.
        misses: what was said of those that were not expected.
    """

    def __init__(
        self, *, ordered: bool = True, greeting: Union[Answer, None, str] = "default"
    ) -> None:
        self.received: list[Command] = []
        self.misses: list[str] = []
        self._ordered = ordered
        self._greeting = greeting
        # Guards everything that changes; replies may look at the scenario.
        self._lock = RLock()
        self._expectations: list[ScenarioExpectation] = []
        self._sessions = itertools.count(1)

    def __enter__(self) -> Scenario:
        return self

    def __exit__(self, exc_type: object, *exc_info: object) -> None:
        if exc_type is None:
            self.verify()

    def __repr__(self) -> str:
        return f"<Scenario, {len(self._expectations)} expectations>"

    def expect(
        self,
        command: Union[str, type[ClientEvent]],
        *,
        where: Optional[Callable[[Any], Any]] = None,
        like: Optional[Mapping[str, Any]] = None,
        times: Optional[int] = 1,
        anywhere: bool = False,
    ) -> ScenarioExpectation:
        """
        Expect a command.

        Args:
            command: its class, or its name in either spelling.
            where: a function of the command; it is the expected one if true.
            like: what must be in the command, as a mapping in GA's spelling.
            times: how often; None for any number of times, none included.
            anywhere: whatever the order of the others.

        Returns:
            The expectation, whose `ScenarioExpectation.reply` says what is answered.

        Raises:
            ConfigurationError: the name is misspelt.
        """
        expectation = ScenarioExpectation(
            command, where=where, like=like, times=times, anywhere=anywhere
        )
        with self._lock:
            self._expectations.append(expectation)
        return expectation

    def allow(self, *commands: Union[str, type[ClientEvent]]) -> Scenario:
        """
        Let commands come at any time and any number of times, acknowledged.

        Returns:
            This scenario.
        """
        for command in commands:
            self.expect(command, times=None, anywhere=True).acknowledge()
        return self

    def verify(self) -> None:
        """
        Check that everything expected has come and nothing else.

        Raises:
            ScenarioFailed: it has not; the message lists what was wrong.
        """
        with self._lock:
            problems = list(self.misses)
            missing = [each for each in self._expectations if not each.satisfied]
            if missing:
                problems.append(
                    f"{len(missing)} of {len(self._expectations)} expectations "
                    "were not met:\n" + self._listing(missing)
                )
        if problems:
            raise ScenarioFailed("\n\n".join(problems))

    def engine(
        self, *, now: float, model: str, session_type: str, dialect: str
    ) -> PlayedEngine:
        """The server's side for one client; called by what serves the scenario."""
        part = _ScenarioPart(self, model, session_type)
        return PlayedEngine(
            part,
            session_id=f"scenario_{next(self._sessions)}",
            dialect=dialect,
            session_type=session_type,
        )

    def _take(self, frame: Frame, codec: Codec, session: Frame) -> list[Said]:
        command = codec.command(frame)
        with self._lock:
            self.received.append(command)
            expectation, reasons = self._find(command)
            if expectation is None:
                return [script_complaint(self._missed(command, reasons), frame)]
            try:
                return expectation.answer(command, session)
            except Exception as exc:
                problem = f"the reply to {expectation} failed: {exc!r}"
                self.misses.append(problem)
                return [script_complaint(problem, frame)]

    def _find(
        self, command: Command
    ) -> tuple[Optional[ScenarioExpectation], dict[ScenarioExpectation, str]]:
        """The expectation that a command meets, or why each is not met."""
        reasons: dict[ScenarioExpectation, str] = {}
        blocking: Optional[ScenarioExpectation] = None
        # What is expected once goes before what may come at any time.
        for each in sorted(self._expectations, key=lambda each: each.anywhere):
            reason = each.problem(command)
            if each.used_up:
                reason = reason or "it has come already"
            elif blocking is not None and not each.anywhere:
                reason = reason or f"its turn is behind {blocking}"
            if reason is None:
                return each, reasons
            reasons[each] = reason
            if self._ordered and not each.anywhere and not each.satisfied:
                blocking = blocking or each
        return None, reasons

    def _missed(
        self, command: Command, reasons: Mapping[ScenarioExpectation, str]
    ) -> str:
        text = jsontext.dumps(to_mapping(command)).decode("utf-8")
        if len(text) > _MOST_SHOWN:
            text = f"{text[:_MOST_SHOWN]}... ({len(text)} characters)"
        kind = to_mapping(command).get("type")
        listed = self._listing(self._expectations, reasons) or "  nothing at all"
        miss = (
            f"{kind} was not expected, as command number {len(self.received)}:\n"
            f"  {text}\nThe scenario expects:\n{listed}"
        )
        self.misses.append(miss)
        return miss

    def _listing(
        self,
        chosen: Iterable[ScenarioExpectation],
        reasons: Optional[Mapping[ScenarioExpectation, str]] = None,
    ) -> str:
        lines = []
        for each in chosen:
            number = self._expectations.index(each) + 1
            why = f"came {each.met} times" if reasons is None else reasons[each]
            lines.append(f"  {number}. {each}: {why}")
        return "\n".join(lines)


class _ScenarioPart:
    """A scenario for one client: what its session is configured to be."""

    def __init__(self, scenario: Scenario, model: str, session_type: str) -> None:
        self._scenario = scenario
        self._codec = Codec(session_type=session_type)
        told = {"type": session_type, "model": model or frames.SESSION["model"]}
        self._session = frames.merged(frames.SESSION, told)

    def opened(self) -> Iterable[Said]:
        """The greeting."""
        greeting = self._scenario._greeting
        if greeting == "default":
            return [{"type": "session.created", "session": self._session}]
        return flat_expected_replies(greeting, {})

    def heard(self, frame: Frame) -> Iterable[Said]:
        """The answer to a command."""
        said = self._scenario._take(frame, self._codec, self._session)
        for each in said:
            if isinstance(each, Mapping) and each.get("type") == "session.updated":
                self._session = each["session"]
        return said
