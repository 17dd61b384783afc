"""The calls of a process as rows: who, how long, how fast, how much, what failed."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final, Optional, Protocol, Union, cast
from weakref import ref

from attrs import define, evolve, field, frozen

from .. import open_sessions
from ..state.latency import percentile
from .live_work import live_work_taken

if TYPE_CHECKING:
    from .. import Session, Subscription, live
    from ..dispatch.notices import TurnFinished

    AnySession = Union[Session, live.LiveSession]

KEPT_TURNS: Final = 200
"""Turns of a call that its percentiles are of, the latest."""

KEPT_CALLS: Final = 50
"""Calls that have ended and are still shown, the latest."""

LINGER: Final = 60.0
"""Seconds after the last look until nothing is watched any more."""

KEPT_LINES: Final = 200
"""Lines of a transcript that are shown, the latest."""

LONGEST_LINE: Final = 200
"""Characters of what was said last, in a row."""

BUCKETS: Final = (0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
"""Seconds until the first output, by which turns are counted."""

TROUBLE: Final = ("error", "handler.failed", "connection.lost", "player.failed")
"""What counts as an error of a call."""

ENDED: Final = "ended"


@frozen(kw_only=True)
class CallRow:
    """
    One call as a line of a board.

    Attributes:
        id: names the call towards `Rows.hang_up`; unique among all sources.
        name: of the session.
        model: that answers.
        protocol: ``"realtime"``, ``"live"``, ``"transcription"`` or ``"translation"``.
        worker: machine and process, or empty for this one.
        state: ``"listening"``, ``"thinking"``, ``"answering"``, ``"waiting"``, for a
            live session what the service says; ``"reconnecting"`` or ``"ended"``.
        seconds: how long it takes, or took; does not count when rows are compared.
        turns: that were answered while it was watched.
        p50_ms, p95_ms: from the end of speech to the first output, of the latest
            turns; None before there is one.
        input_tokens, cached_tokens, output_tokens: taken so far.
        billed_seconds: of a live session, as the service says.
        events: that came over the connection in use.
        queued: deliveries that wait for handlers.
        errors: errors, failed handlers and lost connections while it was watched.
        last_error: the latest of them, in words.
        last_line: who said what last.
    """

    id: str
    name: str = ""
    model: str = ""
    protocol: str = "realtime"
    worker: str = ""
    state: str = "waiting"
    seconds: float = field(default=0.0, eq=False)
    turns: int = 0
    p50_ms: Optional[float] = None
    p95_ms: Optional[float] = None
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    billed_seconds: float = 0.0
    events: int = 0
    queued: int = 0
    errors: int = 0
    last_error: str = ""
    last_line: str = ""


class Rows(Protocol):
    """Where a board has its calls from. Called from any thread."""

    def rows(self) -> Sequence[CallRow]:
        """The calls as they are now."""

    def transcript(self, call_id: str) -> Sequence[tuple[str, str]]:
        """Who said what in a call, oldest first; nothing for an unknown one."""

    def hang_up(self, call_id: str) -> bool:
        """End a call; returns False when there is none of that id."""


@define
class Totals:
    """
    What all calls of a process came to, as counters that never go down.

    Attributes:
        calls: that were seen.
        turns, errors, input_tokens, cached_tokens, output_tokens, billed_seconds: as
            in `CallRow`.
        first_output: how many turns had their first output within each of `BUCKETS`;
            the last figure is of all that had one.
        first_output_seconds: the sum of these times.
    """

    calls: int = 0
    turns: int = 0
    errors: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    billed_seconds: float = 0.0
    first_output: list[int] = field(factory=lambda: [0] * (len(BUCKETS) + 1))
    first_output_seconds: float = 0.0

    def add(self, row: CallRow) -> None:
        """Add what a call came to."""
        for name in _SUMMED:
            setattr(self, name, getattr(self, name) + getattr(row, name))

    def add_first_output(self, seconds: float) -> None:
        """Count one turn that had an output."""
        for place, most in enumerate(BUCKETS):
            self.first_output[place] += seconds <= most
        self.first_output[-1] += 1
        self.first_output_seconds += seconds


_SUMMED = (
    "turns",
    "errors",
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "billed_seconds",
)


class ProcessCalls:
    """
    The calls of this process: a `Rows` for the board, and sums for metrics.

    Looks at a session only when somebody asks. Turns and errors are counted by a
    handler in each session, which the first look registers, and which removes itself
    at the first event that comes a minute after the last look. So figures that nobody
    reads cost nothing, and turns and errors are counted only while somebody does.

    Any thread may call any method.

    Args:
        sessions: gives the sessions that are open.
        linger: seconds after the last look until nothing is counted.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        *,
        sessions: Callable[[], Sequence[AnySession]] = open_sessions,
        linger: float = LINGER,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sessions = sessions
        self._linger = linger
        self._clock = clock
        self._numbers = itertools.count(1)
        # Guards the calls, open and ended, and the sums.
        self._lock = threading.Lock()
        self._looked = float("-inf")
        self._calls: dict[int, _Call] = {}
        self._ended: deque[_Ended] = deque(maxlen=KEPT_CALLS)
        self._totals = Totals()

    def __repr__(self) -> str:
        return f"<ProcessCalls, {len(self._calls)} open>"

    @property
    def idle(self) -> bool:
        """Whether nobody has looked for so long that nothing is watched."""
        return self._clock() - self._looked > self._linger

    def rows(self) -> list[CallRow]:
        """The calls that are open, oldest first, then those that have ended."""
        return self.reading()[0]

    def reading(self) -> tuple[list[CallRow], Totals]:
        """The rows, and what all calls came to that were seen so far."""
        rows = [row for row in map(_Call.row, self._look()) if row is not None]
        with self._lock:
            sums = evolve(self._totals, first_output=list(self._totals.first_output))
            ended = [each.row for each in self._ended]
        for row in rows:
            sums.add(row)
        return rows + ended, sums

    def transcript(self, call_id: str) -> Sequence[tuple[str, str]]:
        """Who said what in a call, oldest first, the latest lines."""
        session = self._session(call_id)
        if session is not None:
            return transcript_of(session)
        with self._lock:
            ended = [each for each in self._ended if each.row.id == call_id]
        return ended[0].transcript if ended else ()

    def hang_up(self, call_id: str) -> bool:
        """End a call within its ``close_timeout``; False when there is none."""
        session = self._session(call_id)
        if session is None:
            return False
        session.close()
        return True

    def close(self) -> None:
        """Watch nothing any more."""
        with self._lock:
            self._looked = float("-inf")
            calls = list(self._calls.values())
        for call in calls:
            call.unwatch()

    def _session(self, call_id: str) -> Optional[AnySession]:
        with self._lock:
            found = [each for each in self._calls.values() if each.id == call_id]
        return found[0].session() if found else None

    def _look(self) -> list[_Call]:
        """The calls that are open, each watched from here on."""
        sessions = self._sessions()
        with self._lock:
            self._looked = self._clock()
            known = {id(each) for each in sessions}
            gone = [self._calls.pop(key) for key in set(self._calls) - known]
            for session in sessions:
                call = self._calls.get(id(session))
                if call is not None and call.session() is not session:
                    gone.append(self._calls.pop(id(session)))
                    call = None  # Another one, at the same place in memory.
                if call is None:
                    name = f"{os.getpid()}-{next(self._numbers)}"
                    self._calls[id(session)] = _Call(name, session, self)
                    self._totals.calls += 1
            calls = list(self._calls.values())
        for call in gone:
            self.ended(call)
        for call in calls:
            call.watch()
        return calls

    # -- told by the calls, on their loops ---------------------------------------

    def ended(self, call: _Call) -> None:
        """A call is over: its last figures go to the sums, once."""
        last = call.last()
        with self._lock:
            self._calls = {k: v for k, v in self._calls.items() if v is not call}
            if last is not None:
                self._totals.add(last.row)
                self._ended.append(last)

    def answered(self, seconds: float) -> None:
        """A turn had its first output."""
        with self._lock:
            self._totals.add_first_output(seconds)


