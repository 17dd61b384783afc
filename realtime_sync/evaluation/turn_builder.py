"""Put the turns of a call together from its frames, its mirror and its sound."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Optional

from attrs import define, field, frozen

from ..report import Listener, Stretch
from ..state.latency import Turn
from ..telemetry import Tokens
from .call_notes import CallerUtterance, CallNotes
from .call_turns import CallTurn, Response, ToolUse
from .speech_intervals import Interval, audible_intervals

if TYPE_CHECKING:
    from .. import Snapshot
    from ..state.snapshot import Item, ResponseState

_TURN_DETECTED = "turn_detected"


@frozen(kw_only=True)
class CallSpeech:
    """
    When who was to be heard.

    Attributes:
        user, agent: intervals of both sides.
        utterances: what a `Caller` says that it said; empty for other recordings.
        sounding: when each item of the agent's was played, by item id.
        audible: from the first to the last loud sound of each item, by item id.
    """

    user: Sequence[Interval]
    agent: Sequence[Interval]
    utterances: Sequence[CallerUtterance] = ()
    sounding: Mapping[str, Interval] = field(factory=dict)
    audible: Mapping[str, Interval] = field(factory=dict)

    @classmethod
    def of(cls, listener: Listener, notes: CallNotes) -> CallSpeech:
        """Find it in the sound; what a `Caller` has noted is known better."""
        user = audible_intervals(listener.user.stretches)
        agent = audible_intervals(listener.server.stretches)
        heard = agent
        if not user and not agent:
            # Recorded without its audio: of that, only the length is left.
            heard = tuple(Interval(s.start, s.end) for s in listener.server.stretches)
        if notes.utterances:
            user = tuple(each.interval for each in notes.utterances)
        sounding = _turn_intervals_by_item(listener.server.stretches)
        return cls(
            user=user,
            agent=heard,
            utterances=tuple(notes.utterances),
            sounding=sounding,
            audible={
                item_id: loud
                for item_id, whole in sounding.items()
                if (loud := _turn_interval_within(heard, whole)) is not None
            },
        )

    @property
    def interruptions(self) -> tuple[float, ...]:
        """When the user began to speak while an answer was playing."""
        return tuple(
            each.start
            for each in self.user
            if any(
                answer.start < each.start < answer.end
                for answer in self.audible.values()
            )
        )


def turns_of(
    listener: Listener, snapshot: Snapshot, speech: CallSpeech
) -> tuple[CallTurn, ...]:
    """The turns of a call, in order."""
    drafts = _call_turn_drafts(listener, snapshot, speech)
    kept = [each for each in drafts if each.counts]
    return tuple(
        draft.turn(number, snapshot, speech, listener)
        for number, draft in enumerate(kept, start=1)
    )


@define
class _CallTurnDraft:
    """A turn that is being put together."""

    opened: float
    item: Optional[Item] = None
    speech: Optional[Interval] = None
    said: str = ""
    # Whether a caller has told when it spoke, in words or not.
    noted: bool = False
    spoken: bool = False
    responses: list[Turn] = field(factory=list)

    @property
    def counts(self) -> bool:
        """What was written and not answered is history, or a note to the agent."""
        return self.spoken or bool(self.responses)

    def turn(
        self, number: int, snapshot: Snapshot, speech: CallSpeech, listener: Listener
    ) -> CallTurn:
        """The finished turn."""
        states = [
            state
            for each in self.responses
            if (state := snapshot.responses.get(each.response_id or "")) is not None
        ]
        made = [item_id for state in states for item_id in _items_of_turn(state)]
        sounds = [speech.audible[each] for each in made if each in speech.audible]
        whole = span_of(sounds)
        cut = [listener.cut[each] for each in made if each in listener.cut]
        stop = stop_ms(whole, cut, speech.user, self.speech)
        detected = any(each.interrupted for each in self.responses)
        if whole is None and _turn_cut_before_heard(cut, speech.user, self.speech):
            detected = True
        return CallTurn(
            number=number,
            by_caller=self.item is not None or self.spoken,
            said=self.said,
            understood=self.item.said if self.item is not None else "",
            speech=self.speech,
            speech_end=self._speech_end(),
            answer_sound=whole,
            responses=tuple(_response_of_turn(state, snapshot) for state in states),
            tools=tuple(_tools_of_turn(states, snapshot, listener)),
            interrupted=stop is not None or detected,
            stop_ms=stop,
            tokens=Tokens.sum(Tokens.of(each.usage) for each in self.responses),
        )

    def _speech_end(self) -> Optional[float]:
        first = self.responses[0].start if self.responses else None
        if self.speech is not None and self.noted:
            # A caller knows the end of its words better than it can be heard.
            committed = self.opened
            if self.speech.end <= committed:
                return self.speech.end
        return first


def _call_turn_drafts(
    listener: Listener, snapshot: Snapshot, speech: CallSpeech
) -> list[_CallTurnDraft]:
    by_item: dict[str, _CallTurnDraft] = {}
    for item in snapshot.items:
        if item.type == "message" and item.role == "user":
            begun = listener.at.get(item.id, 0.0)
            at = listener.committed.get(item.id, begun)
            spoken = item.id in listener.committed
            by_item[item.id] = _CallTurnDraft(at, item, spoken=spoken)
    drafts = sorted(by_item.values(), key=lambda each: each.opened)
    _assign_speech(drafts, speech)
    drafts += _unanswered_call_turns(drafts, speech)
    drafts.sort(key=lambda each: each.opened)
    for response in listener.turns:
        state = snapshot.responses.get(response.response_id or "")
        if state is not None and state.out_of_band:
            continue
        created = response.moments.get("created", response.start)
        draft = by_item.get(response.item_id or "") or _latest_call_turn(
            drafts, created
        )
        if draft is None:
            draft = _CallTurnDraft(created)
            drafts.insert(0, draft)
        draft.responses.append(response)
    return drafts


def _assign_speech(drafts: Sequence[_CallTurnDraft], speech: CallSpeech) -> None:
    """What was spoken since the last commit is what was committed."""
    since = 0.0
    for draft in drafts:
        if not draft.spoken:
            continue
        own = [each for each in speech.user if since <= each.start < draft.opened]
        draft.speech = span_of(own)
        told = [
            each
            for each in speech.utterances
            if since <= each.interval.start < draft.opened
        ]
        draft.noted = bool(told)
        draft.said = " ".join(each.text for each in told if each.text)
        since = draft.opened


def _unanswered_call_turns(
    drafts: Sequence[_CallTurnDraft], speech: CallSpeech
) -> list[_CallTurnDraft]:
    """What a caller said last and the server never took for a turn."""
    last = max((each.opened for each in drafts if each.spoken), default=0.0)
    return [
        _CallTurnDraft(
            each.interval.end,
            speech=each.interval,
            said=each.text,
            noted=True,
            spoken=True,
        )
        for each in speech.utterances
        if each.interval.start >= last and each.kind != "dtmf"
    ]


def _latest_call_turn(
    drafts: Sequence[_CallTurnDraft], at: float
) -> Optional[_CallTurnDraft]:
    """The turn that was open at a time."""
    before = [each for each in drafts if each.opened <= at]
    return before[-1] if before else None


def _response_of_turn(state: ResponseState, snapshot: Snapshot) -> Response:
    items = [snapshot.item(item_id) or item for item_id, item in _output_of_turn(state)]
    gone = [snapshot.item(item_id) is None for item_id, _ in _output_of_turn(state)]
    messages = [
        (item, deleted) for item, deleted in zip(items, gone) if item.type == "message"
    ]
    details = state.status_details
    return Response(
        id=state.id,
        status=state.status,
        reason=str(getattr(details, "reason", None) or ""),
        text=" ".join(item.said for item, _ in messages if item.said),
        heard=" ".join(
            item.heard for item, deleted in messages if item.heard and not deleted
        ),
        written=any(part.text for item, _ in messages for part in item.content),
        audio_ms=float(sum(item.audio_ms for item, _ in messages)),
        heard_ms=float(
            sum(
                item.audio_ms if item.heard_ms is None else item.heard_ms
                for item, deleted in messages
                if not deleted
            )
        ),
    )


def _output_of_turn(state: ResponseState) -> Iterator[tuple[str, Item]]:
    for item in state.output:
        yield item.id, item


def _items_of_turn(state: ResponseState) -> tuple[str, ...]:
    """Ids of the items of a response."""
    return state.items or tuple(item.id for item in state.output)


def _tools_of_turn(
    states: Sequence[ResponseState], snapshot: Snapshot, listener: Listener
) -> Iterator[ToolUse]:
    outputs = {
        item.call_id: item.output
        for item in snapshot.items
        if item.type == "function_call_output"
    }
    for state in states:
        for item in state.output:
            if item.type not in ("function_call", "mcp_call"):
                continue
            raw = item.arguments or ""
            yield ToolUse(
                name=item.name or "",
                arguments=mapping_of(raw),
                raw=raw,
                output=outputs.get(item.call_id, item.output),
                call_id=item.call_id or "",
                at=listener.at.get(item.id),
            )


def mapping_of(text: str) -> Mapping[str, object]:
    """The arguments in a JSON text; empty if it is no object."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        # A model has written it: deep nesting is as little an object as "oops".
        return {}
    return value if isinstance(value, dict) else {}


