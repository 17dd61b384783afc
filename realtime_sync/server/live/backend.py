"""
The backend of a session: responses that the service runs while the voice talks.

Every event of it is told inside of a ``response.event``. What a response puts out
is told item by item; the ``output`` of the finished response is empty.
"""

from __future__ import annotations

import json
import re
from typing import Any, Mapping, Optional, Sequence

import attrs

from ..agents.base import Call, Failure
from ..engine.refusal import Refusal
from .context import Frame, LiveContext
from .limits import KEPT_CALLS, QUEUED_BYTES, QUEUED_ITEMS, tokens_for_limit

_DELTAS = 5
"""Pieces that the arguments of a call come in."""
_CODES = ("server_error", "rate_limit_exceeded", "invalid_prompt")
"""Of a response that failed; agents know more, which say nothing here."""
_OUTPUTS = ("function_call_output", "custom_tool_call_output")
HANDOFF = Refusal(
    "Responses handoff incomplete.", code="server_error", type="server_error"
)


@attrs.define(eq=False)
class BackendCall:
    """
    A function that the client is to run.

    Attributes:
        item: the call, as it was told.
        state: ``open``, ``answered``, or ``dropped`` with its response.
    """

    item: Mapping[str, Any]
    state: str = "open"


@attrs.define(eq=False)
class BackendRun:
    """
    One response of the backend, from ``response.created`` to its end.

    Attributes:
        id: of the response.
        delegation_id: the work that it is part of.
        previous_id: the response that it goes on from.
    """

    context: LiveContext
    id: str
    delegation_id: str
    previous_id: str
    input_tokens: int
    written: list[str] = attrs.field(factory=list)
    calls: list[BackendCall] = attrs.field(factory=list)
    ended: bool = False
    _sequence: int = 0
    _index: int = 0
    _message_id: Optional[str] = None

    def begin(self) -> None:
        """Tell that it has begun."""
        self._tell("response.created", response=self._response("in_progress"))
        self._tell("response.in_progress", response=self._response("in_progress"))

    def call(self, call: Call, arguments: str) -> BackendCall:
        """Tell of a function that is to be called."""
        self._end_message()
        ids = self.context.ids
        item = {
            "id": ids.new("fc"),
            "type": "function_call",
            "status": "in_progress",
            "call_id": call.call_id or ids.new("call"),
            "name": call.name,
            "arguments": "",
        }
        place = {"item_id": item["id"], "output_index": self._index}
        self._added(item)
        for delta in _backend_text_pieces(arguments, _DELTAS):
            self._tell(
                "response.function_call_arguments.delta",
                **place,
                delta=delta,
                obfuscation=ids.padding(len(delta)),
            )
        self._tell(
            "response.function_call_arguments.done",
            **place,
            arguments=arguments,
        )
        done = {**item, "status": "completed", "arguments": arguments}
        self._done(done)
        self.calls.append(BackendCall(done))
        return self.calls[-1]

    def write(self, text: str) -> None:
        """Tell of text, which the voice will say."""
        if self._message_id is None:
            self._message_id = self.context.ids.new("msg")
            self._added(self._message("in_progress", []))
            self._part("response.content_part.added", "")
        self.written.append(text)
        for delta in re.findall(r"\S+\s*|\s+", text):
            self._tell(
                "response.output_text.delta",
                **self._place(),
                delta=delta,
                logprobs=[],
                obfuscation=self.context.ids.padding(len(delta)),
            )

    def end(self, error: Optional[BaseException] = None) -> None:
        """Tell that it has ended, well or not; calls of one that has not are void."""
        status, details = _backend_outcome(error)
        if error is None:
            self._end_message()
        else:
            for call in self.calls:
                call.state = "dropped"
        self.ended = True
        self._tell("response." + status, response=self._response(status, **details))

    # -- inside ----------------------------------------------------------------

    def _end_message(self) -> None:
        if self._message_id is None:
            return
        text = "".join(self.written)
        self._tell("response.output_text.done", **self._place(), text=text, logprobs=[])
        self._part("response.content_part.done", text)
        self._done(self._message("completed", [_backend_output_text(text)]))
        self._message_id = None

    def _place(self) -> dict[str, Any]:
        return {
            "item_id": self._message_id,
            "output_index": self._index,
            "content_index": 0,
        }

    def _part(self, kind: str, text: str) -> None:
        self._tell(kind, **self._place(), part=_backend_output_text(text))

    def _message(self, status: str, content: Sequence[Any]) -> dict[str, Any]:
        return {
            "id": self._message_id,
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": list(content),
            "phase": "final_answer",
        }

    def _added(self, item: Mapping[str, Any]) -> None:
        self._tell(
            "response.output_item.added", item=dict(item), output_index=self._index
        )

    def _done(self, item: Mapping[str, Any]) -> None:
        self._tell(
            "response.output_item.done", item=dict(item), output_index=self._index
        )
        self._index += 1

    def _tell(self, kind: str, **fields: Any) -> None:
        event = {"type": kind, "sequence_number": self._sequence, **fields}
        self._sequence += 1
        self.context.emit(
            "response.event", delegation_id=self.delegation_id, event=event
        )

    def _response(self, status: str, **details: Any) -> Frame:
        backend = self.context.settings.responses
        over = status in ("completed", "incomplete")
        return {
            "id": self.id,
            "object": "response",
            "created_at": int(self.context.now),
            "status": status,
            "model": backend["model"],
            "output": [],
            "tools": [],
            "instructions": None,
            "previous_response_id": self.previous_id,
            "parallel_tool_calls": backend.get("parallel_tool_calls", True),
            "tool_choice": backend["tool_choice"],
            "store": True,
            "prompt_cache_key": "live:" + self.context.session_id,
            "usage": self._usage() if over else None,
            "error": None,
            "incomplete_details": None,
            "metadata": {},
            **details,
        }

    def _usage(self) -> Frame:
        calls = sum(tokens_for_limit(call.item["arguments"]) for call in self.calls)
        output = tokens_for_limit("".join(self.written)) + calls
        return {
            "input_tokens": self.input_tokens,
            "input_tokens_details": {
                "cached_tokens": 0,
                "cache_write_tokens": self.input_tokens,
            },
            "output_tokens": output,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": self.input_tokens + output,
        }


