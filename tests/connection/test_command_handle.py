"""Which answer of the server belongs to which command."""

from __future__ import annotations

import logging
import threading
from contextlib import nullcontext
from typing import Any, Optional

import pytest

from realtime_sync import UNSET, Router, connect, events
from realtime_sync.connection.command_handle import CommandHandle
from realtime_sync.connection.pending import PendingCommands, rejection_of_pending
from realtime_sync.deadline import Deadline
from realtime_sync.dispatch.watches import WatchList, WatchWaiting
from realtime_sync.errors import (
    REJECTIONS,
    ActiveResponseConflict,
    CommandRejected,
    CommitEmpty,
    ConnectionLost,
    InvalidRequest,
    ItemNotFound,
    LocalProtocolError,
    NothingToCancel,
    WaitTimeout,
)
from realtime_sync.testing import MemoryTransport
from tests.scripted_session import event

LONG = 5.0


def plain(ready: threading.Event, deadline: Deadline) -> bool:
    """Wait as in thread mode."""
    return ready.wait(deadline.remaining())


class Commands:
    """Commands that are pending, and what the server says."""

    def __init__(self) -> None:
        self.watches = WatchList()
        self.pending = PendingCommands()
        self.watches.add(self.pending.watch)

    def send(self, kind: str, **fields: Any) -> CommandHandle:
        """A handle on a command, as if it had been sent."""
        number = len(self.pending._by_id) + 1
        command = getattr(events, kind)(
            event_id=fields.pop("event_id", f"event_{number}"), **fields
        )
        handle = CommandHandle(command, WatchWaiting(plain, 0.02))
        with self.pending.order:
            oldest = self.pending.expect(handle)
        if oldest is not None:
            self.pending.give_up(oldest)
        return handle

    def hear(self, type: str, **fields: Any) -> None:
        """The server says something."""
        self.watches.offer(event(type, **fields))

    def refuse(self, **error: Any) -> None:
        """The server says that something is wrong."""
        self.hear("error", error={"type": "invalid_request_error", **error})


@pytest.fixture
def commands() -> Commands:
    """No commands yet."""
    return Commands()


def failure(handle: CommandHandle) -> CommandRejected:
    """How a command was refused."""
    with pytest.raises(CommandRejected) as caught:
        handle.acknowledged()
    return caught.value


# -- acknowledgements --------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "fields", "answer", "told"),
    [
        ("InputAudioBufferCommit", {}, "input_audio_buffer.committed", {}),
        ("InputAudioBufferClear", {}, "input_audio_buffer.cleared", {}),
        (
            "ConversationItemDelete",
            {"item_id": "i"},
            "conversation.item.deleted",
            {"item_id": "i"},
        ),
        (
            "ConversationItemRetrieve",
            {"item_id": "i"},
            "conversation.item.retrieved",
            {"item": {"id": "i", "type": "message", "role": "user", "content": []}},
        ),
        (
            "ConversationItemTruncate",
            {"item_id": "i", "content_index": 0, "audio_end_ms": 5},
            "conversation.item.truncated",
            {"item_id": "i"},
        ),
    ],
)
def test_a_command_is_acknowledged_by_its_event(
    commands: Commands, kind: str, fields: Any, answer: str, told: Any
) -> None:
    """As the table in `acks` says."""
    handle = commands.send(kind, **fields)
    before = handle.done()
    commands.hear(answer, **told)

    assert not before
    assert answer == handle.acknowledged().type
    assert "done" in repr(handle)


def test_acknowledgements_find_their_item(commands: Commands) -> None:
    """Whatever order they come in."""
    one = commands.send("ConversationItemDelete", item_id="1")
    two = commands.send("ConversationItemDelete", item_id="2")
    commands.hear("conversation.item.deleted", item_id="2")

    assert two.done()
    assert not one.done()


def test_without_ids_order_decides(commands: Commands) -> None:
    """The oldest command that waits for such an event is meant."""
    one = commands.send("InputAudioBufferCommit")
    two = commands.send("InputAudioBufferCommit")
    commands.hear("input_audio_buffer.committed", item_id="a")
    commands.hear("input_audio_buffer.committed", item_id="b")

    assert "a" == one.acknowledged().item_id
    assert "b" == two.acknowledged().item_id


