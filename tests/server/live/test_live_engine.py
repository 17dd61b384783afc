"""The life of a live session on its own clock: start, audio, speech, close."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_sync.server import Failure, Prompt
from realtime_sync.server.agents import Scripted

from ..sounds import b64, loud, silence
from .live_talk import (
    QUESTION,
    START,
    LiveTalk,
    error,
    of,
    only,
    output_audio,
    said,
    types,
)


def started(script: Any = None, **arguments: Any) -> LiveTalk:
    """A session that has begun."""
    talk = LiveTalk(script=script, **arguments)
    talk.start()
    return talk


# -- the start ---------------------------------------------------------------------


def test_nothing_is_said_before_the_start() -> None:
    """A client that waits for a greeting of the server would wait for ever."""
    talk = LiveTalk()

    assert [] == talk.opening
    assert [] == talk.later(100)


def test_the_start_is_answered_with_the_defaults() -> None:
    """What the client left out is told, as the service does."""
    frame = LiveTalk().start()
    session = frame["session"]

    assert session["id"].startswith("live_")
    assert START + 7200 == session["expires_at"]
    assert ("active", [], "marin") == (
        session["status"],
        session["input"],
        session["audio"]["output"]["voice"],
    )
    assert {"type": "audio/pcm", "rate": 24000} == session["audio"]["format"]


def test_a_backend_is_told_with_its_defaults() -> None:
    """No tools and a free choice, and no secret of an MCP server."""
    secret = {"type": "mcp", "server_label": "x", "authorization": "s3cret"}
    backend = {"model": "gpt-5.5", "tools": [secret]}
    frame = LiveTalk().start(delegation={"type": "responses", "responses": backend})
    shown = frame["session"]["delegation"]["responses"]

    assert "auto" == shown["tool_choice"]
    assert [{"type": "mcp", "server_label": "x"}] == shown["tools"]


@pytest.mark.parametrize(
    ("session", "param"),
    [
        ({"turn_detection": None}, "session.turn_detection"),
        ({"tools": []}, "session.tools"),
        ({"audio": {"input": {}}}, "session.audio.input"),
        ({"delegation": {"type": "client", "tools": []}}, "session.delegation.tools"),
        ({"type": "live"}, "session.type"),
    ],
)
def test_unknown_fields_are_refused(session: dict[str, Any], param: str) -> None:
    """The error names the field, but not the command, as the service's does."""
    talk = LiveTalk()
    given = {"model": "gpt-live-1", **session}
    frames = talk.send("session.start", event_id="mine", session=given)

    assert ("unknown_parameter", param) == (
        error(frames)["code"],
        error(frames)["param"],
    )
    assert "client_event_id" not in error(frames)


def test_a_start_that_was_refused_ends_the_socket_two_seconds_later() -> None:
    """The session never begins, whatever is sent in between."""
    talk = LiveTalk()
    frames = talk.send("session.start", session={"model": "gpt-realtime-2.1"})
    again = talk.send("session.start", session={"model": "gpt-live-1"})
    early = talk.participant.closing
    talk.later(2.0)

    assert "invalid_model" == error(frames)["code"]
    assert [] == again
    assert early is None
    assert talk.participant.closing is not None
    assert talk.participant.deadline() == float("inf")


@pytest.mark.parametrize(
    "session",
    [
        {"instructions": "word " * 13_000},
        {"input": [{"role": "user", "content": [{"text": "hi"}]}] * 129},
        {"input": [{"role": "user", "content": [{"text": "word " * 400}]}] * 20},
        {"input": [{"role": "user", "content": [{"text": "a"}, {"text": "b"}]}]},
        {"input": [{"role": "system", "content": [{"text": "a"}]}]},
        {"audio": {"format": {"type": "audio/pcm", "rate": 8000}}},
    ],
)
def test_what_is_too_much_is_refused_at_the_start(session: dict[str, Any]) -> None:
    """Limits on instructions, history and formats."""
    frame = LiveTalk().start(**session)

    assert "error" == frame["type"]
    assert frame["error"]["param"].startswith("session.")


def test_commands_before_the_start_are_refused() -> None:
    """Audio too; and the session can still be started."""
    talk = LiveTalk()
    frames = talk.hear(silence(100))

    assert "session_not_started" == error(frames)["code"]
    assert "session.started" == talk.start()["type"]


def test_a_second_start_is_an_error_and_the_session_goes_on() -> None:
    """It names the command."""
    talk = started()
    frames = talk.send("session.start", event_id="2nd", session={"model": "gpt-live-1"})

    assert ("session_already_started", "2nd") == (
        error(frames)["code"],
        error(frames)["client_event_id"],
    )
    assert 1 == len(talk.hear(silence(100)))


