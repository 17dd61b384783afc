"""Sessions that begin with a saved conversation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import realtime_sync.session.restorer
from realtime_sync import Router, Session, Snapshot, connect
from realtime_sync.errors import (
    ConfigurationError,
    ConnectFailed,
    ConnectionClosed,
    LocalProtocolError,
)
from realtime_sync.server import Server, serve
from tests.rawserver import Peer, RawServer
from tests.session.test_restorer import (
    WORDS,
    Habits,
    Habitual,
    lose,
    opened,
    say,
    texts,
)

CHAT = [{"role": "user", "content": word} for word in WORDS]


def session_at(server: Server, **options: Any) -> Session:
    """An open session of the local server."""
    return connect("m", base_url=server.url, router=Router(), **options)


def held(server: Server, dialect: Any = "ga") -> Snapshot:
    """A conversation that was held: a question, and the answer of an echo."""
    with session_at(server, dialect=dialect) as session:
        session.ask("Hello there")
        return session.snapshot


@pytest.mark.parametrize("dialect", ["ga", "beta"])
def test_a_snapshot_is_put_in_before_connect_returns(dialect: Any) -> None:
    """Same ids, same order, same words."""
    with serve(agent="echo", dialect="both", port=0) as server:
        before = held(server, dialect)
        with session_at(server, dialect=dialect, history=before) as session:
            after = session.snapshot
            report = session.history_report

    assert report is not None
    ids = tuple(item.id for item in before.items)
    assert ids == report.restored
    assert ids == tuple(item.id for item in after.items)
    assert before.transcript() == after.transcript()
    assert ({}, ()) == (dict(report.dropped), report.unconfirmed)


def test_the_dict_of_a_snapshot_will_do() -> None:
    """As it comes back from a file of JSON."""
    with serve(agent="echo", port=0) as server:
        before = held(server)
        packed = json.loads(json.dumps(before.to_dict()))
        with session_at(server, history=packed) as session:
            assert before.transcript() == session.snapshot.transcript()


def test_a_recording_will_do(tmp_path: Path) -> None:
    """What its mirror had at the end."""
    path = tmp_path / "call.jsonl"
    with serve(agent="echo", port=0) as server:
        with session_at(server) as session:
            with session.record(path):
                session.ask("Hello there")
            before = session.snapshot
        for history in (path, str(path)):
            with session_at(server, history=history) as session:
                assert before.transcript() == session.snapshot.transcript()


def test_items_of_a_snapshot_will_do_and_their_dicts() -> None:
    """A part of a conversation, for example."""
    with serve(agent="echo", port=0) as server:
        before = held(server)
        for history in (before.items[:1], [i.to_dict() for i in before.items[:1]]):
            with session_at(server, history=history) as session:
                assert before.items[0].id == session.snapshot.items[0].id
                assert 1 == len(session.snapshot.items)


def test_chat_messages_will_do_and_the_model_knows_them() -> None:
    """The answer comes behind them."""
    with serve(agent="echo", port=0) as server:
        with session_at(server, history=CHAT) as session:
            reply = session.ask("five")
            lines = session.snapshot.transcript()

    assert [*WORDS, "five"] == [line.text for line in lines if line.role == "user"]
    assert reply.text


def test_a_client_may_have_a_history_for_all_its_sessions() -> None:
    """It is read anew for each, and may be overridden."""
    from realtime_sync import RealtimeClient

    with serve(agent="echo", port=0) as server:
        client = RealtimeClient(base_url=server.url, history=CHAT)
        for _ in range(2):
            with client.connect("m", router=Router()) as session:
                assert list(WORDS) == texts(session)
        with client.connect("m", router=Router(), history=None) as session:
            assert None is session.history_report
            assert [] == texts(session)


def test_handlers_hear_of_what_is_put_in() -> None:
    """As of anything that the program puts into a conversation."""
    router, heard = Router(), []
    router.on("conversation.item.added", lambda event: heard.append(event.item.id))
    with serve(agent="echo", port=0) as server:
        options: Any = {"history": CHAT, "base_url": server.url, "router": router}
        with connect("m", **options) as session:
            session.flush()
            assert [item.id for item in session.snapshot.items] == heard


@pytest.mark.parametrize(
    "history, words",
    [
        (5, "history is a Snapshot"),
        (b"call.jsonl", "history is a Snapshot"),
        ({"items": []}, "as a list"),
        ({"order": 5}, "no snapshot"),
        ([*CHAT, 5], r"history\[4\]"),
    ],
    ids=repr,
)
def test_what_is_no_history_is_refused_before_anything_is_sent(
    history: Any, words: str
) -> None:
    """At the line of whoever gave it: nobody is dialled."""
    with pytest.raises(ConfigurationError, match=words):
        connect("m", base_url="ws://127.0.0.1:1", history=history)


def test_a_file_that_is_not_there_is_said_so() -> None:
    """Before anything is sent."""
    with pytest.raises(FileNotFoundError):
        connect("m", base_url="ws://127.0.0.1:1", history="nowhere.jsonl")


@pytest.mark.parametrize("kind", ["transcription", "translation"])
def test_sessions_without_a_conversation_refuse_it(kind: Any) -> None:
    """Their type has no use for it."""
    with pytest.raises(ConfigurationError, match="no use for history"):
        connect(base_url="ws://127.0.0.1:1", session_type=kind, history=CHAT)


def test_what_a_server_refuses_is_in_the_report() -> None:
    """The rest is there, in order."""
    bad = {"type": "function_call", "call_id": "", "name": "", "arguments": "{}"}
    with serve(agent="echo", port=0) as server:
        history = [CHAT[0], {**bad, "id": "f"}, *CHAT[1:]]
        with session_at(server, history=history) as session:
            report = session.history_report
            assert report is not None
            assert ["f"] == list(report.dropped)
            assert "refused" in report.dropped["f"]
            assert list(WORDS) == [text for text in texts(session) if text]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for what does not come."""
    monkeypatch.setattr(realtime_sync.session.restorer, "_PATIENCE", 0.6)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("beta", [False, True])
