"""The tools of a live session: functions that its backend may call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Optional, Protocol, Union

from ..deadline import Flag
from ..errors import ConnectionClosed, RealtimeError
from ..transport.logs import area_logger
from .calls import failure_of_call
from .offered_tools import OfferedTools, name_of_offered_tool
from .tool import Tool
from .tool_round import RunningToolCall
from .tool_threads import start_tool_thread, start_waiting_tool_thread

if TYPE_CHECKING:
    from .. import live

logger = area_logger("realtime_sync.tools")

MOST_BYTES: Final = 8_000
"""Of one result; a larger one has made the voice fall silent for good."""


class LiveBackend(Protocol):
    """What tools ask of the backend of their session."""

    on_call: Optional[Callable[[Any, str, str], bool]]
    on_dropped: Callable[[tuple[str, ...]], None]

    def answer(self, call_id: str, output: str, *, go_on: bool = True) -> bool:
        """Give what a call gave; False when nobody waits for it."""


class LiveToolSet:
    """
    Functions that the backend of one live session may call; any thread.

    A call runs once per ``call_id``, when the backend has finished it, in a thread of
    its own or in one that sessions share. What it gives is sent when it is there, and
    when no call is open the backend is asked, once, to go on. Calls of a response that
    failed are told that nobody waits; a call that was cut off is never run.

    Args:
        session: whose backend calls.
        backend: what is known of it.
        max_rounds: continuations of one delegation, after which results are given
            and the backend is asked to go on no more.
        most_bytes: of one result, in UTF-8; what is longer is cut, and says so.
    """

    def __init__(
        self,
        session: live.LiveSession,
        backend: LiveBackend,
        *,
        max_rounds: int = 8,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._session = session
        self._backend = backend
        self._max_rounds = max_rounds
        self._most_bytes = most_bytes
        # Guards everything below; tools run outside of it.
        self._lock = Lock()
        self._offered = OfferedTools()
        self._running: dict[str, RunningToolCall] = {}
        self._rounds: dict[str, set[str]] = {}
        self._declared: tuple[Any, ...] = ()
        backend.on_call = self._called
        backend.on_dropped = self._dropped
        session.on("connection.closed", self._closed, inline=True)

    def __repr__(self) -> str:
        return f"<LiveToolSet of {', '.join(self._offered.all()) or 'nothing'}>"

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._offered.all().values())

    def __len__(self) -> int:
        return len(self._offered.all())

    def __contains__(self, name: object) -> bool:
        return name in self._offered.all()

    def add(self, function: Union[Callable[..., Any], Tool], **options: Any) -> Tool:
        """
        Offer a function to the backend, from its next response on.

        Args:
            function: its name, docstring and signature become the schema.
            **options: see `Tool`; a hint is said as commentary.

        Raises:
            ToolError: it cannot be described, the name is taken by another, or the
                session delegates to something that calls no functions.
        """
        self._session.check_tools()
        tool = function if isinstance(function, Tool) else Tool.of(function, **options)
        self._offered.add(tool)
        self._offer()
        return tool

    def remove(self, tool: Union[str, Tool, Callable[..., Any]]) -> None:
        """
        Offer a function no longer. Calls of it that run are still answered.

        Raises:
            ToolError: it is not in the set.
        """
        self._offered.remove(tool)
        self._offer()

    def declared_in(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return the configuration of a session, with the tools in it."""
        delegation = dict(fields.get("delegation") or {})
        responses = dict(delegation.get("responses") or {})
        self._declared = tuple(responses.get("tools") or ())
        responses["tools"] = self._definitions()
        delegation["responses"] = responses
        return {**fields, "delegation": delegation}

    def _definitions(self) -> list[Any]:
        return self._offered.definitions(self._declared)

    def _offer(self) -> None:
        if self._session.is_open:
            responses = {"tools": self._definitions()}
            self._session.update(
                delegation={"type": "responses", "responses": responses}
            )

    # -- reader thread ---------------------------------------------------------

    def _called(self, item: Any, delegation_id: str, response_id: str) -> bool:
        with self._lock:
            tool = self._offered.all().get(item.name)
            foreign = any(
                name_of_offered_tool(each) == item.name for each in self._declared
            )
            if foreign and not self._offered.has_had(item.name):
                return False
            stirred = Flag()
            call = RunningToolCall(self._session, tool, item, stirred, say=self._say)
            self._running[call.call_id] = call
            rounds = self._rounds.setdefault(delegation_id, set())
            if len(rounds) <= self._max_rounds:  # More of them say nothing more.
                rounds.add(response_id or call.call_id)
            go_on = len(rounds) <= self._max_rounds
            while len(self._rounds) > _MOST_DELEGATIONS:
                del self._rounds[next(iter(self._rounds))]
        try:
            # First who waits: what nobody could wait for must not be run.
            start_waiting_tool_thread(
                self._session,
                f"tool {call.name} answer",
                lambda: self._answer(call, stirred, go_on),
            )
        except RuntimeError as exc:
            # The system gives no more threads; here it would end the connection.
            self._refuse(call, exc)
            self._answer(call, stirred, go_on)
            return True
        try:
            start_tool_thread(self._session, call.name, call.run)
        except RuntimeError as exc:
            self._refuse(call, exc)
        return True

    def _refuse(self, call: RunningToolCall, error: RuntimeError) -> None:
        logger.warning("! tool %s has no thread: %s", call.name, error)
        call.settle(failure_of_call(str(error)))

    def _dropped(self, calls: tuple[str, ...]) -> None:
        with self._lock:
            dropped = [self._running.pop(call, None) for call in calls]
        for call in dropped:
            if call is not None:
                call.abandon()
                call.settle(failure_of_call("the response has failed"))

    def _closed(self, event: object) -> None:
        with self._lock:
            running = tuple(self._running)
        self._dropped(running)

    # -- workers ---------------------------------------------------------------

    def _answer(self, call: RunningToolCall, stirred: Flag, go_on: bool) -> None:
        while not call.finished:
            stirred.wait(call.look(monotonic()))
        call.abandon()
        with self._lock:
            known = self._running.pop(call.call_id, None)
        if known is None:
            return
        if not go_on:
            logger.warning("! %s rounds of tool calls; stopping", self._max_rounds)
        try:
            self._backend.answer(call.call_id, self._cut(call), go_on=go_on)
        except (ConnectionClosed, RealtimeError) as exc:
            logger.warning("! the output of tool %s was not sent: %s", call.name, exc)

    def _cut(self, call: RunningToolCall) -> str:
        data = call.output.encode("utf-8", "replace")
        if len(data) <= self._most_bytes:
            return call.output
        logger.warning(
            "! the output of tool %s has %s bytes and is cut to %s",
            call.name,
            len(data),
            self._most_bytes,
        )
        note = f" [cut: it had {len(data)} bytes]"
        kept = data[: max(0, self._most_bytes - len(note))]
        return kept.decode("utf-8", "ignore") + note

    def _say(self, hint: str) -> None:
        try:
            self._session.say(hint)
        except RealtimeError as exc:
            logger.info("= the hint of a tool was not said: %s", exc)


_MOST_DELEGATIONS = 256
