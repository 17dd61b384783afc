"""Put the turns of a call over GPT-Live together from its two timelines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Optional

from attrs import define, field, frozen

from ..report import LiveListener, Stretch, Track
from ..telemetry import Tokens
from .call_notes import CallerUtterance, CallNotes
from .call_turns import CallTurn, Response, ToolUse
from .live_answers import ONSET_SECONDS
from .speech_intervals import BLOCK_SECONDS, Interval, audible_intervals, join_intervals
from .turn_builder import mapping_of, span_of, stop_ms

if TYPE_CHECKING:
    from .. import live

DELEGATION = "delegation"
"""The name of a tool that stands for work that nobody called a function for."""

ONE_SPEECH, ONE_ANSWER = 1.0, 0.5
"""Seconds of silence that do not end what the caller, or the agent, says."""

_EARLIEST, _LATEST = 1.0, 2.0
"""
Seconds by which sound is heard before, or after, the place that it has by its length.

It is before where the sound of the session began late, and after where a player, or a
telephone, takes its time.
"""


@frozen(kw_only=True)
class LivePiece:
    """
    Something that the agent said without a longer silence.

    Attributes:
        came: when its sound came, in seconds of the recording.
        heard: when it was heard.
        text: its words.
    """

    came: Interval
    heard: Interval
    text: str = ""


@define
class _LiveTurnDraft:
    """A turn that is being put together."""

    opened: float
    speech: Optional[Interval] = None
    said: str = ""
    understood: str = ""
    pieces: list[LivePiece] = field(factory=list)
    tools: list[ToolUse] = field(factory=list)


@frozen(kw_only=True)
class LiveCall:
    """
    A call over GPT-Live as it can be measured.

    There are no turns on the wire. A turn begins when the caller begins to speak after
    a second of silence, or after the agent has begun, and has everything that the agent
    begins to say from then on.
    What the agent says and ends while the caller speaks on is agreement, and no answer.

    Attributes:
        turns: in order.
        user, agent: when who was to be heard.
        agent_track: the agent's sound where it was heard.
        interruptions: when the caller began to speak into an answer.
        tokens: what the whole session took: seconds, and the tokens of its backend.
    """

    turns: Sequence[CallTurn]
    user: Sequence[Interval]
    agent: Sequence[Interval]
    agent_track: Track
    interruptions: Sequence[float]
    tokens: Tokens

    @classmethod
    def of(
        cls,
        listener: LiveListener,
        snapshot: live.LiveSnapshot,
        notes: CallNotes,
    ) -> LiveCall:
        """
        Find it in the frames of a recording.

        Args:
            listener: has heard them.
            snapshot: the mirror at their end.
            notes: what a `Caller` has noted; it knows better when it spoke.
        """
        words = _LiveWords(listener, snapshot)
        user = audible_intervals(listener.user.stretches)
        if notes.utterances:
            user = tuple(each.interval for each in notes.utterances)
        elif not user:
            user = words.intervals("user")
        pieces = _live_pieces(listener, words, notes.onsets)
        drafts = _live_turn_drafts(notes.utterances, user, pieces, words)
        _assign_to_turns(
            drafts, pieces, _live_turn_tools(snapshot, listener, notes.outputs)
        )
        drafts.sort(key=lambda each: each.opened)
        return cls(
            turns=tuple(
                _live_turn(number, draft, user)
                for number, draft in enumerate(drafts, 1)
            ),
            user=user,
            agent=tuple(each.heard for each in pieces),
            agent_track=_live_track_as_heard(listener.server, pieces),
            interruptions=tuple(
                each.start
                for each in user
                if any(
                    piece.heard.start < each.start < piece.heard.end for piece in pieces
                )
            ),
            tokens=_live_tokens(snapshot),
        )


class _LiveWords:
    """
    What both sides said, in seconds of the recording.

    Args:
        listener: knows when the audio of each session began.
        snapshot: has the words.
    """

    def __init__(self, listener: LiveListener, snapshot: live.LiveSnapshot) -> None:
        self._sides: dict[str, list[tuple[Interval, str]]] = {}
        for side, begun in (("user", listener.begun), ("assistant", listener.answered)):
            line = snapshot.user if side == "user" else snapshot.assistant
            self._sides[side] = [
                (
                    Interval(start + each.start_ms / 1000, start + each.end_ms / 1000),
                    each.text,
                )
                for each in line.fragments
                if each.epoch < len(begun) and (start := begun[each.epoch]) is not None
            ]

    def intervals(self, side: str) -> tuple[Interval, ...]:
        """When a side spoke, by its words alone."""
        return join_intervals(
            (place for place, _ in self._sides[side]), pause=ONE_ANSWER
        )

    def nearest(self, side: str, places: Sequence[Interval]) -> list[str]:
        """
        What was said at some places, each word at the one that is nearest to it.

        The clock of a session is its audio, and a busy machine sends that late.
        """
        texts = [""] * len(places)
        for place, text in self._sides[side]:
            middle = (place.start + place.end) / 2
            found = min(
                range(len(places)),
                key=lambda number: _distance_of_live_turn(places[number], middle),
                default=None,
            )
            if found is not None:
                texts[found] += text
        return [text.strip() for text in texts]


def _distance_of_live_turn(interval: Interval, at: float) -> float:
    return max(0.0, interval.start - at, at - interval.end)


def _live_pieces(
    listener: LiveListener, words: _LiveWords, onsets: Sequence[float]
) -> list[LivePiece]:
    """What the agent said, each moved to where it was heard."""
    came = audible_intervals(listener.server.stretches, pause=ONE_ANSWER)
    if not came:
        # Recorded without its audio: of that, only the words are left.
        came = words.intervals("assistant")
    begins = audible_intervals(
        listener.server.stretches, pause=ONSET_SECONDS, share=0.0
    )
    lags = _live_lags([each.start for each in begins], onsets)
    pieces = []
    for each, text in zip(came, words.nearest("assistant", came)):
        # The loudest sound of a side tells what of it is loud, for a note nothing does.
        later = [lag for at, lag in lags if at <= each.start + BLOCK_SECONDS][-1:]
        start, end = (at + sum(later) for at in (each.start, each.end))
        pieces.append(LivePiece(came=each, heard=Interval(start, end), text=text))
    return pieces


def _live_lags(
    begins: Sequence[float], onsets: Sequence[float]
) -> list[tuple[float, float]]:
    """By how much what began at some times was heard later than that, or earlier."""
    lags = []
    lag, rest = 0.0, sorted(onsets)
    for begin, after in zip(begins, [*begins[1:], float("inf")]):
        due = begin + lag
        # What is as near to the next sound is of that one.
        until = min(begin + _LATEST, due + (after - begin) / 2)
        near = [at for at in rest if begin - _EARLIEST <= at < until]
        if near:
            noted = min(near, key=lambda at: abs(at - due))
            lag, rest = noted - begin, [at for at in rest if at > noted]
        lags.append((begin, lag))
    return lags


def _live_intervals_at_one_go(
    user: Iterable[Interval], pieces: Sequence[LivePiece]
) -> tuple[Interval, ...]:
    """What the caller said without a longer silence, or a word of the agent's."""
    found: list[Interval] = []
    for each in sorted(user):
        last = found[-1] if found else None
        if last is None or each.start - last.end >= ONE_SPEECH:
            found.append(each)
        elif any(last.end <= piece.heard.start < each.start for piece in pieces):
            found.append(each)
        else:
            found[-1] = Interval(last.start, max(last.end, each.end))
    return tuple(found)


