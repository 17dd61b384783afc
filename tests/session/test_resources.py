"""Commands, named as on the wire."""

from __future__ import annotations

import array
import base64
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from realtime_sync import UNSET, Router, Session, connect, events
from realtime_sync.errors import ConnectionClosed, LocalProtocolError
from realtime_sync.session.resources import MOST_APPEND_BYTES, new_item_id
from realtime_sync.testing import MemoryTransport
from tests.rawserver import Peer, RawServer

LONG = 10.0


class Heard:
    """A session, and what its server has heard."""

    def __init__(self) -> None:
        self.commands: list[dict[str, Any]] = []
        self._came = threading.Condition()
        self.server = RawServer(self._script)
        self.session: Session = connect(
            "m", base_url=self.server.url, router=Router(), timeout=LONG
        )

    def _script(self, peer: Peer) -> None:
        peer.greet()
        while True:
            command = peer.hear()
            with self._came:
                self.commands.append(command)
                self._came.notify_all()

    def last(self, count: int = 1) -> dict[str, Any]:
        """The newest of so many commands, without its id."""
        with self._came:
            assert self._came.wait_for(lambda: len(self.commands) >= count, LONG)
        command = dict(self.commands[-1])
        command.pop("event_id", None)
        return command


@pytest.fixture
def heard() -> Iterator[Heard]:
    """Nothing heard yet."""
    made = Heard()
    yield made
    made.session.close(drain=False)
    made.server.stop()


def message(text: str = "x") -> dict[str, Any]:
    """A user message as a mapping."""
    part = {"type": "input_text", "text": text}
    return {"type": "message", "role": "user", "content": [part]}


# -- audio -------------------------------------------------------------------


@pytest.mark.parametrize(
    "audio",
    [
        b"\1\0\2\0",
        bytearray(b"\1\0\2\0"),
        memoryview(b"\1\0\2\0"),
        array.array("h", [1, 2]),
    ],
    ids=["bytes", "bytearray", "memoryview", "array"],
)
def test_audio_of_any_kind_is_appended(heard: Heard, audio: Any) -> None:
    """Base64 on the wire; nothing is returned, as nothing acknowledges it."""
    answer = heard.session.input_audio_buffer.append(audio)

    assert answer is None
    assert {
        "type": "input_audio_buffer.append",
        "audio": base64.b64encode(b"\1\0\2\0").decode(),
    } == heard.last()


def test_numpy_audio_is_appended(heard: Heard) -> None:
    """Integers as they are, floats as 16 bit."""
    numpy = pytest.importorskip("numpy")
    heard.session.input_audio_buffer.append(numpy.array([1, 2], dtype="int16"))
    first = heard.last(1)
    heard.session.input_audio_buffer.append(numpy.array([0.0, 1.0], dtype="float32"))
    second = heard.last(2)

    assert b"\1\0\2\0" == base64.b64decode(first["audio"])
    assert b"\0\0\xff\x7f" == base64.b64decode(second["audio"])


@pytest.mark.parametrize("audio", ["text", 7, None, [1, 2]])
def test_what_is_no_audio_is_a_type_error(heard: Heard, audio: Any) -> None:
    """At the line that passes it."""
    with pytest.raises(TypeError):
        heard.session.input_audio_buffer.append(audio)


def test_long_audio_is_split_below_the_limit(heard: Heard) -> None:
    """At whole samples, and put together again it is the same."""
    audio = bytes(range(256)) * (100 << 10)
    heard.session.input_audio_buffer.append(audio)
    heard.session.input_audio_buffer.commit()
    heard.last(4)
    pieces = [base64.b64decode(each["audio"]) for each in heard.commands[:-1]]

    assert len(pieces) > 1
    assert audio == b"".join(pieces)
    assert all(len(piece) % 2 == 0 for piece in pieces)
    assert all(len(each["audio"]) < MOST_APPEND_BYTES for each in heard.commands[:-1])


# -- items -------------------------------------------------------------------


def test_an_item_without_an_id_gets_one(heard: Heard) -> None:
    """By which its acknowledgement is found; at most 32 characters."""
    given = message()
    handle = heard.session.conversation.item.create(given)
    sent = heard.last()

    assert "id" not in given
    assert handle.command.item.id == sent["item"]["id"]
    assert len(sent["item"]["id"]) <= 32
    assert new_item_id() != new_item_id()


def test_an_item_keeps_the_id_it_has(heard: Heard) -> None:
    """Also one that is an object."""
    from realtime_sync.protocol.items import ContentPart, UserMessage

    part = ContentPart(type="input_text", text="x")
    heard.session.conversation.item.create(UserMessage(id="mine", content=(part,)))

    assert "mine" == heard.last()["item"]["id"]


@pytest.mark.parametrize(
    ("given", "sent"), [(UNSET, "absent"), (None, None), ("root", "root")]
)
def test_the_predecessor_is_sent_as_it_is_given(
    heard: Heard, given: Any, sent: Any
) -> None:
    """Left out, null, or a name."""
    heard.session.conversation.item.create(message(), previous_item_id=given)

    assert sent == heard.last().get("previous_item_id", "absent")


