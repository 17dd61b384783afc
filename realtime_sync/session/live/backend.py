"""
The backend of a session with Responses delegation: what it waits for, and when it
may go on.

The service refuses `response.create` while any call is open, and a client that asks
too early stops the backend for good. So there is one place that asks: when no
response runs, no call is open, and something was given since it last asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import RLock
from typing import Any, Final, Optional

from attrs import evolve

from ...connection.command_handle import CommandHandle, CommandOfHandle
from ...connection.sender import Sender, sender_event_ids
from ...deadline import held_here
from ...dispatch.notices import ConnectionRestored
from ...dispatch.watches import Watch, WatchList
from ...errors import ConnectionClosed
from ...protocol import jsontext
from ...protocol.live import events
from ...protocol.live.acks import command_refused_by, is_failed_handoff
from ...protocol.live.limits import QUEUED_BYTES, QUEUED_ITEMS
from ...transport.logs import area_logger

logger = area_logger("realtime_sync.session")

OnCall = Callable[[Any, str, str], bool]
"""
Is shown a call, its delegation and its response, on the reader; True when it will be
answered.
"""

_ENDED: Final = frozenset(
    {"response.completed", "response.failed", "response.incomplete"}
)
MOST_OPEN: Final = QUEUED_ITEMS
"""Calls that wait for their outputs: the queue of the service takes no more of them."""

MOST_NAMED: Final = 4096
"""Responses that run, delegations and calls of the backend that are known, of each."""

_PLACEHOLDER: Final = '{"error": "the result is too large to be shown"}'
_SPARE: Final = 1024
"""Bytes that are left free for the placeholders of calls that are open."""


class BackendOfSession:
    """
    What is known of the backend; any thread.

    Args:
        sender: sends.
        watches: tell of its events.

    Attributes:
        on_call: is shown each call that may run; None while nothing runs calls.
        on_dropped: is told of calls whose response has ended badly.
    """

    def __init__(self, sender: Sender, watches: WatchList) -> None:
        self.on_call: Optional[OnCall] = None
        self.on_dropped: Callable[[tuple[str, ...]], None] = lambda calls: None
        self._sender = sender
        # Guards everything below; nothing is sent under it. Re-entrant: a signal
        # handler may close the session while its thread gives something.
        self._lock = RLock()
        self._sending = 0
        self._ids = sender_event_ids("backend")
        self._said_nameless = False
        # The question that was on its way to a session when that was lost.
        self._void: Optional[str] = None
        self._begin()
        watches.add(
            Watch(
                frozenset({"response.event", "error", "connection.restored"}),
                self._accept,
                lambda error: None,
                permanent=True,
            )
        )

    def _begin(self) -> None:
        """A session knows nothing of the one whose place it takes."""
        self._running: dict[str, None] = {}
        self._current: dict[str, str] = {}
        self._seen: dict[str, None] = {}
        # Of what more was named than is kept: it is told once.
        self._endless: set[str] = set()
        self._open: dict[str, str] = {}
        self._answering: set[str] = set()
        self._items: dict[str, str] = {}
        self._queued = self._queued_bytes = 0
        self._given = False
        # Whether it was given a message while there was no connection.
        self._given_meanwhile = False
        self._asked: Optional[str] = None

    def held_here(self) -> bool:
        """Whether the calling thread has the lock, which the loop may want."""
        return held_here(self._lock)

    @property
    def open_calls(self) -> tuple[str, ...]:
        """Ids of the calls that wait for their outputs."""
        with self._lock:
            return tuple(self._open)

    def give(self, item: Mapping[str, Any]) -> CommandHandle:
        """Give an item, and let the backend go on when it may."""
        handle = self._send_item(item)
        self.go_on()
        return handle

    def answer(self, call_id: str, output: str, *, go_on: bool = True) -> bool:
        """
        Give what a call gave.

        Args:
            call_id: of the call.
            output: what is too large for the queue becomes a placeholder, and a
                line in the log.
            go_on: let the backend go on when it may; False asks nothing of it.

        Returns:
            False when nobody waits for it: answered, or dropped with its response.
        """
        with self._lock:
            if call_id not in self._open or call_id in self._answering:
                return False
            self._answering.add(call_id)
        # Open until it is sent: were it taken for answered before, another thread
        # could ask the backend to go on without it.
        self._send_item(_backend_call_output(call_id, output), counts=go_on)
        if go_on:
            self.go_on()
        return True

    def go_on(self) -> None:
        """Let the backend go on, if it may and was given something."""
        with self._lock:
            busy = self._running or self._open or self._asked is not None
            if busy or self._sending or not self._given:
                return
            # Named before it is sent: its refusal may come before `send` returns.
            asked = next(self._ids)
            self._given, self._asked = False, asked
        try:
            self._sender.send(events.ResponseCreate(event_id=asked))
        except BaseException:
            with self._lock:
                self._given, self._asked = True, None
            raise

    def is_void(self, command: CommandOfHandle) -> bool:
        """Whether a command that was held is asked anew, or not at all."""
        with self._lock:
            return self._void is not None and command.event_id == self._void

    def told(self, command: Any) -> None:
        """The program has sent something to the backend itself."""
        held = self._sender.held is not None
        with self._lock:
            if command.type == "response.create" and held:
                # The program's own question for whatever session comes.
                self._given = self._given_meanwhile = False
                self._asked = None
            elif command.type == "response.create":
                self._given, self._asked = False, command.event_id
            elif command.type == "response.item.create":
                item = command.item
                call_id = item.get("call_id") if isinstance(item, Mapping) else None
                self._open.pop(str(call_id), None)
        self.go_on()

    def _send_item(
        self, item: Mapping[str, Any], *, counts: bool = True, once: bool = False
    ) -> CommandHandle:
        call_id, size = item.get("call_id"), len(jsontext.dumps(item))
        with self._lock:
            full = self._queued_bytes + size > QUEUED_BYTES - _SPARE
            full = full or self._queued >= QUEUED_ITEMS
        if full and isinstance(call_id, str):
            logger.warning(
                "! the result of %s is too large for the backend: %s bytes",
                call_id,
                size,
            )
            item = _backend_call_output(call_id, _PLACEHOLDER)
            size = len(jsontext.dumps(item))
        held = self._sender.held is not None
        with self._lock:
            self._given_meanwhile |= held and call_id is None
            self._queued += 1
            self._queued_bytes += size
            self._sending += 1
            event_id = next(self._ids)
            if isinstance(call_id, str) and not once:
                self._items[event_id] = call_id
                while len(self._items) > QUEUED_ITEMS:
                    del self._items[next(iter(self._items))]
        command = events.ResponseItemCreate(item=item, event_id=event_id)
        try:
            return self._sender.send(command)
        finally:
            # In one step, so that what was given is asked for once.
            with self._lock:
                self._sending -= 1
                self._given |= counts
                self._open.pop(str(call_id), None)
                self._answering.discard(str(call_id))

    # -- reader thread ---------------------------------------------------------

    def _accept(self, event: Any) -> None:
        if isinstance(event, events.ResponseEvent):
            self._backend_said(event)
        elif isinstance(event, events.Error):
            self._refused(event)
        elif isinstance(event, ConnectionRestored):
            if getattr(event.report, "way", None) == "attach":
                self._attached()
            else:
                self._renewed()

    def _attached(self) -> None:
        """Responses may have ended meanwhile; to ask while one runs is allowed."""
        with self._lock:
            self._running.clear()
        self._go_on_reading()

    def _renewed(self) -> None:
        with self._lock:
            dropped, self._void = tuple(self._open), self._asked
            given = self._given_meanwhile
            self._begin()
            self._given = given
        self.on_dropped(dropped)
        self._go_on_reading()

    def _backend_said(self, event: events.ResponseEvent) -> None:
        inner: Any = event.event
        kind = getattr(inner, "type", "")
        delegation_id = event.delegation_id
        work = delegation_id if isinstance(delegation_id, str) else ""
        if kind == "response.created":
            self._created(work, getattr(inner.response, "id", None))
        elif kind == "response.output_item.done":
            self._called(work, inner.item)
        elif kind in _ENDED:
            self._ended(getattr(inner.response, "id", None), kind)

    def _created(self, work: str, response_id: Any) -> None:
        if not isinstance(response_id, str):
            return
        with self._lock:
            self._running[response_id] = None
            self._current.pop(work, None)
            self._current[work] = response_id
            endless = self._bound(responses=self._running, delegations=self._current)
            # It has what was queued, and is what was asked for.
            self._asked = None
            self._given_meanwhile = False
            self._queued = self._queued_bytes = 0
        _tell_endless_backend(endless)

    def _called(self, work: str, item: Any) -> None:
        if getattr(item, "type", None) != "function_call":
            return
        call_id = self._named_call(item)
        if call_id is None:
            return
        with self._lock:
            if call_id in self._seen:
                return  # The same call, told once more.
            self._seen[call_id] = None
            endless = self._bound(calls=self._seen)
            # Cut off in the middle of its arguments: never to be run.
            runs = item.status != "incomplete"
            full = runs and len(self._open) >= MOST_OPEN
            if runs and not full:
                self._open[call_id] = response = self._current.get(work, "")
        _tell_endless_backend(endless)
        if full:
            logger.warning(
                "! call %s is not run: %s calls wait for their outputs",
                call_id,
                MOST_OPEN,
            )
        if full or not runs:
            return
        on_call = self.on_call
        named = evolve(item, call_id=call_id)
        if on_call is None or not on_call(named, work, response):
            logger.info("= call %s is left to the program", call_id)

    def _named_call(self, item: Any) -> Optional[str]:
        """What the output of a call names; None, which is told, where nothing can."""
        for name in ("call_id", "id"):
            told = getattr(item, name, None)
            if isinstance(told, str) and told:
                break
        else:
            # The backend will wait for it: whoever looks for the reason finds it here.
            logger.warning(
                "! a call of %s has neither a call_id nor an id; it is not run, for "
                "no output could name it",
                item.name,
            )
            return None
        with self._lock:
            new = name == "id" and not self._said_nameless
            self._said_nameless |= new
        if new:
            logger.warning("! calls have no call_id; outputs name their items instead")
        return told

    def _bound(self, **kinds: dict[str, Any]) -> list[str]:
        """Forget the oldest of what is too much; what is to be told of that."""
        assert held_here(self._lock)
        endless = []
        for kind, known in kinds.items():
            if len(known) > MOST_NAMED:
                del known[next(iter(known))]
                endless += [] if kind in self._endless else [kind]
        self._endless.update(endless)
        return endless

    def _ended(self, response_id: Any, kind: str) -> None:
        with self._lock:
            self._running.pop(response_id, None)
            dropped: tuple[str, ...] = ()
            if kind != "response.completed":
                dropped = self._drop(response_id)
        if dropped:
            self.on_dropped(dropped)
        self._go_on_reading()

    def _drop(self, response_id: Optional[str]) -> tuple[str, ...]:
        """Outputs of a response that ended badly are refused; None is any."""
        assert held_here(self._lock)
        dropped = tuple(
            call
            for call, response in self._open.items()
            if response_id in (None, response)
        )
        for call in dropped:
            del self._open[call]
        return dropped

    def _refused(self, event: events.Error) -> None:
        named = command_refused_by(event)
        code = getattr(event.error, "code", None)
        if is_failed_handoff(event):
            with self._lock:
                self._running.clear()
                self._asked = None
                dropped = self._drop(None)
            self.on_dropped(dropped)
        if named is None:
            return
        with self._lock:
            # What was given after the question is not what was refused.
            again = named == self._asked and self._given
            if named == self._asked:
                # What it was given stays there; it goes on when the rest is.
                self._asked = None
                self._given |= code == "function_call_outputs_required"
            call_id = self._items.pop(named, None)
        if call_id is not None and code == "response_input_buffer_full":
            logger.warning("! the backend has no room for the result of %s", call_id)
            placeholder = _backend_call_output(call_id, _PLACEHOLDER)
            # Once: where there is no room for that either, another is no better.
            self._through(lambda: self._send_item(placeholder, once=True))
            again = True
        if again:
            self._go_on_reading()

    def _go_on_reading(self) -> None:
        self._through(self.go_on)

    def _through(self, act: Callable[[], object]) -> None:
        """Send from the reader, which must survive a connection that is over."""
        try:
            act()
        except ConnectionClosed:
            pass  # Whoever reads it learns of it in another way.


def _tell_endless_backend(kinds: list[str]) -> None:
    for kind in kinds:
        logger.warning(
            "! the backend has named more than %s %s; the oldest are forgotten",
            MOST_NAMED,
            kind,
        )


def _backend_call_output(call_id: str, output: str) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": output}
