"""A new connection for a lost one: when, how often, and with what on it."""

from __future__ import annotations

import itertools
import json
import logging
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Optional

import pytest
from attrs import evolve

import realtime_sync.session.restorer
from realtime_sync import ReconnectPolicy, Router, Session, audio, connect
from realtime_sync.errors import (
    AuthenticationFailed,
    ConnectFailed,
    ConnectionClosed,
    ConnectionLost,
    ConnectRateLimited,
    DispatchOverflow,
    RestoreError,
    SessionExpired,
    WaitTimeout,
)
from realtime_sync.server import Server, serve
from realtime_sync.server.agents.base import Call, Prompt
from realtime_sync.server.host.fault_injector import Fault
from tests.rawserver import Peer, RawServer, obliging

pytestmark = pytest.mark.usefixtures("arrangement")

LONG = 10.0
SCRIPT = Callable[[Peer], None]


class Slowest(random.Random):
    """Chance that always waits as long as it may."""

    def uniform(self, a: float, b: float) -> float:
        """The upper bound."""
        return b


def quick(**fields: Any) -> ReconnectPolicy:
    """A policy that does not wait."""
    return ReconnectPolicy(**{"base": 0.001, "cap": 0.002, **fields})


def waiting(**fields: Any) -> ReconnectPolicy:
    """A policy that waits for ever before its first attempt."""
    return ReconnectPolicy(**{"base": 60.0, "cap": 60.0, "rng": Slowest(), **fields})


def opened(url: str, policy: ReconnectPolicy, **options: Any) -> Session:
    """A session with a policy."""
    options.setdefault("close_timeout", 2.0)
    return connect("m", base_url=url, router=Router(), reconnect=policy, **options)


def texts(session: Session) -> list[tuple[Optional[str], str]]:
    """The conversation as (role, text)."""
    return [(item.role, item.text) for item in session.conversation.items]


class Log:
    """The notices of a session, in order."""

    def __init__(self, session: Session) -> None:
        self.notices: list[Any] = []
        self.lost, self.restored = threading.Event(), threading.Event()
        self.closed = threading.Event()
        session.on("connection.*", self._note, inline=True)

    def _note(self, notice: Any) -> None:
        self.notices.append(notice)
        word = notice.type.partition(".")[2]
        if hasattr(self, word):
            getattr(self, word).set()

    @property
    def types(self) -> list[str]:
        """What they were, without the first connection's opening."""
        return [notice.type for notice in self.notices]


def cut(session: Session, server: Server) -> Log:
    """Drop the connection; the log of what follows."""
    log = Log(session)
    server.sessions[-1].drop()
    assert log.lost.wait(LONG)
    return log


def in_turn(*scripts: SCRIPT) -> SCRIPT:
    """One script for each connection; the last one for all that follow."""
    numbers = itertools.count()

    def run(peer: Peer) -> None:
        scripts[min(next(numbers), len(scripts) - 1)](peer)

    return run


def dropping(peer: Peer) -> None:
    """Greet and drop."""
    peer.greet()


def closing(code: int, reason: str = "") -> SCRIPT:
    """Greet and close with a code."""

    def run(peer: Peer) -> None:
        peer.greet()
        peer.close(code, reason)
        peer.rest()

    return run


def refusing(status: str, *headers: str) -> SCRIPT:
    """Refuse the handshake."""
    return lambda peer: peer.refuse(status, *headers)


# -- which losses ------------------------------------------------------------


@pytest.mark.parametrize("code", [1001, 1005, 1006, 1011, 1012, 1013])
def test_a_passing_loss_is_made_good(code: int) -> None:
    """The server's restart, the network: the session goes on."""
    first = dropping if code == 1006 else closing(code)
    with RawServer(in_turn(first, obliging)) as server:
        session = opened(server.url, quick(), wait_created=False)
        session.wait_for("connection.restored", timeout=LONG)

        assert session.is_open
        session.close()


@pytest.mark.parametrize("code", [1002, 1003, 1007, 1008, 1009, 3000, 4000])
def test_a_permanent_refusal_is_not_tried_again(code: int) -> None:
    """The same request would get the same answer."""
    with RawServer(closing(code, "no")) as server:
        session = opened(server.url, quick(), wait_created=False)
        assert session._lifecycle.over.wait(LONG)
        report = session.close_report

        assert 1 == len(server.heads)
        assert code == report.code
        assert isinstance(report.error, ConnectionLost)


def test_a_clean_close_by_the_server_ends_the_session() -> None:
    """It meant it."""
    with RawServer(closing(1000)) as server:
        session = opened(server.url, quick(), wait_created=False)
        assert session._lifecycle.over.wait(LONG)

        assert 1 == len(server.heads)
        assert session.close_report.error is None


