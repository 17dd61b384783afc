"""The command line on sessions of GPT-Live."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from realtime_sync import audio, live
from realtime_sync.cli import live_demo, live_talk, main, server_options
from realtime_sync.cli.live_view import LiveView
from realtime_sync.cli.main import command_line_parser
from realtime_sync.cli.plain_screen import PlainScreen
from realtime_sync.server import Delegate, Server, serve
from realtime_sync.server.voice import (
    default_recognizer,
    default_synthesizer,
    normal_words,
)
from realtime_sync.session.live.idle_audio import IdleAudio
from realtime_sync.session.live.input_audio import InputAudio
from tests.session.live.live_session import LiveServer, delegated, live_session, said

Output = pytest.CaptureFixture[str]
MODEL = ["--model", "gpt-live-1"]


FASTER = 8
"""How much the clock of a session runs ahead of ours while nobody sends audio."""


@pytest.fixture(autouse=True)
def quick(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    An answer is complete sooner than among people, and spoken faster.

    The clock of a session is the audio that it is sent, so silence in larger pieces
    is all that it takes. The deep tests are spoken as among people.
    """
    monkeypatch.setattr(live_demo, "LOOKS", 0.05)
    if request.node.get_closest_marker("deep") is not None:
        return
    send, sent = InputAudio.send_silence, IdleAudio.sent
    monkeypatch.setattr(live_talk, "QUIET", 0.9)
    monkeypatch.setattr(
        InputAudio, "send_silence", lambda self, seconds: send(self, FASTER * seconds)
    )
    monkeypatch.setattr(
        IdleAudio, "sent", lambda self, seconds: sent(self, seconds / FASTER)
    )


@pytest.mark.deep
def test_demo_at_the_pace_of_people(tmp_path: Path, capsys: Output) -> None:
    """The same, as a user sees it."""
    check_demo(tmp_path, capsys)


def test_demo_hands_on_to_a_function_and_to_a_backend(
    tmp_path: Path, capsys: Output
) -> None:
    """One command, offline: both sides are heard, and what was found is said."""
    check_demo(tmp_path, capsys)


def check_demo(tmp_path: Path, capsys: Output) -> None:
    """Run it, read what it prints and writes, and listen to the answer."""
    out = tmp_path / "demo"
    code = main(["demo", "--live", "--pace", "full", "--out", str(out)])
    lines = capsys.readouterr().out.splitlines()
    you = [line[8:] for line in lines if line.startswith("you ")]
    server = " ".join(line[8:] for line in lines if line.startswith("server "))
    notes = [line[8:] for line in lines if line.startswith("! ")]

    assert 0 == code
    assert [normal_words(each) for each in live_demo.QUESTIONS] == [
        normal_words(each) for each in you
    ]
    assert "It is sunny in Paris" in server
    assert "rainy in London and warm in Rome" in server
    assert ["handed on to your program", "handed on to responses"] == notes
    for folder, calls in (("client", 0), ("responses", 2)):
        there = {path.name for path in (out / folder).iterdir()}
        assert {"question.wav", "answer.wav", "session.jsonl", "report.html"} == there
        page = (out / folder / "report.html").read_text("utf-8")
        assert 2 * calls <= page.count("get_weather") <= 99 * calls
    answer = audio.read_file(out / "client" / "answer.wav")
    # Its end alone: the pause before it is long where the clock runs fast.
    heard = default_recognizer().transcribe(answer[-3 * 48_000 :], 24_000)
    assert "paris" in heard.lower()


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """A file in which somebody speaks."""
    path = tmp_path / "words.wav"
    audio.write_wav(path, default_synthesizer().speak("What is the time?"))
    return path


