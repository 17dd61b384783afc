"""A handle on a response: its text, audio and calls as they come, its outcome."""

from __future__ import annotations

import base64
import gc
import threading
import weakref
from time import monotonic
from typing import Any, Optional

import pytest

from realtime_sync import connect, events
from realtime_sync.connection.command_handle import CommandHandle
from realtime_sync.connection.pending import PendingCommands
from realtime_sync.deadline import Deadline
from realtime_sync.dispatch.watches import WatchList, WatchWaiting
from realtime_sync.errors import (
    ActiveResponseConflict,
    ConnectionLost,
    ResponseCancelled,
    ResponseFailed,
    ResponseIncomplete,
    WaitTimeout,
)
from realtime_sync.session.response_handle import ResponseHandle
from realtime_sync.testing import MemoryTransport
from tests.scripted_session import GA, event

LONG = 5.0
SHORT = 0.03


def plain(ready: threading.Event, deadline: Deadline) -> bool:
    """Wait as in thread mode."""
    return ready.wait(deadline.remaining())


class Talk:
    """Makes handles, and plays the server."""

    def __init__(self, *, idle_timeout: Optional[float] = None) -> None:
        self.watches = WatchList()
        self.pending = PendingCommands()
        self.watches.add(self.pending.watch)
        self.waiting = WatchWaiting(plain, SHORT)
        self.idle_timeout = idle_timeout
        self.cancelled: list[Any] = []

    def create(self, key: str = "key", **config: Any) -> ResponseHandle:
        """A response that has been asked for."""
        response = {"metadata": {"realtime_sync_id": key}, **config}
        typed: Any = GA.command({"type": "response.create", "response": response})
        command = events.ResponseCreate(response=typed.response, event_id=key)
        handle = ResponseHandle(
            command,
            self.waiting,
            watches=self.watches,
            cancel=self._cancel,
            audio_format=lambda response: ("pcm16", 24_000),
            mirrored=lambda response_id: None,
            idle_timeout=self.idle_timeout,
        )
        handle.listen()
        with self.pending.order:
            oldest = self.pending.expect(handle)
        if oldest is not None:
            self.pending.give_up(oldest)
        return handle

    def hear(self, type: str, **fields: Any) -> None:
        """The server says something about response ``r``."""
        if type.startswith("response.") and "response" not in fields:
            fields.setdefault("response_id", "r")
        fields.setdefault("item_id", "i")
        self.watches.offer(event(type, **fields))

    def created(self, key: str = "key", id: str = "r") -> None:
        """The response begins."""
        metadata = {"realtime_sync_id": key}
        self.hear("response.created", response={"id": id, "metadata": metadata})

    def done(
        self, status: str = "completed", id: Optional[str] = "r", **fields: Any
    ) -> None:
        """The response is over."""
        response = {"id": id, "status": status, "output": [], **fields}
        self.hear("response.done", response=response)

    def text(self, *pieces: str, **fields: Any) -> None:
        """Some text."""
        for piece in pieces:
            self.hear(
                "response.output_text.delta", delta=piece, content_index=0, **fields
            )

    def _cancel(self, response_id: Any) -> CommandHandle:
        self.cancelled.append(response_id)
        command = events.ResponseCancel(response_id=response_id, event_id="cancel")
        return CommandHandle(command, self.waiting)


@pytest.fixture
def talk() -> Talk:
    """Nothing said yet."""
    return Talk()


def function_call(call_id: str = "c") -> dict[str, Any]:
    """A finished function call."""
    return {
        "id": f"item_{call_id}",
        "type": "function_call",
        "call_id": call_id,
        "name": "weather",
        "arguments": "{}",
    }


# -- the outcome -------------------------------------------------------------


def test_the_result_is_what_the_server_says_at_the_end(talk: Talk) -> None:
    """Text, status, usage, id."""
    handle = talk.create()
    talk.created()
    talk.text("Li", "ma")
    part = {"type": "output_text", "text": "Lima."}
    item = {"type": "message", "role": "assistant", "id": "i", "content": [part]}
    talk.done(output=[item], usage={"total_tokens": 7})
    reply = handle.result()

    assert "Lima." == reply.text == str(reply)
    assert "completed" == reply.status
    assert 7 == reply.usage.total_tokens
    assert "r" == reply.id == handle.response_id
    assert handle.done()