@pytest.mark.parametrize(
    ("role", "kind"),
    [("user", "input_text"), ("assistant", "output_text"), ("system", "input_text")],
)
def test_a_message_has_the_part_type_of_its_role(
    heard: Heard, role: str, kind: str
) -> None:
    """The server refuses the other one."""
    heard.session.conversation.add_message("hello", role=role)
    item = heard.last()["item"]

    assert (role, [{"type": kind, "text": "hello"}]) == (item["role"], item["content"])


def test_a_message_with_an_image_has_it_as_a_part(heard: Heard) -> None:
    """Bytes become a data URL; a URL stays one."""
    add = heard.session.conversation.add_message
    add("what is this?", image=b"\x89PNG....", detail="low")
    first = heard.last(1)["item"]["content"]
    add(image="https://example.org/cat.jpg")
    second = heard.last(2)["item"]["content"]

    assert ["input_text", "input_image"] == [part["type"] for part in first]
    assert first[1]["image_url"].startswith("data:image/png;base64,")
    assert "low" == first[1]["detail"]
    assert ["input_image"] == [part["type"] for part in second]
    assert "https://example.org/cat.jpg" == second[0]["image_url"]


def test_a_message_of_another_role_is_refused(heard: Heard) -> None:
    """At the user's line."""
    with pytest.raises(ValueError, match="role"):
        heard.session.conversation.add_message("x", role="tool")


def test_an_id_that_is_no_text_is_refused(heard: Heard) -> None:
    """It was left out, and the item put elsewhere or under another id."""
    create = heard.session.conversation.item.create
    for odd in (5, 0, False, ["item_1"]):
        with pytest.raises(TypeError, match="item.id must be text"):
            create({**message(), "id": odd})
    for previous in (5, 0, ["item_1"], [], True):
        with pytest.raises(TypeError, match="previous_item_id must be text"):
            create(message(), previous_item_id=previous)  # type: ignore[arg-type]
    create(message("after"), previous_item_id=None)

    assert "after" == heard.last()["item"]["content"][0]["text"]
    assert heard.last()["previous_item_id"] is None


@pytest.mark.parametrize("nothing", ["", None])
def test_an_item_whose_id_is_empty_gets_one(heard: Heard, nothing: Any) -> None:
    """Empty and null are none, as where a server says them."""
    heard.session.conversation.item.create({**message(), "id": nothing})

    assert heard.last()["item"]["id"].startswith("item_")


def test_an_item_that_is_not_named_is_not_touched(heard: Heard) -> None:
    """A server that goes by order would take the next best one."""
    item = heard.session.conversation.item
    for act in (item.delete, item.retrieve):
        with pytest.raises(ValueError, match="item_id must not be empty"):
            act("")
    with pytest.raises(ValueError, match="item_id must not be empty"):
        item.truncate("", audio_end_ms=500)


def test_metadata_is_text(heard: Heard) -> None:
    """The service refuses anything else, and names no place."""
    for value in (1, None, ["a"], {"b": "c"}):
        with pytest.raises(TypeError, match="metadata must be a mapping of text: 'a'"):
            heard.session.response.create(metadata={"a": value})


def test_the_other_item_commands_name_their_item(heard: Heard) -> None:
    """With the wire's names."""
    items = heard.session.conversation.item
    items.delete("a")
    items.retrieve("b")
    items.truncate("c", audio_end_ms=500)
    heard.last(3)

    assert [
        ("conversation.item.delete", "a"),
        ("conversation.item.retrieve", "b"),
        ("conversation.item.truncate", "c"),
    ] == [(each["type"], each["item_id"]) for each in heard.commands]
    assert (500, 0) == (
        heard.commands[2]["audio_end_ms"],
        heard.commands[2]["content_index"],
    )


# -- responses ---------------------------------------------------------------


def test_a_response_carries_a_key_beside_the_callers_metadata(heard: Heard) -> None:
    """By which its beginning is found."""
    heard.session.response.create(metadata={"mine": "1"}, instructions="Be brief.")
    response = heard.last()["response"]

    assert "Be brief." == response["instructions"]
    assert {"mine", "realtime_sync_id"} == set(response["metadata"])


def test_full_metadata_has_no_room_for_a_key(heard: Heard) -> None:
    """The service takes sixteen pairs; the response is found by order then."""
    full = {f"key{number}": "x" for number in range(16)}
    heard.session.response.create(metadata=full)

    assert full == heard.last()["response"]["metadata"]


def test_a_caller_may_forbid_metadata(heard: Heard) -> None:
    """Some servers refuse it; order decides then."""
    heard.session.response.create(metadata=None)

    assert heard.last()["response"]["metadata"] is None


def test_a_wrong_field_fails_at_the_users_line(heard: Heard) -> None:
    """Nothing is sent."""
    with pytest.raises(TypeError):
        heard.session.response.create(instrctions="Be brief.")
    with pytest.raises(TypeError):
        heard.session.update(instrctions="Be brief.")
    with pytest.raises(ValueError, match="on_conflict"):
        heard.session.response.create(on_conflict="explode")  # type: ignore[arg-type]
    heard.session.input_audio_buffer.clear()

    assert "input_audio_buffer.clear" == heard.last()["type"]
    assert 1 == len(heard.commands)


