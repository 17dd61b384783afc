"""The tools of one session: offers them, and runs what the model calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any, Optional, Union

from ..errors import ConnectionClosed, ConnectionClosedOK, WaitTimeout
from ..transport.logs import area_logger
from .calls import FunctionCall, NamedCall, failure_of_call
from .host import ToolHost
from .offered_tools import OfferedTools, name_of_offered_tool
from .tool import Tool
from .tool_round import Round

if TYPE_CHECKING:
    from .. import Reply, ResponseHandle, Session, Snapshot
    from ..dispatch.notices import ConnectionEnded
    from ..protocol import events

logger = area_logger("realtime_sync.tools")

_MOST_ANSWERED = 4096
_MOST_ROUNDS = 8


class ToolSet:
    """
    Functions that the model of one session may call; any thread.

    A call runs once per ``call_id``, however often it is delivered and also
    across a reconnect; in a worker thread, never on the reader or dispatcher.
    Where a server gives none, the id of the item takes its place, also in the output.
    All calls of a response are answered, then one `response.create` is sent.
    The calls of a response that was cancelled or cut off are not run; the model
    is told so, and not asked to go on.

    A function that the configuration declares and that is not in the set is left
    to whoever declared it, the next `response.create` included.

    Args:
        session: whose model calls.
        host: the session's inside.
        max_rounds: rounds in a row without a word of the user, after which
            outputs are sent and no further response is asked for.
    """

    def __init__(
        self, session: Session, host: ToolHost, *, max_rounds: int = 8
    ) -> None:
        self._session = session
        self._host = host
        self._max_rounds = max_rounds
        # Guards everything below; tools run outside of it.
        self._lock = Lock()
        self._offered = OfferedTools()
        self._rounds: dict[str, Round] = {}
        self._answered: dict[str, None] = {}
        self._left: Optional[int] = None
        self._said_nameless = False
        session.on("response.done", self._response_done, inline=True)
        session.on("connection.closed", self._closed, inline=True)

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._offered.all().values())

    def __len__(self) -> int:
        return len(self._offered.all())

    def __contains__(self, name: object) -> bool:
        return name in self._offered.all()

    def add(self, function: Callable[..., Any], **options: Any) -> Tool:
        """
        Offer a function to the model, from the next response on.

        Args:
            function: its name, docstring and signature become the schema.
            **options: see `Tool`.

        Raises:
            ToolError: it cannot be described, or the name is taken by another.
        """
        tool = function if isinstance(function, Tool) else Tool.of(function, **options)
        self._offered.add(tool)
        self._offer()
        return tool

    def remove(self, tool: Union[str, Tool, Callable[..., Any]]) -> None:
        """
        Offer a function no longer. Calls of it that run are still answered.

        Args:
            tool: its name, the function, or the `Tool`.

        Raises:
            ToolError: it is not in the set.
        """
        self._offered.remove(tool)
        self._offer()

    def definitions(self, others: Optional[Iterable[Any]] = ()) -> list[Any]:
        """
        The tools as `session.update` takes them.

        Args:
            others: definitions to keep beside ours: MCP servers, other functions.
        """
        return self._offered.definitions(others)

    def follow(
        self, reply: Reply, timeout: Optional[float]
    ) -> Optional[ResponseHandle]:
        """
        Wait for the round that answers a reply's calls.

        Args:
            reply: with the calls.
            timeout: seconds, None for no limit.

        Returns:
            The handle of the response that follows, or None.

        Raises:
            WaitTimeout: the tools were not done in time.
            ConnectionClosed: the session ended first.
        """
        round_ = self._round_of(reply.id or "") or self._begin(reply.response)
        if round_ is None:
            return None
        # In manual mode the thread that waits calls handlers meanwhile.
        if not self._host.wait(round_.done, timeout):
            raise WaitTimeout("the tools were not done in time", partial=reply)
        if round_.error is not None:
            raise round_.error
        return round_.following

    @contextmanager
    def limited(self, rounds: int) -> Iterator[None]:
        """
        Meanwhile, ask for so many further responses and no more.

        One question of a session is asked at a time, so this does not nest.
        """
        with self._lock:
            self._left = rounds
        try:
            yield
        finally:
            with self._lock:
                self._left = None

    def _offer(self) -> None:
        if self._session.is_open:
            self._session.update(tools=self.definitions(self._host.declared))

    def _closed(self, event: ConnectionEnded) -> None:
        with self._lock:
            rounds = tuple(self._rounds.values())
        error = event.error or ConnectionClosedOK(
            "the session was closed while tools ran", code=event.code
        )
        for each in rounds:
            each.cancel(error)

    def _response_done(self, event: events.ResponseDone) -> None:
        try:
            self._begin(event.response)
        except ConnectionClosed:
            pass  # There is nobody left to be answered.

    def _round_of(self, response_id: str) -> Optional[Round]:
        with self._lock:
            return self._rounds.get(response_id)

    def _begin(self, response: object) -> Optional[Round]:
        response_id = getattr(response, "id", None)
        if not isinstance(response_id, str):
            return None
        snapshot = self._session.snapshot
        state = snapshot.response(response_id)
        if state is not None and state.out_of_band:
            return None  # There is no conversation that outputs could go to.
        # Some servers end a response without repeating what was in it.
        mirrored = state.output if state is not None else ()
        calls = _toolset_calls(response, mirrored) or _toolset_calls(state, mirrored)
        status = getattr(response, "status", None) or "completed"
        if status != "completed":
            # A call that did not get as far as the conversation needs no answer.
            calls = tuple(
                each for each in calls if _is_call_listed_for_toolset(snapshot, each)
            )
        if not calls:
            return None
        depth = _toolset_rounds_in_a_row(snapshot, response_id)
        with self._lock:
            known = self._rounds.get(response_id)
            round_ = known or self._new_round(response_id, calls, status, depth)
        if known is None and round_ is not None:
            round_.start()
        return round_

    def _new_round(
        self, response_id: str, calls: tuple[NamedCall, ...], status: str, depth: int
    ) -> Optional[Round]:
        assert self._lock.locked()
        mine = [call for call in calls if not self._is_foreign(call.name)]
        fresh = tuple(call for call in mine if call.call_id not in self._answered)
        if not fresh:
            return None
        self._answered.update({call.call_id: None for call in fresh})
        if not all(call.has_call_id for call in fresh) and not self._said_nameless:
            self._said_nameless = True
            logger.warning("! calls have no call_id; outputs name their items instead")
        finished = status == "completed"
        go_on = finished and len(mine) == len(calls) and self._may_go_on(depth)
        refusal = failure_of_call(f"the response was {status}; the call was not run")
        round_ = Round(
            self._session,
            self._host,
            self._offered.all(),
            fresh,
            go_on=go_on,
            refusal=None if finished else refusal,
        )
        self._rounds[response_id] = round_
        while len(self._answered) > _MOST_ANSWERED:
            del self._answered[next(iter(self._answered))]
        self._forget_rounds()
        return round_

    def _forget_rounds(self) -> None:
        """A round holds the handle of its response, and that all of its audio."""
        assert self._lock.locked()
        over = [key for key, each in self._rounds.items() if each.done.is_set()]
        for key in over[: max(0, len(self._rounds) - _MOST_ROUNDS)]:
            del self._rounds[key]

    def _may_go_on(self, depth: int) -> bool:
        assert self._lock.locked()
        if self._left is not None:
            self._left -= 1
            return self._left >= 0
        if depth > self._max_rounds:
            logger.warning("! %s rounds of tool calls in a row; stopping", depth)
        return depth <= self._max_rounds

    def _is_foreign(self, name: object) -> bool:
        """Whether a function was declared by others, who will answer its calls."""
        if self._offered.has_had(name):
            return False
        declared = self._host.declared or ()
        return any(name_of_offered_tool(each) == name for each in declared)


def _toolset_calls(
    response: object, mirrored: Sequence[FunctionCall]
) -> tuple[NamedCall, ...]:
    """The calls of a response, as the server ends it or as the mirror has it."""
    return tuple(
        _named_call(
            item,
            _mirrored_call(item, index, mirrored),
            place=f"{getattr(response, 'id', '')}/{index}",
        )
        for index, item in enumerate(getattr(response, "output", None) or ())
        if getattr(item, "type", None) == "function_call"
    )


def _mirrored_call(
    item: FunctionCall, index: int, mirrored: Sequence[FunctionCall]
) -> Optional[FunctionCall]:
    """The same call in the mirror, which knows what earlier events have said of it."""
    if item_id := _text_of_call(item.id):
        return next((each for each in mirrored if each.id == item_id), None)
    return mirrored[index] if index < len(mirrored) else None


def _named_call(
    item: FunctionCall, mirrored: Optional[FunctionCall], *, place: str
) -> NamedCall:
    def told(name: str) -> Optional[str]:
        said = _text_of_call(getattr(item, name, None))
        return said or _text_of_call(getattr(mirrored, name, None))

    call_id = told("call_id")
    return NamedCall(
        # Not of the mirror, which makes one up for an item that has none.
        id=_text_of_call(item.id),
        call_id=call_id or told("id") or place,
        has_call_id=call_id is not None,
        name=told("name") or "",
        arguments=told("arguments"),
    )


def _text_of_call(value: object) -> Optional[str]:
    return value if isinstance(value, str) and value else None


def _is_call_listed_for_toolset(snapshot: Snapshot, call: NamedCall) -> bool:
    item = snapshot.item(call.id) if call.id is not None else None
    return item is not None and not item.announced and not item.out_of_band


def _toolset_rounds_in_a_row(snapshot: Snapshot, response_id: str) -> int:
    """How many responses have called tools since the user's last word."""
    found = {response_id}
    for item in reversed(snapshot.items):
        if item.role == "user":
            break
        if item.type == "function_call" and item.response_id:
            found.add(item.response_id)
    return len(found)
