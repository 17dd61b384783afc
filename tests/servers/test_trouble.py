"""Servers that refuse, fall silent, contradict themselves, or go away."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, Optional

import pytest

from realtime_sync import connect
from realtime_sync.errors import (
    CommandRejected,
    ConnectionClosed,
    ConnectionClosedOK,
    ConnectionLost,
    NothingToCancel,
    ResponseCancelled,
    ResponseFailed,
    ResponseIncomplete,
    WaitTimeout,
)
from tests.rawserver import PONG, Peer, RawServer
from tests.servers.chatting import GA, openai, sglang, speaches_session
from tests.servers.fake_server import Close, Drop, FakeServer, Frame, connected, lines
from tests.servers.spoken import WHERE, created, event, flat, response
from tests.stress.sequenced_server import library_threads, wait_until

SHORT = 0.2


def server(answer: Any = openai, **more: Any) -> FakeServer:
    """A GA server with one answer."""
    answers = {**GA, "response.create": answer, **more.pop("answers", {})}
    return FakeServer(
        name="x", **{"greeting": (created(),), "answers": answers, **more}
    )


# -- configuration -----------------------------------------------------------


def test_an_update_that_is_never_answered_is_a_timeout_of_connect() -> None:
    """Nobody knows whether it is in force; the session is closed."""
    with RawServer(_greet_and_rest) as raw:
        with pytest.raises(WaitTimeout, match="session.update"):
            connect("m", base_url=raw.url, config={"voice": "v"}, connect_timeout=SHORT)

        wait_until(lambda: not library_threads(), "the end of threads", 3)


def _greet_and_rest(peer: Peer) -> None:
    peer.greet()
    peer.answer_close()


def test_an_update_need_not_be_answered_if_so_asked() -> None:
    """``wait_config=False`` sends it and goes on."""
    options = {"config": {"instructions": "Be brief."}, "wait_config": False}
    with connected(server(), **options) as (session, performance, seen):
        reply = session.ask("Peru?")

    assert "Lima." == reply.text
    assert "session.update" == performance.heard[0]["type"]


def test_an_error_before_the_success_of_an_update_is_told() -> None:
    """What the server refused of it is for the caller to know."""
    refusing = server(
        greeting=(flat(),),
        answers={"session.update": speaches_session},
        options={"dialect": "beta"},
    )
    with pytest.raises(CommandRejected, match="speed is not supported"):
        with connected(refusing, config={"speed": 2.0}):
            pass
    options = {"config": {"speed": 2.0}, "wait_config": False}
    with connected(refusing, **options) as (session, performance, seen):
        reply = session.ask("Peru?")

    assert "Lima." == reply.text
    assert 2.0 == session.config.audio.output.speed
    seen.check(performance)


def test_a_greeting_said_twice_is_not_the_answer_to_an_update() -> None:
    """It contradicts what was asked for."""

    def twice(command: Frame) -> Iterator[Frame]:
        yield created(instructions="Be long.")
        yield event("error", error={"message": "no", "event_id": command["event_id"]})

    refusing = server(answers={"session.update": twice})
    with pytest.raises(CommandRejected, match="no"):
        with connected(refusing, config={"instructions": "Be brief."}):
            pass


def test_a_late_greeting_is_not_the_answer_to_an_update() -> None:
    """The first one never is."""

    def late(command: Frame) -> Iterator[Frame]:
        yield created()
        yield event("error", error={"message": "no", "event_id": command["event_id"]})

    warming = server(greeting=(), answers={"session.update": late})
    with pytest.raises(CommandRejected, match="no"):
        with connected(warming, wait_created=False, config={"instructions": "x"}):
            pass


# -- errors ------------------------------------------------------------------


@pytest.mark.parametrize("answers", [GA, {"conversation.item.create": None}])
@pytest.mark.parametrize(
    "error", ["glitch", {"type": "server_error", "message": "glitch"}, {}, None]
)
def test_an_error_within_a_response_does_not_end_it(error: Any, answers: Any) -> None:
    """Nor is it the answer to a message that the server took in silence."""

    def troubled(command: Frame) -> Iterator[Frame]:
        frames = list(sglang(command))
        yield from frames[:3]
        yield {"type": "error", "error": error}
        yield from frames[3:]

    answers = {k: v for k, v in answers.items() if v}
    troubled_server = FakeServer(
        name="x",
        greeting=(flat(),),
        answers={**answers, "response.create": troubled},
        options={"dialect": "beta"},
    )
    with connected(troubled_server) as (session, performance, seen):
        replies = [session.ask("Peru?") for _ in range(2)]

    assert ["Lima."] * 2 == [reply.text for reply in replies]
    seen.check(performance)


@pytest.mark.parametrize(
    "error",
    [
        {"code": "response_cancel_not_active", "message": "no"},
        {"type": "response_cancel_not_active", "message": "no", "code": None},
    ],
)
def test_cancelling_nothing_is_harmless(error: Frame) -> None:
    """Wherever the code is, and without the command's id."""

    def refuse(command: Frame) -> Iterator[Frame]:
        yield {"type": "error", "error": error}

    idle = server(answers={"response.cancel": refuse})
    with connected(idle) as (session, performance, seen):
        with pytest.raises(NothingToCancel):
            session.response.cancel().acknowledged()
        reply = session.ask("Peru?")

    assert "Lima." == reply.text