# -- the clock ---------------------------------------------------------------------


def test_every_100_ms_of_audio_bring_a_frame_of_silence() -> None:
    """However the client cuts its audio; without ids and times."""
    talk = started()
    frames = [f for _ in range(50) for f in talk.hear(silence(20))]

    assert 10 == len(frames)
    assert {frozenset({"type", "delta"})} == {frozenset(frame) for frame in frames}
    assert [bytes(4800)] * 10 == output_audio(frames)


@pytest.mark.parametrize(
    ("form", "size", "quiet"),
    [
        ({"type": "audio/pcm", "rate": 16000}, 3200, 0),
        ({"type": "audio/pcmu", "rate": 8000}, 800, 0xFF),
        ({"type": "audio/pcma", "rate": 8000}, 800, 0xD5),
    ],
)
def test_frames_come_in_the_format_of_the_session(
    form: dict[str, Any], size: int, quiet: int
) -> None:
    """One format for both directions; silence is what decodes to silence."""
    talk = LiveTalk(script=["Good morning."])
    talk.start(audio={"format": form})
    frames = talk.hear(bytes([quiet]) * size * 3)

    assert [bytes([quiet]) * size] * 3 == output_audio(frames)


def test_speech_is_heard_answered_and_spoken_on_the_grid() -> None:
    """Both transcripts in stretches of 200 ms, the answer's before its audio."""
    talk = started(["It is sunny in Lima today."])
    frames = talk.ask()
    both = of(frames, "session.input_transcript.delta") + of(
        frames, "session.output_transcript.delta"
    )
    loud_ones = [at for at, pcm in enumerate(output_audio(frames)) if any(pcm)]
    first = of(frames, "session.output_transcript.delta")[0]["start_ms"]

    assert "1600 ms of audio" == said(frames, "input")
    assert "It is sunny in Lima today." == said(frames)
    assert all(f["start_ms"] % 200 == 0 for f in both)
    assert all(f["end_ms"] == f["start_ms"] + 200 for f in both)
    assert first == loud_ones[0] * 100
    assert loud_ones == list(range(loud_ones[0], loud_ones[-1] + 1))


def test_what_comes_all_at_once_has_the_times_of_what_comes_in_pieces() -> None:
    """Without a pace the clock waits for the agent, so nothing depends on luck."""
    whole, pieces = started(["Hello there."]), started(["Hello there."])
    pcm = QUESTION + silence(3000)
    at_once = whole.hear(pcm)
    one_by_one = [
        frame
        for at in range(0, len(pcm), 960)
        for frame in pieces.hear(pcm[at : at + 960])
    ]

    def times(frames: list[dict[str, Any]]) -> list[Any]:
        return [(f["delta"], f.get("start_ms")) for f in frames]

    assert times(at_once) == times(one_by_one)


def test_with_a_pace_the_clock_is_no_faster_than_that() -> None:
    """A burst plays on the timeline for its own length."""
    talk = started(["Hello."], options={"pace": 1.0})
    at_once = talk.hear(silence(1000))
    then = talk.later(0.45)
    rest = talk.later(10)

    assert [1, 4, 5] == [len(at_once), len(then), len(rest)]


def test_the_user_breaking_in_silences_the_model_without_a_word() -> None:
    """Frames turn to zeros, fragments stop; no event says so."""
    talk = started(["word " * 60, "Yes?"])
    before = talk.hear(QUESTION + silence(2000))[-10:]
    frames = talk.hear(loud(600))

    assert any(any(pcm) for pcm in output_audio(before))
    assert not any(any(pcm) for pcm in output_audio(frames))
    assert {"session.output_audio.delta"} == {frame["type"] for frame in frames}
    assert "Yes?" == said(talk.hear(silence(2500)))


def test_usage_comes_every_15_seconds_and_lags() -> None:
    """Cumulative whole seconds, as a float."""
    talk = started()
    reports = of(talk.hear(silence(31_000)), "session.usage.updated")

    assert [14.0, 29.0] == [report["usage"]["seconds"] for report in reports]
    assert 0 < reports[0]["context_window"]["usage_ratio"] < 1


@pytest.mark.parametrize("audio", ["A", "****", b64(b"odd")])
def test_bad_audio_is_refused_and_named(audio: str) -> None:
    """Neither base64, nor whole samples; the clock stands still."""
    talk = started()
    frames = talk.send("session.input_audio.append", event_id="a1", audio=audio)

    assert ("invalid_audio", "a1") == (
        error(frames)["code"],
        error(frames)["client_event_id"],
    )
    assert 0 == talk.engine.truth()["clock_ms"]