class LiveEngineBackend:
    """
    The responses of a session, and what clients bring for the next one.

    Args:
        context: the session.
    """

    def __init__(self, context: LiveContext) -> None:
        self._context = context
        # What the first response goes on from is never told.
        self._last_id = context.ids.new("resp")
        self._calls: dict[str, BackendCall] = {}
        self._delegation_id: Optional[str] = None
        self.queue: list[dict[str, Any]] = []
        self.run: Optional[BackendRun] = None

    @property
    def open_calls(self) -> list[str]:
        """Ids of the calls that have no output yet."""
        return [key for key, call in self._calls.items() if call.state == "open"]

    @property
    def busy(self) -> bool:
        """Whether a response runs, or waits for an output."""
        return self.run is not None or bool(self.open_calls) or bool(self.queue)

    def check_target(self) -> None:
        """
        Hold a command for the backend against the session.

        Raises:
            Refusal: there is no backend.
        """
        if self._context.settings.target != "responses":
            raise Refusal(
                "This session does not delegate to Responses.",
                code="invalid_request_error",
            )

    def add(self, item: Mapping[str, Any]) -> None:
        """
        Queue an item for the next response.

        Raises:
            Refusal: it does not fit in any more, or its call is not open.
        """
        self.check_target()
        call = self._called(item)
        size = sum(map(_backend_item_size, self.queue)) + _backend_item_size(item)
        if len(self.queue) >= QUEUED_ITEMS or size > QUEUED_BYTES:
            raise Refusal(
                "The response input buffer is full: it holds at most "
                f"{QUEUED_ITEMS} items and {QUEUED_BYTES} bytes per session.",
                code="response_input_buffer_full",
                param="item",
            )
        self.queue.append(dict(item))
        if call is not None:
            call.state = "answered"

    def check_create(self) -> None:
        """
        Hold a ``response.create`` against the open calls.

        Raises:
            Refusal: some call has no output yet; what is queued stays.
        """
        self.check_target()
        if self.open_calls:
            raise Refusal(
                "Function call outputs are required before a response can be "
                f"created. Missing: {', '.join(self.open_calls)}.",
                code="function_call_outputs_required",
            )

    def take(self) -> list[dict[str, Any]]:
        """Return what is queued, for the response that begins."""
        queue, self.queue = self.queue, []
        return queue

    def begin(
        self, offset_ms: int, *, goes_on: bool, command_id: object, input_tokens: int
    ) -> BackendRun:
        """
        Begin a response.

        Args:
            offset_ms: where on the clock the work was asked for.
            goes_on: whether it is part of the work that the last one was part of.
            command_id: of the command that asked for it, if one did.
            input_tokens: that it reads.
        """
        run = BackendRun(
            context=self._context,
            id=self._context.ids.new("resp"),
            delegation_id=(goes_on and self._delegation_id)
            or self._context.ids.new("item"),
            previous_id=self._last_id,
            input_tokens=input_tokens,
        )
        if run.delegation_id != self._delegation_id:
            self._context.emit(
                "session.delegation.created",
                command_id=command_id,
                offset_ms=offset_ms,
                delegation={
                    "id": run.delegation_id,
                    "type": "delegation",
                    "target": "responses",
                    "response_id": run.id,
                },
            )
        self._delegation_id, self._last_id, self.run = run.delegation_id, run.id, run
        run.begin()
        return run

    def call(self, call: Call) -> Mapping[str, Any]:
        """Let the running response call a function; returns the item."""
        assert self.run is not None
        arguments = call.arguments
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments)
        told = self.run.call(call, arguments)
        self._calls[told.item["call_id"]] = told
        while len(self._calls) > KEPT_CALLS:
            del self._calls[next(iter(self._calls))]
        return told.item

    def end(self, error: Optional[BaseException]) -> bool:
        """End the running response; returns whether its text is the voice's to say."""
        run, self.run = self.run, None
        assert run is not None
        if "handoff" in self._context.faults:
            # The service tells of it in no other way: no response ever ends.
            for call in run.calls:
                call.state = "dropped"
            self._context.emit_refusal(HANDOFF)
            return False
        run.end(error)
        return error is None

    def _called(self, item: Mapping[str, Any]) -> Optional[BackendCall]:
        if item.get("type") not in _OUTPUTS:
            return None
        call = self._calls.get(item["call_id"])
        if call is None or call.state == "dropped":
            raise Refusal(
                f"No open call with id '{item['call_id']}' was found.",
                code="invalid_tool_call_id",
                param="item.call_id",
            )
        return call


def _backend_item_size(item: Mapping[str, Any]) -> int:
    """How much of the queue an item takes: the bytes of what it says."""
    if item.get("type", "message") not in ("message", *_OUTPUTS):
        return len(json.dumps(item))
    content = item.get("output", item.get("content", ""))
    if not isinstance(content, str):
        content = "".join(
            part.get("text") or part.get("image_url") or "" for part in content
        )
    return len(content.encode("utf-8", "replace"))


def _backend_output_text(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _backend_text_pieces(text: str, count: int) -> list[str]:
    size = max(1, -(-len(text) // count))
    return [text[at : at + size] for at in range(0, len(text), size)]


def _backend_outcome(error: Optional[BaseException]) -> tuple[str, dict[str, Any]]:
    """The status that a response ends with, and what its object says of it."""
    if error is None:
        return "completed", {}
    if isinstance(error, Failure) and error.code == "content_filter":
        return "incomplete", {"incomplete_details": {"reason": "content_filter"}}
    code = error.code if isinstance(error, Failure) else ""
    if code not in _CODES:
        code = "server_error"
    return "failed", {"error": {"code": code, "message": str(error)}}