def test_commands_in_silence_hold_nobody_up() -> None:
    """Truncation, cancelling and clearing are acknowledged by few."""
    with connected(server()) as (session, performance, seen):
        session.ask("Peru?")
        handles = [
            session.conversation.item.truncate("a1", audio_end_ms=10),
            session.response.cancel(),
            session.input_audio_buffer.clear(),
            session.output_audio_buffer.clear(),
        ]
        for handle in handles[:1] + handles[2:]:
            with pytest.raises(WaitTimeout):
                handle.acknowledged(0.01)
        reply = session.ask("Peru?")

    assert "Lima." == reply.text


# -- responses that end otherwise ----------------------------------------------


@pytest.mark.parametrize("begun", [True, False])
@pytest.mark.parametrize(
    ("status", "details", "kind"),
    [
        ("failed", {"error": {"code": "x", "message": "no"}}, ResponseFailed),
        ("failed", "no", ResponseFailed),
        ("failed", None, ResponseFailed),
        ("incomplete", {"reason": "max_output_tokens"}, ResponseIncomplete),
        ("cancelled", "turn_detected", ResponseCancelled),
    ],
)
def test_a_response_that_does_not_end_well_raises(
    begun: bool, status: str, details: Any, kind: type[Exception]
) -> None:
    """With what had come, whether or not it was said to have begun."""

    def ends(command: Frame) -> Iterator[Frame]:
        if begun:
            yield event("response.created", response=response(status))
        yield event("response.output_text.delta", delta="Li", **WHERE)
        yield event("response.done", response=response(status, status_details=details))

    with connected(server(ends)) as (session, performance, seen):
        with pytest.raises(kind) as caught:
            session.ask("Peru?")

    assert "Li" == caught.value.reply.text  # type: ignore[attr-defined]
    assert (("user", "Peru?"), ("assistant", "Li")) == lines(session)
    assert status == session.snapshot.response("r1").status


def test_a_response_may_get_its_name_later() -> None:
    """What begins without an id is the one that runs."""

    def unnamed(command: Frame) -> Iterator[Frame]:
        for frame in openai(command):
            if frame["type"] == "response.created":
                frame = {**frame, "response": {"status": "in_progress", "id": None}}
            yield frame

    with connected(server(unnamed)) as (session, performance, seen):
        replies = [session.ask("Peru?") for _ in range(2)]

    assert ["Lima."] * 2 == [reply.text for reply in replies]
    assert None is session.snapshot.active_response
    assert (("user", "Peru?"), ("assistant", "Lima.")) * 2 == lines(session)


def test_vendors_get_commands_as_they_want_them() -> None:
    """At the top of the session for xAI, in its own words for DashScope."""
    tool = {"type": "function", "name": "f", "description": "d", "parameters": {}}
    answers = {"session.update": lambda command: [event("session.updated")]}
    asked: dict[str, Any] = {"voice": "ara", "turn_detection": None, "tools": [tool]}
    sent = {}
    for dialect in ("xai", "dashscope"):
        with connected(server(answers=answers), dialect=dialect) as (session, told, _):
            session.update(**asked, output_audio_format="pcm16").acknowledged()
            session.update(instructions="x", extra={"seed": 7}).acknowledged()
            reply = session.ask("Peru?")

        assert "Lima." == reply.text
        sent[dialect] = [c["session"] for c in told.heard[:2]]

    voice = {"audio": {"output": {"format": {"type": "audio/pcm", "rate": 24000}}}}
    assert {"type": "realtime", **asked, **voice} == sent["xai"][0]
    assert {"type": "realtime", "instructions": "x", "seed": 7} == sent["xai"][1]
    bare = {name: tool[name] for name in ("name", "description", "parameters")}
    nested = {"type": "function", "function": bare}
    assert {**asked, "tools": [nested], "output_audio_format": "pcm24"} == (
        sent["dashscope"][0]
    )
    assert {"instructions": "x", "seed": 7} == sent["dashscope"][1]


def silent(command: Frame) -> Iterator[Frame]:
    """A relay whose upstream died."""
    yield event("response.created", response=response("in_progress"))
    yield event("response.output_text.delta", delta="Li", **WHERE)


def test_a_relay_that_falls_silent_is_given_up() -> None:
    """After ``response_idle_timeout``; the connection itself is alive."""
    with connected(server(silent), response_idle_timeout=SHORT) as (session, *_):
        with pytest.raises(WaitTimeout) as caught:
            session.ask("Peru?")

        assert session.is_open
    assert "Li" == caught.value.partial.text
    assert "in_progress" == caught.value.partial.status


def test_who_listens_to_a_silent_relay_gives_up_too() -> None:
    """Even without a deadline for each piece."""
    with connected(server(silent), response_idle_timeout=SHORT) as (session, *_):
        pieces = session.response.create().text_deltas(timeout=None)
        first = next(pieces)
        with pytest.raises(WaitTimeout):
            next(pieces)

    assert "Li" == first