def test_a_failing_agent_is_an_error_without_an_id() -> None:
    """It belongs to no command, and the session goes on."""

    def script(prompt: Prompt) -> Any:
        raise Failure("No money.", code="insufficient_quota")

    talk = started(script)
    frames = talk.ask()

    assert "insufficient_quota" == error(frames)["code"]
    assert "client_event_id" not in error(frames)
    assert talk.hear(silence(100))


def test_a_noise_does_not_swallow_the_answer() -> None:
    """What was asked before is answered after it."""
    heard = ["What now?", "", ""]

    class Deaf:
        def transcribe(self, pcm: bytes, rate: int) -> str:
            return heard.pop(0)

    talk = LiveTalk(Scripted(["Lunch."], recognizer=Deaf()), options={"pace": 1000.0})
    talk.start()
    talk.send_only("session.input_audio.append", audio=b64(QUESTION))
    talk.now += 1
    talk.participant.tick(talk.now)
    (hear,) = talk.participant.take_jobs()
    for words in hear.work():
        talk.participant.job_output(hear, words, talk.now)
    talk.participant.job_done(hear, None, talk.now)
    (slow,) = talk.participant.take_jobs()
    talk.send_only("session.input_audio.append", audio=b64(QUESTION))
    talk.later(1)
    talk.participant.job_done(slow, None, talk.now)
    answer = talk.hear(silence(3000)) + talk.later(1)

    assert slow.dropped
    assert "Lunch." == said(answer)


def test_the_filter_silences_the_model_and_the_session_goes_on() -> None:
    """With an error that belongs to no command."""

    def script(prompt: Prompt) -> Any:
        yield "word " * 30
        raise Failure("Not this.", code="content_filter")

    talk = started(script)
    frames = talk.ask()

    assert "content_filter" == error(frames)["code"]
    assert "" == said(frames)
    assert talk.hear(silence(100))


# -- context -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["instructions", "thinking", "commentary"])
def test_appended_text_is_acknowledged_when_the_clock_has_passed_it(kind: str) -> None:
    """Not at once, not without audio; by the id of the command."""
    talk = started()
    name = f"session.{kind}.append"
    at_once = talk.send(name, event_id="x", content="Hi there.", delegation_id=None)
    before = talk.hear(silence(700))
    after = talk.hear(silence(100))
    appended = only(after, f"session.{kind}.appended")

    assert [] == at_once
    assert [] == of(before, f"session.{kind}.appended")
    assert ("x", 600, 800) == (
        appended["client_event_id"],
        appended["start_ms"],
        appended["end_ms"],
    )
    assert ("Hi there." if kind == "commentary" else "") == said(talk.frames)


def test_notes_and_rules_reach_the_agent() -> None:
    """Silently: the next answer can use them."""
    seen: list[Prompt] = []
    talk = LiveTalk(script=lambda prompt: seen.append(prompt))
    talk.start(
        instructions="Be kind.",
        input=[
            {"role": "developer", "content": [{"text": "The user is Ann."}]},
            {"role": "assistant", "content": [{"type": "text", "text": "Hello."}]},
        ],
    )
    append = {"delegation_id": None}
    talk.send("session.instructions.append", content="Be brief.", **append)
    talk.send("session.thinking.append", content="It is Friday.", **append)
    talk.ask()
    texts = [item["content"][0].get("text") for item in seen[0].items[:3]]

    assert "Be kind.\nBe brief." == seen[0].instructions
    assert ["The user is Ann.", "Hello.", "It is Friday."] == texts
    assert "1600 ms of audio" == seen[0].text


@pytest.mark.parametrize(
    ("content", "delegation_id", "param"),
    [("word " * 400, None, "content"), ("fine", "item_nobody", "delegation_id")],
)
def test_text_that_cannot_be_appended_is_refused(
    content: str, delegation_id: Any, param: str
) -> None:
    """Too long, or for work that there is not."""
    talk = started()
    frames = talk.send(
        "session.commentary.append", content=content, delegation_id=delegation_id
    )

    assert param == error(frames)["param"]
    assert "" == said(talk.hear(silence(2000)))


def test_at_most_64_texts_wait() -> None:
    """The next is refused, and those that wait are all acknowledged."""
    talk = started()
    name, kind = "session.thinking.append", "session.thinking.appended"
    frames = [
        frame
        for number in range(65)
        for frame in talk.send(name, content=str(number), delegation_id=None)
    ]

    assert "rate_limit_exceeded" == error(frames)["code"]
    assert 64 == len(of(talk.hear(silence(1000)), kind))


# -- mute and fixtures -------------------------------------------------------------


