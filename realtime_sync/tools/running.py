"""
One round: the calls of one response, their outputs, and one `response.create`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING, Any, Optional

from attrs import frozen

from ..errors import ConnectionClosed, RealtimeError
from .tool import BadArguments, Tool

if TYPE_CHECKING:
    from .. import Session

logger = logging.getLogger("realtime_sync.tools")


@frozen(kw_only=True)
class ToolCall:
    """
    A call that the model asks for; what an approval hook is shown.

    Attributes:
        name: of the tool.
        call_id: the server's id of the call.
        arguments: keyword arguments, validated.
    """

    name: str
    call_id: str
    arguments: Mapping[str, Any]


class Round:
    """
    Runs the function calls of one response and answers them.

    Args:
        session: where the outputs go.
        tools: what may be called, by name.
        calls: the function-call items, in order.
        depth: how many rounds came before without a word of the user.
        go_on: ask for the next response when the outputs are sent.
        cancelled: set when the outputs are not wanted any more.
    """

    def __init__(
        self,
        session: Session,
        tools: Mapping[str, Tool],
        calls: tuple[Any, ...],
        *,
        depth: int,
        go_on: bool,
        cancelled: Event,
    ) -> None:
        self.depth = depth
        self.done = Event()
        self.following: Any = None
        self.error: Optional[BaseException] = None
        self._session = session
        self._tools = tools
        self._calls = calls
        self._go_on = go_on
        self._cancelled = cancelled

    def start(self) -> None:
        """Run in a thread of its own."""
        Thread(
            target=self._run,
            name=f"realtime-sync {self._session.name} tools",
            daemon=True,
        ).start()

    def _run(self) -> None:
        try:
            self._answer([self._begin(call) for call in self._calls])
        except ConnectionClosed as exc:
            self.error = exc
        except RealtimeError as exc:
            self.error = exc
            logger.warning("! tool outputs were refused: %s", exc)
        except Exception as exc:  # Should never run; the waiter must learn of it.
            self.error = exc
            logger.exception("! a round of tool calls failed")
        finally:
            self.done.set()

    def _answer(self, running: list[_Running]) -> None:
        for each in running:
            output = each.output(self._cancelled)
            if self._cancelled.is_set():
                return
            self._session.conversation.item.create(
                {
                    "type": "function_call_output",
                    "call_id": each.call_id,
                    "output": output,
                }
            )
        if self._go_on:
            self.following = self._session.response.create(on_conflict="wait")

    def _begin(self, call: Any) -> _Running:
        tool = self._tools.get(call.name)
        running = _Running(self._session, tool, call)
        running.start()
        return running


class _Running:
    """One call in a thread of its own."""

    def __init__(self, session: Session, tool: Optional[Tool], call: Any) -> None:
        self.call_id: str = call.call_id
        self._session = session
        self._tool = tool
        self._call = call
        self._started = monotonic()
        self._finished = Event()
        self._output = ""

    def start(self) -> None:
        Thread(
            target=self._run,
            name=f"realtime-sync {self._session.name} tool {self._call.name}",
            daemon=True,
        ).start()

    def output(self, cancelled: Event) -> str:
        """Wait for the result until the tool's deadline."""
        tool = self._tool
        timeout = 30.0 if tool is None else tool.timeout
        if tool is not None and tool.hint and tool.hint_after < timeout:
            if not self._finished.wait(self._remaining(tool.hint_after)):
                if not cancelled.is_set():
                    self._say(tool.hint)
        if not self._finished.wait(self._remaining(timeout)):
            logger.warning("! tool %s took over %s s", self._call.name, timeout)
            return failure(f"the tool did not answer within {timeout:g} seconds")
        return self._output

    def _remaining(self, seconds: float) -> float:
        return max(0.0, self._started + seconds - monotonic())

    def _say(self, hint: str) -> None:
        # Out of band: it collides with no response and leaves no trace.
        self._session.response.create(
            conversation="none",
            input=[],
            tool_choice="none",
            instructions=f"Say only this, in these words: {hint}",
        )

    def _run(self) -> None:
        try:
            self._output = self._call_tool()
        except BadArguments as exc:
            self._output = failure(str(exc))
        except Exception as exc:
            logger.exception("! tool %s failed", self._call.name)
            self._output = failure(f"{type(exc).__name__}: {exc}")
        finally:
            self._finished.set()

    def _call_tool(self) -> str:
        tool = self._tool
        if tool is None:
            return failure(f"there is no tool called {self._call.name!r}")
        arguments = tool.arguments(self._call.arguments)
        if tool.approve is not None:
            call = ToolCall(name=tool.name, call_id=self.call_id, arguments=arguments)
            if not tool.approve(call):
                return failure("the call was not approved")
        return tool.run(arguments)


def failure(message: str) -> str:
    """
    An output that tells the model what went wrong.
    """
    return json.dumps({"error": message}, ensure_ascii=False)
