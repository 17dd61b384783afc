"""Many questions at once, and figures that are drawn while a session goes on."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from realtime_sync import Audio, Session, audio, connect
from realtime_sync.errors import ConfigurationError
from realtime_sync.jupyter import LiveLatency, ask_each, html_of
from realtime_sync.report import audio_url
from realtime_sync.server import Failure, serve


@pytest.fixture
def session() -> Iterator[Session]:
    """A session with a server that says things back, and fails at the word no."""

    def answer(prompt: Any) -> str:
        if "no" == prompt.text:
            raise Failure("as asked")
        return f"You said {prompt.text}"

    with serve(agent=answer) as server:
        with connect("gpt-realtime-2.1", base_url=server.url, timeout=10) as opened:
            yield opened


def test_answers_stand_in_the_order_of_the_questions_and_leave_no_trace(
    session: Session,
) -> None:
    """However many are asked at once."""
    words = [f"word {number}" for number in range(12)]
    answers = ask_each(session, words, progress=False)

    assert words == [each.name for each in answers]
    assert [f"You said {word}" for word in words] == [each.text for each in answers]
    assert () == answers.failed and 12 == len(answers)
    assert all(each.seconds > 0 for each in answers)
    assert () == session.snapshot.items


def test_question_that_fails_is_a_row_and_stops_no_other(session: Session) -> None:
    """The reason is in it."""
    answers = ask_each(session, {"one": "yes", "two": "no", "three": "yes"})
    frame = answers.to_dataframe()

    assert ["two"] == [each.name for each in answers.failed]
    assert ["one", "two", "three"] == list(frame["question"])
    assert "You said yes" == frame["answer"].iloc[0]
    assert "as asked" in frame["error"].iloc[1] and "" == frame["error"].iloc[0]
    assert frame["input_tokens"].iloc[0] >= 0 and "output_audio_tokens" in frame
    assert "<Answers: 3, 1 failed>" == repr(answers)
    assert "You said yes" in answers._repr_html_()


def test_files_and_sounds_are_asked_and_named_for_what_they_are(
    session: Session, tmp_path: Path
) -> None:
    """A name that comes twice is told apart."""
    sound = Audio(audio.tone(440, 0.5))
    path = sound.save(tmp_path / "a.wav")
    answers = ask_each(
        session, [path, sound, ["one", sound], "x" * 99, path, 3], workers=2
    )

    assert ["a.wav", "0.5 s of sound", "one"] == [a.name for a in answers[:3]]
    assert ["x" * 60 + "…", "a.wav (2)", "int"] == [a.name for a in answers[3:]]
    assert ["int"] == [each.name for each in answers.failed]


def test_bar_is_drawn_where_it_can_be(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    """By tqdm, to the end."""
    ask_each(session, ["a", "b"], progress=True)

    assert "2/2" in capsys.readouterr().err


def test_without_tqdm_there_is_no_bar_and_asking_for_one_says_so(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answers are what matters."""
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)

    assert 1 == len(ask_each(session, ["a"]))
    with pytest.raises(ImportError):
        ask_each(session, ["a"], progress=True)


def test_interrupt_asks_no_more(session: Session) -> None:
    """What was asked is waited for; the rest is never asked."""
    asked: list[str] = []
    ask, interrupted = session.ask, threading.Event()

    def press(question: Any, **options: Any) -> Any:
        asked.append(question)
        if "b" == question:
            os.kill(os.getpid(), signal.SIGINT)
            interrupted.wait(10)
        return ask(question, **options)

    with pytest.raises(KeyboardInterrupt):
        stand_in: Any = SimpleNamespace(ask=press)
        threading.Timer(0.5, interrupted.set).start()
        ask_each(stand_in, ["a", "b", *"cdefghijkl"], workers=1, progress=False)

    assert ["a", "b"] == asked
    assert [] == [t for t in threading.enumerate() if "asking" in t.name]


def test_answers_without_pandas_say_what_to_install(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pandas is loaded when a frame is asked for."""
    answers = ask_each(session, ["a"], progress=False)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ConfigurationError, match="pandas"):
        answers.to_dataframe()


def test_latency_is_drawn_anew_after_each_turn(session: Session) -> None:
    """Until it is stopped."""
    live = LiveLatency(session, keep=2)
    for _ in range(3):
        session.ask("Hello")
    session.flush()
    shown = repr(live)
    live.stop()
    session.ask("Hello")
    session.flush()

    assert shown == repr(live)
    assert "3 turns" in shown and 2 == len(live.ledger.turns)


def test_players_of_notebooks_take_a_tenth_of_the_sound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A notebook is saved with what it shows; without soundfile it is as it was."""
    sound = Audio(audio.tone(220, 2.0, level=-20) + audio.tone(440, 2.0, level=-12))
    small, whole = audio_url(sound, small=True), audio_url(sound)
    shown = html_of("audio", sound)
    law = Audio(audio.convert(sound.data, "pcm16", "g711_ulaw"), "g711_ulaw", 24_000)
    monkeypatch.setitem(sys.modules, "soundfile", None)
    without = audio_url(sound, small=True)

    assert small.startswith("data:audio/mpeg;base64,") and small in shown
    assert len(small) < len(whole) / 5
    assert whole == without
    assert audio_url(law).startswith("data:audio/wav")
    assert audio_url(Audio(b""), small=True).startswith("data:audio/wav")
