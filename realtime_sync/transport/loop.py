"""
One thread that waits for many sockets, for timers, and to be woken.

The loop does nothing that waits for anybody else. In each turn it gives every
socket that is ready one bounded share, so that a flood on one holds up no other.
"""

from __future__ import annotations

import selectors
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from threading import Lock, Thread, get_ident
from time import monotonic, sleep
from typing import Final, Optional, Protocol

from ..deadline import Deadline, Flag
from .log_writer import LogWriter
from .logs import area_logger
from .poller import PollerWaker

logger = area_logger("realtime_sync.transport")

READ: Final = selectors.EVENT_READ
WRITE: Final = selectors.EVENT_WRITE

_MOST_DELAYS = 1024
_SELECT_TAKES = 500
_MOMENT = 0.001
_MANY = 4
"""Sockets ready at once from which on a turn is followed by a pause."""


class LoopChannel(Protocol):
    """
    What a loop serves: a socket, and who reads and writes it.

    All methods are called on the loop and must not wait.
    """

    def fileno(self) -> int:
        """The number of the socket."""

    def ready(self) -> None:
        """Read and write one share of what can be read and written."""

    def failed(self, exc: BaseException) -> None:
        """Serving it raised; it has been unregistered and must come to its end."""


class LoopTimer:
    """A call that is due at some time; made by `Loop.call_later`."""

    __slots__ = ("when", "_run")

    def __init__(self, when: float, run: Callable[[], None]) -> None:
        self.when = when
        self._run: Optional[Callable[[], None]] = run

    def cancel(self) -> None:
        """Do not call. Any thread; what is being called is not stopped."""
        self._run = None

    def run(self) -> None:
        """Call once. On the loop."""
        # Taken out before it is called: it runs once, whatever `cancel` does meanwhile.
        run, self._run = self._run, None
        if run is not None:
            run()


