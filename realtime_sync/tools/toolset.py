"""The tools of one session: offers them, and runs what the model calls."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, Optional

from ..errors import ToolError, WaitTimeout
from .running import Round
from .tool import Tool

if TYPE_CHECKING:
    from .. import Session

logger = logging.getLogger("realtime_sync.tools")

_MOST_REMEMBERED = 4096


class ToolSet:
    """
    Functions that the model of one session may call.

    A call runs once per ``call_id``, however often it is delivered and also
    across a reconnect; in a worker thread, never on the reader or dispatcher.
    All calls of a response are answered, then one `response.create` is sent.

    Args:
        session: whose model calls.
        max_rounds: rounds in a row without a word of the user.
    """

    def __init__(self, session: Session, *, max_rounds: int = 8) -> None:
        self._session = session
        self._max_rounds = max_rounds
        # Guards everything below; tools run outside of it.
        self._lock = Lock()
        self._tools: dict[str, Tool] = {}
        self._rounds: dict[str, Round] = {}
        self._answered: dict[str, None] = {}
        self._over = Event()
        session.on("response.done", self._response_done, inline=True)
        session.on("connection.closed", lambda event: self._over.set(), inline=True)

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
        with self._lock:
            known = self._tools.get(tool.name)
            if known is not None and not _same(known, tool):
                raise ToolError(f"there is a tool called {tool.name!r} already")
            self._tools[tool.name] = tool
        if self._session.is_open:
            self._session.update(tools=self.definitions())
        return tool

    def definitions(self, others: Any = ()) -> list[Any]:
        """
        The tools as `session.update` takes them.

        Args:
            others: definitions to keep beside ours: MCP servers, other functions.
        """
        with self._lock:
            mine = [tool.definition() for tool in self._tools.values()]
        names = {each["name"] for each in mine}
        return [each for each in others or () if _name(each) not in names] + mine

    def follow(self, reply: Any, deadline: Any) -> Any:
        """
        Wait for the round that answers a reply's calls.

        Returns:
            The handle of the response that follows, or None.

        Raises:
            WaitTimeout: the tools were not done in time.
        """
        with self._lock:
            round_ = self._rounds.get(reply.id or "")
        if round_ is None:
            round_ = self._begin(reply.response)
        if round_ is None:
            return None
        if not round_.done.wait(deadline.remaining()):
            raise WaitTimeout("the tools were not done in time", partial=reply)
        if round_.error is not None:
            raise round_.error
        return round_.following

    def _response_done(self, event: Any) -> None:
        self._begin(event.response)

    def _begin(self, response: Any) -> Optional[Round]:
        response_id = getattr(response, "id", None)
        if not isinstance(response_id, str):
            return None
        if (getattr(response, "status", None) or "completed") != "completed":
            return None  # Cancelled or cut off: the calls are not meant any more.
        state = self._session.snapshot.response(response_id)
        if state is not None and state.out_of_band:
            return None  # There is no conversation that outputs could go to.
        # Some servers end a response without repeating what was in it.
        calls = _calls(response) or _calls(state)
        if not calls:
            return None
        with self._lock:
            if response_id in self._rounds:
                return self._rounds[response_id]
            fresh = tuple(c for c in calls if c.call_id not in self._answered)
            if not fresh:
                return None
            self._answered.update({call.call_id: None for call in fresh})
            round_ = self._new_round(response_id, fresh)
            _forget_oldest(self._answered)
            _forget_oldest(self._rounds)
        round_.start()
        return round_

    def _new_round(self, response_id: str, calls: tuple[Any, ...]) -> Round:
        depth = 1 + max(
            (
                each.depth
                for each in self._rounds.values()
                if getattr(each.following, "response_id", None) == response_id
            ),
            default=0,
        )
        if depth > self._max_rounds:
            logger.warning("! %s rounds of tool calls in a row; stopping", depth)
        round_ = Round(
            self._session,
            dict(self._tools),
            calls,
            depth=depth,
            go_on=depth <= self._max_rounds,
            cancelled=self._over,
        )
        self._rounds[response_id] = round_
        return round_


def _calls(response: Any) -> tuple[Any, ...]:
    """The calls of a response, as the server ends it or as the mirror has it."""
    output = getattr(response, "output", None) or ()
    return tuple(
        item
        for item in output
        if getattr(item, "type", None) == "function_call"
        and isinstance(item.call_id, str)
    )


def _same(known: Tool, new: Tool) -> bool:
    """Whether a tool is the same one again, as when a cell is run twice."""
    return getattr(known.function, "__qualname__", None) == getattr(
        new.function, "__qualname__", ""
    )


def _name(definition: Any) -> Any:
    if isinstance(definition, Mapping):
        return definition.get("name")
    return getattr(definition, "name", None)


def _forget_oldest(mapping: dict[str, Any]) -> None:
    while len(mapping) > _MOST_REMEMBERED:
        del mapping[next(iter(mapping))]