def test_without_output_the_deltas_are_the_text(talk: Talk) -> None:
    """Some servers send an empty response at the end."""
    handle = talk.create()
    talk.created()
    talk.text("Li", "ma")
    talk.done()

    assert "Lima" == handle.result().text


def test_the_whole_text_wins_over_the_deltas(talk: Talk) -> None:
    """Deltas may be cumulative, or lost."""
    handle = talk.create()
    talk.created()
    talk.text("Li", "Lima")
    talk.hear("response.output_text.done", text="Lima", content_index=0)
    talk.done()

    assert "Lima" == handle.result().text


def test_audio_and_its_transcript_are_collected(talk: Talk) -> None:
    """Bytes, in the session's output format."""
    handle = talk.create()
    talk.created()
    for piece in (b"\1\2", b"\3\4"):
        data = base64.b64encode(piece).decode()
        talk.hear("response.output_audio.delta", delta=data)
        talk.hear("response.output_audio_transcript.delta", delta="la")
    talk.done()
    reply = handle.result()

    assert reply.audio is not None
    assert (b"\1\2\3\4", "pcm16", 24_000) == (
        reply.audio.data,
        reply.audio.format,
        reply.audio.rate,
    )
    assert "lala" == reply.text
    assert [b"\1\2", b"\3\4"] == list(handle.audio_chunks())
    assert ["la", "la"] == list(handle.transcript_deltas())


@pytest.mark.parametrize(
    ("status", "details", "kind", "words"),
    [
        ("cancelled", {"reason": "turn_detected"}, ResponseCancelled, "turn_detected"),
        ("incomplete", {"reason": "max_output_tokens"}, ResponseIncomplete, "max_out"),
        ("incomplete", "content_filter", ResponseIncomplete, "incomplete"),
        (
            "failed",
            {"error": {"code": "rate_limit_exceeded", "message": "slow down"}},
            ResponseFailed,
            "slow down",
        ),
        ("failed", None, ResponseFailed, "no reason given"),
        ("exploded", None, ResponseFailed, "exploded"),
    ],
)
def test_a_response_that_ends_otherwise_raises(
    talk: Talk, status: str, details: Any, kind: type[Exception], words: str
) -> None:
    """With what had been received; ``check=False`` returns it instead."""
    handle = talk.create()
    talk.created()
    talk.text("so far")
    talk.done(status, status_details=details)
    with pytest.raises(kind, match=words) as caught:
        handle.result()

    assert "so far" == caught.value.reply.text  # type: ignore[attr-defined]
    assert status == handle.result(check=False).status


def test_a_refused_response_raises_the_refusal(talk: Talk) -> None:
    """In every way of waiting."""
    handle = talk.create()
    error = {"code": "conversation_already_has_active_response", "event_id": "key"}
    talk.hear("error", error=error)

    for wait in (
        handle.result,
        handle.acknowledged,
        lambda: list(handle.text_deltas()),
    ):
        with pytest.raises(ActiveResponseConflict):
            wait()
    assert handle.done()


def test_a_refusal_takes_back_a_response_that_told_no_owner(talk: Talk) -> None:
    """The server had begun one by itself, and says then what became of ours."""
    handle = talk.create()
    talk.hear("response.created", response={"id": "theirs"})
    talk.text("Not for you.", response_id="theirs")
    error = {"code": "conversation_already_has_active_response", "event_id": "key"}
    talk.hear("error", error=error)
    talk.done(id="theirs")

    for wait in (handle.result, handle.acknowledged):
        with pytest.raises(ActiveResponseConflict):
            wait()


def test_a_response_that_told_its_owner_is_not_taken_back(talk: Talk) -> None:
    """An error that names its command comes too late then; it stays an event."""
    handle = talk.create()
    talk.created()
    talk.hear("error", error={"code": "odd", "event_id": "key"})
    talk.done()

    assert "completed" == handle.result().status


def test_a_lost_connection_fails_the_result(talk: Talk) -> None:
    """Unless the response was over."""
    over, under_way = talk.create("over"), talk.create("under way")
    talk.created("over", "r1")
    talk.done(id="r1")
    talk.created("under way", "r2")
    talk.watches.finish(ConnectionLost("gone"))

    assert "completed" == over.result().status
    with pytest.raises(ConnectionLost):
        under_way.result(None)


