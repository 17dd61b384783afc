"""
``reduce(snapshot, event)``: what is known of a session after one more event.

The table says which function follows which event; every event of GPT-Live is
in it or among those that are not mirrored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Optional, TypeVar, Union

from attrs import evolve

from ...protocol.events._base import ClientEvent, ServerEvent, UnknownEvent
from ...protocol.lazy_audio import audio_size
from ...protocol.live.acks import command_refused_by, is_failed_handoff
from ..frozen_records import evolve_record
from ..snapshot_changes import text_or_none
from .fragments import Fragment
from .snapshot import LiveSnapshot
from .snapshot_parts import Appended, DelegatedCall, Delegation, LiveAudio, LiveUsage

if TYPE_CHECKING:
    from ...protocol.live import events
    from ...protocol.live.backend_events import (
        OutputItemDone,
        OutputTextDelta,
        ResponseCompleted,
        ResponseCreated,
        ResponseFailed,
        ResponseIncomplete,
    )

T = TypeVar("T")
Reducer = Callable[[LiveSnapshot, Any], LiveSnapshot]

MOST: Final = 1000
"""Appended texts, delegations, decisions and anomalies that are kept, of each."""

MOST_OF_ONE: Final = 256
"""Responses and calls of one delegation that are listed, of each."""

MOST_MODELS: Final = 64
"""Models of the backend whose tokens are told apart."""

OTHERS: Final = "(others)"
"""Under which the tokens of all further models are."""

RECENT: Final = 64
"""Decisions among which one that is told again is looked for."""

TOLD: Final = 256
"""Events of the backend among which one that is told again is looked for."""

TOO_MUCH: Final = 1e15
"""Seconds or tokens that nothing can have taken."""

LONGEST: Final = 1 << 20
"""Characters of the backend's text that are kept of one delegation."""


def _live_snapshot_with(snapshot: LiveSnapshot, **changes: object) -> LiveSnapshot:
    return evolve_record(snapshot, changes)


def _reduced_number(value: object) -> Optional[float]:
    return value if isinstance(value, (int, float)) else None


def _reduced_amount(value: object) -> Optional[float]:
    """What something took; what cannot be is no statement."""
    number = _reduced_number(value)
    return number if number is not None and 0 <= number < TOO_MUCH else None


def note_live_anomaly(snapshot: LiveSnapshot, problem: str) -> LiveSnapshot:
    """Return the snapshot with one more anomaly."""
    return _live_snapshot_with(
        snapshot, anomalies=(*snapshot.anomalies, problem)[-MOST:]
    )


def _reduce_started(
    snapshot: LiveSnapshot, event: Union[events.SessionStarted, events.SessionUpdated]
) -> LiveSnapshot:
    session_id = text_or_none(getattr(event.session, "id", None)) or ""
    told = _live_snapshot_with(snapshot, session=event.session, state="active")
    if session_id == snapshot.id:
        return told  # Said again to whoever attaches again.
    # Nothing of a session goes over to the one that takes its place.
    left = {
        name: evolve(each, state="abandoned") if each.state == "open" else each
        for name, each in snapshot.delegations.items()
    }
    return _live_snapshot_with(
        told,
        epochs=(*snapshot.epochs, session_id),
        close_reason=None,
        audio=LiveAudio(),
        usage=LiveUsage(
            earlier_seconds=snapshot.usage.total_seconds,
            backend=snapshot.usage.backend,
        ),
        delegations=MappingProxyType(left),
        context=tuple(
            evolve(each, lost=True) if each.unanswered else each
            for each in snapshot.context
        ),
    )


def _reduce_updated(
    snapshot: LiveSnapshot, event: events.SessionUpdated
) -> LiveSnapshot:
    if not snapshot.epochs:
        return _reduce_started(snapshot, event)  # Whoever attaches late learns it here.
    return _live_snapshot_with(snapshot, session=event.session)