def test_a_response_that_never_ends_can_be_cancelled_in_vain() -> None:
    """Within the time that was given for it."""
    with connected(server(silent)) as (session, *_):
        handle = session.response.create()
        handle.acknowledged()
        with pytest.raises(WaitTimeout) as caught:
            handle.cancel(timeout=SHORT)

    assert "Li" == caught.value.partial.text


# -- the end -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "code", "kind"),
    [
        (Close(1000), 1000, ConnectionClosedOK),
        (Close(1001, "bye"), 1001, ConnectionLost),
        (Close(1008), 1008, ConnectionLost),
        (Close(1011, "upstream"), 1011, ConnectionLost),
        (Close(1012), 1012, ConnectionLost),
        (Close(3000), 3000, ConnectionLost),
        (Close(4000), 4000, ConnectionLost),
        (Drop(), 1006, ConnectionLost),
    ],
)
def test_the_end_within_a_response_is_told_to_all(
    end: Any, code: int, kind: type[ConnectionClosed]
) -> None:
    """The one who asks, the stream, the handlers, the report."""

    def ending(command: Frame) -> Iterator[Any]:
        yield from silent(command)
        yield end

    told: list[Any] = []
    with connected(server(ending), timeout=None) as (session, performance, seen):
        seen.router.on("connection.closed", told.append)
        stream = session.events("response.*")
        with pytest.raises(ConnectionClosed) as caught:
            session.ask("Peru?")
        came: list[Any] = []
        failure: Optional[BaseException] = None
        try:
            came.extend(stream)
        except ConnectionClosed as exc:
            failure = exc
        with pytest.raises(ConnectionClosed):
            session.ask("Chile?")
        session.flush(timeout=5)

    assert (kind, code) == (type(caught.value), caught.value.code)
    assert 2 == len(came)
    assert (kind is ConnectionClosedOK) == (failure is None)
    assert code == session.close_report.code
    assert [code] == [notice.code for notice in told]
    assert (("user", "Peru?"), ("assistant", "Li")) == lines(session)
    seen.check(performance)


# -- what breaks other clients -------------------------------------------------


def test_a_handler_that_blocks_keeps_nobody_else_waiting() -> None:
    """Pings are answered, questions too, and the mirror goes on."""
    blocked, release, answered = (threading.Event() for _ in range(3))

    def script(peer: Peer) -> None:
        peer.greet()
        command = peer.hear_until("response.create")
        for frame in openai(command):
            peer.say(frame)
        blocked.wait(5)
        peer.frame(b"1234", 0x9)
        while peer.read() != (PONG, b"1234"):
            pass
        answered.set()
        peer.answer_close()

    def block(event: Any) -> None:
        blocked.set()
        release.wait(5)
        order.append(event.delta)

    order: list[str] = []
    with RawServer(script) as raw:
        with connect("m", base_url=raw.url) as session:
            session.on("response.text.delta", block)
            reply = session.response.create().result(timeout=5)
            in_time = answered.wait(5)
            waiting = session.stats.queued
            transcript = lines(session)
            release.set()

    assert "Lima." == reply.text
    assert in_time
    assert waiting > 0
    assert (("assistant", "Lima."),) == transcript
    assert ["Li", "ma."] == order


def test_a_frame_of_fifteen_megabytes_is_an_event_like_others() -> None:
    """Audio included, byte for byte."""
    import base64

    sound = bytes(range(256)) * (11 << 12)

    def large(command: Frame) -> Iterator[Frame]:
        delta = base64.b64encode(sound).decode()
        yield event("response.created", response=response("in_progress"))
        yield event("response.output_audio.delta", delta=delta, **WHERE)
        yield event("response.done", response=response())

    with connected(server(large), timeout=20) as (session, performance, seen):
        reply = session.ask("Peru?")

    assert sound == reply.audio.data
    assert len(sound) / 48_000 == pytest.approx(reply.audio.seconds)


def test_what_is_no_event_is_delivered_all_the_same() -> None:
    """A session lives through every kind of nonsense, and keeps it in order."""
    nonsense: list[Any] = [[], 7, None, "x", {}, {"type": 7}, {"type": None}]

    with RawServer(_script_of(nonsense)) as raw:
        with connect("m", base_url=raw.url) as session:
            received: list[Any] = []
            session.on("*", received.append)
            reply = session.ask("Peru?", timeout=5)

    strange = [event for event in received if not event.type]
    assert "Lima." == reply.text
    assert len(nonsense) + 1 == len(strange)
    assert all(event.problem for event in strange)
    assert {"no_event"} <= {each.kind for each in session.snapshot.anomalies}


def _script_of(nonsense: list[Any]) -> Any:
    def script(peer: Peer) -> None:
        peer.greet()
        command = peer.hear_until("response.create")
        for frame in nonsense:
            peer.say(frame)
        peer.frame(b"\xff\xfe not text")
        for frame in openai(command):
            peer.say(frame)
        peer.answer_close()

    return script