def test_a_timeout_has_what_had_arrived(talk: Talk) -> None:
    """The wait can be repeated."""
    handle = talk.create()
    talk.created()
    talk.text("so far")
    with pytest.raises(
        WaitTimeout, match="not complete in time: .* of response r came"
    ) as caught:
        handle.result()
    talk.done()

    assert "so far" == caught.value.partial.text
    assert "in_progress" == caught.value.partial.status
    assert "completed" == handle.result().status


# -- servers that leave things out -------------------------------------------


def test_done_without_created_is_enough(talk: Talk) -> None:
    """A relay may swallow the beginning."""
    handle = talk.create()
    talk.text("so", " far")
    talk.done(metadata={"realtime_sync_id": "key"})

    assert "so far" == handle.result().text


def test_events_before_created_are_kept(talk: Talk) -> None:
    """They are sorted out when the response's id is known."""
    handle = talk.create()
    talk.text("mine")
    talk.text("not mine", response_id="other")
    talk.created()
    talk.done()

    assert "mine" == handle.result().text


def test_a_server_without_any_ids_is_understood(talk: Talk) -> None:
    """Deltas hold nothing but ``delta``; also those before the beginning."""
    handle = talk.create()
    talk.watches.offer(event("response.text.delta", delta="ear"))
    talk.watches.offer(event("response.created", response={"status": "in_progress"}))
    talk.watches.offer(event("response.text.delta", delta="ly"))
    talk.watches.offer(event("response.done", response={}))

    assert "early" == handle.result().text
    assert "completed" == handle.result().status


def test_responses_may_interleave(talk: Talk) -> None:
    """Each handle keeps to its own."""
    one, two = talk.create("one"), talk.create("two")
    talk.created("one", "r1")
    talk.created("two", "r2")
    talk.text("1", response_id="r1")
    talk.text("2", response_id="r2")
    talk.text("1", response_id="r1")
    talk.done(id="r2")
    talk.done(id="r1")

    assert "11" == one.result().text
    assert "2" == two.result().text


def test_a_response_that_falls_silent_is_given_up_if_asked_for() -> None:
    """A relay stays open when its upstream has died."""
    talk = Talk(idle_timeout=0.1)
    handle = talk.create()
    talk.created()
    started = monotonic()
    with pytest.raises(WaitTimeout):
        handle.result(LONG)

    assert 0.09 <= monotonic() - started < LONG / 2


def test_any_event_of_a_response_is_a_sign_of_life() -> None:
    """Also the arguments of a long function call."""
    talk = Talk(idle_timeout=0.15)
    handle = talk.create()
    talk.created()
    stop = threading.Event()

    def speak() -> None:
        for _ in range(8):
            stop.wait(0.05)
            talk.hear("response.function_call_arguments.delta", delta="x")
        talk.done()

    thread = threading.Thread(target=speak)
    thread.start()
    reply = handle.result(LONG)
    thread.join()

    assert "completed" == reply.status


# -- piece by piece ----------------------------------------------------------


def test_text_comes_piece_by_piece_while_it_is_spoken(talk: Talk) -> None:
    """From another thread, and to the end."""
    handle = talk.create()

    def speak() -> None:
        talk.created()
        talk.text("one ", "two ")
        talk.hear("response.output_audio_transcript.delta", delta="three")
        talk.done()

    timer = threading.Timer(0.02, speak)
    timer.start()
    pieces = list(handle.text_deltas(LONG))
    timer.join()

    assert ["one ", "two ", "three"] == pieces


def test_iterating_late_misses_nothing(talk: Talk) -> None:
    """And any number of times."""
    handle = talk.create()
    talk.created()
    talk.text("a", "b")
    talk.done()

    assert ["a", "b"] == list(handle.text_deltas()) == list(handle.text_deltas())


def test_a_piece_that_does_not_come_is_a_timeout(talk: Talk) -> None:
    """With what had come."""
    handle = talk.create()
    talk.created()
    talk.text("a")
    pieces = handle.text_deltas()
    first = next(pieces)
    with pytest.raises(WaitTimeout) as caught:
        next(pieces)

    assert "a" == first == caught.value.partial.text


