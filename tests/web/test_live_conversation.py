"""A conversation with a live session, without a browser and without a socket."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from realtime_sync import RealtimeClient, audio, live
from realtime_sync.errors import ConfigurationError
from realtime_sync.testing import Close
from realtime_sync.web import Talking
from realtime_sync.web import serve as serve_page
from tests.audio.live_frames import quiet, voiced
from tests.session.live.live_session import (
    LiveServer,
    closed,
    live_session,
    said,
)
from tests.session.live.test_renewal import POLICY, Numbered, lost
from tests.web.test_conversation import BLOCK, Window, kinds, says, wait_for

MINUTE = 60.0
"""Longer than any machine is busy."""


@contextmanager
def window_of(
    session: live.LiveSession, *, owns: bool = True, **start: Any
) -> Iterator[Window]:
    """A window that talks with a session, and has seen that it begins."""
    window = Window()
    window.talking = Talking(lambda: session, window.send, owns=owns)
    window.say("start", **start)
    window.wait("state")
    yield window
    window.talking.close()


def sent(server: LiveServer) -> bytes:
    """The audio that the server was sent."""
    appended = server.sent("session.input_audio.append")
    return b"".join(base64.b64decode(each["audio"]) for each in appended)


@pytest.mark.parametrize(("format", "least"), [("pcm16", 1000), ("g711_ulaw", 950)])
def test_microphone_reaches_the_session_in_its_format(format: str, least: int) -> None:
    """Block by block; a resampler keeps a few milliseconds."""
    config = live.LiveConfig(format=format)
    with live_session(config=config, idle_audio=None) as (session, server):
        wire = audio.session_format(session, "input")
        with window_of(session) as window:
            for _ in range(50):
                window.say("microphone", BLOCK)
            wait_for(lambda: wire.ms(len(sent(server))) >= least)
            level = audio.level(sent(server), wire).peak

    assert wire.name == format
    assert level == pytest.approx(audio.level(BLOCK).peak, abs=1)
    assert format != "pcm16" or sent(server) == BLOCK * 50


def test_what_comes_late_is_left_out_and_said() -> None:
    """Silence has taken its place: all that is said later would be heard late."""
    with live_session() as (session, server):
        with window_of(session) as window:
            session.input_audio.append(bytes(int(MINUTE * 48_000)))
            window.say("microphone", audio.silence(0.02))
            window.say("microphone", BLOCK)
            window.say("microphone", BLOCK)
            problem = window.wait("problem")
            told = [each for each in window.told if each["kind"] == "problem"]

    assert "came too late" in problem["text"]
    assert 1 == len(told)
    assert not any(sent(server))


def test_button_sends_what_is_said_while_it_is_down() -> None:
    """With what was said just before; nothing is committed, nothing configured."""
    with live_session(idle_audio=None) as (session, server):
        with window_of(session, push=True) as window:
            for _ in range(20):
                window.say("microphone", BLOCK)
            window.say("press")
            for _ in range(20):
                window.say("microphone", BLOCK)
            wait_for(lambda: len(sent(server)) >= 20 * len(BLOCK))
            window.say("release")
            window.say("push", on=False)
            before = len(sent(server))

            def is_heard_again() -> bool:
                # What was taken before the button was put away is kept for it.
                window.say("microphone", BLOCK)
                return len(sent(server)) >= before + 5 * len(BLOCK)

            wait_for(is_heard_again)

    assert {"session.start", "session.input_audio.append", "session.close"} == set(
        kinds(server.transport.sent)
    )


def test_interruption_silences_the_page_and_strikes_off_what_was_not_heard() -> None:
    """The service is told nothing, for it knows no such command."""
    words = [said("assistant", f" {at}", 1000 * at) for at in range(60)]
    with live_session(idle_audio=None) as (session, server):
        with window_of(session) as window:
            server.feed(*voiced(1) * 600, *words)
            assert (
                window.talking is not None and window.talking.conversation is not None
            )
            ledger = window.talking.conversation.audio.player.ledger
            wait_for(lambda: ledger.heard_ms(str(session.id)) > 0)
            window.say("interrupt")
            window.wait("clear")
            window.wait("lines", lambda m: any(e["unheard"] for e in m["changed"]))
            [row] = window.wait(
                "lines", lambda m: any(" 59" in e["unheard"] for e in m["changed"])
            )["changed"]
            commands = kinds(server.transport.sent)

    assert row["text"].startswith("0")
    assert "cut off" == row["remark"]
    assert ["session.start"] == commands


def test_typed_words_are_refused_where_nothing_reads_them() -> None:
    """The voice hears, and knows no messages."""
    with live_session() as (session, server):
        with window_of(session) as window:
            window.say("say", text="Good day.")
            problem = window.wait("problem")
            server.feed(said("assistant", "Well", 0))
            window.wait("solved")

    assert "only one with a Responses backend reads" in problem["text"]


def test_typed_words_go_to_a_backend_and_are_shown() -> None:
    """Which no event would repeat."""
    config = live.LiveConfig(delegation=live.Responses(model="gpt-5.5"))
    with live_session(config=config) as (session, server):
        with window_of(session) as window:
            window.say("say", text="Good day.")
            window.wait("lines", says("user", "Good day."))
            [command] = server.sent("response.item.create")

    assert [{"type": "input_text", "text": "Good day."}] == command["item"]["content"]
    assert 1 == len(server.sent("response.create"))


def test_session_of_a_window_ends_with_it_and_says_what_it_took() -> None:
    """When the service has confirmed it."""
    with live_session() as (session, server):
        with window_of(session) as window:
            window.say("stop")
            ended = window.wait("ended")

            assert session.closed
            assert 1 == len(server.sent("session.close"))
    assert "The session is over; 18 s are billed." == ended["text"]


def test_end_that_is_not_confirmed_is_told() -> None:
    """By then more may be billed than anybody knows."""
    server = LiveServer()
    server.silent.add("session.close")
    with live_session(server, close_timeout=0.2) as (session, _):
        with window_of(session) as window:
            window.say("stop")
            ended = window.wait("ended")

    assert "the service has not confirmed the end" in ended["text"]


def test_session_of_a_program_stays_open_and_that_is_said() -> None:
    """It is billed as long as it is."""
    with live_session() as (session, server):
        with window_of(session, owns=False) as window:
            window.say("stop")
            ended = window.wait("ended")

            assert session.is_open
            assert [] == server.sent("session.close")
    assert "stays open, and is billed" in ended["text"]


def test_session_of_a_program_that_begins_anew_is_not_told_as_over() -> None:
    """Who ends the conversation meanwhile has ended no more than that."""
    server, ended = Numbered(), []
    with live_session(server, reconnect=POLICY) as (session, _):
        with window_of(session, owns=False) as window:
            start = server.answer

            def end_first(frame: dict[str, Any]) -> Any:
                window.say("stop")
                ended.append(window.wait("ended"))
                return start(frame) if start is not None else None

            server.answer = end_first
            server.transport.cut(1006)
            begun_anew = session.is_open

    assert begun_anew
    assert "stays open, and is billed" in ended[0]["text"]


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("expired", "over: its time is up; 18 s are billed."),
        ("content", "over: the service ended it for what was said; 18 s are billed."),
        ("remote_hangup", "over; 18 s are billed."),
    ],
)
def test_session_that_the_service_ends_is_told(reason: str, text: str) -> None:
    """Why, and what it took."""
    with live_session() as (session, server):
        with window_of(session) as window:
            server.feed(closed(reason=reason), Close(1000))
            over = window.wait("over")

    assert f"The session is {text}" == over["text"]


def test_connection_that_is_lost_is_told() -> None:
    """There is no session without it, and its end is not confirmed."""
    with live_session() as (session, server):
        with window_of(session) as window:
            server.transport.cut(1006)
            problem, over = window.wait("problem"), window.wait("over")

    assert "connection to the server is lost" in problem["text"]
    assert "has not confirmed the end" in over["text"]


def test_session_that_begins_anew_after_a_loss_goes_on() -> None:
    """The page says both."""
    with lost() as (session, server):
        with window_of(session) as window:
            server.transport.cut(1006)
            window.wait("problem", lambda m: "is lost" in m["text"])
            window.wait("solved")
            server.feed(said("assistant", "Here I am", 0))
            window.wait("lines", says("assistant", "Here I am"))


def test_error_in_plain_text_is_shown() -> None:
    """As one client met it; in one line."""
    with live_session() as (session, server):
        with window_of(session) as window:
            server.feed({"type": "error", "error": "handoff\nincomplete"})
            problem = window.wait("problem")

    assert "handoff\\nincomplete" == problem["text"]


def test_who_is_attached_to_a_call_only_listens() -> None:
    """The service takes no audio there; the call has a microphone of its own."""
    with live_session(call_id="live_1") as (session, server):
        with window_of(session, owns=False) as window:
            problem = window.wait("problem")
            window.say("microphone", BLOCK)
            server.feed(*voiced(5), *quiet(2))
            window.wait("sound")

    assert "only listen" in problem["text"]
    assert [] == server.sent("session.input_audio.append")


def test_options_that_do_not_go_together_are_refused_at_the_line() -> None:
    """Not in a window, minutes later."""
    client = RealtimeClient(base_url="http://127.0.0.1:1/v1", session_type="realtime")

    with pytest.raises(ConfigurationError, match="gpt-live-1"):
        serve_page(client, "gpt-live-1")