def _reduce_usage(
    snapshot: LiveSnapshot,
    event: Union[events.SessionClosed, events.SessionUsageUpdated],
) -> LiveSnapshot:
    told, window = event.usage, getattr(event, "context_window", None)
    ratio = _reduced_number(getattr(window, "usage_ratio", None))
    seconds = _reduced_amount(getattr(told, "seconds", None))
    before = snapshot.usage
    usage = evolve(
        before,
        seconds=before.seconds if seconds is None else seconds,
        active_seconds=_reduced_number(getattr(told, "active_seconds", None)),
        paused_seconds=_reduced_number(getattr(told, "paused_seconds", None)),
        context_ratio=before.context_ratio if ratio is None else ratio,
    )
    return _live_snapshot_with(snapshot, usage=usage)


def _reduce_closed(snapshot: LiveSnapshot, event: events.SessionClosed) -> LiveSnapshot:
    told = _reduce_usage(snapshot, event)
    return _live_snapshot_with(
        told, state="closed", close_reason=text_or_none(event.reason)
    )


def _reduce_paused(snapshot: LiveSnapshot, event: ServerEvent) -> LiveSnapshot:
    return _live_snapshot_with(snapshot, state="paused")


def _reduce_resumed(snapshot: LiveSnapshot, event: ServerEvent) -> LiveSnapshot:
    return _live_snapshot_with(snapshot, state="active")


def _reduce_audio(**changes: bool) -> Reducer:
    def follow(snapshot: LiveSnapshot, event: ServerEvent) -> LiveSnapshot:
        return _live_snapshot_with(snapshot, audio=evolve(snapshot.audio, **changes))

    return follow


def _reduce_output_audio(
    snapshot: LiveSnapshot, event: events.OutputAudioDelta
) -> LiveSnapshot:
    before = snapshot.audio
    # Written out: it comes ten times a second, and `evolve` looks at every field.
    audio = LiveAudio(
        received_bytes=before.received_bytes + audio_size(event),
        sent_bytes=before.sent_bytes,
        muted=before.muted,
        fixture=before.fixture,
    )
    return _live_snapshot_with(snapshot, audio=audio)


def _reduce_transcript(speaker: str) -> Reducer:
    def follow(
        snapshot: LiveSnapshot,
        event: Union[events.InputTranscriptDelta, events.OutputTranscriptDelta],
    ) -> LiveSnapshot:
        text, event_id = text_or_none(event.delta), text_or_none(event.event_id)
        if text is None or event_id and snapshot.said.has(event_id, snapshot.epoch):
            return snapshot  # Whoever attaches again hears the last seconds twice.
        start, end = _reduced_number(event.start_ms), _reduced_number(event.end_ms)
        if start is None or end is None or end < start:
            snapshot = note_live_anomaly(snapshot, f"{event.type}: no interval")
            side = snapshot.user if speaker == "user" else snapshot.assistant
            start = end = side.last_ms
        fragment = Fragment(
            speaker=speaker,
            text=text,
            start_ms=start,
            end_ms=end,
            event_id=event_id,
            epoch=snapshot.epoch,
        )
        return _live_snapshot_with(snapshot, said=snapshot.said.add(fragment))

    return follow


def _reduce_appended(kind: str) -> Reducer:
    def follow(
        snapshot: LiveSnapshot,
        event: Union[
            events.InstructionsAppended,
            events.ThinkingAppended,
            events.CommentaryAppended,
        ],
    ) -> LiveSnapshot:
        at = _waiting_text_to_reduce(
            snapshot, kind, text_or_none(event.client_event_id)
        )
        if at is None and _told_before_reducing(snapshot, kind, event):
            return snapshot
        asked = Appended(kind=kind) if at is None else snapshot.context[at]
        told = evolve(
            asked,
            acknowledged=True,
            start_ms=_reduced_number(event.start_ms),
            end_ms=_reduced_number(event.end_ms),
            epoch=snapshot.epoch,
        )
        at = len(snapshot.context) if at is None else at
        context = (*snapshot.context[:at], told, *snapshot.context[at + 1 :])
        after = _live_snapshot_with(snapshot, context=context[-MOST:])
        if kind != "commentary" or told.delegation_id is None:
            return after
        return _reduce_work_change(after, told.delegation_id, {"state": "answered"})

    return follow