def test_cancel_names_the_response_or_none(heard: Heard) -> None:
    """Without one the active response is meant."""
    heard.session.response.cancel()
    first = heard.last(1)
    heard.session.response.cancel("resp_1")

    assert {"type": "response.cancel"} == first
    assert "resp_1" == heard.last(2)["response_id"]


# -- anything ----------------------------------------------------------------


def test_fields_are_sent_in_either_spelling(heard: Heard) -> None:
    """``None`` is null, ``UNSET`` is nothing."""
    heard.session.update(turn_detection=None, voice="marin", instructions=UNSET)
    session = heard.last()["session"]

    assert {
        "type": "realtime",
        "audio": {"input": {"turn_detection": None}, "output": {"voice": "marin"}},
    } == session


def test_a_session_cannot_become_another_kind(heard: Heard) -> None:
    """The service refuses it as well."""
    with pytest.raises(LocalProtocolError, match="realtime"):
        heard.session.update(type="transcription")


def test_events_and_mappings_are_sent_as_they_are(heard: Heard) -> None:
    """But for the id that each gets, a vendor's own too."""
    heard.session.send(events.InputAudioBufferClear())
    heard.session.send({"type": "input_audio_buffer.clear"})
    heard.session.send({"type": "vendor.thing", "x": [1]})

    assert {"type": "vendor.thing", "x": [1]} == heard.last(3)
    assert 3 == len({each["event_id"] for each in heard.commands})


@pytest.mark.parametrize("event", [{}, {"type": 7}, {"no": "type"}, {"type": ""}])
def test_a_mapping_without_a_type_is_refused(heard: Heard, event: Any) -> None:
    """No server would know what to do with it."""
    with pytest.raises(LocalProtocolError, match="type"):
        heard.session.send(event)


@pytest.mark.parametrize(
    "event", [5, "session.update", b"{}", events.ResponseCreate, None]
)
def test_what_is_no_event_is_a_type_error(heard: Heard, event: Any) -> None:
    """The message says what to pass."""
    with pytest.raises(TypeError, match="client event or a mapping"):
        heard.session.send(event)


@pytest.mark.parametrize("item", [5, None, "text", events.ResponseCreate()])
def test_what_is_no_item_is_a_type_error(heard: Heard, item: Any) -> None:
    """The message says what an item is; nor is a number the text of a message."""
    with pytest.raises(TypeError, match="UserMessage"):
        heard.session.conversation.item.create(item)
    with pytest.raises(TypeError, match="text"):
        heard.session.conversation.add_message(5)  # type: ignore[arg-type]


def test_event_ids_are_all_different(heard: Heard) -> None:
    """From any number of threads."""
    handles: list[Any] = []

    def send() -> None:
        for _ in range(50):
            handles.append(heard.session.input_audio_buffer.clear())

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    heard.last(200)

    assert 200 == len({handle.event_id for handle in handles})
    assert {handle.event_id for handle in handles} == {
        each["event_id"] for each in heard.commands
    }


def test_a_session_that_is_not_open_says_so() -> None:
    """Rather than that it was closed."""
    from realtime_sync import RealtimeClient

    session = RealtimeClient(base_url="ws://127.0.0.1:1/v1").session("m")
    with pytest.raises(LocalProtocolError, match="open"):
        session.response.create()
    with pytest.raises(LocalProtocolError, match="open"):
        session.input_audio_buffer.append(b"\0\0")
    for wait in (session.flush, session.run_forever):
        with pytest.raises(LocalProtocolError, match="open"):
            wait()


def test_a_lost_session_refuses_commands_with_the_reason(heard: Heard) -> None:
    """As the waits do."""
    heard.server.stop()
    heard.session._lifecycle.over.wait(LONG)
    with pytest.raises(ConnectionClosed):
        heard.session.input_audio_buffer.clear()


# -- responses in the way ----------------------------------------------------


def test_refusal_that_is_waited_out_is_no_trouble(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Another turn was faster; however quickly that is said, nothing is logged."""
    refused: list[str] = []

    def answer(command: dict[str, Any]) -> list[dict[str, Any]]:
        if refused:
            return [created]
        refused.append(command["event_id"])
        code = "conversation_already_has_active_response"
        error = {"code": code, "message": "busy", "event_id": refused[0]}
        return [{"type": "error", "error": error}]

    created = {"type": "response.created", "response": {"id": "r", "status": "x"}}
    transport = MemoryTransport(on_send=answer)
    session = connect(transport=transport, dispatch="inline", router=Router())
    handle = session.response.create(on_conflict="wait", metadata=None, timeout=LONG)
    session.close()

    assert "r" == handle.acknowledged().response.id
    assert 2 == len(transport.sent)
    assert [] == [record.getMessage() for record in caplog.records]
