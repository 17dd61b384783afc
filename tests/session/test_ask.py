"""Questions, and what becomes of them."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_sync import Audio, Router, Session, connect
from realtime_sync.errors import CommandRejected, ConnectionLost
from realtime_sync.server import serve
from tests.rawserver import Peer, RawServer


def lose_messages(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every message be lost with its connection, while the session goes on."""
    create = session.conversation.item.create

    def lost(item: Any) -> Any:
        handle = create(item)
        handle.acknowledged(timeout=5)
        handle._slot = type(handle._slot)()
        handle._reject(ConnectionLost("the connection was lost", code=1006))
        return handle

    monkeypatch.setattr(session.conversation.item, "create", lost)


def test_question_lost_with_its_connection_has_no_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A response on the next connection would answer what was asked before."""
    with serve(agent=["One.", "Two."]) as server:
        with connect("gpt-realtime-2.1", base_url=server.url) as session:
            session.ask("First?", timeout=5)
            lose_messages(session, monkeypatch)
            with pytest.raises(ConnectionLost):
                session.ask("Second?", timeout=5)


def test_question_waits_for_no_change_after_a_conflict() -> None:
    """The response in the way may be over when the refusal of ours is looked at."""

    def respond(peer: Peer, response_id: str, metadata: dict[str, str]) -> None:
        for status, kind in (("in_progress", "created"), ("completed", "done")):
            said = {"id": response_id, "status": status, "metadata": metadata}
            peer.say({"type": f"response.{kind}", "response": said})

    def script(peer: Peer) -> None:
        peer.greet()
        command = peer.hear_until("response.create")
        respond(peer, "resp_1", {"realtime_sync_id": "another"})
        code = "conversation_already_has_active_response"
        refusal = {"code": code, "event_id": command["event_id"]}
        peer.say({"type": "error", "error": refusal})
        again = peer.hear_until("response.create")
        respond(peer, "resp_2", again["response"]["metadata"])
        peer.answer_close()

    with RawServer(script) as server:
        with connect("m", base_url=server.url, router=Router(), timeout=5) as session:
            assert "resp_2" == session.ask("Hello?").response.id


def test_question_is_asked_again_when_its_answer_was_that_of_another() -> None:
    """The server answers by itself, tells no owner, and refuses ours then."""

    def say(peer: Peer, kind: str, response_id: str, status: str) -> None:
        said = {"id": response_id, "status": status}
        peer.say({"type": f"response.{kind}", "response": said})

    def script(peer: Peer) -> None:
        peer.greet()
        command = peer.hear_until("response.create")
        say(peer, "created", "resp_1", "in_progress")
        code = "conversation_already_has_active_response"
        refusal = {"code": code, "event_id": command["event_id"]}
        peer.say({"type": "error", "error": refusal})
        say(peer, "done", "resp_1", "completed")
        peer.hear_until("response.create")
        say(peer, "created", "resp_2", "in_progress")
        say(peer, "done", "resp_2", "completed")
        peer.answer_close()

    with RawServer(script) as server:
        with connect("m", base_url=server.url, router=Router(), timeout=5) as session:
            assert "resp_2" == session.ask("Hello?").response.id


@pytest.mark.parametrize(
    "sound",
    [Audio(b"\xff" * 8_000, "g711_ulaw", 8_000), Audio(b"\0\0" * 16_000, rate=16_000)],
)
def test_sound_of_another_format_is_converted(sound: Audio) -> None:
    """A second of it is a second for the model."""
    with serve(agent="echo") as server:
        with connect("m", base_url=server.url, router=Router(), timeout=5) as session:
            assert "1000 ms of audio" == session.ask(sound).text


def test_the_conversation_of_a_question_is_passed_on() -> None:
    """What the server does not know it refuses."""
    with serve(agent="echo") as server:
        with connect("m", base_url=server.url, router=Router(), timeout=5) as session:
            assert "Hello" == session.ask("Hello", conversation="auto").text
            with pytest.raises(CommandRejected, match="elsewhere"):
                session.ask("Hello", conversation="elsewhere")