def test_file_is_spoken_to_a_live_session(
    server: Server, key: None, words: Path, tmp_path: Path, capsys: Output
) -> None:
    """As JSON: what both said, and what is billed."""
    arguments = ["--url", server.url, "--pace", "full", "--out", str(tmp_path / "o")]
    code = main(["talk", str(words), *MODEL, *arguments, "--json"])
    *told, end = map(json.loads, capsys.readouterr().out.splitlines())

    assert 0 == code
    assert ["user", "assistant"] == [each["speaker"] for each in told]
    assert all(each["end_ms"] > each["start_ms"] for each in told)
    assert ("close_requested", True) == (end["reason"], end["confirmed"])
    assert end["seconds"] >= 1
    assert audio.file_seconds(tmp_path / "o" / "answer.wav") > 0.2


def test_what_is_handed_on_to_nobody_is_answered(
    words: Path, tmp_path: Path, capsys: Output
) -> None:
    """Else the voice would wait for ever."""
    with serve(agent=[[Delegate("One moment.")]]) as server:
        out = ["--pace", "full", "--out", str(tmp_path / "o")]
        code = main(["talk", str(words), *MODEL, "--url", server.url, *out])
    text = capsys.readouterr().out

    assert 0 == code
    assert "no program here" in text
    assert "handed on to your program" in text
    assert "s billed" in text


def test_written_question_is_asked_aloud(
    server: Server, key: None, capsys: Output
) -> None:
    """What the model has heard is told as well."""
    code = main(["ask", "What is it?", *MODEL, "--url", server.url, "--json"])
    answer = json.loads(capsys.readouterr().out)

    assert 0 == code
    assert "ms of audio" in answer["text"]
    assert answer["heard"]


def test_silence_is_no_speech(server: Server, key: None, tmp_path: Path) -> None:
    """And is told from an answer that does not come."""
    path = tmp_path / "silence.wav"
    audio.write_wav(path, audio.silence(0.3))
    out = ["--timeout", "1", "--pace", "full", "--out", str(tmp_path / "o")]

    assert 1 == main(["talk", str(path), *MODEL, "--url", server.url, *out])


def test_answer_that_does_not_come_is_told(
    words: Path, tmp_path: Path, capsys: Output
) -> None:
    """Within the time that was given."""
    with serve(agent=lambda prompt: None) as server:
        out = ["--timeout", "1", "--pace", "full", "--out", str(tmp_path / "o")]
        code = main(["talk", str(words), *MODEL, "--url", server.url, *out])

    assert 0 != code
    assert "no answer within 1 s" in capsys.readouterr().err


class Deaf:
    """A loudspeaker that nobody listens to."""

    def __init__(self) -> None:
        self.player = audio.Player()


def test_talking_ends_with_the_microphone(
    server: Server, key: None, capsys: Output
) -> None:
    """Or with Ctrl-C; what was billed is told."""
    sound = default_synthesizer().speak("Hello.") + audio.silence(1.0)
    options = command_line_parser().parse_args(
        ["talk", "--mic", *MODEL, "--url", server.url]
    )

    @contextmanager
    def microphone() -> Iterator[Iterator[bytes]]:
        def blocks() -> Iterator[bytes]:
            yield from (sound[at : at + 4800] for at in range(0, len(sound), 4800))
            raise KeyboardInterrupt

        yield blocks()

    speaker: Any = nullcontext(Deaf())
    code = live_talk.live_conversation(
        server.url, options, microphone=microphone(), speaker=speaker
    )

    assert 0 == code
    assert "s billed" in capsys.readouterr().out


@pytest.mark.parametrize("fault", [None, "no_client_ids"])
def test_doctor_examines_a_live_server(fault: str | None, capsys: Output) -> None:
    """An answer that names no command is a deviation that is coped with."""
    with serve(agent="echo", faults=[fault] if fault else []) as server:
        code = main(["doctor", *MODEL, "--url", server.url, "--json"])
    [findings] = json.loads(capsys.readouterr().out).values()
    verdicts = {each["name"]: each["verdict"] for each in findings}

    assert 0 == code
    assert ("odd" if fault else "ok") == verdicts.pop("notes")
    assert {"ok"} == set(verdicts.values())
    assert {"clock", "speech", "mute", "close", "session limit"} <= set(verdicts)


