"""The session itself, rate limits, errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional, Union

from attrs import evolve

from ...protocol.audio_formats import stated_audio_rate
from ..items import PCM_RATE
from ..snapshot import Snapshot
from ..snapshot_changes import (
    note_anomaly,
    text_or_none,
    update_snapshot,
    value_or_none,
)

MOST_RATE_LIMITS = 100
"""Names of rate limits that are remembered; services have two."""

_G711 = frozenset({"audio/pcmu", "audio/pcma"})


if TYPE_CHECKING:
    from ...protocol import events
    from ...protocol.audio_config import AudioConfig, AudioInput, AudioOutput
    from ...protocol.sessions import (
        RealtimeSession,
        TranscriptionSession,
        TranslationAudio,
        TranslationInput,
        TranslationOutput,
        TranslationSession,
    )

SessionEvent = Union[
    "events.SessionCreated",
    "events.SessionUpdated",
    "events.TranslationSessionCreated",
    "events.TranslationSessionUpdated",
]
Told = Union["RealtimeSession", "TranscriptionSession", "TranslationSession"]
Halves = Union["AudioConfig", "TranslationAudio"]
Half = Union["AudioInput", "AudioOutput", "TranslationInput", "TranslationOutput"]


def session_created_or_updated(snapshot: Snapshot, event: SessionEvent) -> Snapshot:
    """
    `session.created` and `session.updated`: the configuration in force.

    Some servers send ``created`` late, twice, or instead of ``updated``; it
    says nothing about items, so it never empties the conversation.
    """
    told = event.session
    if not told:
        return note_anomaly(snapshot, event, "no_session", "the event has no session")
    known = snapshot.session
    if event.type == "session.created" and known is not None:
        snapshot = note_anomaly(
            snapshot, event, "repeated", "the session was created before"
        )
    session = _overlaid_session(known, told)
    rate = session_audio_rate(session, default=PCM_RATE)
    return update_snapshot(snapshot, {"session": session, "_audio_rate": rate})


def _overlaid_session(known: Optional[Told], told: Told) -> Told:
    """Return what was told, completed by what it leaves out."""
    if type(known) is not type(told):
        return told
    kept = {
        name: getattr(known, name)
        for name in vars(told)
        if value_or_none(getattr(known, name)) is not None
        and is_absent(getattr(told, name))
    }
    if "audio" not in kept and known.audio and told.audio:
        kept["audio"] = _overlaid_session_halves(known.audio, told.audio)
    return evolve(told, **kept) if kept else told


def _overlaid_session_halves(known: Halves, told: Halves) -> Halves:
    halves: dict[str, Any] = {}
    for name in ("input", "output"):
        before, now = getattr(known, name), getattr(told, name)
        if not before or now is None:
            continue
        halves[name] = before if is_absent(now) else _filled_session(before, now)
    return evolve(told, **halves)


def _filled_session(known: Half, told: Half) -> Half:
    kept = {
        name: getattr(known, name)
        for name in vars(told)
        if is_absent(getattr(told, name))
    }
    return evolve(told, **kept)


def is_absent(value: object) -> bool:
    """Say whether a server left a field out; ``null`` is an answer."""
    return value is not None and value_or_none(value) is None


def session_audio_rate(resource: object, *, default: int, half: str = "output") -> int:
    """
    Return the bytes per second of the audio that a session or response has.

    Args:
        resource: a session or a response of the protocol.
        default: the rate if it does not say.
        half: ``output`` for what the model speaks, ``input`` for what it hears.
    """
    audio = value_or_none(getattr(resource, "audio", None))
    output = value_or_none(getattr(audio, half, None))
    spoken = value_or_none(getattr(output, "format", None))
    kind = text_or_none(getattr(spoken, "type", None))
    if kind is None:
        return default
    if kind in _G711:
        return 8_000
    # Anything else is a vendor's word for 16 bit PCM.
    rate = stated_audio_rate(getattr(spoken, "rate", None), PCM_RATE // 2)
    return rate * 2


def rate_limits_updated(
    snapshot: Snapshot, event: events.RateLimitsUpdated
) -> Snapshot:
    """`rate_limits.updated`: limits not named keep what was last said."""
    told = {each.name: each for each in value_or_none(event.rate_limits) or ()}
    if not told:
        return snapshot
    known = {each.name: each for each in snapshot.rate_limits}
    every = tuple({**known, **told}.values())
    if len(every) > MOST_RATE_LIMITS:
        detail = f"more than {MOST_RATE_LIMITS} names; the first are forgotten"
        snapshot = note_anomaly(snapshot, event, "rate_limits", detail)
    return update_snapshot(snapshot, {"rate_limits": every[-MOST_RATE_LIMITS:]})


def error(snapshot: Snapshot, event: events.Error) -> Snapshot:
    """`error`: what was refused will not come, nor go."""
    refused = text_or_none(getattr(value_or_none(event.error), "event_id", None))
    if refused is None:
        return snapshot
    for name in ("_asked", "_changing"):
        waiting = getattr(snapshot, name)
        left = tuple(each for each in waiting if each.event_id != refused)
        if len(left) != len(waiting):
            snapshot = update_snapshot(snapshot, {name: left})
    return snapshot