@pytest.mark.parametrize("code", [1000, 1001])
def test_a_session_whose_time_is_up_gets_a_new_one(code: int) -> None:
    """Whatever code the server closes with."""
    expired = {
        "type": "error",
        "event_id": "e",
        "error": {"type": "invalid_request_error", "code": "session_expired"},
    }

    def expiring(peer: Peer) -> None:
        peer.greet()
        peer.hear()
        peer.say(expired)
        peer.close(code)
        peer.rest()

    with RawServer(in_turn(expiring, obliging)) as server:
        session = opened(server.url, quick())
        log = Log(session)
        session.input_audio_buffer.clear()
        assert log.restored.wait(LONG)

        assert isinstance(log.notices[0].error, SessionExpired)
        assert ["lost", "opened", "restored"] == [t[11:] for t in log.types]
        session.close()


def test_without_a_policy_a_loss_is_the_end(server: Server) -> None:
    """Reconnecting is asked for, never a surprise."""
    session = connect("m", base_url=server.url, router=Router())
    log = cut(session, server)
    assert log.closed.wait(LONG)

    assert [False] == [n.retrying for n in log.notices if n.type == "connection.lost"]
    assert isinstance(session.close().error, ConnectionLost)


def test_an_overflow_of_handlers_is_not_a_loss(server: Server) -> None:
    """A new connection would bring the same flood."""
    session = opened(server.url, quick(), queue_limit=20)
    release = threading.Event()
    session.on("*", lambda event: release.wait(LONG))
    with pytest.raises((ConnectionClosed, DispatchOverflow)):
        for _ in range(200):
            session.conversation.add_message("x" * 100)
            session.update(instructions="x").acknowledged(LONG)
    assert session._lifecycle.over.wait(LONG)
    release.set()
    report = session.close()

    assert isinstance(report.error, DispatchOverflow)
    assert 1 == len(server.sessions)


# -- how often ---------------------------------------------------------------


def test_a_flapping_server_exhausts_the_budget() -> None:
    """It accepts, sends one event and drops; that ends, instead of looping."""
    with RawServer(dropping) as server:
        session = opened(server.url, quick(attempts=4), wait_created=False)
        assert session._lifecycle.over.wait(LONG)
        report = session.close()

        assert 1 + 4 == len(server.heads)
        assert isinstance(report.error, ConnectionLost)
        assert report.complete


def test_a_server_that_flaps_after_the_restore_exhausts_it_too() -> None:
    """A connection that worked for a moment gives nothing back."""

    def fickle(peer: Peer) -> None:
        peer.greet()
        peer.oblige(peer.hear())

    with RawServer(in_turn(dropping, fickle)) as server:
        session = opened(server.url, quick(attempts=4), wait_created=False)
        log = Log(session)
        assert session._lifecycle.over.wait(LONG)
        session.close()

        assert 1 + 4 == len(server.heads)
        assert log.types[-1] == "connection.closed"


def test_a_stable_connection_gives_the_budget_back() -> None:
    """However often that happens, each loss has all attempts."""
    with RawServer(in_turn(*[dropping] * 1, *[closing(1012)] * 0, obliging)) as server:
        policy = quick(attempts=1, stable_after=0.0)
        session = opened(server.url, policy, wait_created=False)
        session.wait_for("connection.restored", timeout=LONG)
        for _ in range(3):
            with session.expect("connection.restored") as again:
                session._parts.connection.abort()  # type: ignore[union-attr]
            again.result(LONG)

        assert 5 == len(server.heads)
        session.close()


def test_an_unstable_one_does_not() -> None:
    """One attempt in all."""
    with RawServer(in_turn(dropping, obliging)) as server:
        session = opened(server.url, quick(attempts=1), wait_created=False)
        session.wait_for("connection.restored", timeout=LONG)
        session._parts.connection.abort()  # type: ignore[union-attr]
        assert session._lifecycle.over.wait(LONG)
        session.close()

        assert 2 == len(server.heads)


def test_a_server_says_when_to_come_back() -> None:
    """Its answer to a rate limit is the next delay, at least."""
    seen: list[Any] = []

    def hook(attempt: Any) -> Any:
        seen.append(attempt)
        return None if attempt.number == 1 else False

    limited = refusing("429 Too Many Requests", "Retry-After: 7")
    with RawServer(in_turn(dropping, limited)) as server:
        session = opened(server.url, quick(hook=hook), wait_created=False)
        assert session._lifecycle.over.wait(LONG)
        report = session.close()

        assert isinstance(seen[1].error, ConnectRateLimited)
        assert seen[0].delay < 1.0 and 7.0 == seen[1].delay
        assert report.error is not None
        assert isinstance(report.error.__cause__, ConnectRateLimited)


