"""The story of a recording: turns, times, both sides, problems."""

from __future__ import annotations

import pytest

from realtime_sync import report
from realtime_sync.telemetry import Tokens

from .recordings import line, recording, spoken_turn


def test_turn_is_timed_from_the_last_loud_sample() -> None:
    """Speech ends where it ends, not where the server says that it found the end."""
    (turn,) = report.tell(recording(spoken_turn(0.5, 1))).turns
    times = [turn.after_ms(name) for name, _ in report.MOMENTS]
    found = [None if each is None else round(each) for each in times]
    tokens = Tokens.of(turn.usage)

    assert [0, 300, 310, 450, 500, 900, 2500] == found
    assert 1.5 == pytest.approx(turn.start)
    assert (30, 20, 80) == (
        tokens.cached,
        tokens.cached_audio,
        tokens.input_audio,
    )


def test_figures_that_the_session_told_of_are_the_figures() -> None:
    """The page shows what the terminal and the ledger showed."""
    told = {"created_ms": 320.4, "first_audio_ms": 512.4, "done_ms": 912.4}
    notice = line(2.4, "note", "turn.finished", response_id="resp_1", **told)
    (turn,) = report.tell(recording(spoken_turn(0.5, 1), [notice])).turns

    assert [320.4, 512.4, 912.4] == [
        pytest.approx(turn.after_ms(name))
        for name in ("created", "first_audio", "done")
    ]
    assert 2.4 - 0.9124 == pytest.approx(turn.start)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"response_id": "resp_1"},
        {"response_id": "resp_1", "done_ms": "soon", "first_audio_ms": 1},
        {"response_id": "resp_1", "done_ms": True},
        {"response_id": "other", "done_ms": 5},
    ],
    ids=str,
)
def test_odd_notes_of_turns_change_nothing(fields: dict[str, object]) -> None:
    """A recording is input like any other."""
    note = line(2.4, "note", "turn.finished", **fields)
    (turn,) = report.tell(recording(spoken_turn(0.5, 1), [note])).turns

    assert 500 == pytest.approx(turn.after_ms("first_audio"))


def test_interruption_cuts_what_was_played() -> None:
    """The mark is where speech started; the waveform ends where playback did."""
    cut = [
        line(2.6, "in", "input_audio_buffer.speech_started", item_id="user_2"),
        line(
            2.7,
            "in",
            "conversation.item.truncated",
            item_id="server_1",
            content_index=0,
            audio_end_ms=600,
        ),
    ]
    story = report.tell(recording(spoken_turn(0.5, 1), cut))

    assert [2.6] == story.marks
    assert 2.6 == pytest.approx(story.server.end)
    assert 2.6 == pytest.approx(story.turns[0].moments["played"])
    assert "cut off after 0.6 s" in story.utterances[1].remark
    assert "The user interrupted" in report.waveform(story)


@pytest.mark.parametrize("kind", ["stopped", "cleared"])
def test_server_that_plays_says_when_it_has(kind: str) -> None:
    """With WebRTC and telephones it knows, and need not be guessed."""
    event = f"output_audio_buffer.{kind}"
    told = [line(3.7, "in", event, response_id="resp_1")]
    (turn,) = report.tell(recording(spoken_turn(0.5, 1), told)).turns

    assert 2200 == pytest.approx(turn.after_ms("played"))


def test_turn_without_output_is_thought_over_to_its_end() -> None:
    """A call of a tool has a bar in which nothing was spoken."""
    call = {"id": "resp_1", "status": "completed", "output": []}
    (turn,) = report.tell(
        recording(
            [
                line(1.0, "out", "response.create"),
                line(1.1, "in", "response.created", response={"id": "resp_1"}),
                line(1.5, "in", "response.done", response=call),
            ]
        )
    ).turns
    bars = report.latency_bars([turn])

    assert "response to done: 400 ms" in bars
    assert "no output" in bars
    assert '<span class="rs-speaking"' not in bars


def test_turns_that_begin_together_share_a_label() -> None:
    """Their numbers are not written over each other."""
    asked = [
        each
        for at, response in ((4.0, {"id": "call"}), (4.01, {"id": "answer"}))
        for each in (
            line(at, "out", "response.create"),
            line(at, "in", "response.created", response=response),
        )
    ]
    drawing = report.waveform(report.tell(recording(spoken_turn(0.5, 1), asked)))

    assert 2 == drawing.count('y="14"')
    assert ">2–3</text>" in drawing


def test_problems_are_told_with_their_times(caplog: pytest.LogCaptureFixture) -> None:
    """
    Errors, failed responses, lost connections and anomalies of the mirror.

    The page tells of them; the log, which did when they were new, does not again.
    """
    failed = {
        "id": "resp_9",
        "status": "failed",
        "status_details": {"error": {"code": "server_error", "message": "no luck"}},
    }
    story = report.tell(
        recording(
            [
                line(1.0, "in", "error", error={"message": "bad field", "code": "x"}),
                line(2.0, "in", "response.done", response=failed),
                line(3.0, "note", "connection.lost", code=1006, error="gone"),
                line(4.0, "note", "connection.closed", code=1000),
                line(5.0, "in", "conversation.item.deleted", item_id="never"),
            ]
        )
    )
    told = [(each.kind, each.at) for each in story.problems]

    assert [] == caplog.records
    assert ("error", 1.0) in told
    assert ("response failed", 2.0) in told
    assert ("connection.lost", 3.0) in told
    assert "connection.closed" not in [kind for kind, _ in told]
    assert "no luck (server_error)" in [each.text for each in story.problems]


def test_runs_of_one_event_are_one_line_of_the_log() -> None:
    """Fifty blocks of audio a second are not fifty lines."""
    entries = report.tell(recording(spoken_turn(0.5, 1))).entries
    appended = [e for e in entries if e.type == "input_audio_buffer.append"]

    assert [10] == [entry.count for entry in appended]
    assert "<4800 bytes>" == appended[0].frame["audio"]


def test_recording_without_audio_says_so() -> None:
    """Silence of the right length is not passed off as a recording."""
    audioless = [
        line(0.5, "out", "input_audio_buffer.append", audio={"audio_bytes": 4800}),
        line(0.7, "in", "input_audio_buffer.committed", item_id="user_1"),
    ]
    story = report.tell(recording(audioless))

    assert any("without audio" in remark for remark in story.remarks)
    assert [] == [each for each in story.utterances if each.sound]


def test_hasty_audio_is_remarked() -> None:
    """A file that was sent at full speed has no speech end on the clock."""
    lines = [
        each.replace(f'"t": {0.5 + 0.1 * n}', '"t": 0.5')
        for n, each in enumerate(spoken_turn(0.5, 1)[:10])
    ]
    lines += [line(0.5, "in", "input_audio_buffer.speech_stopped", item_id="user_1")]
    story = report.tell(recording(lines * 2))

    assert any("faster than it was spoken" in remark for remark in story.remarks)


@pytest.mark.parametrize(("at", "heard"), [(2.5, 0), (5.0, 1)])
def test_what_is_deleted_while_it_plays_was_not_heard(at: float, heard: int) -> None:
    """That is how an interruption takes back an answer; later it is history."""
    lines = [line(at, "in", "conversation.item.deleted", item_id="server_1")]
    story = report.tell(recording(spoken_turn(0.5, 1), lines))

    assert heard == len(story.server.stretches)