def _live_turn_drafts(
    utterances: Sequence[CallerUtterance],
    user: Sequence[Interval],
    pieces: Sequence[LivePiece],
    words: _LiveWords,
) -> list[_LiveTurnDraft]:
    """A turn for each time that the caller began to speak."""
    spoken = [each.interval for each in utterances if each.kind != "dtmf"]
    places = _live_intervals_at_one_go(spoken if utterances else user, pieces)
    drafts = [
        _LiveTurnDraft(
            place.start,
            speech=place,
            said=" ".join(
                each.text
                for each in utterances
                if each.text and place.start <= each.interval.start <= place.end
            ),
            understood=text,
        )
        for place, text in zip(places, words.nearest("user", places))
    ]
    if not utterances:
        # A noise is no turn; what a caller said is one though nobody understood it.
        drafts = [each for each in drafts if each.understood]
    return drafts


def _assign_to_turns(
    drafts: list[_LiveTurnDraft], pieces: Iterable[LivePiece], tools: Iterable[ToolUse]
) -> None:
    """Give each turn what was said and done from its beginning on."""
    first = _LiveTurnDraft(0.0)
    turns = list(drafts)

    def latest(at: float) -> _LiveTurnDraft:
        return next((each for each in reversed(turns) if each.opened <= at), first)

    for piece in pieces:
        draft = latest(piece.heard.start)
        if draft.speech is None or piece.heard.end > draft.speech.end:
            draft.pieces.append(piece)
    for tool in tools:
        latest(tool.at or 0.0).tools.append(tool)
    if first.pieces or first.tools:
        drafts.append(first)