class Loop:
    """
    Serves sockets and timers on one daemon thread, which the first use starts.

    `add`, `change`, `again`, `remove` and `call_until` are for the loop's own
    thread; `call` and `call_later` are for any thread and bring others there.

    Args:
        name: of the thread.

    Attributes:
        ident: of the thread while it runs, for who asks before every command
            whether he is on the loop.
    """

    def __init__(self, name: str) -> None:
        self.ident: Optional[int] = None
        self._name = name
        # Guards the start and the end of the thread.
        self._lock = Lock()
        self._thread: Optional[Thread] = None
        self._stopping = False
        self._stopped = Flag()
        self._selector: Optional[selectors.BaseSelector] = None
        # Made with the thread: a session that is never opened holds no descriptor.
        self._waker: Optional[PollerWaker] = None
        # Whether a wake is under way: one is enough for many calls.
        self._woken = False
        # Threads in the middle of it: what they have noted may not be done yet.
        self._waking: set[int] = set()
        self._calls: deque[Callable[[], None]] = deque()
        # By the number of their sockets. Touched by the loop alone, as are the
        # selector, the timers and `_again`.
        self._served: dict[int, LoopChannel] = {}
        self._timers: list[tuple[float, int, LoopTimer]] = []
        self._order = count()
        self._again: dict[int, LoopChannel] = {}
        self._unfinished: set[Callable[[], bool]] = set()
        self._delays: deque[float] = deque(maxlen=_MOST_DELAYS)
        self._log = LogWriter(f"{name} log")

    # -- from any thread -------------------------------------------------------

    def on_loop(self) -> bool:
        """Whether the calling thread is the loop."""
        return get_ident() == self.ident

    def held_here(self) -> bool:
        """Whether the calling thread is waking the loop, which its end waits for."""
        waker = self._waker
        return waker is not None and waker.held_here()

    def start(self) -> None:
        """
        Start the thread, unless it runs.

        Raises:
            RuntimeError: the loop has been stopped.
        """
        with self._lock:
            if self._stopping:
                raise RuntimeError(f"the loop {self._name} has been stopped")
            if self._thread is None:
                self._waker = waker = PollerWaker()
                thread = Thread(
                    target=self._run, args=(waker,), name=self._name, daemon=True
                )
                try:
                    thread.start()
                except BaseException:
                    # The system gives no more threads; or a Ctrl-C, and then it may
                    # have started: it finds that its waker is not the loop's.
                    self._waker = None
                    waker.close()
                    raise
                self._thread = thread

    def call(self, run: Callable[[], None]) -> None:
        """
        Call on the loop, soon, in the order of these calls.

        What is called after the end of the loop is not called.
        """
        self._calls.append(run)
        # Its own thread looks before it waits again. Who finds `_woken` set has
        # appended before the loop takes the calls, which it does after clearing.
        # One that has not been started looks before it waits for the first time.
        waker, ident = self._waker, get_ident()
        if waker is None or ident == self.ident:
            return
        # A signal may strike behind the note that the loop is woken: its handler, which
        # may wait for the loop, wakes it itself.
        if not self._woken or ident in self._waking:
            try:
                self._waking.add(ident)
                self._woken = True
                waker.wake()
            except BaseException:
                # A Ctrl-C, perhaps before anything was written: others have seen
                # `_woken`, and the loop would sleep beside what they asked for.
                self._woken = False
                waker.wake()
                raise
            finally:
                self._waking.discard(ident)

    def at_turn_end(self, run: Callable[[], None]) -> None:
        """
        Call at the end of the turn on the loop, at once in any other thread.

        For waking a thread with what a turn has brought: one that is awake before the
        turn ends wants the interpreter, which every read then offers to it.
        """
        if get_ident() == self.ident:
            self._calls.append(run)
        else:
            run()

    def call_later(self, delay: float, run: Callable[[], None]) -> LoopTimer:
        """
        Call on the loop after `delay` seconds.

        Returns:
            What cancels it.
        """
        timer = LoopTimer(monotonic() + delay, run)
        # The heap belongs to the loop: two threads that push at once would break its
        # order, and a timer that is due would stand behind one that is not.
        if self.on_loop():
            self._push(timer)
        else:
            self.call(lambda: self._push(timer))
        return timer

    def delays(self) -> list[float]:
        """
        Seconds that the last of those served in a turn waited, shortest first.
        """
        # A copy by one call into C: the loop appends while this thread sorts.
        return sorted(self._delays.copy())

    def stop(self) -> None:
        """Let the thread end when it has run what it was asked to call."""
        with self._lock:
            # Against `start`: a thread that is made later would never see it.
            self._stopping = True
        if self._waker is not None:
            self._waker.wake()
        else:
            self._stopped.set()

    def join(self, deadline: Deadline) -> bool:
        """
        Wait for the end of the thread, and of its log, unless it is the caller.
        """
        thread = self._thread
        if thread is None or self.on_loop():
            return self._stopped.is_set()
        thread.join(deadline.remaining())
        return not thread.is_alive() and self._log.join(deadline)

    # -- on the loop -------------------------------------------------------------

    def add(self, channel: LoopChannel, events: int = READ) -> None:
        """
        Serve a channel from now on.

        Raises:
            OSError: its socket is closed, or the system takes no more.
        """
        selector = self._selector
        assert selector is not None and self.on_loop()
        limited = isinstance(selector, selectors.SelectSelector)
        if limited and len(self._served) >= _SELECT_TAKES:
            raise OSError(f"this system waits for at most {_SELECT_TAKES} sockets")
        number = channel.fileno()
        try:
            selector.register(number, events, channel)
        except (KeyError, ValueError) as exc:
            raise OSError(f"the socket cannot be waited for: {exc}") from exc
        self._served[number] = channel

    def change(self, channel: LoopChannel, events: int) -> None:
        """Wait for other events of a channel."""
        assert self._selector is not None and self.on_loop()
        self._selector.modify(channel.fileno(), events, channel)

    def again(self, channel: LoopChannel) -> None:
        """
        Call `LoopChannel.ready` in the next turn, whatever the socket says.

        TLS may hold bytes that the kernel has handed over already.
        """
        number = channel.fileno()
        if self._served.get(number) is channel:
            self._again[number] = channel

    def remove(self, channel: LoopChannel) -> None:
        """
        Serve a channel no more. Before its socket is closed: a number that stays
        registered would report for whoever gets it next.
        """
        assert self._selector is not None and self.on_loop()
        number = channel.fileno()
        if self._served.get(number) is channel:
            self._forget(number)

    def call_until(self, run: Callable[[], bool]) -> None:
        """
        Call now, and every millisecond again until it says that it is done.

        The end of the loop waits for it, so it must not be long.
        """
        self._unfinished.discard(run)
        if not run():
            self._unfinished.add(run)
            self.call_later(_MOMENT, lambda: self.call_until(run))

    # -- the thread --------------------------------------------------------------

    def _run(self, waker: PollerWaker) -> None:
        with self._lock:  # `start` has it until it knows whether it will have this one.
            if waker is not self._waker:
                return
        self.ident = get_ident()
        self._log.begin()
        # Made here: what gevent replaces is replaced by now, and a child of a
        # fork does not inherit it from before.
        selector = self._selector = selectors.DefaultSelector()
        selector.register(waker.fileno(), READ, None)
        try:
            while not self._stopping or self._calls:
                self._turn(selector, waker)
            self._fail_all()
            # Connections close their sockets here, some when a sender of another thread
            # has left: whoever joins this thread finds all of them closed.
            while self._calls or self._unfinished:
                self._turn(selector, waker)
        finally:
            selector.close()
            waker.close()
            self._log.end()
            # A thread that starts later may be given the same number.
            self.ident = None
            self._stopped.set()

    def _turn(self, selector: selectors.BaseSelector, waker: PollerWaker) -> None:
        try:
            found = selector.select(self._pause())
        except (OSError, ValueError):
            self._drop_dead()
            return
        began = monotonic()
        # Another one for the next turn: who asks again while he is served waits for it,
        # or one socket with much to read would keep the loop to itself.
        again, self._again = self._again, {}
        # Sockets before calls: a call that ends a connection must not throw away what
        # has come for it before.
        if found or again:
            self._serve(found, again, waker)
        if self._calls:
            self._run_calls()
        if self._timers:
            self._run_timers()
        self._delays.append(monotonic() - began)
        if len(found) >= _MANY:
            # Let some more gather: to wait for every few of many sockets, and to wake
            # who takes what they have brought, costs more than what is in it.
            sleep(_MOMENT)

    def _pause(self) -> Optional[float]:
        if self._calls or self._again:
            return 0.0
        if self._stopping and not self._unfinished:
            return 0.0
        if not self._timers:
            return None
        return max(0.0, self._timers[0][0] - monotonic())

    def _serve(
        self,
        found: list[tuple[selectors.SelectorKey, int]],
        again: dict[int, LoopChannel],
        waker: PollerWaker,
    ) -> None:
        for key, _ in found:
            channel = key.data
            if channel is None:
                # In this order: a wake between the two would be drained while `_woken`
                # says that it is under way, and nobody would wake the loop any more.
                waker.drain()
                self._woken = False
                continue
            again.pop(key.fd, None)
            self._serve_one(key.fd, channel)
        for number, channel in again.items():
            self._serve_one(number, channel)

    def _serve_one(self, number: int, channel: LoopChannel) -> None:
        # One that was served before it in this turn may have removed it, and its
        # number may be another's by now.
        if self._served.get(number) is not channel:
            return
        try:
            channel.ready()
        except BaseException as exc:  # One connection must not end them all.
            self._fail(number, channel, exc)

    def _fail(self, number: int, channel: LoopChannel, exc: BaseException) -> None:
        if self._served.get(number) is channel:
            self._forget(number)
        try:
            channel.failed(exc)
        except BaseException:  # Should never run.
            logger.exception("! a connection could not be ended")

    def _forget(self, number: int) -> None:
        assert self._selector is not None
        del self._served[number]
        self._again.pop(number, None)
        self._selector.unregister(number)

    def _run_calls(self) -> None:
        # As many as there are now: what they add must not starve the sockets.
        for _ in range(len(self._calls)):
            self._guarded(self._calls.popleft())

    def _run_timers(self) -> None:
        timers, now = self._timers, monotonic()
        while timers and timers[0][0] <= now:
            self._guarded(heappop(timers)[2].run)

    def _push(self, timer: LoopTimer) -> None:
        heappush(self._timers, (timer.when, next(self._order), timer))

    def _guarded(self, run: Callable[[], None]) -> None:
        try:
            run()
        except BaseException:  # Whoever asked must not end the loop for all.
            logger.exception("! a call on the loop failed")

    def _drop_dead(self) -> None:
        """`select` names no culprit when a socket was closed under it."""
        for number, channel in list(self._served.items()):
            if channel.fileno() != number:
                self._fail(number, channel, OSError("the socket was closed"))

    def _fail_all(self) -> None:
        for number, channel in list(self._served.items()):
            self._fail(number, channel, OSError("the loop has ended"))