def _waiting_text_to_reduce(
    snapshot: LiveSnapshot, kind: str, named: Optional[str]
) -> Optional[int]:
    """Where the text is that an answer is about: as named, else the oldest."""
    for at, each in enumerate(snapshot.context):
        # A session that took the place of another knows nothing of what that was told.
        if each.kind == kind and each.pending and each.epoch == snapshot.epoch:
            if named in (None, each.event_id):
                return at
    return None


def _told_before_reducing(snapshot: LiveSnapshot, kind: str, event: Any) -> bool:
    """Whether a text is known to be taken up: whoever attaches again hears it twice."""
    named = text_or_none(event.client_event_id)
    span = (
        _reduced_number(event.start_ms),
        _reduced_number(event.end_ms),
        snapshot.epoch,
    )
    return any(
        each.event_id == named and (each.start_ms, each.end_ms, each.epoch) == span
        for each in snapshot.context
        if each.kind == kind and each.acknowledged
    )


def _reduce_refused(snapshot: LiveSnapshot, event: events.Error) -> LiveSnapshot:
    """
    Follow the refusal of a text, which no later answer is about.

    An error that names no command belongs to none; the backend may have failed.
    """
    named = command_refused_by(event)
    if is_failed_handoff(event):
        return _live_snapshot_with(
            snapshot,
            delegations=MappingProxyType(
                {
                    name: _reduce_given_up(each, snapshot.epoch)
                    for name, each in snapshot.delegations.items()
                }
            ),
        )
    for at, each in enumerate(snapshot.context):
        if named is not None and each.event_id == named and each.pending:
            told = evolve(each, refused=True)
            context = (*snapshot.context[:at], told, *snapshot.context[at + 1 :])
            return _live_snapshot_with(snapshot, context=context)
    return snapshot


def _reduce_given_up(work: Delegation, epoch: int) -> Delegation:
    if (work.state, work.target, work.epoch) != ("open", "responses", epoch):
        return work
    return evolve(work, state="failed", calls=_reduce_dropped_calls(work.calls))


def _reduce_dropped_calls(
    calls: Mapping[str, DelegatedCall],
) -> Mapping[str, DelegatedCall]:
    """The calls of work that has failed: nobody waits for an output."""
    return MappingProxyType(
        {
            name: evolve(each, state="dropped") if each.state == "open" else each
            for name, each in calls.items()
        }
    )


def _reduce_work_change(
    snapshot: LiveSnapshot, delegation_id: str, changes: Mapping[str, Any]
) -> LiveSnapshot:
    before = snapshot.delegations.get(delegation_id)
    if before is None:
        before = Delegation(id=delegation_id, epoch=snapshot.epoch)
    after = _bounded_reduced_work(evolve(before, **changes))
    if after.dropped and not before.dropped:
        told = f"more than {MOST_OF_ONE} responses or calls; the oldest are not listed"
        snapshot = note_live_anomaly(snapshot, f"{delegation_id}: {told}")
    every = {**snapshot.delegations, delegation_id: after}
    while len(every) > MOST:
        over = (name for name, each in every.items() if each.state != "open")
        oldest = next(over, None)
        if oldest is None:
            oldest = next(iter(every))
            snapshot = note_live_anomaly(
                snapshot, f"{oldest}: forgotten while it is open"
            )
        del every[oldest]
    return _live_snapshot_with(snapshot, delegations=MappingProxyType(every))


def _bounded_reduced_work(work: Delegation) -> Delegation:
    """The work with the latest of what its backend has named."""
    surplus = max(len(work.response_ids), len(work.calls), len(work.sequence))
    if surplus <= MOST_OF_ONE:
        return work
    lost = (max(0, len(x) - MOST_OF_ONE) for x in (work.response_ids, work.calls))
    return evolve(
        work,
        response_ids=work.response_ids[-MOST_OF_ONE:],
        calls=_latest_reduced(work.calls),
        sequence=_latest_reduced(work.sequence),
        dropped=work.dropped + sum(lost),
    )


def _latest_reduced(every: Mapping[str, T]) -> Mapping[str, T]:
    kept = tuple(every.items())[-MOST_OF_ONE:]
    return MappingProxyType(dict(kept))