def test_a_key_that_is_refused_now_ends_it() -> None:
    """No attempt is wasted on it."""
    with RawServer(in_turn(dropping, refusing("401 Unauthorized"))) as server:
        session = opened(server.url, quick(attempts=5), wait_created=False)
        assert session._lifecycle.over.wait(LONG)
        report = session.close()

        assert 2 == len(server.heads)
        assert report.error is not None
        assert isinstance(report.error.__cause__, AuthenticationFailed)


def test_a_refusal_while_restoring_ends_it() -> None:
    """The server accepts the handshake and closes with 4000 instead of obeying."""

    def refusing_later(peer: Peer) -> None:
        peer.greet()
        peer.hear()
        peer.close(4000, "bad request")
        peer.rest()

    with RawServer(in_turn(dropping, refusing_later)) as server:
        session = opened(server.url, quick(), wait_created=False)
        assert session._lifecycle.over.wait(LONG)
        session.close()

        assert 2 == len(server.heads)


def test_a_key_function_that_fails_costs_an_attempt(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever a program's own code raises, the session goes on or ends."""
    answers: Iterator[Any] = iter(["key", OSError("vault is away"), "key"])

    def key() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    caplog.set_level(logging.INFO, logger="realtime_sync.connection")
    with RawServer(in_turn(dropping, obliging)) as server:
        session = opened(server.url, quick(), wait_created=False, api_key=key)
        restored = session.wait_for("connection.restored", timeout=LONG)
        session.close()

        assert 2 == restored.attempt
        assert "vault is away" in caplog.text


# -- the hook ----------------------------------------------------------------


def test_the_hook_sees_every_attempt() -> None:
    """Number, close code, what failed, and how long will be waited."""
    seen: list[Any] = []
    busy = refusing("503 Service Unavailable")
    with RawServer(in_turn(closing(1012), busy, obliging)) as server:
        policy = quick(hook=lambda attempt: seen.append(attempt))
        session = opened(server.url, policy, wait_created=False)
        session.wait_for("connection.restored", timeout=LONG)
        session.close()

    assert [1, 2] == [attempt.number for attempt in seen]
    assert [1012, 1012] == [attempt.code for attempt in seen]
    assert [ConnectionLost, ConnectFailed] == [type(a.error) for a in seen]
    assert all(attempt.delay <= 0.002 for attempt in seen)


def test_the_hook_may_give_up() -> None:
    """The session ends with the error of the loss."""
    with RawServer(in_turn(closing(1012), obliging)) as server:
        policy = quick(hook=lambda attempt: False)
        session = opened(server.url, policy, wait_created=False)
        assert session._lifecycle.over.wait(LONG)
        report = session.close()

        assert 1 == len(server.heads)
        assert 1012 == report.code


def test_the_hook_may_add_headers() -> None:
    """To this attempt; those of `connect` stay."""
    with RawServer(in_turn(dropping, obliging)) as server:
        policy = quick(hook=lambda attempt: {"X-Attempt": str(attempt.number)})
        session = opened(
            server.url, policy, wait_created=False, extra_headers={"X-Kept": "yes"}
        )
        session.wait_for("connection.restored", timeout=LONG)
        session.close()
        first, second = server.heads

        assert "X-Attempt" not in first
        assert "X-Attempt: 1" in second and "X-Kept: yes" in second


def test_a_hook_that_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """And means nothing."""
    with RawServer(in_turn(dropping, obliging)) as server:
        session = opened(
            server.url, quick(hook=lambda attempt: 1 / 0), wait_created=False
        )
        session.wait_for("connection.restored", timeout=LONG)
        session.close()

    assert "the reconnect hook failed" in caplog.text


# -- meanwhile ---------------------------------------------------------------


def test_commands_wait_for_the_new_connection(server: Server) -> None:
    """In their order, and answered there; nobody sees a loss."""
    go_on = threading.Event()
    policy = quick(hook=lambda attempt: go_on.wait(LONG) and None)
    session = opened(server.url, policy)
    log = cut(session, server)
    handles = [session.conversation.add_message(f"message {n}") for n in range(5)]
    assert not any(handle.done() for handle in handles)
    go_on.set()
    for handle in handles:
        handle.acknowledged(LONG)

    assert [("user", f"message {n}") for n in range(5)] == texts(session)
    assert log.restored.is_set()
    session.close()


def test_what_nobody_noticed_yet_is_sent_again(server: Server) -> None:
    """
    A command that meets the dead socket goes to the next connection.

    Of one that the kernel has taken nobody knows; its handle says so.
    """
    for _ in range(10):
        session = opened(server.url, quick())
        server.sessions[-1].drop(reset=True)
        arrived: list[str] = []
        for number in itertools.count():
            handle = session.conversation.add_message(str(number))
            if answered(handle):
                arrived.append(str(number))
            if len(arrived) == 2:
                break

        assert number < 10
        assert arrived == [text for _, text in texts(session)]
        session.close()


def answered(handle: Any) -> bool:
    """Whether a command reached the new connection."""
    try:
        handle.acknowledged(LONG)
    except ConnectionLost:
        return False
    return True


def test_commands_that_wait_in_vain_are_handed_back(server: Server) -> None:
    """In `CloseReport.unsent_commands`; their handles fail."""
    session = opened(server.url, waiting())
    cut(session, server)
    handle = session.conversation.add_message("in vain")
    session.input_audio_buffer.commit()
    report = session.close()

    types = [command.type for command in report.unsent_commands]
    assert ["conversation.item.create", "input_audio_buffer.commit"] == types
    assert report.complete
    with pytest.raises(ConnectionClosed):
        handle.acknowledged(LONG)


def test_only_so_many_commands_wait(server: Server) -> None:
    """Then the caller is told, and the others still are delivered."""
    go_on = threading.Event()
    policy = quick(queue_limit=2, hook=lambda attempt: go_on.wait(LONG) and None)
    session = opened(server.url, policy)
    cut(session, server)
    handles = [session.conversation.add_message(str(n)) for n in range(2)]
    with pytest.raises(ConnectionLost, match="2 commands wait"):
        session.conversation.add_message("too many")
    go_on.set()
    for handle in handles:
        handle.acknowledged(LONG)

    assert ["0", "1"] == [text for _, text in texts(session)]
    session.close()


@pytest.mark.parametrize(("kept", "expected"), [(0.0, 0), (0.1, 4800)])
def test_microphone_audio_is_dropped_or_kept(
    server: Server, kept: float, expected: int
) -> None:
    """The last seconds of it, as the policy says."""
    go_on = threading.Event()
    policy = quick(keep_audio=kept, hook=lambda attempt: go_on.wait(LONG) and None)
    session = opened(server.url, policy, config={"turn_detection": None})
    log = cut(session, server)
    for _ in range(10):
        session.input_audio_buffer.append(bytes(960))
    go_on.set()
    assert log.restored.wait(LONG)
    session.input_audio_buffer.clear().acknowledged(LONG)
    appended = [
        frame
        for frame in server.sessions[-1].received
        if frame["type"] == "input_audio_buffer.append"
    ]

    assert expected == 960 * len(appended)
    session.close()


def test_seconds_of_audio_go_by_the_format(server: Server) -> None:
    """A second of telephone audio is a sixth of the bytes."""
    telephone = {"turn_detection": None, "input_audio_format": "g711_ulaw"}
    go_on = threading.Event()
    policy = quick(keep_audio=0.1, hook=lambda attempt: go_on.wait(LONG) and None)
    session = opened(server.url, policy, config=telephone)
    log = cut(session, server)
    for _ in range(10):
        session.input_audio_buffer.append(bytes(400))
    go_on.set()
    assert log.restored.wait(LONG)
    session.input_audio_buffer.clear().acknowledged(LONG)
    types = [frame["type"] for frame in server.sessions[-1].received]

    assert 2 == types.count("input_audio_buffer.append")
    session.close()


def test_a_handler_of_the_loss_may_send(server: Server) -> None:
    """Inline or not: the gap is there before they are told."""
    session = opened(server.url, quick())
    handles: list[Any] = []

    @session.on("connection.lost", inline=True)
    def at_once(event: Any) -> None:
        handles.append(session.conversation.add_message("inline"))

    log = cut(session, server)
    assert log.restored.wait(LONG)
    handles[0].acknowledged(LONG)

    assert [("user", "inline")] == texts(session)
    session.close()


def heeding_once(peer: Peer) -> None:
    """Greet, obey one command, drop at the next."""
    peer.greet()
    peer.oblige(peer.hear())
    peer.hear()


def test_what_is_still_held_outlives_a_second_loss() -> None:
    """It was not sent, so nothing is in doubt: it is answered later."""

    go_on, drop = threading.Event(), threading.Event()

    def brief(peer: Peer) -> None:
        peer.greet()
        peer.oblige(peer.hear())
        drop.wait(LONG)

    hook = quick(hook=lambda attempt: go_on.wait(LONG) and None)
    with RawServer(in_turn(heeding_once, brief, obliging)) as server:
        session = opened(server.url, hook)
        session.update(instructions="Be brief.").acknowledged(LONG)
        log = Log(session)

        def outlast(notice: Any) -> None:
            connection = session._parts.connection
            if not drop.is_set() and connection is not None:
                drop.set()
                assert connection.over.wait(LONG)

        session.on("connection.restored", outlast, inline=True)
        session.input_audio_buffer.clear()
        assert log.lost.wait(LONG)
        handle = session.conversation.add_message("held")
        go_on.set()

        assert "held" == handle.acknowledged(LONG).item.content[0].text
        assert 3 == len(server.heads)
        session.close()


def test_what_was_in_flight_fails_with_the_loss() -> None:
    """Nobody knows whether the server did it; the program decides."""
    release = threading.Event()

    def slow(prompt: Prompt) -> str:
        assert release.wait(LONG)
        return "late"

    with serve(agent=slow) as server:
        session = opened(server.url, quick())
        handle = session.response.create(output_modalities=["text"])
        handle.acknowledged(LONG)
        with session.expect("connection.restored") as restored:
            server.sessions[-1].drop()
        with pytest.raises(ConnectionLost):
            handle.result(LONG)
        restored.result(LONG)
        release.set()
        session.close()


def test_inline_handlers_of_the_return_must_not_wait(server: Server) -> None:
    """They run where the connection is being handed over."""
    from realtime_sync.errors import WouldDeadlock

    session = opened(server.url, quick())
    caught: list[BaseException] = []

    @session.on("connection.restored", inline=True)
    def back(event: Any) -> None:
        try:
            session.ask("?")
        except WouldDeadlock as exc:
            caught.append(exc)

    log = cut(session, server)
    assert log.restored.wait(LONG)
    session.ask("still works", timeout=LONG)

    assert 1 == len(caught)
    session.close()


# -- what is on the new connection -------------------------------------------


def test_conversation_and_configuration_are_there_again(server: Server) -> None:
    """Same items, same ids, same order; the report names them."""
    session = opened(server.url, quick(), config={"instructions": "Be brief."})
    session.ask("one", output_modalities=["text"])
    session.ask("two", output_modalities=["text"])
    before = [(item.id, item.text) for item in session.conversation.items]
    usage = session.snapshot.usage
    with session.expect("connection.restored") as restored:
        server.sessions[-1].drop()
    report = restored.result(LONG).report

    assert tuple(item_id for item_id, _ in before) == report.restored
    assert before == [(item.id, item.text) for item in session.conversation.items]
    assert "Be brief." == session.config.instructions
    assert usage == session.snapshot.usage
    assert {} == report.dropped
    session.close()


@pytest.mark.parametrize(
    "kind",
    [
        {"dialect": "beta"},
        {"session_type": "transcription"},
        {"session_type": "transcription", "dialect": "beta"},
        {"session_type": "translation"},
    ],
    ids=lambda kind: " ".join(kind.values()),
)
def test_every_kind_of_session_is_restored(server: Server, kind: Any) -> None:
    """In both dialects: the server takes back the configuration that it told."""
    session = opened(server.url, quick(), **kind)
    before = evolve(session.config, id="x")
    with session.expect("connection.restored") as restored:
        server.sessions[-1].drop()
    restored.result(LONG)
    after = evolve(session.config, id="x")

    assert _timeless(before) == _timeless(after)
    session.close()


def _timeless(config: Any) -> Any:
    return evolve(config, expires_at=0) if hasattr(config, "expires_at") else config


def test_only_the_configuration_if_so_wished(server: Server) -> None:
    """The report says that the items were not wanted."""
    session = opened(server.url, quick(restore=False))
    session.conversation.add_message("one").acknowledged(LONG)
    item_id = session.conversation.items[0].id
    with session.expect("connection.restored") as restored:
        server.sessions[-1].drop()
    report = restored.result(LONG).report

    assert {item_id: "not wanted"} == report.dropped
    assert [] == texts(session)
    session.close()


def test_what_changed_is_told_with_its_reason(server: Server) -> None:
    """Speech becomes the text of it."""
    session = opened(server.url, quick())
    session.ask("speak to me")
    spoken = session.conversation.items[-1]
    with session.expect("connection.restored") as restored:
        server.sessions[-1].drop()
    report = restored.result(LONG).report
    again = session.conversation.items[-1]

    assert {spoken.id: "audio became its transcript"} == report.changed
    assert (spoken.id, spoken.text) == (again.id, again.text)
    session.close()


def confirming_once(peer: Peer) -> None:
    """Greet, take two items, drop at the next command."""
    peer.greet()
    for _ in range(3):
        peer.oblige(peer.hear())
    peer.hear()


def taking_in_silence(heard: list[Any], words: dict[str, Any]) -> SCRIPT:
    """Greet, acknowledge configurations; say `words` of two items, if anything."""

    def run(peer: Peer) -> None:
        peer.greet()
        while True:
            command = peer.hear()
            heard.append(command)
            if command["type"] == "session.update":
                peer.oblige(command)
            elif words and heard[-2]["type"] == command["type"]:
                # Not sooner: about a single command an error would be clear.
                peer.say(words)
                peer.say(words)

    return run


UNCLEAR = {"type": "error", "error": {"message": "what?", "code": "unknown"}}


@pytest.mark.parametrize("words", [{}, UNCLEAR], ids=["silent", "unclear"])
def test_a_server_that_says_nothing_of_items_is_believed_to_have_them(
    words: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a while; the report names them, and nothing is sent twice."""
    monkeypatch.setattr(realtime_sync.session.restorer, "_PATIENCE", 0.05)
    heard: list[Any] = []
    quiet = taking_in_silence(heard, words)
    with RawServer(in_turn(confirming_once, quiet)) as server:
        session = opened(server.url, quick())
        session.update(instructions="Be brief.").acknowledged(LONG)
        for word in ("one", "two"):
            session.conversation.add_message(word).acknowledged(LONG)
        before = tuple(item.id for item in session.conversation.items)
        with session.expect("connection.restored") as restored:
            session.input_audio_buffer.clear()
        report = restored.result(LONG).report
        session.update(instructions="Be long.").acknowledged(LONG)
        sent = [c["item"]["id"] for c in heard if c["type"].endswith("item.create")]

        assert ((), before) == (report.restored, report.unconfirmed)
        assert list(before) == sent
        assert [] == texts(session)
        session.close()


def test_what_a_server_does_not_tell_of_some_items_is_unconfirmed() -> None:
    """It is waited for a short time, and fails no restore."""

    def half(peer: Peer) -> None:
        peer.greet()
        peer.oblige(peer.hear())
        peer.oblige(peer.hear())
        peer.rest()

    with RawServer(in_turn(confirming_once, half)) as server:
        session = opened(server.url, quick(), connect_timeout=0.4)
        session.update(instructions="Be brief.").acknowledged(LONG)
        for word in ("one", "two"):
            session.conversation.add_message(word).acknowledged(LONG)
        before = tuple(item.id for item in session.conversation.items)
        with session.expect("connection.restored") as restored:
            session.input_audio_buffer.clear()
        notice = restored.result(LONG)

        assert 1 == notice.attempt
        assert (before[:1], before[1:]) == (
            notice.report.restored,
            notice.report.unconfirmed,
        )
        session.close()


def test_items_the_server_refuses_are_named(server: Server) -> None:
    """With its words; what comes behind them moves up."""

    def choosy(peer: Peer) -> None:
        peer.greet()
        while True:
            command = peer.hear()
            if "secret" in json.dumps(command):
                error = {
                    "type": "invalid_request_error",
                    "code": "invalid_value",
                    "message": "not that one",
                    "event_id": command["event_id"],
                }
                peer.say({"type": "error", "event_id": "e", "error": error})
            elif command.get("previous_item_id") == "item_secret":
                error = {
                    "type": "invalid_request_error",
                    "code": "invalid_previous_item_id",
                    "message": "no such item",
                    "event_id": command["event_id"],
                }
                peer.say({"type": "error", "event_id": "e", "error": error})
            else:
                peer.oblige(command)

    def first(peer: Peer) -> None:
        peer.greet()
        for _ in range(3):
            peer.oblige(peer.hear())

    def message(item_id: str, text: str) -> Any:
        part = {"type": "input_text", "text": text}
        return {"type": "message", "role": "user", "id": item_id, "content": [part]}

    with RawServer(in_turn(first, choosy)) as raw:
        session = opened(raw.url, quick())
        log = Log(session)
        create = session.conversation.item.create
        create(message("item_a", "one"), previous_item_id="root")
        create(message("item_secret", "secret"), previous_item_id="item_a")
        create(message("item_c", "three"), previous_item_id="item_secret")
        assert log.restored.wait(LONG)
        report = log.notices[-1].report

        assert ("item_a", "item_c") == report.restored
        assert ["item_secret"] == list(report.dropped)
        assert "not that one" in report.dropped["item_secret"]
        session.close()


def test_a_configuration_that_is_refused_ends_the_session() -> None:
    """`RestoreError`, with what would have been restored."""

    def refusing_it(peer: Peer) -> None:
        peer.greet()
        command = peer.hear()
        error = {
            "type": "invalid_request_error",
            "code": "invalid_value",
            "message": "unsupported voice",
            "event_id": command["event_id"],
        }
        peer.say({"type": "error", "event_id": "e", "error": error})
        peer.rest()

    with RawServer(in_turn(dropping, refusing_it)) as server:
        session = opened(server.url, quick(), wait_created=False)
        assert session._lifecycle.over.wait(LONG)
        report = session.close()

        assert report.error is not None
        assert isinstance(report.error, ConnectionLost)
        assert isinstance(report.error.__cause__, RestoreError)
        assert "unsupported voice" in str(report.error.__cause__)
        assert report.error.__cause__.report is not None
        assert 2 == len(server.heads)


def test_an_output_goes_with_the_call_that_was_refused() -> None:
    """They stay together, or neither is there."""
    deleted = threading.Event()

    def no_calls(peer: Peer) -> None:
        peer.greet()
        while True:
            command = peer.hear()
            if command.get("item", {}).get("type") == "function_call":
                error = {
                    "type": "invalid_request_error",
                    "code": "invalid_value",
                    "message": "no calls",
                    "event_id": command["event_id"],
                }
                peer.say({"type": "error", "event_id": "e", "error": error})
            elif command["type"] == "conversation.item.delete":
                assert "out" == command["item_id"]
                deleted.set()
                peer.say(
                    {
                        "type": "conversation.item.deleted",
                        "event_id": "d",
                        "item_id": "out",
                    }
                )
            else:
                command.pop("previous_item_id", None)
                peer.oblige(command)

    def first(peer: Peer) -> None:
        peer.greet()
        for _ in range(2):
            peer.oblige(peer.hear())

    with RawServer(in_turn(first, no_calls)) as raw:
        session = opened(raw.url, quick())
        log = Log(session)
        call = {"type": "function_call", "id": "call", "call_id": "c", "name": "f"}
        create = session.conversation.item.create
        create({**call, "arguments": "{}"}, previous_item_id="root")
        output = {"type": "function_call_output", "id": "out", "call_id": "c"}
        create({**output, "output": "1"}, previous_item_id="call")
        assert log.restored.wait(LONG)
        report = log.notices[-1].report

        assert deleted.is_set()
        assert () == report.restored
        assert "its function call is gone" == report.dropped["out"]
        session.close()


def model(prompt: Prompt) -> Any:
    """Call a tool, then say what it gave."""
    last = prompt.items[-1]
    if last["type"] == "function_call_output":
        return f"It is {last['output']}."
    return Call("look_up", {"place": "Lima"})


def test_a_tool_runs_once_across_a_loss() -> None:
    """Its call is restored with its id, and the output goes to the new one."""
    with serve(agent=model) as server:
        session = opened(server.url, quick())
        runs: list[str] = []
        running, finish = threading.Event(), threading.Event()

        @session.tool
        def look_up(place: str) -> str:
            """Look something up."""
            runs.append(place)
            running.set()
            assert finish.wait(LONG)
            return "21 degrees"

        session.update(tools=session._tools.definitions()).acknowledged(LONG)
        session.conversation.add_message("How warm is it?").acknowledged(LONG)
        session.response.create(output_modalities=["text"])
        assert running.wait(LONG)
        with session.expect("connection.restored") as restored:
            server.sessions[-1].drop()
        report = restored.result(LONG).report
        with session.expect("response.done") as done:
            finish.set()
        done.result(LONG)
        kinds = [item.type for item in session.conversation.items]
        pair = [i.call_id for i in session.conversation.items if i.call_id]

        assert ["Lima"] == runs
        assert {} == report.dropped
        assert ["message", "function_call", "function_call_output"] == kinds[:3]
        assert pair[0] == pair[1]
        assert "It is 21 degrees." == session.conversation.items[-1].text
        session.close()


# -- rotation ----------------------------------------------------------------


@pytest.fixture
def short_lived() -> Iterator[Server]:
    """A server whose first session lives a minute."""
    with serve(session_seconds=60.0) as running:
        yield running


def rotating(server: Server, **fields: Any) -> tuple[Session, Log]:
    """A session that is about to be rotated; the next ones live longer."""
    policy = quick(rotate_before=59.0, **fields)
    session = opened(server.url, policy)
    log = Log(session)
    server.options = evolve(server.options, session_seconds=3600.0)
    return session, log


@pytest.mark.shared
def test_a_session_is_rotated_before_its_time_is_up(short_lived: Server) -> None:
    """The new connection is up before the old one goes; nothing is lost."""
    session, log = rotating(short_lived)
    old_was_open: list[bool] = []
    session.on(
        "connection.restored",
        lambda event: old_was_open.append(short_lived.sessions[0].open),
        inline=True,
    )
    first = session.conversation.add_message("before").acknowledged(LONG)
    assert log.restored.wait(LONG)
    session.conversation.add_message("after").acknowledged(LONG)
    short_lived.wait_closed(short_lived.sessions[0])

    assert [True] == old_was_open
    assert "connection.lost" not in log.types
    assert 1000 == short_lived.sessions[0].close_code
    assert ["before", "after"] == [text for _, text in texts(session)]
    assert first.item.id == session.conversation.items[0].id
    assert session.ask("and on", output_modalities=["text"]).text
    report = session.close()
    assert report.complete and report.error is None
    assert 1000 == report.code


def test_waits_outlive_a_rotation(short_lived: Server) -> None:
    """They wait for events of the session, wherever they come from."""
    session, log = rotating(short_lived)
    with session.expect(
        "session.updated", where=lambda event: event.session.instructions == "x"
    ) as got:
        assert log.restored.wait(LONG)
        short_lived.wait_closed(short_lived.sessions[0])
        session.update(instructions="x")

    assert "x" == got.result(LONG).session.instructions
    session.close()


def test_audio_is_not_dropped_by_a_rotation(short_lived: Server) -> None:
    """Nothing was lost, so whatever is said meanwhile is kept."""
    session, log = rotating(short_lived)
    session.update(turn_detection=None).acknowledged(LONG)
    sent = 0
    while not log.restored.is_set():
        session.input_audio_buffer.append(bytes(96))
        sent += 1
    session.input_audio_buffer.clear().acknowledged(LONG)
    appended = sum(
        frame["type"] == "input_audio_buffer.append"
        for each in short_lived.sessions
        for frame in each.received
        if isinstance(frame, dict)
    )

    assert min(sent, 900) <= appended
    session.close()


def test_a_rotation_that_fails_leaves_the_old_connection(short_lived: Server) -> None:
    """Commands given meanwhile go over it."""
    session, log = rotating(short_lived)
    short_lived.faults = [Fault.parse("refuse:503")]
    reconnector = session._parts.reconnector
    assert reconnector is not None
    while reconnector._task is None:
        session.input_audio_buffer.clear().acknowledged(LONG)
    assert reconnector.join(_deadline())
    session.conversation.add_message("still here").acknowledged(LONG)

    assert not log.restored.is_set()
    assert "still here" == session.conversation.items[-1].text
    assert session.close().complete


def _deadline() -> Any:
    from realtime_sync.deadline import Deadline

    return Deadline(LONG)


def test_no_rotation_while_a_response_is_active() -> None:
    """It begins at the first quiet moment after it."""
    release = threading.Event()

    def slow(prompt: Prompt) -> Iterator[str]:
        yield "first "
        assert release.wait(LONG)
        yield "second"

    with serve(agent=slow, session_seconds=60.0) as server:
        policy = quick(rotate_before=59.0)
        session = opened(server.url, policy)
        handle = session.response.create(output_modalities=["text"])
        log = Log(session)
        server.options = evolve(server.options, session_seconds=3600.0)
        for piece in handle.text_deltas(timeout=LONG):
            if not release.is_set():
                assert not log.restored.wait(1.3)
                release.set()
        assert log.restored.wait(LONG)

        assert "first second" == handle.result(LONG).text
        session.close()


def test_no_rotation_while_an_answer_is_played() -> None:
    """What still plays can be truncated on the connection that said it."""
    with serve(agent="echo", session_seconds=60.0) as server:
        session = opened(server.url, quick(rotate_before=59.0))
        log = Log(session)
        server.options = evolve(server.options, session_seconds=3600.0)
        with audio.Player() as player, player.attach(session):
            player.play(bytes(4800))

            assert not log.restored.wait(1.3)
            player.interrupt()
            assert log.restored.wait(LONG)
        session.close()


def test_closing_during_a_rotation_ends_both(short_lived: Server) -> None:
    """Neither connection nor thread is left."""
    session, log = rotating(short_lived)
    short_lived.faults = [Fault.parse("stall:1")]
    reconnector = session._parts.reconnector
    assert reconnector is not None
    while reconnector._task is None:
        with suppress(WaitTimeout):  # It may just have begun, and holds this one.
            session.conversation.add_message("x").acknowledged(0.5)
    report = session.close()

    assert report.complete
    assert not log.restored.is_set()
    mine = f"realtime-sync {session.name} "
    assert [] == [t for t in threading.enumerate() if t.name.startswith(mine)]