def test_function_calls_come_once_each(talk: Talk) -> None:
    """However often the server says them."""
    handle = talk.create()
    talk.created()
    for call_id in ("c1", "c1", "c2"):
        talk.hear("response.output_item.done", item=function_call(call_id))
    talk.done(output=[function_call("c1"), function_call("c2")])

    assert ["c1", "c2"] == [call.call_id for call in handle.tool_calls()]
    assert ["c1", "c2"] == [call.call_id for call in handle.result().tool_calls]


@pytest.mark.parametrize("call_id", [None, ""], ids=repr)
def test_function_calls_without_a_call_id_are_told_apart(
    talk: Talk, call_id: object
) -> None:
    """By their items, or by what they call."""
    handle = talk.create()
    talk.created()
    calls = [
        {**function_call("c1"), "id": "f1", "call_id": call_id},
        {**function_call("c2"), "id": "f2", "call_id": call_id},
        {**function_call("c3"), "id": None, "call_id": call_id, "name": "other"},
    ]
    for call in calls:
        talk.hear("response.output_item.done", item=call)
    talk.done(output=calls)

    names = ["f1", "f2", None]
    assert names == [call.id for call in handle.tool_calls()]
    assert names == [call.id for call in handle.result().tool_calls]


# -- cancelling --------------------------------------------------------------


def test_cancel_waits_for_the_final_state(talk: Talk) -> None:
    """And returns what had been said."""
    handle = talk.create()
    talk.created()
    talk.text("so far")
    timer = threading.Timer(0.02, talk.done, args=("cancelled",))
    timer.start()
    reply = handle.cancel(LONG)
    timer.join()

    assert ["r"] == talk.cancelled
    assert ("cancelled", "so far") == (reply.status, reply.text)


def test_cancelling_what_is_over_sends_nothing(talk: Talk) -> None:
    """It is left as it is."""
    handle = talk.create()
    talk.created()
    talk.done()

    assert "completed" == handle.cancel().status
    assert [] == talk.cancelled


def test_cancelling_in_vain_is_a_timeout(talk: Talk) -> None:
    """Some servers ignore it."""
    handle = talk.create()
    talk.created()
    with pytest.raises(WaitTimeout):
        handle.cancel()


@pytest.mark.parametrize("kind", ["response.cancelled", "response.canceled"])
@pytest.mark.parametrize(
    "named", [{"response_id": "r0"}, {"response": {"id": "r0"}}, {}], ids=str
)
def test_what_a_server_only_calls_cancelled_is_over(kind: str, named: Any) -> None:
    """That response, and no other: not even where none is named."""
    transport = MemoryTransport()
    with connect("m", transport=transport, dispatch="inline") as session:
        heard: list[Any] = []
        session.on(kind, heard.append)
        first = session.response.create()
        aside = session.response.create(conversation="none")
        for name, conversation in (("r0", "c"), ("r1", None)):
            response = {"id": name, "conversation_id": conversation}
            transport.feed({"type": "response.created", "response": response})
        place = {"response_id": "r0", "item_id": "a", "content_index": 0}
        text = {"type": "response.output_text.delta", **place, "delta": "Lim"}
        transport.feed(text)
        cancel = session.response.cancel("r0")
        transport.feed({"type": kind, **named})

        reply = first.result(0, check=False)
        assert ("r0", "cancelled", "Lim") == (reply.id, reply.status, reply.text)
        assert cancel.done() and not aside.done()
        assert [kind] == [event.type for event in heard]
        assert {} == dict(session.stats.unknown)
        with pytest.raises(ResponseCancelled, match="response r0 ended cancelled"):
            first.result(0)

        response = {"id": "r1", "status": "completed", "conversation_id": None}
        transport.feed({"type": "response.done", "response": response})
        assert "completed" == aside.result(0).status


def test_the_end_of_a_cancelled_response_is_taken_when_it_comes() -> None:
    """Its tokens count once, and what another response says is not taken for it."""
    transport = MemoryTransport()
    with connect("m", transport=transport, dispatch="inline") as session:
        handle = session.response.create()
        transport.feed({"type": "response.created", "response": {"id": "r"}})
        transport.feed({"type": "response.cancelled", "response_id": "r"})
        assert handle.done() and handle.result(0, check=False).usage is None

        transport.feed({"type": "response.output_text.delta", "delta": "Another's."})
        response = {"id": "r", "status": "cancelled", "usage": {"total_tokens": 7}}
        transport.feed({"type": "response.done", "response": response})
        reply = handle.result(0, check=False)

        assert ("cancelled", 7, "") == (
            reply.status,
            reply.usage.total_tokens,
            reply.text,
        )
        assert 7 == session.snapshot.usage.total_tokens