def test_a_response_is_found_by_our_key_in_its_metadata(commands: Commands) -> None:
    """Also when the server answers the second one first."""

    def create(key: str) -> CommandHandle:
        config = {"metadata": {"realtime_sync_id": key}}
        from tests.scripted_session import GA

        command = GA.command({"type": "response.create", "response": config})
        return commands.send("ResponseCreate", response=command.response, event_id=key)

    one, two = create("one"), create("two")
    commands.hear(
        "response.created",
        response={"id": "r2", "metadata": {"realtime_sync_id": "two"}},
    )
    commands.hear("response.created", response={"id": "vad", "metadata": None})

    assert "r2" == two.acknowledged().response.id
    assert not one.done()


# -- whose a response is, as long as the server has not given our key back ----


class Turns(Commands):
    """A session with turn detection, and a server that keeps metadata to itself."""

    def __init__(self) -> None:
        super().__init__()
        self.configured({"type": "server_vad", "create_response": True})

    def configured(self, detection: Any) -> None:
        """The server tells how it detects turns."""
        audio = {"input": {"turn_detection": detection}}
        self.hear("session.updated", session={"type": "realtime", "audio": audio})

    def ask(self, key: Optional[str] = "ours", **config: Any) -> CommandHandle:
        """Send a `response.create`."""
        metadata = None if key is None else {"realtime_sync_id": key}
        response = events.ResponseCreate(
            response={"metadata": metadata, **config}  # type: ignore[arg-type]
        ).response
        return self.send("ResponseCreate", response=response)

    def speak(self) -> None:
        """The user has ended a turn."""
        self.hear("input_audio_buffer.speech_stopped", item_id="i")
        self.hear("input_audio_buffer.committed", item_id="i")

    def created(self, id: str, **fields: Any) -> None:
        """A response begins."""
        self.hear("response.created", response={"id": id, "metadata": None, **fields})

    def done(self, id: str, **fields: Any) -> None:
        """A response ends."""
        self.hear("response.done", response={"id": id, "metadata": None, **fields})


@pytest.fixture
def turns() -> Turns:
    """Nobody has spoken yet."""
    return Turns()


def answer(handle: CommandHandle) -> Any:
    """The response that acknowledged a command, or None."""
    return handle.acknowledged().response.id if handle.done() else None


def test_what_follows_a_turn_is_the_answer_to_the_turn(turns: Turns) -> None:
    """Not to a command that was sent at the same time; what is refused is known."""
    turns.speak()
    handle = turns.ask()
    turns.created("vad")
    before = handle.done()
    turns.refuse(
        code="conversation_already_has_active_response", event_id=handle.event_id
    )

    assert not before
    assert isinstance(failure(handle), ActiveResponseConflict)


def test_after_the_answer_to_the_turn_order_decides_again(turns: Turns) -> None:
    """The next response is the one that was asked for."""
    turns.speak()
    handle = turns.ask()
    turns.created("vad")
    turns.created("mine")

    assert "mine" == answer(handle)


def test_a_turn_that_the_server_passed_over_does_no_lasting_harm(turns: Turns) -> None:
    """When what it said is over, and nothing else came, it was the answer."""
    turns.speak()
    handle = turns.ask()
    turns.created("mine")
    before = handle.done()
    turns.done("mine")

    assert not before
    assert "mine" == answer(handle)


def test_our_key_is_known_while_a_turn_is_open(turns: Turns) -> None:
    """And the answer to the turn is still to come then."""
    turns.speak()
    first, second = turns.ask("one", conversation="none"), turns.ask("two")
    turns.created("mine", metadata={"realtime_sync_id": "one"})
    turns.created("vad")

    assert "mine" == answer(first)
    assert not second.done()