def _turn_intervals_by_item(stretches: Sequence[Stretch]) -> dict[str, Interval]:
    found: dict[str, Interval] = {}
    for each in stretches:
        item_id = each.item_id or ""
        known = found.get(item_id)
        start = each.start if known is None else known.start
        found[item_id] = Interval(start, each.end)
    return found


def _turn_interval_within(
    intervals: Sequence[Interval], whole: Interval
) -> Optional[Interval]:
    """From the first to the last loud sound within a time."""
    parts = [
        Interval(max(each.start, whole.start), min(each.end, whole.end))
        for each in intervals
        if each.overlap(whole) > 0
    ]
    return span_of(parts)


def span_of(intervals: Sequence[Interval]) -> Optional[Interval]:
    """From the beginning of the first to the end of the last; None without any."""
    if not intervals:
        return None
    return Interval(
        min(each.start for each in intervals), max(each.end for each in intervals)
    )


def stop_ms(
    answer: Optional[Interval],
    cut: Sequence[float],
    user: Sequence[Interval],
    own: Optional[Interval],
) -> Optional[float]:
    """
    How long an answer went on when the user had begun to speak into it.

    Args:
        answer: when it was heard.
        cut: when the program stopped playing it; later than its last sound where a
            busy machine had played it with gaps.
        user: when the user spoke.
        own: what is answered; speech up to its end is no interruption.
    """
    if answer is None:
        return None
    for each in user:
        if own is not None and each.start <= own.end:
            continue
        if answer.start < each.start < answer.end:
            return round((answer.end - each.start) * 1000, 3)
        stopped = [at for at in cut if at > each.start > answer.start]
        if stopped:
            return round((min(stopped) - each.start) * 1000, 3)
    return None


def _turn_cut_before_heard(
    cut: Sequence[float], user: Sequence[Interval], own: Optional[Interval]
) -> bool:
    """Whether the user spoke before anything of an answer was heard."""
    since = 0.0 if own is None else own.end
    return any(since < each.start < at for each in user for at in cut)