@frozen
class _Ended:
    """A call that is over, as it was in the end."""

    row: CallRow
    transcript: Sequence[tuple[str, str]]


class _Call:
    """
    Watches one session, which it does not keep from going.

    Its handlers run on the loop: they count, and nothing else.
    """

    def __init__(self, call_id: str, session: AnySession, calls: ProcessCalls) -> None:
        self.id = call_id
        self.session = ref(session)
        self._calls = calls
        # Guards the subscriptions, whether there are to be any, and what was counted.
        self._lock = threading.Lock()
        self._watching = self._over = False
        self._subscriptions: tuple[Subscription, ...] = ()
        self._times: deque[float] = deque(maxlen=KEPT_TURNS)
        self._turns = self._errors = 0
        self._error = ""
        self._row = CallRow(id=call_id)

    def watch(self) -> None:
        """Have turns, errors and the end told, from now on."""
        session = self.session()
        with self._lock:
            if session is None or self._watching or self._over:
                return
            self._watching = True
        handlers: dict[str, Callable[[Any], None]] = {
            **dict.fromkeys(TROUBLE, self._failed),
            "connection.closed": lambda event: self._calls.ended(self),
        }
        if session.session_type != "live":  # It has no turns.
            handlers["turn.finished"] = self._finished
        on: Any = session.on
        made = tuple(on(*each, inline=True) for each in handlers.items())
        with self._lock:
            if self._watching:
                self._subscriptions = made
                return
        # Over meanwhile, or told that nobody looks.
        _stop_watching_call(made)

    def unwatch(self) -> None:
        """Have nothing told any more."""
        with self._lock:
            self._watching = False
            subscriptions, self._subscriptions = self._subscriptions, ()
        _stop_watching_call(subscriptions)

    def row(self) -> Optional[CallRow]:
        """The call as it is now; None when its session is gone."""
        session = self.session()
        if session is None:
            return None
        with self._lock:
            times, turns = list(self._times), self._turns
            errors, error = self._errors, self._error
        stats = session.stats
        self._row = CallRow(
            id=self.id,
            name=session.name,
            model=session.model or "",
            protocol=session.session_type,
            state=call_state(session),
            seconds=round(stats.seconds, 3),
            turns=turns,
            p50_ms=percentile(times, 50) if times else None,
            p95_ms=percentile(times, 95) if times else None,
            events=stats.events,
            queued=stats.queued,
            errors=errors,
            last_error=error,
            last_line=last_line_of_call(session),
            **_taken_by_call(session),
        )
        return self._row

    def last(self) -> Optional[_Ended]:
        """The last of it, once; then None."""
        self.unwatch()
        with self._lock:
            over, self._over = self._over, True
        if over:
            return None
        session = self.session()
        row = self.row() or self._row
        lines = () if session is None else transcript_of(session)
        return _Ended(evolve(row, state=ENDED, queued=0), lines)

    def _finished(self, event: TurnFinished) -> None:
        firsts = (event.first_text_ms, event.first_audio_ms)
        known = [each for each in firsts if each is not None]
        with self._lock:
            self._turns += 1
            self._times.extend([min(known)] if known else ())
        if known:
            self._calls.answered(min(known) / 1000)
        self._rest()

    def _failed(self, event: Any) -> None:
        with self._lock:
            self._errors += 1
            self._error = _words_of_call_error(event)[:LONGEST_LINE]
        self._rest()

    def _rest(self) -> None:
        if self._calls.idle:
            self.unwatch()