@pytest.mark.parametrize(
    "detection", [None, {"type": "server_vad", "create_response": False}]
)
def test_a_server_that_does_not_answer_turns_leaves_no_doubt(
    turns: Turns, detection: Any
) -> None:
    """Responses are asked for, one after the other."""
    turns.speak()
    turns.configured(detection)
    turns.speak()
    handle = turns.ask()
    turns.created("mine")

    assert "mine" == answer(handle)


def test_a_commit_of_ours_ends_no_turn(turns: Turns) -> None:
    """Nor does speech that was thrown away."""
    turns.hear("input_audio_buffer.speech_stopped", item_id="i")
    turns.hear("input_audio_buffer.cleared")
    commit = turns.send("InputAudioBufferCommit")
    turns.hear("input_audio_buffer.committed", item_id="j")
    handle = turns.ask()
    turns.created("mine")

    assert commit.done()
    assert "mine" == answer(handle)


def test_the_end_of_a_response_answers_no_later_command(turns: Turns) -> None:
    """Its beginning was assigned, to another command or to nobody."""
    turns.created("nobody's")
    first = turns.ask("one")
    turns.done("nobody's")
    before = first.done()
    turns.created("mine")
    second = turns.ask("two")
    turns.done("mine")

    assert not before
    assert "mine" == answer(first)
    assert not second.done()


def test_a_response_of_the_conversation_goes_to_who_asked_for_one(turns: Turns) -> None:
    """Rather than to an older command for a response beside it."""
    beside, within = turns.ask(conversation="none"), turns.ask("two")
    turns.created("one", conversation_id="conv")
    turns.created("two", conversation_id="conv")

    assert ["two", "one"] == [answer(beside), answer(within)]


def test_a_command_without_our_key_is_matched_by_order(turns: Turns) -> None:
    """Also when the server is known to give keys back."""
    turns.ask("one")
    turns.created("one", metadata={"realtime_sync_id": "one"})
    keyed, plain = turns.ask("two"), turns.ask(None)
    turns.created("unkeyed")

    assert not keyed.done()
    assert "unkeyed" == answer(plain)


def test_a_new_connection_knows_of_no_turn(turns: Turns) -> None:
    """What the user said to the old one is answered by nobody."""
    turns.speak()
    turns.watches.finish(ConnectionLost("gone", code=1006), final=False)
    handle = turns.ask()
    turns.created("mine")

    assert "mine" == answer(handle)


def test_what_is_never_acknowledged_says_so(commands: Commands) -> None:
    """Instead of waiting for nothing."""
    handle = commands.send("InputAudioBufferAppend", audio=b"\0\0")
    with pytest.raises(LocalProtocolError, match="never acknowledged"):
        handle.acknowledged()


def test_an_acknowledgement_that_does_not_come_is_a_timeout(commands: Commands) -> None:
    """Some servers never give one; the message names the command."""
    handle = commands.send("InputAudioBufferClear", event_id="event_x")
    with pytest.raises(WaitTimeout, match="input_audio_buffer.clear .event_x"):
        handle.acknowledged()


def test_commands_that_are_never_answered_are_bounded(commands: Commands) -> None:
    """The oldest is given up when thousands of later ones wait too."""
    first = commands.send("InputAudioBufferClear", event_id="first")
    for number in range(4096):
        commands.send("InputAudioBufferClear", event_id=str(number))
    with pytest.raises(LocalProtocolError, match="not answered"):
        first.acknowledged()

    assert 4096 == len(commands.pending._by_id)


def test_a_withdrawn_command_waits_for_nothing(commands: Commands) -> None:
    """It was not sent; the next answer is for the next one."""
    one = commands.send("InputAudioBufferCommit", event_id="1")
    two = commands.send("InputAudioBufferCommit", event_id="2")
    commands.pending.cancel(one)
    commands.pending.cancel(one)
    commands.hear("input_audio_buffer.committed", item_id="a")

    assert two.done()
    assert not one.done()


