"""A call as it can be measured: from a recording, or made live."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Optional, Protocol, Union

from attrs import evolve, field, frozen

from .. import RecordedMirror, Snapshot, live, read_recording
from ..errors import ConfigurationError
from ..protocol import audio_fields
from ..report import Listener, LiveListener, Problem, Track, problem
from ..telemetry import Prices, Spread, Tokens
from ..types import RecordingSource
from . import measures
from .arguments import count, number, shown
from .arguments import text as check_text
from .call_notes import CallNotes
from .call_turns import CallTurn, ToolUse
from .live_turn_builder import LiveCall
from .speech_intervals import Interval
from .turn_builder import CallSpeech, turns_of
from .verdict import Verdict
from .words import words_looked_for

_CUT = "response incomplete"
"""What a report lists as a problem, and is in `CallTurn.cut` here."""


class Check(Protocol):
    """What `evaluate` asks of a gate."""

    @property
    def name(self) -> str:
        """What it is called in tables."""

    def check(self, call: CallRecord) -> Verdict:
        """Look at a call."""


@frozen(kw_only=True, repr=False)
class CallRecord:
    """
    One call: its turns, both sides' sound on one time axis, and what went wrong.

    Made by `Caller.hang_up`, or from a recording by `load`. Times are seconds since
    the recording began; the agent's sound stands where it was heard, which is later
    than it arrived, and ends where playback was cut.

    Attributes:
        name: of the call.
        path: the recording, None if it was not a file.
        seconds: how long the call took.
        turns: what was said and answered, in order.
        user, agent: the sound of both sides.
        user_speech, agent_speech: when each of them is to be heard.
        interruptions: when the caller began to speak into an answer.
        problems: errors, anomalies, lost connections and handlers that failed. That
            an answer ended early is said by its turn, see `CallTurn.cut`.
        session_tokens: what is told of the session and of no turn: seconds of a
            session of GPT-Live, and the tokens of its backend.
    """

    name: str
    path: Optional[Path] = None
    seconds: float = 0.0
    turns: Sequence[CallTurn] = ()
    user: Track = field(factory=Track)
    agent: Track = field(factory=Track)
    user_speech: Sequence[Interval] = ()
    agent_speech: Sequence[Interval] = ()
    interruptions: Sequence[float] = ()
    problems: Sequence[Problem] = ()
    session_tokens: Tokens = Tokens()

    @classmethod
    def load(cls, source: RecordingSource, *, name: Optional[str] = None) -> CallRecord:
        """
        Read a recording.

        Args:
            source: path of a file that `Session.record` wrote, or of JSON lines of
                another program; or the lines themselves.
            name: of the call; that of the file by default.

        Raises:
            OSError: the file cannot be read.
            ConfigurationError: it is no recording.
        """
        path: Optional[Path] = None
        if isinstance(source, (str, os.PathLike)):
            path = Path(source)
        recorded = read_recording(source)
        mirror = RecordedMirror(recorded)
        listener: Union[Listener, LiveListener] = Listener()
        # Nearly all lines are what the microphone sent, which changes nothing else.
        sound_only = audio_fields.BLOCKS
        if recorded.session_type == "live":
            # This mirror counts what it was sent.
            listener, sound_only = LiveListener(), frozenset()
        notes, problems, seconds = CallNotes(), [], 0.0
        for line in recorded:
            seconds = max(seconds, line.at)
            if line.type in sound_only and line.direction == "out":
                listener.hear(line.at, line.frame)
                continue
            mirror.follow(line)
            notes.hear(line.direction, line.frame)
            if line.direction == "note":
                listener.note(line.at, line.frame)
            else:
                listener.hear(line.at, line.frame)
            size = 0 if line.received is None else len(line.received)
            found = problem(line.at, line.frame, size)
            if found is not None and found.kind != _CUT:
                problems.append(found)
        snapshot = mirror.snapshot()
        call = cls(
            name=name or (path.stem if path else "call"),
            path=path,
            user=listener.user,
            problems=(*problems, *_anomalies(snapshot)),
        )
        if isinstance(listener, LiveListener):
            assert isinstance(snapshot, live.LiveSnapshot)
            call = call._live(LiveCall.of(listener, snapshot, notes))
        else:
            assert isinstance(snapshot, Snapshot)
            call = call._of_turns(listener, snapshot, notes)
        seconds = max(seconds, call.user.end, call.agent.end)
        return evolve(call, seconds=seconds)

    def _of_turns(
        self, listener: Listener, snapshot: Snapshot, notes: CallNotes
    ) -> CallRecord:
        """What was said over the Realtime protocol, in items and responses."""
        listener.finish()
        notes.place(listener.server.stretches)
        speech = CallSpeech.of(listener, notes)
        return evolve(
            self,
            agent=listener.server,
            turns=turns_of(listener, snapshot, speech),
            user_speech=speech.user,
            agent_speech=speech.agent,
            interruptions=speech.interruptions,
        )

    def _live(self, call: LiveCall) -> CallRecord:
        """What was said over GPT-Live, on two timelines."""
        return evolve(
            self,
            agent=call.agent_track,
            turns=call.turns,
            user_speech=call.user,
            agent_speech=call.agent,
            interruptions=call.interruptions,
            session_tokens=call.tokens,
        )

    def __repr__(self) -> str:
        return f"<CallRecord {self.name!r}, {len(self.turns)} turns>"

    def __str__(self) -> str:
        """The whole call as people read it."""
        return "\n".join(str(turn) for turn in self.turns)

    # -- numbers -------------------------------------------------------------------

    @property
    def first_audio_ms(self) -> Spread:
        """From the end of the caller's speech to the first audible sound, all turns."""
        return Spread.of([each for _, each in measures.first_audio_times(self)])

    @property
    def stop_ms(self) -> Spread:
        """From the beginning of interruptions to the last sound of the answers."""
        return Spread.of([each for _, each in measures.times_to_stop(self)])

    @property
    def longest_silence_ms(self) -> float:
        """The longest time in which nobody was to be heard, between two sounds."""
        return measures.longest_silence(self)[0]

    @property
    def talk_over_ms(self) -> float:
        """How long both were to be heard at once, altogether."""
        return measures.talk_over_time(self)

    @property
    def tools(self) -> tuple[ToolUse, ...]:
        """Every tool that was called, in order."""
        return tuple(tool for turn in self.turns for tool in turn.tools)

    @property
    def tokens(self) -> Tokens:
        """What the whole call took."""
        return Tokens.sum([self.session_tokens, *(turn.tokens for turn in self.turns)])

    def cost(self, prices: Prices) -> float:
        """What all answers cost by a price list, in its currency."""
        return prices.cost(self.tokens)

    def wer(self, expected: Union[None, str, Sequence[str]] = None) -> float:
        """
        The word error rate of all that the caller said.

        Args:
            expected: what was said in each turn of the caller's; by default the words
                of the `Caller` that made the call.

        Raises:
            ConfigurationError: it is not known what was said.
        """
        return measures.call_word_errors(self, expected).rate

    # -- assertions ----------------------------------------------------------------

    def stopped_within_ms(self, most: float) -> Verdict:
        """Whether the agent was silent soon after the caller spoke into its answer."""
        return measures.measure_stopped_within_ms(self, number("most", most))

    def tool_called(
        self, tool: str, /, *, times: Optional[int] = None, **arguments: object
    ) -> Verdict:
        """
        Whether a tool was called with these arguments.

        Args:
            tool: its name.
            times: exactly how often; at least once by default.
            arguments: that the call must have; others are not looked at.
        """
        if times is not None:
            count("times", times)
        return measures.measure_tool_called(
            self, check_text("tool", tool), times, arguments
        )

    def says(self, text: str) -> Verdict:
        """Whether the caller heard these words."""
        words_looked_for(text)
        return measures.measure_says(self, text)

    def never_says(self, text: str) -> Verdict:
        """Whether these words were not even generated."""
        words_looked_for(text)
        return measures.measure_never_says(self, text)

    def check(self, gates: Iterable[Check]) -> tuple[Verdict, ...]:
        """
        Ask some gates.

        Raises:
            ConfigurationError: they are none.
        """
        return tuple(gate.check(self) for gate in checked_gates(gates))

    def require(self, *gates: Check) -> None:
        """
        Ask some gates, and raise if one falls.

        Raises:
            AssertionError: with every gate that fell and the turns that made it fall.
            ConfigurationError: one of them is no gate.
        """
        fallen = [str(each) for each in self.check(gates) if not each]
        if fallen:
            raise AssertionError(f"call {self.name!r}:\n" + "\n".join(fallen))


def checked_gates(gates: Iterable[Check]) -> tuple[Check, ...]:
    """
    Gates that somebody gave.

    Raises:
        ConfigurationError: they are no list of gates; the message says what was meant.
    """
    if not isinstance(gates, Iterable) or isinstance(gates, (str, Mapping)):
        raise ConfigurationError(
            f"gates are a list, such as [problems()], not {shown(gates)}"
        )
    found = tuple(gates)
    for gate in found:
        if isinstance(getattr(gate, "name", None), str) and hasattr(gate, "check"):
            continue
        called = getattr(gate, "__name__", "")
        hint = f": call it, {called}(...)" if called and callable(gate) else ""
        raise ConfigurationError(f"{called or shown(gate)} is no gate{hint}")
    return found


def _anomalies(snapshot: Union[Snapshot, live.LiveSnapshot]) -> Iterable[Problem]:
    for each in snapshot.anomalies:
        if isinstance(each, str):
            yield Problem("anomaly", each)
            continue
        times = f" ({each.count} times)" if each.count > 1 else ""
        text = f"{each.event_type}: {each.detail}{times}"
        yield Problem(f"anomaly: {each.kind}", text)
