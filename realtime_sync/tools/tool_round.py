"""
One round: the calls of one response, their outputs, and one `response.create`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any, Optional, Union

from ..deadline import Flag
from ..errors import CommandRejected, ConnectionClosed, RealtimeError, WaitTimeout
from ..transport.logs import area_logger
from .calls import FunctionCall, ToolCall, failure_of_call
from .host import ToolHost
from .tool import BadArguments, Tool
from .tool_threads import start_tool_thread, start_waiting_tool_thread

if TYPE_CHECKING:
    from .. import CommandHandle, ResponseHandle, Session, live

logger = area_logger("realtime_sync.tools")

UNKNOWN_TOOL_TIMEOUT = 30.0
"""Seconds for a tool that does not exist; it is answered at once."""

_BETWEEN_CONNECTIONS = 0.05
_COMMIT_FOLLOWS = 1.0


class Round:
    """
    Runs the function calls of one response and answers them.

    Args:
        session: where the outputs go.
        host: the session's inside.
        tools: what may be called, by name.
        calls: the function-call items, in order.
        go_on: ask for the next response when the outputs are sent.
        refusal: an output that all calls get instead of being run.

    Attributes:
        done: set when the round is over.
        following: handle of the response that was asked for, or None.
        error: what ended the round early, or None.
    """

    def __init__(
        self,
        session: Session,
        host: ToolHost,
        tools: Mapping[str, Tool],
        calls: tuple[Any, ...],
        *,
        go_on: bool,
        refusal: Optional[str] = None,
    ) -> None:
        self.done = Flag()
        self.following: Optional[ResponseHandle] = None
        self.error: Optional[BaseException] = None
        self._session = session
        self._host = host
        self._go_on = go_on
        # Set by calls that have finished, and by the end of the session.
        self._stirred = Flag()
        self._cancelled = Flag()
        self._running = tuple(
            RunningToolCall(
                session, tools.get(call.name), call, self._stirred, say=self._say
            )
            for call in calls
        )
        for running in self._running if refusal is not None else ():
            running.settle(refusal or "")

    def start(self) -> None:
        """Run in another thread; where there is none, the model is told at once."""
        try:
            start_waiting_tool_thread(self._session, "tools", self._run)
        except RuntimeError as exc:  # The process cannot have more threads.
            logger.warning("! tool calls have no thread: %s", exc)
            for each in self._running:
                each.settle(failure_of_call(str(exc)))
            self._to_the_end(self._answer_at_once)

    def cancel(self, error: BaseException) -> None:
        """The session is over: wait for nothing and send nothing."""
        if not self.done.is_set():
            self.error = error
        self._cancelled.set()
        self._stirred.set()

    def _run(self) -> None:
        self._to_the_end(self._call_and_answer)

    def _to_the_end(self, act: Callable[[], None]) -> None:
        """Do what the round is for; whoever waits for it learns what came of it."""
        try:
            act()
        except ConnectionClosed as exc:
            self.error = self.error or exc
        except RealtimeError as exc:
            self.error = exc
            logger.warning("! tool calls could not be answered: %s", exc)
        except Exception as exc:  # Should never run; the waiter must learn of it.
            self.error = exc
            logger.exception("! a round of tool calls failed")
        finally:
            for each in self._running:
                each.abandon()
            self.done.set()
            self._host.wake()

    def _call_and_answer(self) -> None:
        for each in self._running:
            if not each.finished:
                self._start_call(each)
        self._answer()

    def _answer_at_once(self) -> None:
        """Send outputs that are there, and go on. This may be the loop: no waiting."""
        turns = _open_turns_of_round(self._session)
        for each in self._running:
            _RoundOutput(self._session, each.call_id, each.output, False).send()
        if self._go_on and not (turns and _answers_turns(self._session)):
            self.following = self._session.response.create()

    def _start_call(self, call: RunningToolCall) -> None:
        try:
            start_tool_thread(self._session, call.name, call.run)
        except RuntimeError as exc:  # The process cannot have more threads.
            # The others go on, and the model does not wait for this one.
            logger.warning("! tool %s has no thread: %s", call.name, exc)
            call.settle(failure_of_call(str(exc)))

    def _answer(self) -> None:
        """Send each output when it and those before it are there, then go on."""
        sent: list[_RoundOutput] = []
        turns: tuple[str, ...] = ()
        for each in self._running:
            if not self._wait_for(each):
                return
            # Before it is sent: a turn that ends while it is on its way, and is
            # answered with it, is over when one looks afterwards.
            turns = _open_turns_of_round(self._session)
            output = _RoundOutput(
                self._session, each.call_id, each.output, self._host.reconnects
            )
            self._through(output.send)
            sent.append(output)
        self._through(lambda: self._finish(sent, turns))

    def _wait_for(self, call: RunningToolCall) -> bool:
        """Wait until a call is over; False when the session is."""
        while True:
            # Before every look: what is set after one of them ends the wait below.
            self._stirred.clear()
            if self._cancelled.is_set():
                return False
            now = monotonic()
            waits = [each.look(now) for each in self._running if not each.finished]
            if call.finished:
                return True
            self._stirred.wait(min(waits))

    def _finish(self, sent: Iterable[_RoundOutput], turns: tuple[str, ...]) -> None:
        # What a lost connection has swallowed goes over the next one, before the
        # model is asked to go on.
        for output in sent:
            output.confirm()
        turns += _open_turns_of_round(self._session)
        if self._go_on and not _server_goes_on_after_round(self._session, turns):
            self.following = self._session.response.create(
                on_conflict="wait", timeout=None
            )

    def _say(self, hint: str) -> None:
        # Out of band: it collides with no response and leaves no trace.
        try:
            self._session.response.create(
                conversation="none",
                input=[],
                tool_choice="none",
                instructions=f"Say only this, in these words: {hint}",
            )
        except RealtimeError as exc:
            logger.info("= the hint of a tool was not said: %s", exc)

    def _through(self, act: Callable[[], object]) -> None:
        """Do something, once more for each connection that is lost over it."""
        while not self._cancelled.is_set():
            try:
                act()
                return
            except ConnectionClosed:
                if self._session.closed or self._cancelled.wait(_BETWEEN_CONNECTIONS):
                    raise


class RunningToolCall:
    """
    One call, in a thread that it keeps for as long as it takes.

    Args:
        session: whose model calls.
        tool: what is called; None for one that does not exist.
        call: the function-call item.
        stirred: set when it is over.
        say: says the hint of a tool that takes long.
    """

    def __init__(
        self,
        session: Union[Session, live.LiveSession],
        tool: Optional[Tool],
        call: FunctionCall,
        stirred: Flag,
        *,
        say: Callable[[str], None],
    ) -> None:
        self.call_id: str = call.call_id
        self.name = call.name if isinstance(call.name, str) else ""
        self.output = ""
        self.finished = False
        self._session = session
        self._tool = tool
        self._call = call
        self._stirred = stirred
        self._say = say
        self._abandoned = Flag()
        # Guards the output: a result and the deadline may come together.
        self._lock = Lock()
        started = monotonic()
        timeout = UNKNOWN_TOOL_TIMEOUT if tool is None else tool.timeout
        self._deadline = started + timeout
        self._hint_at: Optional[float] = None
        if tool is not None and tool.hint:
            self._hint_at = started + tool.hint_after

    def settle(self, output: str) -> bool:
        """Take an output, unless there is one already."""
        with self._lock:
            if self.finished:
                return False
            self.output = output
            self.finished = True
        self._stirred.set()
        return True

    def abandon(self) -> None:
        """Tell the function that nobody waits for it, if it still runs."""
        self._abandoned.set()

    def look(self, now: float) -> float:
        """
        Do what is due: say the hint, give up.

        Returns:
            Seconds until something will be due.
        """
        if now >= self._deadline:
            self._give_up()
            return 0.0
        if self._hint_at is not None and now >= self._hint_at:
            self._hint_at = None
            self._say(getattr(self._tool, "hint", None) or "")
        return min(self._deadline, self._hint_at or self._deadline) - now

    def run(self) -> None:
        """Call the function; what goes wrong becomes the output."""
        if self._abandoned.is_set():
            # It had no thread in its time, and nobody is to approve of it any more.
            return
        try:
            output = self._call_tool()
        except BadArguments as exc:
            output = failure_of_call(str(exc))
        except BaseException as exc:  # A tool may even raise SystemExit.
            logger.exception("! tool %s failed", self.name)
            output = failure_of_call(f"{type(exc).__name__}: {exc}")
        if not self.settle(output):
            logger.info("= tool %s: nobody waits for its output any more", self.name)

    def _call_tool(self) -> str:
        tool = self._tool
        if tool is None and not self.name:
            return failure_of_call("the call names no function")
        if tool is None:
            return failure_of_call(f"there is no tool called {self.name!r}")
        call = ToolCall(
            name=tool.name,
            call_id=self.call_id,
            arguments=tool.arguments(self._call.arguments),
            session=self._session,
            abandoned=self._abandoned,
        )
        if not tool.approves(call):
            return failure_of_call("the call was not approved")
        if self._abandoned.is_set():
            # The model has been told that nothing came of it.
            return failure_of_call("the approval came too late")
        return tool.run(call)

    def _give_up(self) -> None:
        self.abandon()
        timeout = UNKNOWN_TOOL_TIMEOUT if self._tool is None else self._tool.timeout
        told = failure_of_call(f"the tool did not answer within {timeout:g} seconds")
        if self.settle(told):
            logger.warning("! tool %s took over %g s", self.name, timeout)


class _RoundOutput:
    """An output on its way into the conversation."""

    def __init__(
        self, session: Session, call_id: str, text: str, reconnects: bool
    ) -> None:
        self._session = session
        self._reconnects = reconnects
        self._item = {
            "type": "function_call_output",
            "call_id": call_id,
            "output": text,
        }
        self._handle: Optional[CommandHandle] = None

    def send(self) -> None:
        """Send it, over the connection that there is or will be."""
        self._handle = self._session.conversation.item.create(self._item)

    def confirm(self) -> None:
        """
        Where connections are replaced, wait until the server has it.

        Raises:
            ConnectionClosed: the connection was lost over it; it goes over the
                next one when this is called again.
        """
        if not self._reconnects:
            return
        if self._handle is None:
            self.send()
        handle, self._handle = self._handle, None
        assert handle is not None
        try:
            handle.acknowledged()
        except CommandRejected as exc:
            logger.warning("! the output of a tool was refused: %s", exc)
        except WaitTimeout:
            pass  # A server that acknowledges nothing.
        self._handle = handle


def _open_turns_of_round(session: Session) -> tuple[str, ...]:
    """Items that the user speaks, or has just spoken, and the server will commit."""
    return tuple(
        item.id
        for item in session.snapshot.announced
        if item.audio_start_ms is not None and not item.committed
    )


def _answers_turns(session: Session) -> bool:
    """Whether the server answers the user's turns by itself."""
    audio = getattr(session.config, "audio", None)
    detection = getattr(getattr(audio, "input", None), "turn_detection", None)
    return bool(detection) and getattr(detection, "create_response", None) is not False


def _server_goes_on_after_round(session: Session, turns: Iterable[str]) -> bool:
    """
    Whether the server answers by itself, with the outputs before its eyes.

    It does when the user is speaking: a response of ours would talk into that,
    and the one that the user's turn brings about would be refused.

    Args:
        session: the session.
        turns: items that were not committed when the last output was sent.

    Raises:
        ConnectionClosed: the connection was lost while the user spoke.
    """
    if not _answers_turns(session):
        return False
    ends: Optional[float] = None
    while True:
        snapshot = session.snapshot
        items = [found for found in map(snapshot.item, turns) if found is not None]
        if any(item.committed or not item.announced for item in items):
            return True
        if not items:
            return False  # The buffer was cleared: nothing was said after all.
        if ends is None and all(item.audio_end_ms is not None for item in items):
            # It commits at once; one that never does must not leave the model silent.
            ends = monotonic() + _COMMIT_FOLLOWS
        patience = None if ends is None else max(0.0, ends - monotonic())
        try:
            session.wait_changed(snapshot.version, timeout=patience)
        except WaitTimeout:
            return False