def test_tail_looks_on_at_a_live_session(capsys: Output) -> None:
    """Until it ends."""
    with serve(agent="echo") as server:
        options = command_line_parser().parse_args(
            ["ask", "-", *MODEL, "--url", server.url]
        )
        session = server_options.live_session_by_options(server.url, options, None)
        with session:
            assert session.id is not None
            watching = threading.Thread(
                target=main, args=(["tail", "--call", session.id, "--url", server.url],)
            )
            watching.start()
            attached = session.wait_for("session.output_audio.delta", timeout=10)
            session.say("Welcome to the show.").acknowledged(10)
            session.wait_said("welcome", timeout=10)
            session.close()
        watching.join(10)

    assert attached.delta
    assert not watching.is_alive()
    assert "session.output_transcript.delta" in capsys.readouterr().out


# -- what is seen ------------------------------------------------------------------


def shown(*frames: Any, capsys: Output) -> list[str]:
    """The lines that a session makes."""
    with live_session(LiveServer()) as (session, server):
        view = LiveView(session, PlainScreen())
        server.feed(*frames)
        view.heard(audio.level(audio.tone(440, 0.1)))
        view.release()
    return capsys.readouterr().out.splitlines()


def test_lines_of_two_who_speak_at_once_are_not_torn(capsys: Output) -> None:
    """What the model begins while the user ends comes after it."""
    lines = shown(
        said("user", "May we", 0),
        said("assistant", "Please", 200),
        said("user", " go in", 200),
        said("assistant", " do", 400),
        said("user", "?", 400),
        said("assistant", " now.", 1200),
        capsys=capsys,
    )

    assert ["you     May we go in?", "server  Please do now."] == lines


def test_user_who_breaks_in_is_shown_at_once(capsys: Output) -> None:
    """And the model after him, when he pauses."""
    lines = shown(
        said("assistant", "A long", 0),
        said("user", "Stop", 200),
        said("assistant", " story", 200),
        said("user", " it.", 400),
        capsys=capsys,
    )

    assert ["server  A long", "you     Stop it.", "server  story"] == lines


def test_short_answer_is_shown_when_silence_follows(capsys: Output) -> None:
    """Not only at the end of the session."""
    silent = {"type": "session.output_audio.delta", "delta": "AAAA" * 1600}
    with live_session(LiveServer()) as (session, server):
        view = LiveView(session, PlainScreen())
        server.feed(said("user", "Well?", 0), said("assistant", "Yes.", 200))
        before = capsys.readouterr().out
        server.feed(*[silent] * 9)
        after = capsys.readouterr().out

        assert "Well?" in before and "Yes." not in before
        assert "Yes." in after
        view.release()


def test_work_and_complaints_are_lines_of_their_own(capsys: Output) -> None:
    """Escaped, as whatever comes from outside; a pause begins a line."""
    error = {"type": "server_error", "code": None, "message": "no\x1b[31m room"}
    lines = shown(
        said("assistant", "One moment.", 0),
        delegated("item_1", "responses"),
        said("assistant", "It rains.", 2000),
        {"type": "error", "error": error},
        {"type": "session.output_transcript.delta", "delta": " Much."},
        capsys=capsys,
    )

    assert "\x1b" not in "".join(lines)
    assert ["server  One moment.", "!       handed on to responses"] == lines[:2]
    assert "server  It rains." == lines[2]
    assert "no" in lines[3] and "room" in lines[3]
    assert "server  Much." == lines[4]


def test_model_says_which_protocol_it_is() -> None:
    """By its name, in one place."""
    found = {
        name: live.is_live_model(name)
        for name in ("gpt-live-1.1", "gpt-live-transcribe", "gpt-realtime-2.1", None)
    }

    assert [True, False, False, False] == list(found.values())