def _reduce_delegated(
    snapshot: LiveSnapshot, event: events.DelegationCreated
) -> LiveSnapshot:
    task = event.delegation
    delegation_id = text_or_none(getattr(task, "id", None))
    if not task or delegation_id is None:
        return note_live_anomaly(snapshot, f"{event.type}: no id")
    before = snapshot.delegations.get(delegation_id) or Delegation(id=delegation_id)
    response_id, known = text_or_none(task.response_id), before.response_ids
    if response_id is not None and response_id not in known:
        known = (response_id, *known)
    changes: dict[str, Any] = {
        "target": text_or_none(task.target) or "",
        "offset_ms": _reduced_number(event.offset_ms) or 0,
        "response_ids": known,
    }
    if evolve(before, **changes) == before:
        return snapshot  # Told again.
    return _reduce_work_change(snapshot, delegation_id, changes)


def _reduce_backend_event(
    snapshot: LiveSnapshot, event: events.ResponseEvent
) -> LiveSnapshot:
    inner, delegation_id = event.event, text_or_none(event.delegation_id)
    follow = _BACKEND.get(getattr(inner, "type", ""))
    if follow is None or delegation_id is None:
        return snapshot
    number = getattr(inner, "sequence_number", None)
    event_id = (
        text_or_none(event.event_id) if isinstance(number, int) and number else None
    )
    if event_id is not None:
        # By its number alone, what comes again of the response before would be
        # taken for the next of this one: only some events name theirs.
        key = f"{number} {event_id}"
        if key in snapshot.told:
            return snapshot
        snapshot = _live_snapshot_with(snapshot, told=(*snapshot.told, key)[-TOLD:])
    before = snapshot.delegations.get(delegation_id) or Delegation(id=delegation_id)
    place = _reduce_placed(before, inner)
    if place is None:
        # Told again; what follows is of that response.
        return _reduce_work_change(
            snapshot, delegation_id, {"current": _reduce_named_response(before, inner)}
        )
    changes = {**follow(before, inner), **place}
    after = (
        _reduce_work_change(snapshot, delegation_id, changes) if changes else snapshot
    )
    if len(changes.get("text", "")) == LONGEST != len(before.text):
        told = f"a text has {LONGEST} characters; what comes is left out"
        after = note_live_anomaly(after, f"{event.type}: {told}")
    return _reduce_counted(after, inner)


def _reduce_named_response(before: Delegation, inner: Any) -> Optional[str]:
    """The response that an event of the backend is of: its own, else the current."""
    return (
        text_or_none(getattr(getattr(inner, "response", None), "id", None))
        or before.current
    )


def _reduce_placed(before: Delegation, inner: Any) -> Optional[dict[str, Any]]:
    """
    What an event changes of the places; None for one that was told before.

    A server that numbers nothing, or everything 0, is taken at its word.
    """
    name, number = _reduce_named_response(before, inner), getattr(
        inner, "sequence_number", None
    )
    if name is None:
        return {}
    places = before.sequence
    if isinstance(number, int):
        if 0 < number <= places.get(name, -1):
            return None
        if number > places.get(name, -1):
            places = MappingProxyType({**places, name: number})
    current: Optional[str] = name
    if inner.type != "response.created" and name in before.response_ids[:-1]:
        current = before.current  # A late end: the words go on in the latest.
    if current == before.current and places is before.sequence:
        return {}
    return {"current": current, "sequence": places}


def _reduce_response_created(
    before: Delegation, inner: ResponseCreated
) -> dict[str, Any]:
    response_id = text_or_none(getattr(inner.response, "id", None))
    known = before.response_ids
    if response_id in before.sequence:
        return {}  # Told again, when it may be over.
    if response_id is None or response_id in known:
        return {"state": "open"}
    return {"state": "open", "response_ids": (*known, response_id)}


def _reduce_item_done(before: Delegation, inner: OutputItemDone) -> dict[str, Any]:
    item = inner.item
    call_id = text_or_none(getattr(item, "call_id", None))
    if call_id is None or call_id in before.calls:
        return {}
    call = DelegatedCall(
        call_id=call_id,
        name=text_or_none(getattr(item, "name", None)) or "",
        arguments=text_or_none(getattr(item, "arguments", None)) or "",
        state="dropped" if getattr(item, "status", None) == "incomplete" else "open",
        response_id=before.response_ids[-1] if before.response_ids else None,
    )
    return {"calls": MappingProxyType({**before.calls, call_id: call})}