def _stop_watching_call(subscriptions: Iterable[Subscription]) -> None:
    for each in subscriptions:
        each.cancel()


def call_state(session: AnySession) -> str:
    """What happens in a session at this moment, in a word; see `CallRow`."""
    if session.closed:
        return ENDED
    return activity(session.snapshot) if session.is_open else "reconnecting"


def activity(snapshot: Any) -> str:
    """What happens in an open session of either protocol, in a word."""
    told = getattr(snapshot, "state", None)
    if isinstance(told, str):
        return told
    if snapshot.user_speaking:
        return "listening"
    active = snapshot.active_response
    if active is None:
        return "waiting"
    return "answering" if active.text else "thinking"


def transcript_of(session: AnySession) -> list[tuple[str, str]]:
    """Who said what in a session of either protocol, the latest lines in order."""
    lines: Any = session.snapshot.transcript()
    return [
        each if isinstance(each, tuple) else (each.role, each.text)
        for each in lines[-KEPT_LINES:]
    ]


def last_line_of_call(session: AnySession) -> str:
    """What was said last, shortened; it is looked for at the end only."""
    snapshot: Any = session.snapshot
    if session.session_type == "live":
        said = snapshot.said
        latest = (*(said.blocks[-1] if said.blocks else ()), *said.tail)
        who = latest[-1].speaker if latest else ""
        same = takewhile(lambda each: each.speaker == who, reversed(latest))
        words = "".join([each.text for each in same][::-1])
        return f"{who}: {words.strip()[-LONGEST_LINE:]}" if words else ""
    for item in reversed(snapshot.items):
        text = item.heard if item.type == "message" else ""
        if text:
            return f"{item.role}: {text[-LONGEST_LINE:]}"
    return ""


def _taken_by_call(session: AnySession) -> dict[str, Any]:
    """Tokens and seconds that a session has taken."""
    if session.session_type == "live":
        tokens = live_work_taken(cast("live.LiveSnapshot", session.snapshot))
        return {
            "billed_seconds": tokens.seconds,
            "input_tokens": tokens.input,
            "output_tokens": tokens.output,
        }
    usage: Any = session.snapshot.usage
    return {
        "input_tokens": usage.input_tokens,
        "cached_tokens": usage.cached_tokens,
        "output_tokens": usage.output_tokens,
        "billed_seconds": usage.transcription_seconds,
    }


def _words_of_call_error(event: Any) -> str:
    """What went wrong, in words."""
    error = getattr(event, "error", None)
    if isinstance(error, BaseException):
        words = str(error) or type(error).__name__
    else:
        words = str(getattr(error, "message", None) or event.type)
    handler = getattr(event, "handler", None)
    return f"{handler}: {words}" if handler else words