@pytest.mark.parametrize("silent", [1, 2])
def test_a_silent_server_fails_no_history(silent: int, beta: bool) -> None:
    """What it says nothing of is unconfirmed, and goes to the next connection too."""
    script = Habitual(Habits(silent=silent), beta)
    with RawServer(script) as server:
        with opened(server, beta, history=CHAT) as session:
            report = session.history_report
            assert report is not None
            assert 4 // silent == len(report.unconfirmed)
            assert list(WORDS) == script.kept[-1]
            lose(session)
            assert list(WORDS) == script.kept[-1]


@pytest.mark.usefixtures("impatient")
def test_names_that_the_server_gives_are_in_the_report() -> None:
    """And the order is right all the same."""
    script = Habitual(Habits(own_ids=True, predecessors="null"), False)
    with RawServer(script) as server, opened(server, False, history=CHAT) as session:
        report = session.history_report
        assert report is not None
        assert 4 == len(report.restored) == len(report.changed)
        assert list(WORDS) == script.kept[-1] == texts(session)


def test_a_connection_that_is_lost_meanwhile_is_said_so() -> None:
    """Not a session with half of a history."""

    def script(peer: Peer) -> None:
        peer.greet()
        peer.hear()

    with RawServer(script) as server:
        with pytest.raises((ConnectionClosed, ConnectFailed)):
            connect("m", base_url=server.url, router=Router(), history=CHAT)


def test_an_item_of_a_snapshot_can_be_given_back() -> None:
    """In another session, or after it was deleted; as it is, or as its dict."""
    with serve(agent="echo", port=0) as server:
        before = held(server)
        with session_at(server) as session:
            for item in before.items:
                session.conversation.item.create(item).acknowledged(5)
            assert before.transcript() == session.snapshot.transcript()
            last = session.snapshot.items[-1]
            session.conversation.item.delete(last.id).acknowledged(5)
            session.conversation.item.create(last.to_dict()).acknowledged(5)
            assert before.transcript() == session.snapshot.transcript()


def test_an_item_that_cannot_be_created_is_refused_at_once() -> None:
    """With the reason that a restore gives."""
    from realtime_sync.state.items import Item

    with serve(agent="echo", port=0) as server, session_at(server) as session:
        with pytest.raises(LocalProtocolError, match="made by the server only"):
            session.conversation.item.create(Item(id="m", type="mcp_call"))


def test_a_loss_after_a_history_restores_it() -> None:
    """With what was said since."""
    script = Habitual(Habits(), False)
    with RawServer(script) as server, opened(server, False, history=CHAT) as session:
        say(session, ("five",))
        report = lose(session)

        assert 5 == len(report.restored)
        assert [*WORDS, "five"] == script.kept[-1] == texts(session)


def test_a_retrieved_item_is_put_in_with_its_sound() -> None:
    """What the user said, as the server gave it back."""
    sound = bytes(range(200)) * 48
    question = {"type": "input_audio", "audio": sound, "transcript": "Hello"}
    with serve(agent="echo", port=0) as server:
        with session_at(server) as session:
            item = {"type": "message", "role": "user", "content": [question]}
            added: Any = session.conversation.item.create(item).acknowledged(5)
            got: Any = session.conversation.item.retrieve(added.item.id).acknowledged(5)
        with session_at(server, history=[got.item]) as session:
            report = session.history_report
            assert report is not None
            assert ((added.item.id,), {}) == (report.restored, dict(report.changed))
            back: Any = session.conversation.item.retrieve(added.item.id)
            kept = back.acknowledged(5).item.content[0].audio

    assert sound == got.item.content[0].audio == kept