def test_all_pending_commands_fail_with_the_connection(commands: Commands) -> None:
    """At once, each with an exception of its own."""
    handles = [commands.send("InputAudioBufferClear") for _ in range(3)]
    commands.watches.finish(ConnectionLost("gone", code=1006))

    for handle in handles:
        with pytest.raises(ConnectionLost, match="gone"):
            handle.acknowledged(None)


# -- errors ------------------------------------------------------------------


@pytest.mark.parametrize("code", sorted(REJECTIONS))
def test_every_known_code_has_its_exception(commands: Commands, code: str) -> None:
    """With all that the server said, and the command."""
    handle = commands.send("InputAudioBufferCommit", event_id="mine")
    commands.refuse(code=code, message="words", param="a.b", event_id="mine")
    error = failure(handle)

    assert REJECTIONS[code] is type(error)
    assert (code, "a.b", "mine") == (error.code, error.param, error.event_id)
    assert "words" in str(error)
    assert error.command is handle.command


def test_an_error_goes_to_the_command_that_it_names(commands: Commands) -> None:
    """Not to the oldest, and not to one of the same kind."""
    one = commands.send("InputAudioBufferCommit", event_id="1")
    two = commands.send("InputAudioBufferCommit", event_id="2")
    commands.refuse(code="input_audio_buffer_commit_empty", event_id="2", message="m")

    assert isinstance(failure(two), CommitEmpty)
    assert not one.done()


def test_an_error_may_have_the_id_of_the_command_for_its_own(
    commands: Commands,
) -> None:
    """Some servers give the event the id that belongs into the error."""
    one = commands.send("InputAudioBufferCommit", event_id="mine_1")
    two = commands.send("InputAudioBufferCommit", event_id="mine_2")
    commands.hear("error", event_id="event_of_the_server", error={"message": "m"})
    early = one.done(), two.done()
    commands.hear("error", event_id="mine_2", error={"message": "m"})

    assert (False, False) == early
    assert "mine_2" == failure(two).event_id
    assert not one.done()


def test_an_error_that_names_its_command_goes_by_that_alone(
    commands: Commands,
) -> None:
    """Whatever the event is called."""
    one = commands.send("InputAudioBufferCommit", event_id="1")
    two = commands.send("InputAudioBufferCommit", event_id="2")
    commands.hear("error", event_id="1", error={"message": "m", "event_id": "2"})

    assert isinstance(failure(two), CommandRejected)
    assert not one.done()


