"""Reports of live sessions: of a recording, and of the mirror alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from realtime_sync import audio, connect, live, report
from realtime_sync.report.timeline import Story
from realtime_sync.server import Delegate, serve
from realtime_sync.server.voice import default_synthesizer

from .recordings import HOSTILE, base64_of, head, line

SESSION = {
    "id": "live_1",
    "model": "gpt-live-1",
    "audio": {"format": {"type": "audio/pcm", "rate": 24_000}},
}
LOUD, QUIET = audio.tone(330, 0.1, level=-6), audio.silence(0.1)


def piece(at: float, who: str, text: str, start: int) -> str:
    """200 ms of what somebody says."""
    times = {"start_ms": start, "end_ms": start + 200}
    name = f"session.{who}_transcript.delta"
    return line(at, "in", name, delta=text, **times)


def nested(at: float, kind: str, **fields: Any) -> str:
    """What the backend says."""
    event = {"type": kind, **fields}
    return line(at, "in", "response.event", delegation_id="item_1", event=event)


def conversation(session: dict[str, Any] = SESSION, at: float = 1.0) -> list[str]:
    """The user speaks from 0.2 to 0.6 s, the model from 1.0 to 1.4 s."""
    lines = [
        line(at - 0.5, "out", "session.start", session={"model": "gpt-live-1"}),
        line(at - 0.1, "in", "session.started", session=session),
    ]
    for number in range(20):
        now, clock = at + (number + 1) / 10, number * 100
        heard = LOUD if 200 <= clock < 600 else QUIET
        said = LOUD if 1000 <= clock < 1400 else QUIET
        lines.append(
            line(now, "out", "session.input_audio.append", audio=base64_of(heard))
        )
        lines.append(
            line(now, "in", "session.output_audio.delta", delta=base64_of(said))
        )
    end = at + 2.1
    call = {"type": "function_call", "call_id": "c", "name": "forecast"}
    created = {
        "offset_ms": 400,
        "delegation": {
            "id": "item_1",
            "type": "delegation",
            "target": "responses",
            "response_id": "r1",
        },
    }
    done = {"id": "r2", "model": "m", "usage": {"input_tokens": 7, "output_tokens": 2}}
    return [
        *lines,
        piece(end, "input", "How is", 200),
        piece(end, "input", " it?", 400),
        line(end, "in", "session.delegation.created", **created),
        nested(end, "response.created", response={"id": "r1"}),
        nested(end, "response.output_item.done", item={**call, "arguments": "{}"}),
        nested(end, "response.completed", response={"id": "r1", "model": "m"}),
        nested(end, "response.created", response={"id": "r2"}),
        nested(end, "response.output_text.delta", delta="It rains."),
        nested(end, "response.completed", response=done),
        piece(end, "output", "It", 1000),
        piece(end, "output", " rains.", 1200),
        line(
            end,
            "in",
            "session.closed",
            reason="close_requested",
            usage={"seconds": 2.0},
            session=session,
        ),
    ]


def told(*lines: str, **first: Any) -> Story:
    """The story of a recording."""
    return report.tell([head(session_type="live", **first), *lines])


def test_both_sides_are_told_with_their_times_and_their_sound() -> None:
    """The sound of a segment is where its times are in all that was sent."""
    story = told(*conversation())
    [asked, work, answer] = story.utterances

    assert ("user", "How is it?") == (asked.role, asked.text)
    assert 1.2 == pytest.approx(asked.at)
    assert (LOUD * 4, "pcm16", 24_000) == asked.sound
    assert ("tool", "answered") == (work.role, work.remark)
    assert work.text.endswith("forecast({})\n→ It rains.")
    assert ("assistant", "It rains.") == (answer.role, answer.text)
    assert (LOUD * 4, "pcm16", 24_000) == answer.sound
    [turn] = story.turns
    assert 400 == pytest.approx(turn.after_ms("first_audio"))
    assert (9, 7, 2) == (
        story.tokens.total,
        story.tokens.input,
        story.tokens.output,
    )
    facts = dict(story.facts)
    assert "gpt-live-1" == facts["model"]
    assert "2 s" == facts["billed"]
    assert "close_requested" == facts["closed"]
    assert [] == story.problems
    assert [] == story.remarks


def test_session_that_took_the_place_of_another_has_a_clock_of_its_own() -> None:
    """Its times begin at zero, and so does its sound."""
    second = {**SESSION, "id": "live_2"}
    story = told(*conversation(), *conversation(second, at=11.0))
    said = [each for each in story.utterances if each.role == "user"]

    assert [1.2, 11.2] == [pytest.approx(each.at) for each in said]
    assert [LOUD * 4] * 2 == [each.sound and each.sound[0] for each in said]
    assert "2" == dict(story.facts)["sessions"]


def test_overlap_of_both_sides_is_marked() -> None:
    """Perhaps the user broke in."""
    lines = conversation()
    lines.insert(-1, piece(3.2, "input", "Thanks", 1200))
    story = told(*lines)

    assert [2.2] == [pytest.approx(mark) for mark in story.marks]


def test_telephone_is_told_in_its_coding() -> None:
    """One byte for a sample."""
    session = {**SESSION, "audio": {"format": {"type": "audio/pcmu"}}}
    loud = audio.tone(330, 0.2, "g711_ulaw", level=-6)
    story = told(
        line(0.1, "in", "session.started", session=session),
        line(0.5, "out", "session.input_audio.append", audio=base64_of(loud)),
        piece(0.6, "input", "Hello", 0),
    )
    [said] = story.utterances

    assert (loud, "g711_ulaw", 8_000) == said.sound
    assert 0.3 == pytest.approx(said.at)


def test_mirror_alone_tells_what_was_said() -> None:
    """Without times and sound; so does a session."""
    snapshot: Any = live.LiveSnapshot()
    assert [] == report.tell(snapshot).utterances
    with serve(agent="echo") as server:
        with connect("gpt-live-1", base_url=server.url) as session:
            session.say("Welcome to the show.").acknowledged(20)
            session.note("A guest of honour.").acknowledged(20)
            session.wait_said("welcome", timeout=20)
            [note, said] = sorted(
                report.tell(session).utterances, key=lambda each: each.role != "system"
            )

    assert ("system", "A guest of honour.", "") == (note.role, note.text, note.remark)
    assert "assistant" == said.role
    assert said.at is None


@pytest.mark.parametrize(
    ("bad", "kind", "words"),
    [
        (
            line(2.0, "in", "session.closed", reason="expired", usage={"seconds": 1}),
            "session.closed",
            "expired",
        ),
        (
            nested(
                2.0,
                "response.failed",
                response={"id": "r", "status": "failed", "error": None},
            ),
            "response failed",
            "no reason",
        ),
        (
            line(2.0, "note", "delegation.finished", outcome="timeout", revision=3),
            "delegation.finished",
            "timeout",
        ),
        (
            line(2.0, "in", "error", error={"message": "No room", "code": None}),
            "error",
            "No room",
        ),
        (line(2.0, "in", "error", error="No words"), "error", "No words"),
        (
            line(2.0, "in", "session.output_transcript.delta", delta="Hm"),
            "anomaly",
            "no interval",
        ),
    ],
)
def test_what_went_wrong_is_told(bad: str, kind: str, words: str) -> None:
    """By the service, by the backend, by a function, by what did not fit."""
    story = told(*conversation()[:-1], bad)
    found = {each.kind: each.text for each in story.problems}

    assert kind in found
    assert words in found[kind]


def test_recording_without_a_first_line_is_known_by_its_commands() -> None:
    """Names that translation has as well do not mislead."""
    story = report.tell(conversation())

    assert ["user", "tool", "assistant"] == [each.role for each in story.utterances]


@pytest.mark.parametrize("kept", [False, True])
def test_recording_that_begins_late_or_without_audio_is_told(kept: bool) -> None:
    """From a snapshot; a segment without sound has no player."""
    lines = conversation()
    begun = {"snapshot": live.LiveSnapshot().to_dict()}
    frame = 4800  # Bytes of 100 ms, of which one was sent before the snapshot.
    begun["snapshot"].update(session=SESSION, epochs=["live_0", "live_1"])
    begun["snapshot"]["audio"].update(sent_bytes=frame, received_bytes=0)
    del lines[:3]
    lines.insert(1, line(1.2, "note", "recording.snapshot", **begun))
    lines = [each for each in lines if kept or "audio." not in each]
    story = told(*lines)
    asked = next(each for each in story.utterances if each.role == "user")

    assert "How is it?" == asked.text
    assert kept == (asked.sound is not None)
    assert not kept or LOUD * 4 == asked.sound[0]
    assert not kept or 1.2 == pytest.approx(asked.at)


def test_page_shows_hostile_words_as_text() -> None:
    """What a model says, calls and is told."""
    call = {"type": "function_call", "call_id": "c", "name": HOSTILE}
    page = report.html(
        [
            head(session_type="live"),
            *conversation()[:2],
            piece(1.0, "output", HOSTILE, 0),
            nested(1.1, "response.output_item.done", item={**call, "arguments": "{}"}),
        ]
    )

    assert "<script>" not in page
    assert "<img" not in page


def test_recorded_session_is_a_page(tmp_path: Path) -> None:
    """Spoken to a local server, recorded, told."""
    path = tmp_path / "call.jsonl"
    with serve(agent=[[Delegate()]]) as server:
        with connect("gpt-live-1", base_url=server.url, timeout=20) as session:
            session.delegate(lambda task: "The gate is B12.")
            with session.record(path):
                session.input_audio.append(bytes(14_400))
                speech = default_synthesizer().speak("Where is the gate?")
                session.input_audio.append(speech + bytes(48_000))
                session.wait_said("b12")
                session.wait_quiet(0.3)
    story = report.tell(path)

    assert {"user", "assistant", "tool"} <= {each.role for each in story.utterances}
    assert all(each.sound for each in story.utterances if each.role == "user")
    page = report.write(path, tmp_path / "call.html").read_text(encoding="utf-8")
    assert "delegated to client" in page
    assert "gpt-live-1" in page
