"""
One response: from the agent's pieces to the events of its items.

Pieces become *steps*, small closures in a queue; each step emits a few events and
says how long it takes. So a response can be paced against real time, stopped
between any two steps, and closed cleanly wherever it stands.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections import deque
from functools import partial
from typing import Any, Callable, Optional

from ..agents.base import Call, Failure, Say
from .context import EngineContext
from .conversation import ConversationClip, ConversationEntry
from .plan import ResponsePlan
from .usage import UsageTokens, audio_tokens, response_usage, text_tokens

Step = Callable[[], float]
_WORDS = re.compile(r"\S+\s*|\s+")
_ARGUMENTS_CHUNK = 12
_FILTERED = "content_filter"


class ResponseRun:
    """
    A response in progress.

    Args:
        context: the session.
        plan: what it is to be.
        ended: called once, with the run, after ``response.done``.
    """

    def __init__(
        self,
        context: EngineContext,
        plan: ResponsePlan,
        ended: Callable[[ResponseRun], None],
    ) -> None:
        self.id = context.ids.new("resp")
        self.plan = plan
        self.status = "in_progress"
        self.status_details: Optional[dict[str, Any]] = None
        self.usage: Optional[dict[str, Any]] = None
        self.output: list[ConversationEntry] = []
        self.audio_ms = 0.0
        self.due = context.now
        self._paused = False
        self._context = context
        self._ended = ended
        self._steps: deque[Step] = deque()
        self._open: Optional[ConversationEntry] = None
        self._part = False
        self._phase = "final_answer"
        self._written = UsageTokens()

    # -- views -----------------------------------------------------------------

    @property
    def active(self) -> bool:
        """Whether ``response.done`` is still to come."""
        return self.status == "in_progress"

    @property
    def deadline(self) -> Optional[float]:
        """When the next step is due; None when there is none."""
        waiting = self.active and self._steps and not self._paused
        return self.due if waiting else None

    def wire(self) -> dict[str, Any]:
        """Build the response object."""
        joined = self.plan.conversation
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": self.status,
            "status_details": self.status_details,
            "output": (
                [entry.wire() for entry in self.output] if not self.active else []
            ),
            "conversation_id": self._context.conversation.id if joined else None,
            **self.plan.shown,
            "usage": self.usage,
        }

    def truth(self) -> dict[str, Any]:
        """Describe the response for a test that compares it with a mirror."""
        return {
            "id": self.id,
            "status": self.status,
            "reason": (self.status_details or {}).get("reason"),
            "conversation": self.plan.conversation,
            "items": [entry.id for entry in self.output],
            "metadata": self.plan.shown.get("metadata"),
            "usage": self.usage,
        }

    # -- input -----------------------------------------------------------------

    def begin(self) -> None:
        """Announce the response."""
        self._context.emit("response.created", response=self.wire())

    def say(self, piece: Say) -> None:
        """Queue words, spoken ones with their audio in the session's format."""
        words = _WORDS.findall(piece.text)
        if self.plan.phases:
            self._steps.append(partial(self._enter, piece.phase))
        if self.plan.modality == "text":
            for word in words:
                self._steps.append(partial(self._write, word))
        else:
            self._speak(words, piece.audio or b"")

    def _speak(self, words: list[str], audio: bytes) -> None:
        """Spread the words over the audio, a little ahead of it."""
        size = self.plan.form.offset(self._context.options.delta_ms)
        chunks = [audio[at : at + size] for at in range(0, len(audio), size)]
        share = math.ceil(len(words) / max(len(chunks), 1))
        for chunk in chunks or [b""]:
            said, words = words[:share], words[share:]
            for word in said:
                self._steps.append(partial(self._pronounce, word))
            if chunk:
                self._steps.append(partial(self._sound, chunk))

    def call(self, piece: Call) -> None:
        """Queue a function call."""
        arguments = piece.arguments
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments)
        call_id = piece.call_id or self._context.ids.new("call")
        self._steps.append(partial(self._open_call, piece.name, call_id))
        for at in range(0, len(arguments), _ARGUMENTS_CHUNK):
            part = arguments[at : at + _ARGUMENTS_CHUNK]
            self._steps.append(partial(self._argue, part))
        self._steps.append(self.close_item)

    def queue(self, step: Step) -> None:
        """Queue a step that another part of the engine brings."""
        self._steps.append(step)

    def end(self, error: Optional[BaseException]) -> None:
        """Queue the end: completed, or failed with the agent's error."""
        self._steps.append(partial(self._finish, error))

    def pause(self) -> None:
        """Take no step until `resume`."""
        self._paused = True

    def resume(self) -> None:
        """Go on after `pause`."""
        self._paused = False
        self.due = max(self.due, self._context.now)
        self.advance()

    def advance(self) -> None:
        """Take every step that is due."""
        while (due := self.deadline) is not None and due <= self._context.now:
            step = self._steps.popleft()
            self.due += step()

    def catch_up(self) -> None:
        """Let the next step be due now at the earliest: no time was saved up."""
        if not self._steps:
            self.due = max(self.due, self._context.now)

    def cancel(self, reason: str) -> None:
        """Stop here: close what is open and end as cancelled."""
        self._stop("cancelled", {"type": "cancelled", "reason": reason})

    # -- steps -----------------------------------------------------------------

    def _enter(self, phase: str) -> float:
        """What follows is of a phase: a message is of one alone."""
        if self._open is not None and self._open.item.get("phase") != phase:
            self.close_item()
        self._phase = phase
        return 0.0

    def _write(self, word: str) -> float:
        entry = self._message("text")
        entry.item["content"][0]["text"] += word
        self._emit_part("response.output_text.delta", delta=word)
        return self._spend(UsageTokens(text=text_tokens(word)), self._text_seconds)

    def _pronounce(self, word: str) -> float:
        entry = self._message("audio")
        entry.item["content"][0]["transcript"] += word
        self._emit_part("response.output_audio_transcript.delta", delta=word)
        return self._spend(UsageTokens(text=text_tokens(word)), 0.0)

    def _sound(self, chunk: bytes) -> float:
        entry = self._message("audio")
        entry.clips[0].data += chunk
        delta = base64.b64encode(chunk).decode()
        self._emit_part("response.output_audio.delta", delta=delta)
        milliseconds = self.plan.form.milliseconds(len(chunk))
        self.audio_ms += milliseconds
        pace = self._context.options.pace
        seconds = milliseconds / 1000 / pace if pace else 0.0
        tokens = UsageTokens(audio=audio_tokens(milliseconds, assistant=True))
        return self._spend(tokens, seconds)

    def _argue(self, part: str) -> float:
        entry = self._open
        assert entry is not None
        entry.item["arguments"] += part
        self._context.emit(
            "response.function_call_arguments.delta",
            **self.place(entry),
            call_id=entry.item["call_id"],
            delta=part,
        )
        return self._spend(UsageTokens(text=text_tokens(part)), self._text_seconds)

    @property
    def _text_seconds(self) -> float:
        return self._context.options.text_interval

    def _spend(self, tokens: UsageTokens, seconds: float) -> float:
        self._written += tokens
        limit = self.plan.max_output_tokens
        # The end, which is queued as well, is no output.
        more = len(self._steps) > 1
        if limit is not None and self._written.total >= limit and more:
            self._stop(
                "incomplete", {"type": "incomplete", "reason": "max_output_tokens"}
            )
        return seconds

    # -- items -----------------------------------------------------------------

    def _message(self, kind: str) -> ConversationEntry:
        """Return the open message, opening one first if there is none."""
        if self._open is None:
            item = {
                "id": self._context.ids.new("item"),
                "type": "message",
                "status": "in_progress",
                "role": "assistant",
                "content": [],
                **({"phase": self._phase} if self.plan.phases else {}),
            }
            entry = self.open_item(ConversationEntry(item))
            field = "text" if kind == "text" else "transcript"
            if kind == "audio":
                entry.clips[0] = ConversationClip(b"", self.plan.form)
            entry.item["content"].append({"type": "output_" + kind, field: ""})
            self._part = True
            self._emit_part("response.content_part.added", part=self._wire_part())
        assert self._open is not None
        return self._open

    def _open_call(self, name: str, call_id: str) -> float:
        self.close_item()
        item = {
            "id": self._context.ids.new("item"),
            "type": "function_call",
            "status": "in_progress",
            "name": name,
            "call_id": call_id,
            "arguments": "",
        }
        self.open_item(ConversationEntry(item))
        return 0.0

    def open_item(self, entry: ConversationEntry) -> ConversationEntry:
        """Announce an item, and make it the open one."""
        self.close_item()
        self._open = entry
        self.output.append(entry)
        self._context.emit("response.output_item.added", **self._item_fields(entry))
        if self.plan.conversation:
            self._context.conversation.append(entry)
            self._mirror("added", entry)
        return entry

    def close_item(self, status: str = "completed") -> float:
        """Finish the open item, if there is one."""
        entry = self._open
        if entry is None:
            return 0.0
        if self._part:
            self._close_part()
        elif entry.item["type"] == "function_call":
            self._context.emit(
                "response.function_call_arguments.done",
                **self.place(entry),
                call_id=entry.item["call_id"],
                name=entry.item["name"],
                arguments=entry.item["arguments"],
            )
        if "status" in entry.item:
            entry.item["status"] = status
        self._open = None
        if self.plan.conversation:
            self._mirror("done", entry)
        self._context.emit("response.output_item.done", **self._item_fields(entry))
        return 0.0

    def _close_part(self) -> None:
        assert self._open is not None
        part = self._open.item["content"][0]
        if part["type"] == "output_text":
            self._emit_part("response.output_text.done", text=part["text"])
        else:
            self._emit_part("response.output_audio.done")
            self._emit_part(
                "response.output_audio_transcript.done", transcript=part["transcript"]
            )
        self._emit_part("response.content_part.done", part=self._wire_part())
        self._part = False

    def _mirror(self, what: str, entry: ConversationEntry) -> None:
        conversation = self._context.conversation
        if conversation.find(entry.id) is not entry:
            return  # The client deleted it in the middle of the response.
        self._context.emit(
            "conversation.item." + what,
            previous_item_id=conversation.predecessor(entry),
            item=entry.wire(),
        )

    def _wire_part(self) -> dict[str, Any]:
        """The open part, under the name that ``response.content_part.*`` uses."""
        assert self._open is not None
        part = dict(self._open.item["content"][0])
        part["type"] = part["type"].removeprefix("output_")
        return part

    def place(self, entry: ConversationEntry) -> dict[str, Any]:
        """Build the fields that say where in the response an item stands."""
        return {
            "response_id": self.id,
            "item_id": entry.id,
            "output_index": self.output.index(entry),
        }

    def _item_fields(self, entry: ConversationEntry) -> dict[str, Any]:
        place = self.place(entry)
        del place["item_id"]
        return {**place, "item": entry.wire()}

    def _emit_part(self, kind: str, **fields: object) -> None:
        assert self._open is not None
        self._context.emit(kind, **self.place(self._open), content_index=0, **fields)

    # -- the end ---------------------------------------------------------------

    def _finish(self, error: Optional[BaseException]) -> float:
        if error is None:
            self.close_item()
            self._done("completed", None)
        elif isinstance(error, Failure) and error.code == _FILTERED:
            self._stop("incomplete", {"type": "incomplete", "reason": _FILTERED})
        else:
            self._stop("failed", {"type": "failed", "error": _response_failure(error)})
        return 0.0

    def _stop(self, status: str, details: dict[str, Any]) -> None:
        self._steps.clear()
        self.close_item("incomplete")
        self._done(status, details)

    def _done(self, status: str, details: Optional[dict[str, Any]]) -> None:
        self.status = status
        self.status_details = details
        self.usage = response_usage(
            self.plan.read, self._written, before=self.plan.cached_before
        )
        if self.plan.phases:
            self.usage["output_token_details"]["reasoning_tokens"] = 0
        self._context.emit("response.done", response=self.wire())
        self._ended(self)

    @property
    def tokens(self) -> int:
        """Tokens read and written, once it is done."""
        return self.plan.read.total + self._written.total


def _response_failure(error: BaseException) -> dict[str, Any]:
    if isinstance(error, Failure):
        return {"type": error.type, "code": error.code, "message": error.message}
    return {
        "type": "server_error",
        "code": "server_error",
        "message": f"The agent failed: {type(error).__name__}: {error}",
    }