def test_an_error_for_a_command_that_is_not_pending_is_an_event_only(
    commands: Commands, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged once, and fails nothing."""
    handle = commands.send("InputAudioBufferCommit", event_id="1")
    commands.refuse(code="invalid_value", event_id="another's", message="words")

    assert not handle.done()
    assert ["error that no pending command fits: words [invalid_value]"] == [
        record.getMessage().removeprefix("< ") for record in caplog.records
    ]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("plain words", CommandRejected),
        ({"message": "m", "type": "input_audio_buffer_commit_empty"}, CommitEmpty),
        ({"message": "m", "code": "input_audio_buffer_commit_empty"}, CommitEmpty),
        ({"message": "m", "code": "never_heard_of"}, CommandRejected),
        ({"message": "m", "param": "x"}, InvalidRequest),
        ({}, CommandRejected),
        (None, CommandRejected),
        ({"message": None, "code": 7, "event_id": None}, CommandRejected),
        ([1, 2], CommandRejected),
    ],
)
def test_an_error_of_any_shape_without_an_id_fails_the_call_that_alone_waits(
    commands: Commands, error: Any, kind: type[CommandRejected]
) -> None:
    """A string, the code in ``type``, hardly anything at all."""
    with commands.pending.call():
        handle = commands.send("InputAudioBufferCommit")
    commands.hear("error", error=error)

    assert kind is type(failure(handle))


@pytest.mark.parametrize(
    "error",
    [
        {"message": "m", "param": "audio", "type": "invalid_request_error"},
        {"message": "m", "param": "audio"},
        {"message": "m", "code": "never_heard_of"},
        {"message": "m", "type": "server_error", "code": "internal_error"},
        "plain words",
    ],
)
def test_an_error_that_does_not_point_to_a_command_is_an_event(
    commands: Commands, error: Any
) -> None:
    """A refused append, whose error has no id, fails no commit that succeeds."""
    commit = commands.send("InputAudioBufferCommit")
    commands.hear("error", error=error)
    assert not commit.done()

    commands.hear("input_audio_buffer.committed", item_id="i")

    assert commit.done()


@pytest.mark.parametrize("error", [{"message": "m", "code": "new"}, "plain words"])
def test_a_response_that_alone_waits_is_failed_by_an_error_that_points_nowhere(
    commands: Commands, error: Any
) -> None:
    """It need not be asked for by `ask`; one that points elsewhere is not its own."""
    handle = commands.send("ResponseCreate")
    commands.hear("error", error={"message": "m", "param": "audio"})
    before = handle.done()
    commands.hear("error", error=error)

    assert not before
    assert CommandRejected is type(failure(handle))


def test_an_error_that_points_nowhere_fails_neither_of_two_responses(
    commands: Commands,
) -> None:
    """Each is a call of its own."""
    one, other = commands.send("ResponseCreate"), commands.send("ResponseCreate")
    commands.refuse(code="never_heard_of", message="no")

    assert not one.done()
    assert not other.done()


def test_an_error_that_points_nowhere_fails_all_commands_of_one_call(
    commands: Commands,
) -> None:
    """The question and the request for an answer, each by its own name."""
    with commands.pending.call():
        create = commands.send("ConversationItemCreate", item={"type": "message"})
        with commands.pending.call():
            respond = commands.send("ResponseCreate")
    commands.refuse(code="never_heard_of", message="no")

    assert create.event_id == failure(create).event_id
    assert respond.event_id == failure(respond).event_id


@pytest.mark.parametrize("called", [False, True])
def test_an_error_that_points_nowhere_fails_nothing_while_others_wait(
    commands: Commands, called: bool
) -> None:
    """Commands of no call, or of another one."""
    with commands.pending.call():
        respond = commands.send("ResponseCreate")
    with commands.pending.call() if called else nullcontext():
        commit = commands.send("InputAudioBufferCommit")
    commands.refuse(code="never_heard_of", message="no")

    assert not respond.done()
    assert not commit.done()


def test_an_error_is_not_about_what_a_call_has_seen_answered(
    commands: Commands,
) -> None:
    """The server took the item in silence, and has begun its answer to it."""
    with commands.pending.call():
        create = commands.send("ConversationItemCreate", item={"type": "message"})
        commands.send("ResponseCreate")
    commands.hear("response.created", response={"id": "r"})
    commands.refuse(code="internal_error", message="no")

    assert not create.done()


def added(commands: Commands, item_id: str, **item: Any) -> None:
    """The server lists an item."""
    fields = {"type": "message", "role": "user", "content": [], **item}
    commands.hear("conversation.item.added", item={"id": item_id, **fields})


@pytest.mark.parametrize(
    "told",
    [
        {"content": [{"type": "audio"}], "status": "in_progress"},
        {"role": "system"},
        {"role": "assistant"},
        {"type": "function_call", "role": None, "name": "f", "call_id": "c"},
        {"type": "of_a_vendor", "role": None},
    ],
)
def test_a_new_item_is_ours_whatever_the_server_makes_of_it(
    commands: Commands, told: dict[str, Any]
) -> None:
    """StepFun gives it another id, another kind of part, another status."""
    text = [{"type": "input_text", "text": "Hi"}]
    item = {"type": "message", "role": "user", "id": "mine", "content": text}
    create = commands.send("ConversationItemCreate", item=item)
    added(commands, "theirs", **told)

    assert create.done()


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("response.output_item.added", {"response_id": "r", "item": {"id": "theirs"}}),
        ("input_audio_buffer.speech_started", {"item_id": "theirs"}),
        ("input_audio_buffer.committed", {"item_id": "theirs"}),
    ],
)
def test_an_item_that_was_announced_is_not_ours(
    commands: Commands, kind: str, fields: dict[str, Any]
) -> None:
    """It is the output of a response, or what the user says meanwhile."""
    item = {"type": "message", "role": "user", "id": "mine", "content": []}
    create = commands.send("ConversationItemCreate", item=item)
    commands.hear(kind, **fields)
    added(commands, "theirs")
    assert not create.done()

    added(commands, "ours")

    assert create.done()


def test_what_a_model_makes_while_it_answers_is_not_ours(commands: Commands) -> None:
    """Some servers announce no items of a response."""
    item = {"type": "message", "role": "user", "id": "mine", "content": []}
    create = commands.send("ConversationItemCreate", item=item)
    commands.hear("response.created", response={"id": "r"})
    added(commands, "a", role="assistant")
    added(commands, "f", type="function_call", role=None)
    assert not create.done()

    commands.hear("response.done", response={"id": "r"})
    added(commands, "theirs", role="assistant")

    assert create.done()


def test_of_two_that_wait_the_more_alike_is_answered(commands: Commands) -> None:
    """Else the older one."""
    output = {"type": "function_call_output", "call_id": "c", "output": "1"}
    message = {"type": "message", "role": "user", "content": []}
    first = commands.send("ConversationItemCreate", item=output)
    second = commands.send("ConversationItemCreate", item=message)
    third = commands.send("ConversationItemCreate", item=message)
    added(commands, "x", role="system")
    assert [False, True, False] == [each.done() for each in (first, second, third)]

    added(commands, "y", type="of_a_vendor")

    assert [True, True, False] == [each.done() for each in (first, second, third)]


@pytest.mark.parametrize("nothing", [{"item_id": ""}, {"item_id": None}, {}])
def test_a_deletion_that_names_nothing_answers_the_oldest(
    commands: Commands, nothing: dict[str, Any]
) -> None:
    """xAI says an empty id."""
    first = commands.send("ConversationItemDelete", item_id="a")
    second = commands.send("ConversationItemDelete", item_id="b")
    commands.hear("conversation.item.deleted", **nothing)

    assert (True, False) == (first.done(), second.done())


@pytest.mark.parametrize("named", [{"item": {"id": "b"}}, {"id": "b"}])
def test_a_deletion_that_is_named_elsewhere_answers_its_own(
    commands: Commands, named: dict[str, Any]
) -> None:
    """The oldest waits on."""
    first = commands.send("ConversationItemDelete", item_id="a")
    second = commands.send("ConversationItemDelete", item_id="b")
    commands.hear("conversation.item.deleted", **named)

    assert (False, True) == (first.done(), second.done())


def test_words_beside_the_error_are_found(commands: Commands) -> None:
    """Some servers put the message at the top."""
    assert "top words" in str(rejection_of_pending(event("error", message="top words")))
    assert "the server gave no reason" in str(rejection_of_pending(event("error")))


def test_an_error_without_an_id_finds_the_one_command_that_it_fits(
    commands: Commands,
) -> None:
    """By its code, or by the parameter that it blames."""
    delete = commands.send("ConversationItemDelete", item_id="i")
    update = commands.send(
        "SessionUpdate",
        session={"type": "realtime", "instructions": "x"},
        event_id="event_u",
    )
    commands.refuse(code="item_delete_invalid_item_id", message="m")
    commands.refuse(code="invalid_value", param="session.voice", message="m")

    assert isinstance(failure(delete), ItemNotFound)
    assert isinstance(failure(update), InvalidRequest)


def test_an_error_without_an_id_that_fits_several_fails_none(
    commands: Commands, caplog: pytest.LogCaptureFixture
) -> None:
    """A guess could fail a command that succeeds."""
    one = commands.send("ConversationItemDelete", item_id="1")
    two = commands.send("ConversationItemDelete", item_id="2")
    commands.refuse(code="item_delete_invalid_item_id", message="m")

    assert not one.done()
    assert not two.done()
    assert 1 == len(caplog.records)


def test_an_error_without_an_id_is_not_about_what_was_passed_over(
    commands: Commands,
) -> None:
    """A later command has been answered; unless the error says what it is about."""
    passed = commands.send("ConversationItemDelete", item_id="i")
    commands.send("InputAudioBufferCommit")
    commands.hear("input_audio_buffer.committed")
    commands.hear("error", error={"message": "a glitch"})
    before = passed.done()
    commands.hear("error", error={"code": "item_delete_invalid_item_id"})

    assert not before
    with pytest.raises(ItemNotFound):
        passed.acknowledged()


def test_null_in_the_place_of_an_error_is_none(commands: Commands) -> None:
    """Mock servers send every key; only an ``error`` event is an error."""
    handle = commands.send("InputAudioBufferCommit")
    commands.hear("input_audio_buffer.cleared", error=None)
    commands.hear("input_audio_buffer.committed", error=None, item_id="i")

    assert "i" == handle.acknowledged().item_id


def test_success_after_an_error_for_the_same_command_changes_nothing(
    commands: Commands,
) -> None:
    """The first outcome counts; the event is still an event."""
    handle = commands.send("InputAudioBufferCommit", event_id="1")
    commands.refuse(code="invalid_value", event_id="1", message="m")
    commands.hear("input_audio_buffer.committed", item_id="i")

    assert isinstance(failure(handle), InvalidRequest)


@pytest.mark.parametrize(
    ("code", "level"),
    [
        ("response_cancel_not_active", logging.INFO),
        ("invalid_value", logging.WARNING),
    ],
)
def test_a_refusal_nobody_waits_for_is_logged_once(
    commands: Commands, caplog: pytest.LogCaptureFixture, code: str, level: int
) -> None:
    """A lost race is no reason to warn."""
    caplog.set_level(logging.INFO)
    commands.send("ResponseCancel", event_id="1")
    commands.refuse(code=code, event_id="1", message="m")

    assert [level] == [record.levelno for record in caplog.records]


def test_a_refusal_somebody_waits_for_is_not_logged(
    commands: Commands, caplog: pytest.LogCaptureFixture
) -> None:
    """They get it as an exception."""
    handle = commands.send("ResponseCancel", event_id="1")
    caught: list[Optional[BaseException]] = []

    def wait() -> None:
        try:
            handle.acknowledged(LONG)
        except CommandRejected as exc:
            caught.append(exc)

    thread = threading.Thread(target=wait)
    thread.start()
    while not handle._awaited:
        pass
    commands.refuse(code="response_cancel_not_active", event_id="1", message="m")
    thread.join(LONG)

    assert [NothingToCancel] == [type(error) for error in caught]
    assert [] == caplog.records


def test_whether_trying_again_may_help_is_known() -> None:
    """A conflict passes, a wrong argument does not."""
    conflict = {"error": {"code": "conversation_already_has_active_response"}}

    assert isinstance(
        rejection_of_pending(event("error", **conflict)), ActiveResponseConflict
    )
    assert rejection_of_pending(event("error", **conflict)).retryable
    assert not rejection_of_pending(
        event("error", error={"code": "invalid_value"})
    ).retryable


@pytest.mark.parametrize(
    "waiting, param",
    [
        ("InputAudioBufferCommit", "audio"),
        ("InputAudioBufferClear", "audio"),
        ("InputAudioBufferCommit", "item.content[0].text"),
        ("InputAudioBufferCommit", "session.audio.input"),
        ("InputAudioBufferCommit", "item_id"),
        ("ResponseCreate", "audio_end_ms"),
    ],
)
def test_an_error_that_points_to_another_kind_fails_nobody(
    commands: Commands, waiting: str, param: str
) -> None:
    """What is refused was another command, such as an append nobody waits for."""
    handle = commands.send(waiting)
    commands.refuse(message="Invalid value.", param=param)

    assert not handle.done()


@pytest.mark.parametrize(
    "waiting, fields, param",
    [
        ("ConversationItemDelete", {"item_id": "i"}, "item_id"),
        ("ConversationItemCreate", {"item": {}}, "item.content[0]"),
        ("ConversationItemCreate", {"item": {}}, "previous_item_id"),
        ("ResponseCancel", {}, "response_id"),
        ("ResponseCreate", {}, "response.output_modalities[0]"),
    ],
)
def test_an_error_that_points_to_a_field_of_the_command_is_its_own(
    commands: Commands, waiting: str, fields: dict[str, Any], param: str
) -> None:
    """Also among others that wait."""
    handle = commands.send(waiting, **fields)
    commit = commands.send("InputAudioBufferCommit")
    commands.refuse(message="Invalid value.", param=param)

    assert isinstance(failure(handle), CommandRejected)
    assert not commit.done()


def test_an_error_that_names_an_append_fails_no_commit(commands: Commands) -> None:
    """The append carries an id, so that its refusal is nobody else's."""
    handle = commands.send("InputAudioBufferCommit")
    commands.refuse(message="Invalid audio.", event_id="event_of_an_append")

    assert not handle.done()


def test_a_wait_that_runs_out_of_time_names_what_the_server_said() -> None:
    """Since the command was sent; what was said before is not about it."""
    watches, waiting = WatchList(), WatchWaiting(plain, 0.02)
    watches.add(waiting.watch)
    watches.offer(event("error", error={"message": "of old"}))
    command = events.InputAudioBufferCommit(event_id="1")
    handle = CommandHandle(command, waiting)
    error = {"type": "server_error", "code": "internal_error", "message": "oh no"}
    watches.offer(event("error", error=error))
    watches.offer(event("error"))
    with pytest.raises(WaitTimeout) as caught:
        handle.acknowledged()

    assert "the server said: oh no [internal_error]; no reason" in str(caught.value)
    assert "of old" not in str(caught.value)
    assert ["internal_error", None] == [
        getattr(each.error or None, "code", None) for each in caught.value.errors
    ]


def test_a_wait_without_errors_says_nothing_of_them() -> None:
    """And inside of another wait they are named once."""
    watches, waiting = WatchList(), WatchWaiting(plain, 0.02)
    watches.add(waiting.watch)
    with pytest.raises(WaitTimeout, match="^late$") as caught:
        with waiting.explaining():
            raise WaitTimeout("late")
    assert () == caught.value.errors

    with pytest.raises(WaitTimeout) as caught:
        with waiting.explaining(), waiting.explaining():
            watches.offer(event("error", error={"message": "why"}))
            raise WaitTimeout("late", partial=1)

    assert ("late; meanwhile the server said: why", 1) == (
        str(caught.value),
        caught.value.partial,
    )


@pytest.mark.parametrize("kind", ["input_audio_buffer.commit", "response.create"])
def test_an_id_that_waits_for_its_answer_is_not_given_again(kind: str) -> None:
    """An error would name both, and an answer end the one that had none."""
    transport = MemoryTransport()
    session = connect("m", transport=transport, dispatch="inline", router=Router())
    first = session.send({"type": kind, "event_id": "mine"})
    with pytest.raises(LocalProtocolError, match="'mine' is not answered yet"):
        session.send({"type": kind, "event_id": "mine"})
    refusal = {"code": "c", "message": "no", "event_id": "mine"}
    transport.feed({"type": "error", "error": refusal})

    with pytest.raises(CommandRejected, match="no"):
        first.acknowledged(0)
    assert "mine" == session.send({"type": kind, "event_id": "mine"}).event_id
    assert 2 == len(transport.commands(kind))


@pytest.mark.parametrize("event_id", ["", UNSET])
def test_an_empty_id_is_none(event_id: Any) -> None:
    """Each of two commands gets one of its own, and its own answer."""
    transport = MemoryTransport()
    session = connect("m", transport=transport, dispatch="inline", router=Router())
    handles = [
        session.send(events.InputAudioBufferCommit(event_id=event_id)) for _ in range(2)
    ]
    told = {"type": "input_audio_buffer.committed"}
    transport.feed(*[{**told, "item_id": item_id} for item_id in "ab"])

    assert ["a", "b"] == [each.acknowledged(0).item_id for each in handles]
    assert 2 == len({each.event_id for each in handles} - {""})