def _reduce_text_delta(before: Delegation, inner: OutputTextDelta) -> dict[str, Any]:
    return {"text": (before.text + (text_or_none(inner.delta) or ""))[:LONGEST]}


def _reduce_completed(before: Delegation, inner: ResponseCompleted) -> dict[str, Any]:
    # What is empty in a response says nothing; whether it called something does.
    response_id = text_or_none(getattr(inner.response, "id", None))
    called = any(each.response_id == response_id for each in before.calls.values())
    latest = not before.response_ids or before.response_ids[-1] == response_id
    return {} if called or not latest else {"state": "answered"}


def _reduce_failed(
    before: Delegation, inner: Union[ResponseFailed, ResponseIncomplete]
) -> dict[str, Any]:
    response_id, known = (
        text_or_none(getattr(inner.response, "id", None)),
        before.response_ids,
    )
    # Said late of a response that another has followed: the work goes on in that.
    earlier = response_id in known[:-1]
    calls = {
        name: each
        for name, each in before.calls.items()
        if not earlier or each.response_id == response_id
    }
    after = MappingProxyType({**before.calls, **_reduce_dropped_calls(calls)})
    return {"calls": after} if earlier else {"calls": after, "state": "failed"}


_BACKEND: Final[Mapping[str, Callable[[Delegation, Any], dict[str, Any]]]] = {
    "response.created": _reduce_response_created,
    "response.output_item.done": _reduce_item_done,
    "response.output_text.delta": _reduce_text_delta,
    "response.completed": _reduce_completed,
    "response.failed": _reduce_failed,
    "response.incomplete": _reduce_failed,
}
"""Event of the backend -> what changes of the work that it does."""


def _reduce_counted(snapshot: LiveSnapshot, inner: object) -> LiveSnapshot:
    response = getattr(inner, "response", None)
    usage = getattr(response, "usage", None)
    if not usage:
        return snapshot
    model = text_or_none(getattr(response, "model", None)) or ""
    known = snapshot.usage.backend
    if model not in known and len(known) >= MOST_MODELS:
        model = OTHERS
    taken, given = snapshot.usage.backend.get(model, (0, 0))
    taken += int(_reduced_amount(usage.input_tokens) or 0)
    given += int(_reduced_amount(usage.output_tokens) or 0)
    backend = MappingProxyType({**snapshot.usage.backend, model: (taken, given)})
    return _live_snapshot_with(snapshot, usage=evolve(snapshot.usage, backend=backend))


def _reduce_decided(
    snapshot: LiveSnapshot, event: events.DecisionEvent
) -> LiveSnapshot:
    event_id = text_or_none(event.event_id)
    recent = snapshot.decisions[-RECENT:]
    if event_id is not None and any(each.event_id == event_id for each in recent):
        return snapshot  # Told again.
    after = _live_snapshot_with(
        snapshot, decisions=(*snapshot.decisions, event)[-MOST:]
    )
    delegation_id = text_or_none(event.delegation_id)
    if delegation_id is None:
        return after
    return _reduce_work_change(after, delegation_id, {"state": "answered"})


REDUCERS: Final[Mapping[str, Reducer]] = MappingProxyType(
    {
        "session.started": _reduce_started,
        "session.updated": _reduce_updated,
        "session.closed": _reduce_closed,
        "session.paused": _reduce_paused,
        "session.resumed": _reduce_resumed,
        "session.usage.updated": _reduce_usage,
        "session.delegation.created": _reduce_delegated,
        "session.input_audio.muted": _reduce_audio(muted=True),
        "session.input_audio.unmuted": _reduce_audio(muted=False),
        "session.output_audio.delta": _reduce_output_audio,
        "session.output_audio.fixture.playing": _reduce_audio(fixture=True),
        "session.output_audio.fixture.played": _reduce_audio(fixture=False),
        "session.input_transcript.delta": _reduce_transcript("user"),
        "session.output_transcript.delta": _reduce_transcript("assistant"),
        "session.instructions.appended": _reduce_appended("instructions"),
        "session.thinking.appended": _reduce_appended("thinking"),
        "session.commentary.appended": _reduce_appended("commentary"),
        "decision.event": _reduce_decided,
        "response.event": _reduce_backend_event,
        "error": _reduce_refused,
    }
)
"""Event type -> what becomes of the snapshot."""