def test_a_muted_user_is_not_heard_but_keeps_the_clock_going() -> None:
    """Muting and unmuting are acknowledged by their ids."""
    talk = started(["Yes?"])
    muted = talk.send("session.input_audio.mute", event_id="m")
    frames = talk.ask()
    unmuted = talk.send("session.input_audio.unmute", event_id="u")

    assert ["m", "u"] == [f["client_event_id"] for f in muted + unmuted]
    assert {"session.output_audio.delta"} == {frame["type"] for frame in frames}
    assert "Yes?" == said(talk.ask())


def test_a_fixture_plays_alone_and_says_when_it_is_over() -> None:
    """It silences the model; what is appended meanwhile is refused."""
    talk = started(["word " * 60])
    talk.hear(QUESTION + silence(1000))
    name = "session.output_audio.fixture.play"
    playing = talk.send(name, event_id="f", audio=b64(loud(500)))
    second = talk.send(name, audio=b64(loud(500)))
    append = talk.send("session.thinking.append", content="x", delegation_id=None)
    frames = talk.hear(loud(600))
    heard = b"".join(output_audio(frames))

    assert ["session.output_audio.fixture.playing"] == types(playing)
    assert ["error", "error"] == types(second) + types(append)
    assert "f" == only(frames, "session.output_audio.fixture.played")["client_event_id"]
    assert loud(500) in heard
    assert "" == said(frames) + said(frames, "input")


@pytest.mark.parametrize("pcm", [b"", b"odd", bytes(48 * 30_001)])
def test_a_fixture_that_is_none_is_refused_before_anything_happens(pcm: bytes) -> None:
    """The model goes on speaking."""
    talk = started(["word " * 60])
    talk.hear(QUESTION + silence(1000))
    frames = talk.send("session.output_audio.fixture.play", audio=b64(pcm))

    assert "invalid_audio" == error(frames)["code"]
    assert "" != said(talk.hear(silence(1000)))


# -- update ------------------------------------------------------------------------


def test_an_update_merges_and_is_answered_with_the_whole_session() -> None:
    """What is absent stays."""
    talk = LiveTalk()
    responses = {"model": "gpt-5.5", "instructions": "Old."}
    talk.start(delegation={"type": "responses", "responses": responses})
    patch = {"type": "responses", "responses": {"instructions": "New."}}
    (frame,) = talk.send("session.update", event_id="u", session={"delegation": patch})
    shown = frame["session"]["delegation"]["responses"]

    assert ("u", "gpt-5.5", "New.") == (
        frame["client_event_id"],
        shown["model"],
        shown["instructions"],
    )


@pytest.mark.parametrize(
    ("patch", "code"),
    [
        ({"delegation": None}, "immutable_field_update"),
        ({"delegation": {"type": "client"}}, "immutable_field_update"),
        ({"instructions": "x"}, "unknown_parameter"),
        ({"audio": {}}, "unknown_parameter"),
    ],
)
def test_what_cannot_change_is_refused(patch: dict[str, Any], code: str) -> None:
    """And nothing of the update takes effect."""
    talk = LiveTalk()
    talk.start(delegation={"type": "responses", "responses": {"model": "gpt-5.5"}})
    before = talk.engine.truth()["session"]
    frames = talk.send("session.update", session=patch)

    assert code == error(frames)["code"]
    assert before == talk.engine.truth()["session"]


# -- the end -----------------------------------------------------------------------


def test_closing_reports_and_closes_the_socket_normally() -> None:
    """The status of the session stays active, even here."""
    talk = started()
    talk.hear(silence(18_300))
    closed = only(talk.send("session.close", event_id="c"), "session.closed")

    assert ("close_requested", "active", 18.0, "c") == (
        closed["reason"],
        closed["session"]["status"],
        closed["usage"]["seconds"],
        closed["client_event_id"],
    )
    assert (1000, "") == talk.participant.closing


def test_closing_fails_what_waits_by_its_id() -> None:
    """Two texts were on their way: two errors, then the end."""
    talk = started()
    for number in range(2):
        talk.send(
            "session.thinking.append",
            event_id=f"t{number}",
            content="x",
            delegation_id=None,
        )
    frames = talk.send("session.close")

    assert ["error", "session.closed"] == types(frames)
    assert ["t0", "t1"] == [
        frame["error"]["client_event_id"] for frame in of(frames, "error")
    ]


def test_the_time_of_a_session_is_up_after_two_hours() -> None:
    """It is told as the reason."""
    talk = started()

    assert [] == talk.later(7199)
    assert "expired" == only(talk.later(2), "session.closed")["reason"]


@pytest.mark.parametrize("kind", ["nonsense", "transport.dtmf.send", None, 7])
def test_what_is_no_command_here_is_refused(kind: Any) -> None:
    """Keys of a telephone are sent by attached connections only."""
    talk = started()
    frames = talk.send(kind, event="1", event_id="e")

    assert "e" == error(frames)["client_event_id"]
    assert "type" == error(frames)["param"]