def test_a_server_without_ids_cancels_the_response_that_runs() -> None:
    """And the next one is told apart from it."""
    transport = MemoryTransport()
    with connect("m", transport=transport, dispatch="inline") as session:
        first = session.response.create()
        transport.feed({"type": "response.created", "response": {}})
        transport.feed({"type": "response.cancelled"})
        second = session.response.create()
        transport.feed({"type": "response.created", "response": {}})
        transport.feed({"type": "response.output_text.delta", "delta": "Two."})
        transport.feed({"type": "response.done", "response": {}})

        told = [each.result(0, check=False) for each in (first, second)]
        assert [("cancelled", ""), ("completed", "Two.")] == [
            (each.status, each.text) for each in told
        ]


def test_what_is_called_cancelled_after_its_end_is_as_it_ended(talk: Talk) -> None:
    """Some servers answer every cancel so."""
    handle = talk.create()
    talk.created()
    talk.done()
    talk.hear("response.cancelled")

    assert "completed" == handle.result().status


# -- memory ------------------------------------------------------------------


def test_a_handle_that_is_dropped_is_forgotten(talk: Talk) -> None:
    """With all that it collected."""
    handle = talk.create()
    talk.created()
    talk.text("x" * 1000)
    gone = weakref.ref(handle)
    del handle
    gc.collect()
    talk.text("more")

    assert gone() is None
    assert (talk.pending.watch,) == talk.watches._watches


def test_a_handle_that_is_over_is_not_registered_any_more(talk: Talk) -> None:
    """Later events are not its business."""
    handle = talk.create()
    talk.created()
    talk.done()
    talk.text("late")

    assert (talk.pending.watch,) == talk.watches._watches
    assert "" == handle.result().text


@pytest.mark.parametrize("when", ["added", "done"])
def test_the_phase_of_an_item_is_known_whenever_it_is_told(when: str) -> None:
    """Also where the response, at its end, lists nothing."""
    transport = MemoryTransport()
    told = (("a", "commentary", "Hm. "), ("b", "final_answer", "Five."))
    with connect("m", transport=transport, dispatch="inline") as session:
        handle = session.response.create()
        response = {"id": "r", "status": "in_progress", "output": []}
        transport.feed({"type": "response.created", "response": response})
        for index, (item_id, phase, words) in enumerate(told):
            place = {"response_id": "r", "output_index": index}
            item = {"id": item_id, "type": "message", "role": "assistant"}
            for step in ("added", "done"):
                shown = {**item, **({"phase": phase} if step == when else {})}
                kind = f"response.output_item.{step}"
                transport.feed({"type": kind, **place, "item": shown})
                if step == "added":
                    delta = {"item_id": item_id, "content_index": 0, "delta": words}
                    text = {"type": "response.output_text.delta", **place, **delta}
                    transport.feed(text)
        done = {**response, "status": "completed"}
        transport.feed({"type": "response.done", "response": done})
        reply = handle.result(5)

    assert ("Five.", "Hm. ") == (reply.text, reply.commentary)


@pytest.mark.parametrize(
    ("told", "status"),
    [
        (None, "completed"),
        ("", "completed"),
        ("in_progress", "completed"),
        ("COMPLETED", "completed"),
        ("canceled", "cancelled"),
        ("moderated", "moderated"),
        (7, "completed"),
    ],
)
def test_a_response_ends_as_the_mirror_has_it(told: Any, status: str) -> None:
    """Whatever word the server has for it, or none."""
    transport = MemoryTransport()
    with connect("m", transport=transport, dispatch="inline") as session:
        handle = session.response.create()
        transport.feed({"type": "response.created", "response": {"id": "r"}})
        transport.feed(
            {"type": "response.done", "response": {"id": "r", "status": told}}
        )

        assert status == handle.result(0, check=False).status
        assert status == session.snapshot.responses["r"].status