NOT_MIRRORED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "session.input_audio.append": "the user's audio, for whoever listens",
        "decision.item.created": "items of decisions are the application's own",
        "decision.item.deleted": "items of decisions are the application's own",
        "transport.ringing": "a telephone, no state of the session",
        "transport.answered": "a telephone, no state of the session",
        "transport.failed": "a telephone, no state of the session",
        "transport.dtmf.received": "a key of a telephone, no state",
        "transport.dtmf.send": "a key of a telephone, no state",
        "transport.dtmf.sent": "a key of a telephone, no state",
        "info": "says nothing of the session",
    }
)
"""Event type -> why it changes nothing."""


def reduce_live(snapshot: LiveSnapshot, event: ServerEvent) -> LiveSnapshot:
    """
    Return what is known of a session after an event.

    Pure: the snapshot that is given stays what it is.

    Args:
        snapshot: what was known before.
        event: a server event of GPT-Live.

    Returns:
        The same object if nothing changed, else one whose version is higher by
        one. Nothing that a server says raises.
    """
    after = snapshot
    if event.problems:
        after = note_live_anomaly(after, "; ".join(event.problems))
    if event.__class__ is not UnknownEvent:
        reducer = REDUCERS.get(event.type)
        if reducer is not None:
            after = reducer(after, event)
    if after is not snapshot:
        after.__dict__["version"] = snapshot.version + 1
    return after


def reduce_live_command(snapshot: LiveSnapshot, command: ClientEvent) -> LiveSnapshot:
    """
    Return the snapshot with what it must know of a command that was sent.

    The version stays: the server has confirmed nothing.
    """
    follow = COMMANDS.get(command.type)
    return snapshot if follow is None else follow(snapshot, command)


def _reduce_sent_audio(snapshot: LiveSnapshot, command: ClientEvent) -> LiveSnapshot:
    sent = snapshot.audio.sent_bytes + audio_size(command, "audio")
    return _live_snapshot_with(snapshot, audio=evolve(snapshot.audio, sent_bytes=sent))


def _reduce_closing(snapshot: LiveSnapshot, command: ClientEvent) -> LiveSnapshot:
    return (
        snapshot
        if snapshot.state == "closed"
        else _live_snapshot_with(snapshot, state="closing")
    )


def _reduce_asked(
    snapshot: LiveSnapshot,
    command: Union[
        events.InstructionsAppend, events.ThinkingAppend, events.CommentaryAppend
    ],
) -> LiveSnapshot:
    appended = Appended(
        kind=command.type.split(".")[1],
        content=command.content,
        delegation_id=command.delegation_id,
        event_id=text_or_none(command.event_id),
        epoch=snapshot.epoch,
    )
    # Withdrawn from a session that was lost, it is sent to the one in its place. What
    # was recorded without ids is not the same for that.
    before = (
        each
        for each in snapshot.context
        if not each.unanswered
        or each.event_id is None
        or each.event_id != appended.event_id
    )
    return _live_snapshot_with(snapshot, context=(*before, appended)[-MOST:])


def _reduce_output(
    snapshot: LiveSnapshot, command: events.ResponseItemCreate
) -> LiveSnapshot:
    item = command.item
    # What was recorded may have any shape.
    call_id = str(item.get("call_id")) if isinstance(item, Mapping) else ""
    for each in snapshot.delegations.values():
        call = each.calls.get(call_id)
        if call is not None and call.state == "open":
            calls = {**each.calls, call_id: evolve(call, state="answered")}
            return _reduce_work_change(
                snapshot, each.id, {"calls": MappingProxyType(calls)}
            )
    return snapshot


COMMANDS: Final[Mapping[str, Reducer]] = {
    "session.input_audio.append": _reduce_sent_audio,
    "session.close": _reduce_closing,
    "session.instructions.append": _reduce_asked,
    "session.thinking.append": _reduce_asked,
    "session.commentary.append": _reduce_asked,
    "response.item.create": _reduce_output,
}
"""Command -> what is remembered of it until the server answers, or for good."""
