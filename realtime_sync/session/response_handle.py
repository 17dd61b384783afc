"""
A handle on a response: its text, audio and calls as they come, and its outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from threading import Event
from time import monotonic
from typing import Any, Optional, Union

from ..connection.command_handle import CommandHandle, CommandOfHandle
from ..deadline import Deadline, Flag
from ..dispatch.watches import (
    WatchList,
    WatchWaiting,
    copy_of_watched_error,
    weak_watch,
)
from ..errors import ConnectionClosed, WaitTimeout
from ..protocol.events import ServerEvent
from ..protocol.registry import canonical, server_names
from ..protocol.responses import Response
from ..protocol.vendor_events import CANCELLED, cancelled_response_id
from ..state.final_text import whole_text
from ..state.snapshot import ResponseState
from ..state.transitions import final_response_status
from ..types import UNSET, Timeout, Unset
from .audio import Audio
from .reply import Reply, Words, raise_for_reply_status, reply_by_phase, words_of_reply

_TEXT = frozenset({"response.output_text.delta"})
_SPOKEN = frozenset({"response.output_audio_transcript.delta"})
_AUDIO = frozenset({"response.output_audio.delta"})
_CALL = frozenset(
    {"response.output_item.done", "response.function_call_arguments.done"}
)
_CANCELLED = frozenset(CANCELLED)
_TYPES = (
    _TEXT
    | _SPOKEN
    | _AUDIO
    | _CALL
    | _CANCELLED
    | {
        "response.created",
        "response.done",
        "response.output_item.added",
        "response.output_text.done",
        "response.output_audio_transcript.done",
    }
)


class ResponseHandle(CommandHandle):
    """
    A response that was asked for.

    Collects the response's events from the first, so that iterating late
    misses nothing; what is collected goes with the handle. Any thread.
    """

    def __init__(
        self,
        command: CommandOfHandle,
        waiting: WatchWaiting,
        *,
        watches: WatchList,
        cancel: Callable[[Union[str, Unset]], CommandHandle],
        audio_format: Callable[[object], tuple[str, int]],
        mirrored: Callable[[str], Optional[ResponseState]],
        idle_timeout: Optional[float],
    ) -> None:
        super().__init__(command, waiting)
        self.response_id: Optional[str] = None
        self._watches = watches
        self._send_cancel = cancel
        self._audio_format = audio_format
        self._mirrored = mirrored
        self._state: Optional[ResponseState] = None
        self._idle_timeout = idle_timeout
        self._log: list[Any] = []
        self._early: list[Any] = []
        self._finished: Optional[ServerEvent] = None
        self._ended: Optional[BaseException] = None
        self._listeners: tuple[Event, ...] = ()
        self._over = Flag()
        # Taken by the one thread that sends the cancel, of the two that may: who
        # gives up, and the loop when the response gets its name.
        self._cancels = [True]
        self._given_up = False
        self._heard_at = 0.0
        # Whoever asks whether it is idle wants every sign of life.
        types = _TYPES if idle_timeout is None else _TYPES | _response_types()
        self._watch = weak_watch(types, self._accept, self._end, watches)

    def listen(self) -> None:
        """Begin to collect; called once, before the command is written."""
        self._watches.add(self._watch)

    def text_deltas(self, timeout: Timeout = UNSET) -> Iterator[str]:
        """
        What the model says, piece by piece: text, or the transcript of speech.

        Args:
            timeout: seconds to wait for each piece.

        Raises:
            CommandRejected: the response was refused.
            ConnectionClosed: the connection ended first.
            WaitTimeout: no piece came in time; `partial` is a `Reply`.
        """
        for event in self._stream(_TEXT | _SPOKEN, timeout, "text"):
            if isinstance(event.delta, str):
                yield event.delta

    def transcript_deltas(self, timeout: Timeout = UNSET) -> Iterator[str]:
        """
        The transcript of the model's speech, piece by piece.

        Args and errors are those of `text_deltas`.
        """
        for event in self._stream(_SPOKEN, timeout, "transcript"):
            if isinstance(event.delta, str):
                yield event.delta

    def audio_chunks(self, timeout: Timeout = UNSET) -> Iterator[bytes]:
        """
        The model's speech, piece by piece, in the session's output format.

        Args and errors are those of `text_deltas`.
        """
        for event in self._stream(_AUDIO, timeout, "audio"):
            if isinstance(event.delta, bytes):
                yield event.delta

    def tool_calls(self, timeout: Timeout = UNSET) -> Iterator[Any]:
        """
        The finished function-call items, each once per ``call_id``, or else item.

        Args and errors are those of `text_deltas`.
        """
        seen: set[object] = set()
        for event in self._stream(_CALL, timeout, "function call"):
            item: Any = getattr(event, "item", None)
            if getattr(item, "type", None) != "function_call":
                continue
            if _function_call_key(item) not in seen:
                seen.add(_function_call_key(item))
                yield item
        # Servers without item events give a call piece by piece, or at the end.
        for item in self.reply().tool_calls:
            if _function_call_key(item) not in seen:
                yield item

    def result(self, timeout: Timeout = UNSET, *, check: bool = True) -> Reply:
        """
        Wait until the response is over.

        From any thread but the loop; wakes at once when the connection ends.

        Args:
            timeout: seconds; by default the session's.
            check: raise unless the response was completed.

        Raises:
            CommandRejected: the response was refused.
            ResponseFailed: the server could not produce it.
            ResponseCancelled: it was cancelled.
            ResponseIncomplete: it was cut off.
            ConnectionClosed: the connection ended first.
            WaitTimeout: it is not over in time; `partial` is a `Reply`.
        """
        self._wait_over(self._waiting.deadline(timeout))
        self._raise_if_ended()
        reply = self.reply()
        if check:
            raise_for_reply_status(reply)
        return reply

    def cancel(self, timeout: Timeout = UNSET) -> Reply:
        """
        Cancel the response and wait for its final state.

        A response that is over already is left as it is.

        Returns:
            What had been received, with the final status.

        Raises:
            ConnectionClosed: the connection ended first.
            WaitTimeout: the response did not end in time.
        """
        deadline = self._waiting.deadline(timeout)
        if self._finished is None and not self._over.is_set():
            if self.response_id is None:
                self.acknowledged(deadline.remaining())
            handle = self._send_cancel(self.response_id or UNSET)
            try:
                self._wait_over(deadline)
            except WaitTimeout:
                if handle.done():
                    handle.acknowledged(0)
                raise
        self._raise_if_ended()
        return self.reply()

    def give_up(self) -> None:
        """
        Have the response cancelled as soon as it has a name; wait for nothing.

        For a response that nobody waits for any more. Any thread.
        """
        self._given_up = True
        # Looked at second: whoever comes later of the two sees both.
        if super().done():
            self._cancel_given_up()

    def _cancel_given_up(self) -> None:
        if self._over.is_set():
            return
        try:
            self._cancels.pop()
        except IndexError:
            return
        try:
            self._send_cancel(self.response_id or UNSET)
        except ConnectionClosed:
            pass  # It has ended with its connection.

    def reply(self) -> Reply:
        """
        What has been received so far.
        """
        response = self._response()
        log = list(self._log)
        words = self._words(log, getattr(response, "output", None))
        return Reply(
            text=words.text,
            commentary=words.commentary,
            audio=self._audio(log),
            tool_calls=_response_function_calls(log, response)
            or _response_function_calls([], self._state),
            status=_response_status(response, self._finished),
            response=response,
        )

    def _response(self) -> Any:
        """What `response.done` has told; where another event ended it, how."""
        if self._finished is not None and self._finished.type in _CANCELLED:
            return Response(id=self.response_id or UNSET, status="cancelled")
        return getattr(self._finished, "response", None)

    @property
    def named(self) -> bool:
        """Whether the server has begun the response, or refused it."""
        return super().done()

    def _words(self, log: list[Any], output: Optional[Iterable[object]]) -> Words:
        said, phases = _response_texts(log), _response_phases(log)
        words = words_of_reply(output, said)
        if words == Words():
            words = reply_by_phase((phases.get(each), said[each]) for each in said)
        if words == Words() and self._state is not None:
            words = reply_by_phase(
                (item.phase, item.said) for item in self._state.output
            )
        return words

    def done(self) -> bool:
        """Whether the response is over, or was refused."""
        return self._over.is_set()

    def _acknowledge(self, event: ServerEvent) -> None:
        response_id = getattr(getattr(event, "response", None), "id", None)
        self.response_id = response_id if isinstance(response_id, str) else None
        super()._acknowledge(event)
        # Only now: a server that gives no ids would have them held again.
        early, self._early = self._early, []
        for held in early:
            self._accept(held)
        if self._given_up and event.type != "response.done":
            self._cancel_given_up()

    def _reject(self, error: BaseException) -> None:
        super()._reject(error)
        self._end(error)

    def _accept(self, event: ServerEvent) -> None:
        if not super().done() and self.response_id is None:
            self._early.append(event)
            return
        if event.type in _CANCELLED:
            self._accept_cancelled(event)
            return
        if not self._is_mine(event):
            return
        self._heard_at = monotonic()
        if event.type not in _TYPES:
            return
        self._log.append(event)
        if event.type == "response.done":
            self._finished = event
            response = getattr(event, "response", None) or None
            if not getattr(response, "output", None):
                # What it was is in events that name no response, perhaps.
                self._state = self._mirrored(self.response_id or "")
            self._finish()
        for listener in self._listeners:
            listener.set()

    def _accept_cancelled(self, event: ServerEvent) -> None:
        """End, unless it is another response that a server calls cancelled."""
        named = cancelled_response_id(event)
        if named is None and self.response_id is not None:
            # The mirror has decided which one was meant.
            state = self._mirrored(self.response_id)
            named = state.id if state and state.status == "cancelled" else None
        if self._finished is not None or named != self.response_id:
            return
        self._finished = event
        self._state = self._mirrored(self.response_id or "")
        self._over.set()
        if self.response_id is None:
            self._watches.remove(self._watch)  # What follows cannot be told from it.
        for listener in self._listeners:
            listener.set()

    def _is_mine(self, event: ServerEvent) -> bool:
        response_id = getattr(event, "response_id", UNSET)
        if isinstance(response_id, Unset):
            response_id = getattr(getattr(event, "response", None), "id", UNSET)
        if self.response_id is None and isinstance(response_id, str):
            self.response_id = response_id  # It began without a name.
        # A server that names no response speaks of the one that runs.
        if not isinstance(response_id, str):
            return self._finished is None
        return response_id == self.response_id

    def _end(self, error: Optional[BaseException]) -> None:
        if self._finished is None:
            self._ended = error
        self._finish()

    def _finish(self) -> None:
        self._watches.remove(self._watch)
        self._over.set()
        for listener in self._listeners:
            listener.set()

    def _raise_if_ended(self) -> None:
        if self._finished is None and self._ended is not None:
            raise copy_of_watched_error(self._ended)

    def _wait_over(self, deadline: Deadline) -> None:
        self._awaited = True
        began = monotonic()
        while not self._over.is_set():
            if self._waiting.wait(self._over, deadline.limited(self._patience(began))):
                return
            idle = self._patience(began) == 0.0
            if idle or deadline.passed:
                with self._waiting.explaining(self.since):
                    raise WaitTimeout(self._too_late(), partial=self.reply())

    def _too_late(self) -> str:
        if self.response_id is None:
            return "the server has not begun to answer in time"
        return (
            f"the answer is not complete in time: {len(self._log)} events of "
            f"response {self.response_id} came"
        )

    def _wait_listening(self, ready: Event, deadline: Deadline) -> bool:
        """Wait for a piece; False when none comes in time, or nothing at all."""
        began = monotonic()
        while not self._waiting.wait(ready, deadline.limited(self._patience(began))):
            if deadline.passed or self._patience(began) == 0.0:
                return False
        return True

    def _patience(self, began: float) -> Optional[float]:
        """Seconds until the response counts as idle, or None for no limit."""
        if self._idle_timeout is None:
            return None
        last = max(began, self._heard_at)
        return max(0.0, last + self._idle_timeout - monotonic())

    def _stream(
        self, types: frozenset[str], timeout: Timeout, what: str
    ) -> Iterator[Any]:
        self._awaited = True
        ready = Flag()
        self._listeners += (ready,)
        at = 0
        try:
            while True:
                while at < len(self._log):
                    event = self._log[at]
                    at += 1
                    if event.type in types:
                        yield event
                if self._over.is_set() and at >= len(self._log):
                    self._raise_if_ended()
                    return
                ready.clear()
                if at < len(self._log) or self._over.is_set():
                    continue
                if not self._wait_listening(ready, self._waiting.deadline(timeout)):
                    with self._waiting.explaining(self.since):
                        raise WaitTimeout(
                            f"no {what} of response {self.response_id} in time",
                            partial=self.reply(),
                        )
        finally:
            self._listeners = tuple(e for e in self._listeners if e is not ready)

    def _audio(self, log: list[Any]) -> Optional[Audio]:
        chunks = [e.delta for e in log if e.type in _AUDIO]
        data = b"".join(chunk for chunk in chunks if isinstance(chunk, bytes))
        if not data:
            return None
        told = (getattr(event, "response", None) for event in log)
        return Audio(data, *self._audio_format(next(filter(None, told), None)))


@lru_cache(maxsize=1)
def _response_types() -> frozenset[str]:
    names = {canonical(name) for name in server_names()}
    return frozenset(name for name in names if name.startswith("response."))


def _response_texts(log: list[Any]) -> dict[Any, str]:
    """What deltas and the ends of texts said, by item id."""
    parts: dict[Any, dict[Any, str]] = {}
    for event in log:
        whole = getattr(event, "text", None) or getattr(event, "transcript", None)
        piece = event.delta if event.type in _TEXT | _SPOKEN else None
        if isinstance(piece, str) or isinstance(whole, str):
            item_id = getattr(event, "item_id", None) or None
            item = parts.setdefault(item_id, {})
            index = getattr(event, "content_index", None) or 0
            so_far = item.get(index, "")
            if isinstance(piece, str):
                item[index] = so_far + piece
            elif isinstance(whole, str):
                item[index] = whole_text(so_far, whole)
    return {item_id: "".join(item.values()) for item_id, item in parts.items()}


def _response_phases(log: list[Any]) -> dict[Any, Any]:
    """In which phase items are, by item id."""
    items = [e.item for e in log if e.type.startswith("response.output_item.")]
    return {
        getattr(item, "id", None): item.phase
        for item in items
        if getattr(item, "phase", None)
    }


def _response_function_calls(log: list[Any], response: object) -> tuple[Any, ...]:
    items = [e.item for e in log if e.type == "response.output_item.done"]
    items += list(getattr(response, "output", None) or ())
    calls: dict[Any, Any] = {}
    for item in items:
        if getattr(item, "type", None) == "function_call":
            calls[_function_call_key(item)] = item
    return tuple(calls.values())


def _function_call_key(item: Any) -> object:
    """What tells a call from others: its id, or else the item's, or else what it is."""
    return item.call_id or item.id or (item.name, item.arguments)


def _response_status(response: object, finished: Optional[ServerEvent]) -> str:
    if finished is None:
        return "in_progress"
    # As the mirror takes it: an end without a word for it is a proper end.
    status = getattr(response, "status", None)
    return final_response_status("in_progress", status)