def _live_turn(
    number: int, draft: _LiveTurnDraft, user: Sequence[Interval]
) -> CallTurn:
    whole = span_of([piece.heard for piece in draft.pieces])
    stop = stop_ms(whole, (), user, draft.speech)
    return CallTurn(
        number=number,
        by_caller=draft.speech is not None,
        said=draft.said,
        understood=draft.understood,
        speech=draft.speech,
        speech_end=None if draft.speech is None else draft.speech.end,
        answer_sound=whole,
        responses=tuple(_live_turn_response(each) for each in draft.pieces),
        tools=tuple(draft.tools),
        interrupted=stop is not None,
        stop_ms=stop,
    )


def _live_turn_response(piece: LivePiece) -> Response:
    length = round(piece.heard.seconds * 1000, 3)
    return Response(
        id=f"at {piece.heard.start:.2f} s",
        status="completed",
        text=piece.text,
        # The model makes no more than what it says, and falls silent by itself.
        heard=piece.text,
        audio_ms=length,
        heard_ms=length,
    )


def _live_turn_tools(
    snapshot: live.LiveSnapshot, listener: LiveListener, outputs: Mapping[str, str]
) -> list[ToolUse]:
    """Functions that the backend had called; work without one is told as such."""
    used = []
    for work in snapshot.delegations.values():
        begun = listener.begun[work.epoch] if work.epoch < len(listener.begun) else None
        at = None if begun is None else begun + work.offset_ms / 1000
        for call in work.calls.values():
            used.append(
                ToolUse(
                    name=call.name,
                    arguments=mapping_of(call.arguments),
                    raw=call.arguments,
                    output=outputs.get(call.call_id),
                    call_id=call.call_id,
                    at=at,
                )
            )
        if not work.calls:
            target = {"target": work.target}
            used.append(
                ToolUse(
                    name=DELEGATION,
                    arguments=target,
                    raw=json.dumps(target),
                    output=_live_work_outcome(snapshot, work) or None,
                    call_id=work.id,
                    at=at,
                )
            )
    return used


def _live_work_outcome(snapshot: live.LiveSnapshot, work: Any) -> str:
    """What came of work: what a backend wrote, or the program let the voice know."""
    said = [
        each.content
        for each in snapshot.context
        if each.delegation_id == work.id and each.content
    ]
    return " ".join([*([work.text] if work.text else []), *said])


def _live_track_as_heard(track: Track, pieces: Sequence[LivePiece]) -> Track:
    """The agent's sound, without its silence, where it was heard."""
    moved = Track()
    for piece in pieces:
        for each in track.stretches:
            place = Interval(
                max(each.start, piece.came.start), min(each.end, piece.came.end)
            )
            width = each.per_second // each.rate
            first, last = (
                int((at - each.start) * each.rate) * width
                for at in (place.start, place.end)
            )
            if place.seconds > 0:
                start = place.start + piece.heard.start - piece.came.start
                sound = each.data[first:last]
                moved.stretches.append(Stretch(start, sound, each.format, each.rate))
    return moved


def _live_tokens(snapshot: live.LiveSnapshot) -> Tokens:
    total = Tokens(seconds=snapshot.usage.total_seconds)
    for taken, given in snapshot.usage.backend.values():
        total += Tokens(total=taken + given, input=taken, output=given)
    return total
