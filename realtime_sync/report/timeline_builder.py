"""Make the story of a session, of its mirror alone or of a recording."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Optional, Union

from .. import Router, Snapshot, read_recording, replay
from ..protocol import sensitive
from ..state.latency import HASTE
from ..telemetry import Tokens
from ..transport.redaction import redact
from ..types import RecordingSource
from .live_timeline import LiveListener, add_live_timeline
from .recording_reader import Listener
from .timeline import Entry, Problem, Story, Utterance

if TYPE_CHECKING:
    from .. import live
    from ..state.snapshot import Item

MOST_ENTRIES = 3000
LONGEST_TEXT = 400
MOST_PROBLEMS = 1000

NO_TIMES = (
    "Made from the mirror of a session, which keeps neither audio nor times: "
    "record the session to have both."
)
HASTY = (
    "The user's audio was sent faster than it was spoken, so its place on the time "
    "line is that of its length, and the end of speech is when the server told of it."
)
WELL_CLOSED = ("close_requested", "remote_hangup")
"""Reasons for which a live session is closed, and nothing went wrong."""

NO_SOUND = "The recording was made without audio."


def timeline_of_snapshot(
    snapshot: Union[Snapshot, live.LiveSnapshot], title: str
) -> Story:
    """The story that a mirror alone can tell."""
    story = Story(title=title, remarks=[NO_TIMES])
    if isinstance(snapshot, Snapshot):
        _add_snapshot_to_timeline(story, snapshot, None)
    else:
        add_live_timeline(story, snapshot, None)
        _add_timeline_notes(story, snapshot)
    return story


def timeline_of_recording(source: RecordingSource, title: str) -> Story:
    """
    The story of a recording.

    Raises:
        OSError: the file cannot be read.
        ConfigurationError: it is not a recording.
    """
    recorded = read_recording(source)
    live = recorded.session_type == "live"
    story, listener = Story(title=title), LiveListener() if live else Listener()
    lines = 0
    for line in recorded:
        lines += 1
        story.seconds = max(story.seconds, line.at)
        if line.direction == "note":
            listener.note(line.at, line.frame)
        else:
            listener.hear(line.at, line.frame)
        _enter_on_timeline(story, line.at, line.direction, line.frame)
        found = problem(line.at, line.frame, len(line.data))
        if found is not None:
            _add_timeline_problem(story, found)
    if recorded.started:
        when = datetime.fromtimestamp(recorded.started, timezone.utc)
        story.facts.append(("started", f"{when:%Y-%m-%d %H:%M:%S} UTC"))
    story.facts += [("length", f"{story.seconds:.1f} s"), ("events", f"{lines:,}")]
    if not live:
        story.facts.append(("dialect", recorded.dialect))
    story.user, story.server = listener.user, listener.server
    story.seconds = max(story.seconds, story.user.end, story.server.end)
    if listener.lead > HASTE:
        story.remarks.append(HASTY)
    snapshot: Any = replay(source, router=Router())
    if isinstance(listener, LiveListener):
        _tell_of_silent_timeline(story)
        add_live_timeline(story, snapshot, listener)
        _add_timeline_notes(story, snapshot)
        return story
    listener.finish()
    story.turns, story.marks = listener.turns, listener.marks
    _drop_silence_of_timeline(story, listener)
    _add_snapshot_to_timeline(story, snapshot, listener)
    return story


def _add_timeline_notes(story: Story, snapshot: live.LiveSnapshot) -> None:
    """Tell what did not fit in a live session."""
    for text in snapshot.anomalies:
        _add_timeline_problem(story, Problem("anomaly", text))


def _add_snapshot_to_timeline(
    story: Story, snapshot: Snapshot, listener: Optional[Listener]
) -> None:
    session = snapshot.session
    for name in ("model", "id", "type"):
        value = getattr(session, name, None)
        if isinstance(value, str) and value:
            story.facts.append((name, value))
    for item in _every_timeline_item(snapshot):
        story.utterances.append(utterance_of(item, listener))
    usage = snapshot.usage
    story.tokens = Tokens.sum(Tokens.of(turn.usage) for turn in story.turns)
    if not story.turns:
        story.tokens = Tokens(
            total=usage.total_tokens,
            input=usage.input_tokens,
            output=usage.output_tokens,
            cached=usage.cached_tokens,
            **{
                name: getattr(usage, f"{name}_tokens")
                for name in (
                    "input_text input_audio input_image cached_text cached_audio "
                    "cached_image output_text output_audio"
                ).split()
            },
        )
    if usage.transcription_tokens:
        story.facts.append(("transcription tokens", f"{usage.transcription_tokens:,}"))
    if usage.transcription_seconds:
        seconds = f"{usage.transcription_seconds:.1f} s"
        story.facts.append(("audio transcribed", seconds))
    for anomaly in snapshot.anomalies:
        times = f" ({anomaly.count} times)" if anomaly.count > 1 else ""
        text = f"{anomaly.event_type}: {anomaly.detail}{times}"
        _add_timeline_problem(story, Problem(f"anomaly: {anomaly.kind}", text))


def _every_timeline_item(snapshot: Snapshot) -> Iterable[Item]:
    yield from snapshot.items
    for response in snapshot.responses.values():
        if response.out_of_band:
            yield from response.output


def utterance_of(item: Item, listener: Optional[Listener] = None) -> Utterance:
    """
    What was said or written in an item, apart from what nobody heard of it.

    Args:
        item: of a snapshot.
        listener: knows what it sounded like and when, if there was one.
    """
    remarks = []
    if item.heard_ms is not None:
        remarks.append(f"cut off after {item.heard_ms / 1000:.1f} s")
    if item.out_of_band:
        remarks.append("beside the conversation")
    if item.status in ("incomplete", "failed"):
        remarks.append(str(item.status))
    text, said = _words_of_timeline_item(item), item.said
    sound = listener.sounds.get(item.id) if listener else None
    return Utterance(
        role=str(item.role) if item.type == "message" and item.role else "tool",
        text=text,
        item_id=item.id,
        at=listener.at.get(item.id) if listener else None,
        sound=(bytes(sound[0]), sound[1], sound[2]) if sound else None,
        unheard=said[len(text) :] if said.startswith(text) and item.truncated else "",
        remark=", ".join(remarks),
    )


def _words_of_timeline_item(item: Item) -> str:
    if item.type == "message":
        images = sum(1 for part in item.content if part.image_url)
        return str(item.heard) + " [image]" * images
    if item.type == "function_call_output":
        return f"→ {item.output or ''}"
    if item.name:
        output = f" → {item.output}" if item.output else ""
        return f"{item.name}({item.arguments or ''}){output}"
    return str(item.type or "unknown item")


def _drop_silence_of_timeline(story: Story, listener: Listener) -> None:
    """Forget audio that was left out of the recording, and is all zeros now."""
    sounds = listener.sounds
    silent = [key for key, sound in sounds.items() if not any(sound[0])]
    for key in silent:
        if sounds[key][1] == "pcm16":
            del sounds[key]
    _tell_of_silent_timeline(story)


def _tell_of_silent_timeline(story: Story) -> None:
    """Say so where the recording was made without sound."""
    tracks = (story.user, story.server)
    if any(track.stretches for track in tracks) and not any(
        any(stretch.data) for track in tracks for stretch in track.stretches
    ):
        story.remarks.append(NO_SOUND)


# -- what went wrong -------------------------------------------------------------------


def _add_timeline_problem(story: Story, found: Problem) -> None:
    """Add a problem, its words cut where a server had very many."""
    if len(story.problems) >= MOST_PROBLEMS:
        remark = f"The first {MOST_PROBLEMS:,} problems are shown only."
        if remark not in story.remarks:
            story.remarks.append(remark)
        return
    kind, text = _short_for_timeline(found.kind), _short_for_timeline(found.text)
    story.problems.append(Problem(kind, text, found.at))


def problem(at: float, frame: object, size: int) -> Optional[Problem]:
    """
    What a line of a recording says went wrong, or None.

    Args:
        at: seconds since the recording began.
        frame: the decoded frame or note; what is no object was not JSON.
        size: bytes of the message.
    """
    if not isinstance(frame, Mapping):
        return Problem("no JSON", f"{size} bytes", at)
    kind = str(frame.get("type"))
    if kind == "response.done":
        return _bad_response_on_timeline(frame.get("response"), at)
    inner = frame.get("event")
    if kind == "response.event" and isinstance(inner, Mapping):
        ends = ("response.failed", "response.incomplete")
        known = inner.get("type") in ends
        return _bad_response_on_timeline(inner.get("response"), at) if known else None
    if kind == "session.closed" and frame.get("reason") not in (None, *WELL_CLOSED):
        return Problem(
            kind, redact(_error_words_on_timeline({"reason": frame["reason"]})), at
        )
    if kind == "delegation.finished" and frame.get("outcome") in ("failed", "timeout"):
        return Problem(kind, redact(_error_words_on_timeline(frame)), at)
    error = frame.get("error")
    if kind == "error" or kind.endswith(".failed"):
        return Problem(
            kind,
            redact(_error_words_on_timeline(error) or _error_words_on_timeline(frame)),
            at,
        )
    if kind in ("connection.lost", "dispatch.lagging"):
        return Problem(kind, redact(_error_words_on_timeline(frame)), at)
    if kind == "connection.closed" and frame.get("code") not in (None, 1000, 1001):
        return Problem(kind, redact(_error_words_on_timeline(frame)), at)
    return None


def _bad_response_on_timeline(response: object, at: float) -> Optional[Problem]:
    if not isinstance(response, Mapping):
        return None
    status = response.get("status")
    if status not in ("failed", "incomplete"):
        return None
    details = response.get("status_details")
    details = details if isinstance(details, Mapping) else {}
    said = _error_words_on_timeline(details.get("error")) or str(
        details.get("reason") or "no reason"
    )
    return Problem(f"response {status}", redact(said), at)


def _error_words_on_timeline(value: object) -> str:
    """An error, or a note, in a line."""
    if not isinstance(value, Mapping):
        return str(value) if value else ""
    message = value.get("message")
    if isinstance(message, str) and message:
        code = value.get("code") or value.get("type")
        return f"{message} ({code})" if code else message
    shown = {
        key: each
        for key, each in value.items()
        if key not in ("type", "event", "event_id") and each not in (None, "", 0)
    }
    return ", ".join(
        f"{key}: {_short_for_timeline(each)}"
        for key, each in sensitive.shown_frame(shown).items()
    )


# -- the event log ---------------------------------------------------------------------


def _enter_on_timeline(story: Story, at: float, direction: str, frame: object) -> None:
    kind = str(frame.get("type")) if isinstance(frame, Mapping) else "(no JSON)"
    kind = _short_for_timeline(kind)
    last = story.entries[-1] if story.entries else None
    if last is not None and (last.direction, last.type) == (direction, kind):
        last.count += 1
        last.until = at
        return
    if len(story.entries) >= MOST_ENTRIES:
        remark = f"The event log has the first {MOST_ENTRIES:,} lines only."
        if remark not in story.remarks:
            story.remarks.append(remark)
        return
    story.entries.append(
        Entry(
            at,
            direction,
            kind,
            _short_for_timeline(sensitive.shown_frame(frame)),
            until=at,
        )
    )


def _short_for_timeline(value: object) -> Any:
    """A copy of JSON without long texts and keys."""
    if isinstance(value, Mapping):
        return {
            _short_for_timeline(str(name)): _short_for_timeline(each)
            for name, each in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_short_for_timeline(each) for each in value[:50]]
    if isinstance(value, str):
        # Keys first: half of one is not known for one.
        value = redact(value)
        return value if len(value) <= LONGEST_TEXT else value[:LONGEST_TEXT] + " …"
    return value


def timeline_json(value: object) -> str:
    """A shortened frame as text to read."""
    return json.dumps(value, indent=1, ensure_ascii=False)
