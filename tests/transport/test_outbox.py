"""Frames of many threads on one socket: whole, in order, never torn."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_sync.deadline import Deadline
from realtime_sync.errors import ConnectionClosedOK, ConnectionLost, WaitTimeout
from realtime_sync.transport import outbox as tested
from realtime_sync.transport.base import OutboxEntry
from realtime_sync.transport.outbox import Outbox
from tests.strike import Strike

SOON = 0.05


class Kernel:
    """
    A socket that takes what a plan allows.

    Args:
        plan: for each write, most bytes taken, or an exception to raise; when
            it is used up, everything is taken.
    """

    def __init__(self, *plan: object) -> None:
        self.plan = list(plan)
        self.taken = b""
        self.tries: list[bytes] = []
        self.waits = 0
        self.writable = True
        self.on_wait: Optional[Callable[[], None]] = None

    def write(self, data: memoryview) -> int:
        """Take some bytes."""
        self.tries.append(bytes(data))
        allowed = self.plan.pop(0) if self.plan else len(data)
        if isinstance(allowed, type):
            raise allowed()
        assert isinstance(allowed, int)
        if not allowed:
            raise BlockingIOError
        self.taken += bytes(data[:allowed])
        return min(allowed, len(data))

    def wait(self, deadline: Deadline) -> bool:
        """Say whether it is writable now."""
        self.waits += 1
        if self.on_wait is not None:
            self.on_wait()
        return self.writable

    def outbox(self) -> Outbox:
        """An outbox that writes here."""
        return Outbox(self.write, self.wait, torn_by=(SystemExit,))


def send(outbox: Outbox, frames: list[bytes], deadline: Deadline) -> None:
    """Queue a message and write until the kernel has it."""
    entry = OutboxEntry(frames)
    outbox.enqueue(entry)
    outbox.flush(entry, deadline)


def post(
    outbox: Outbox, frames: list[bytes], *, control: bool = False, final: bool = False
) -> None:
    """Queue a message and write what needs no waiting."""
    outbox.enqueue(OutboxEntry(frames, final=final), control=control)
    outbox.drain()


def never() -> Deadline:
    """No deadline."""
    return Deadline(None)


def test_a_message_is_written_by_the_thread_that_sends_it() -> None:
    """When `send` returns, the kernel has the bytes."""
    kernel = Kernel()
    send(kernel.outbox(), [b"hello"], never())

    assert b"hello" == kernel.taken


def test_a_message_in_several_frames_is_written_in_order() -> None:
    """Also when the kernel takes a byte at a time."""
    kernel = Kernel(*[1] * 11)
    send(kernel.outbox(), [b"hello", b", ", b"world"], never())

    assert b"hello, world" == kernel.taken


@given(
    frames=st.lists(st.binary(min_size=1, max_size=9), min_size=1, max_size=5),
    plan=st.lists(st.integers(0, 5), max_size=60),
)
def test_any_partial_writes_give_the_same_bytes(
    frames: list[bytes], plan: list[int]
) -> None:
    """However little the kernel takes at a time, and however often nothing."""
    kernel = Kernel(*plan)
    outbox = kernel.outbox()
    send(outbox, frames, never())

    assert b"".join(frames) == kernel.taken
    assert outbox.empty
    assert 0 == outbox.unsent()


def test_thousands_of_partial_writes_cost_little_each() -> None:
    """The notes on how much was written are summed up now and then."""
    kernel = Kernel(*[1] * 20_000)
    outbox = kernel.outbox()
    send(outbox, [bytes(20_000)], never())

    assert 20_000 == len(kernel.taken)


def test_a_full_kernel_is_waited_for() -> None:
    """The sender waits and goes on where it was."""
    kernel = Kernel(2, 0, 0)
    send(kernel.outbox(), [b"hello"], never())

    assert b"hello" == kernel.taken
    assert 2 == kernel.waits


def test_a_message_that_was_not_begun_is_taken_back_at_the_deadline() -> None:
    """The caller was told that it was not sent; then it must not be sent."""
    kernel = Kernel(0)
    stuck, release = threading.Event(), threading.Event()

    def wait() -> None:
        stuck.set()
        release.wait(5)

    kernel.on_wait = wait
    outbox = kernel.outbox()
    holder = threading.Thread(target=send, args=(outbox, [b"first"], never()))
    holder.start()
    stuck.wait(5)
    with pytest.raises(WaitTimeout, match="another thread"):
        send(outbox, [b"second"], Deadline(SOON))
    waiting = outbox.unsent()
    release.set()
    holder.join(5)
    send(outbox, [b"third"], never())

    assert 1 == waiting
    assert b"firstthird" == kernel.taken


@pytest.mark.parametrize("early", [True, False])
def test_a_message_is_written_or_withdrawn_and_never_both(early: bool) -> None:
    """Though its sender gives up between the look at it and its first byte."""
    kernel, entry, told = Kernel(), OutboxEntry([b"one"]), list[bool]()

    class Guard:
        """What is entered before each write."""

        def __enter__(self) -> None:
            told.append(entry.withdraw())

        def __exit__(self, *exc_info: object) -> None:
            pass

    outbox = Outbox(kernel.write, kernel.wait, guard=Guard())
    if early:
        told.append(entry.withdraw())
    outbox.enqueue(entry)
    outbox.drain()

    assert [early] == told
    assert (b"" if early else b"one") == kernel.taken
    assert outbox.empty


def test_a_message_that_was_begun_is_finished_after_the_deadline() -> None:
    """Half a frame on the wire can only be followed by its other half."""
    kernel = Kernel(2, 0)
    kernel.writable = False
    outbox = kernel.outbox()
    with pytest.raises(WaitTimeout, match="does not take"):
        send(outbox, [b"hello", b"world"], never())
    stalled = outbox.stalled
    send(outbox, [b"!"], never())

    assert stalled
    assert b"helloworld!" == kernel.taken


def test_a_control_frame_passes_between_the_frames_of_a_message() -> None:
    """A pong does not wait for thirty megabytes."""
    kernel = Kernel(4, 0)
    outbox = kernel.outbox()
    kernel.on_wait = lambda: post(outbox, [b"<pong>"], control=True)
    send(outbox, [b"one,", b"two,", b"three"], never())

    assert b"one,two,<pong>three" == kernel.taken


def test_a_control_frame_waits_for_the_end_of_a_half_written_frame() -> None:
    """Never within a frame."""
    kernel = Kernel(2, 0)
    outbox = kernel.outbox()
    kernel.on_wait = lambda: post(outbox, [b"<pong>"], control=True)
    send(outbox, [b"frame", b"after"], never())

    assert b"frame<pong>after" == kernel.taken


def test_a_frame_that_was_tried_is_tried_again_before_anything_else() -> None:
    """
    TLS may have encrypted a part of what it did not take.

    OpenSSL refuses other bytes then, and the connection would be lost.
    """
    kernel = Kernel(0)
    outbox = kernel.outbox()
    kernel.on_wait = lambda: post(outbox, [b"<pong>"], control=True)
    send(outbox, [b"frame"], never())

    assert [b"frame", b"frame", b"<pong>"] == kernel.tries


def test_the_order_of_messages_is_the_order_of_sending() -> None:
    """Posted and sent messages share one queue."""
    kernel = Kernel(0)
    outbox = kernel.outbox()
    post(outbox, [b"1"])
    post(outbox, [b"2"])
    send(outbox, [b"3"], never())

    assert b"123" == kernel.taken


def test_posting_never_waits_for_a_sender() -> None:
    """The reader posts pongs while another thread is stuck in a send."""
    kernel = Kernel(0)
    stuck, release = threading.Event(), threading.Event()

    def wait() -> None:
        stuck.set()
        release.wait(5)

    kernel.on_wait = wait
    outbox = kernel.outbox()
    sender = threading.Thread(target=send, args=(outbox, [b"slow"], never()))
    sender.start()
    stuck.wait(5)
    post(outbox, [b"<pong>"], control=True)
    outbox.drain()
    before = kernel.taken
    release.set()
    sender.join(5)

    assert b"" == before
    assert b"slow<pong>" == kernel.taken


def test_what_was_posted_while_a_thread_wrote_is_not_left_behind() -> None:
    """The sender looks again when it has given the lock back."""
    kernel = Kernel()
    outbox = kernel.outbox()
    first = kernel.write

    def write(data: memoryview) -> int:
        if kernel.taken == b"":
            post(outbox, [b"2"])
        return first(data)

    Outbox.__init__(outbox, write, kernel.wait)
    send(outbox, [b"1"], never())

    assert b"12" == kernel.taken


def test_a_broken_connection_fails_the_sender_with_the_cause() -> None:
    """And everyone who sends later."""
    kernel = Kernel(2, ConnectionResetError)
    outbox = kernel.outbox()
    with pytest.raises(ConnectionLost) as first:
        send(outbox, [b"hello"], never())
    with pytest.raises(ConnectionLost):
        send(outbox, [b"again"], never())

    assert isinstance(first.value.__cause__, ConnectionResetError)
    assert b"he" == kernel.taken


def test_a_broken_outbox_has_nothing_to_drain() -> None:
    """A reader that still gets a ping must not spin over it."""
    kernel = Kernel(2, ConnectionResetError)
    outbox = kernel.outbox()
    with pytest.raises(ConnectionLost):
        send(outbox, [b"hello"], never())
    post(outbox, [b"<pong>"], control=True)

    assert outbox.empty
    assert not outbox.stalled
    assert 1 == outbox.unsent()


def test_nothing_follows_a_close_frame() -> None:
    """A message that lost the race is refused, not sent after the close."""
    kernel = Kernel()
    outbox = kernel.outbox()
    post(outbox, [b"<close>"], final=True)
    post(outbox, [b"<pong>"], control=True)
    with pytest.raises(ConnectionClosedOK):
        send(outbox, [b"late"], never())

    assert b"<close>" == kernel.taken


def test_a_close_frame_waits_for_what_was_queued_before_it() -> None:
    """What was sent before the close goes out before it."""
    kernel = Kernel(0)
    outbox = kernel.outbox()
    post(outbox, [b"first"])
    post(outbox, [b"<close>"], final=True)
    outbox.drain()

    assert b"first<close>" == kernel.taken


def test_an_interrupt_while_waiting_leaves_the_message_to_be_finished() -> None:
    """Ctrl-C in the middle of a frame; the next sender finishes it first."""
    kernel = Kernel(2, 0)

    def interrupt() -> None:
        kernel.on_wait = None
        raise KeyboardInterrupt

    kernel.on_wait = interrupt
    outbox = kernel.outbox()
    with pytest.raises(KeyboardInterrupt):
        send(outbox, [b"hello", b"world"], never())
    send(outbox, [b"!"], never())

    assert b"helloworld!" == kernel.taken


def test_an_interrupt_with_unknown_outcome_breaks_the_connection() -> None:
    """A stream that may be torn is ended, never continued."""
    kernel = Kernel(2, SystemExit)
    outbox = kernel.outbox()
    with pytest.raises(SystemExit):
        send(outbox, [b"hello"], never())
    with pytest.raises(ConnectionLost, match="in the middle of a frame"):
        send(outbox, [b"again"], never())

    assert b"he" == kernel.taken


@pytest.mark.parametrize("full", [(), (0,), (3, 0, 2), (1, 1, 0, 0, 4)])
def test_an_interrupt_at_any_place_tears_nothing(full: tuple[int, ...]) -> None:
    """
    Wherever Ctrl-C strikes, messages stay whole and the lock is free.

    The message that was interrupted is either sent as a whole or not at all.
    """
    place, struck = 0, True
    while struck:
        place += 1
        taken, plan = bytearray(), list(full)

        def write(data: memoryview) -> int:
            allowed = plan.pop(0) if plan else len(data)
            if not allowed:
                raise BlockingIOError
            taken.extend(data[:allowed])
            return min(allowed, len(data))

        outbox = Outbox(write, lambda deadline: True)
        strike = Strike(place, (tested.__file__,))
        post(outbox, [b"<0>"])
        with suppress(KeyboardInterrupt), strike:
            send(outbox, [b"<1", b">"], Deadline(5))
        struck = strike.where is not None
        post(outbox, [b"<pong>"], control=True)
        send(outbox, [b"<2>"], Deadline(5))
        whole = bytes(taken).replace(b"<pong>", b"")

        assert not outbox._lock.locked()
        assert whole in (b"<0><1><2>", b"<0><2>")
        assert struck or whole == b"<0><1><2>"
    assert place > 30


def test_frames_of_many_threads_stay_whole_and_in_order_per_thread() -> None:
    """Eight threads, a kernel that takes odd amounts, pongs in between."""
    random = Random(7)
    taken = bytearray()

    def write(data: memoryview) -> int:
        allowed = random.randint(0, 40)
        if not allowed:
            raise BlockingIOError
        taken.extend(data[:allowed])
        return min(allowed, len(data))

    outbox = Outbox(write, lambda deadline: True)

    def talk(name: int) -> None:
        for number in range(200):
            message = b"[%d:%d:" % (name, number) + b"x" * (number % 50) + b"]"
            send(outbox, [message[:3], message[3:]], never())
            if number % 10 == 0:
                post(outbox, [b"(pong)"], control=True)

    threads = [threading.Thread(target=talk, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    outbox.drain()
    data = bytes(taken)
    seen: dict[bytes, int] = {}

    assert 8 * 20 == data.count(b"(pong)")
    for message in data.replace(b"(pong)", b"")[1:-1].split(b"]["):
        name, number, body = message.split(b":")
        assert seen.get(name, -1) + 1 == int(number)
        assert b"x" * (int(number) % 50) == body
        seen[name] = int(number)
    assert {b"%d" % name: 199 for name in range(8)} == seen


def test_who_waits_behind_the_close_frame_is_released() -> None:
    """Nothing follows that frame, and the peer may never answer it."""
    kernel = Kernel()
    outbox = Outbox(kernel.write, kernel.wait)
    outbox.enqueue(OutboxEntry([b"close"], final=True))
    late = OutboxEntry([b"late"])
    outbox.enqueue(late)
    with pytest.raises(ConnectionClosedOK):
        # The thread that writes comes when the other one waits already.
        outbox.wake_and_wait(late, Deadline(SOON), outbox.drain)

    assert b"close" == kernel.taken


def test_who_sent_last_does_not_hold_what_is_being_closed() -> None:
    """Else a `close()` at that moment takes itself for one in a signal handler."""
    outbox = Outbox(Kernel().write, Kernel().wait)
    send(outbox, [b"last"], never())
    stop = threading.Event()

    def close() -> None:
        while not stop.is_set():
            outbox.closing(Deadline(0))

    closing = threading.Thread(target=close)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    closing.start()
    held = any(outbox.held_here() for _ in range(20_000))
    stop.set()
    closing.join()
    sys.setswitchinterval(before)

    assert not held
