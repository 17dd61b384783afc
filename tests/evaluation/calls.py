"""Recordings of calls, made by hand, with the sound that they need."""

from __future__ import annotations

import base64
import json
from typing import Any, Optional

from realtime_sync import audio
from realtime_sync.evaluation import (
    CallRecord,
    Score,
    Verdict,
    answered,
    first_audio_ms,
    tool_called,
)

BLOCK = 0.02
GATES = [first_audio_ms(p95=900), tool_called("book", times=1), answered()]
HOSTILE = "<script>alert(1)</script>\x00\u202e&amp;"


def encoded(pcm: bytes) -> str:
    """Audio as it is on the wire."""
    return base64.b64encode(pcm).decode("ascii")


class Call:
    """
    A call that is written down line by line.

    The caller's microphone runs all the time, as it does in a real one.
    """

    def __init__(self, *, seconds: float = 20.0) -> None:
        self.lines: list[tuple[float, str, dict[str, Any]]] = []
        self._user = bytearray(audio.silence(seconds))
        self._number = 0
        self._last: Optional[str] = None

    def frame(self, at: float, kind: str, **fields: Any) -> None:
        """Something that the server said."""
        self.lines.append((at, "in", {"type": kind, **fields}))

    def note(self, at: float, kind: str, **fields: Any) -> None:
        """Something that the library or a caller noted."""
        self.lines.append((at, "note", {"type": kind, **fields}))

    def speak(self, start: float, end: float) -> None:
        """Let the caller be heard."""
        rate = 48_000
        tone = audio.tone(330, end - start, level=-6)
        self._user[int(start * rate) : int(start * rate) + len(tone)] = tone

    def user(self, start: float, end: float, understood: str, *, said: str = "") -> str:
        """A turn of the caller's, found 0.3 s after its end."""
        self._number += 1
        item_id = f"user_{self._number}"
        self.speak(start, end)
        self.frame(start + 0.1, "input_audio_buffer.speech_started", item_id=item_id)
        self.frame(end + 0.3, "input_audio_buffer.speech_stopped", item_id=item_id)
        self.frame(end + 0.3, "input_audio_buffer.committed", item_id=item_id)
        content = [{"type": "input_audio", "transcript": understood}]
        self._item(end + 0.3, item_id, "user", content)
        if said:
            self.note(end, "caller.said", text=said, start=start, end=end)
        return item_id

    def answer(
        self,
        at: float,
        text: str,
        *,
        seconds: float = 2.0,
        status: str = "completed",
        reason: str = "",
        heard: Optional[float] = None,
        truncated_at: float = 0.0,
        quiet: float = 0.0,
        usage: Optional[dict[str, Any]] = None,
    ) -> str:
        """An answer whose sound comes at a time, and is played as it comes."""
        self._number += 1
        response, item_id = f"resp_{self._number}", f"agent_{self._number}"
        moment = {"item_id": item_id, "response_id": response, "content_index": 0}
        self.frame(at - 0.1, "response.created", response={"id": response})
        self._item(at - 0.05, item_id, "assistant", [])
        kind = "response.output_audio_transcript.delta"
        self.frame(at, kind, delta=text, **moment)
        sound = audio.silence(quiet) + audio.tone(220, seconds, level=-12)
        if seconds:
            kind = "response.output_audio.delta"
            self.frame(at, kind, delta=encoded(sound), **moment)
        done: dict[str, Any] = {"id": response, "status": status, "output": []}
        if usage is not None:
            done["usage"] = usage
        if reason:
            done["status_details"] = {"type": status, "reason": reason}
        content = [{"type": "output_audio", "transcript": text}]
        done["output"] = [self._message(item_id, "assistant", content)]
        self.frame(at + 0.2, "response.done", response=done)
        if heard is not None:
            self.frame(
                truncated_at,
                "conversation.item.truncated",
                item_id=item_id,
                content_index=0,
                audio_end_ms=int(heard * 1000),
            )
        return response

    def tool(self, at: float, name: str, output: str = "ok", **arguments: Any) -> None:
        """A response that calls a tool, and what the program gives back."""
        self._number += 1
        response, call_id = f"resp_{self._number}", f"call_{self._number}"
        item = {
            "id": f"item_{call_id}",
            "type": "function_call",
            "name": name,
            "arguments": json.dumps(arguments),
            "call_id": call_id,
        }
        self.frame(at, "response.created", response={"id": response})
        self._added(at, item)
        done = {"id": response, "status": "completed", "output": [item]}
        self.frame(at + 0.05, "response.done", response=done)
        given = {
            "id": f"output_{call_id}",
            "type": "function_call_output",
            "call_id": call_id,
            "output": output,
        }
        self._added(at + 0.1, given)

    def text(self) -> list[str]:
        """The lines of the recording, in order of time."""
        lines = list(self.lines)
        size = int(48_000 * BLOCK)
        for number, place in enumerate(range(0, len(self._user), size), 1):
            sound = encoded(bytes(self._user[place : place + size]))
            frame = {"type": "input_audio_buffer.append", "audio": sound}
            lines.append((number * BLOCK, "out", frame))
        head = {
            "format": "realtime-sync-recording",
            "version": 1,
            "started": 1_700_000_000,
            "dialect": "ga",
            "session_type": "realtime",
            "connection": 1,
        }
        written = [json.dumps(head)]
        for at, direction, frame in sorted(lines, key=lambda each: each[0]):
            name = "note" if direction == "note" else "frame"
            line = {"t": round(at, 4), "dir": direction, name: frame}
            written.append(json.dumps(line))
        return written

    def record(self, name: str = "call") -> CallRecord:
        """The call as it is measured."""
        return CallRecord.load(self.text(), name=name)

    def _item(self, at: float, item_id: str, role: str, content: Any) -> None:
        self._added(at, self._message(item_id, role, content))

    def _message(self, item_id: str, role: str, content: Any) -> dict[str, Any]:
        return {"id": item_id, "type": "message", "role": role, "content": content}

    def _added(self, at: float, item: dict[str, Any]) -> None:
        self.frame(
            at, "conversation.item.added", item=item, previous_item_id=self._last
        )
        self._last = item["id"]


def spoken(answer: str = "Hello.", *, late: float = 0.0) -> Call:
    """One turn, without the tool."""
    call = Call(seconds=5.0)
    call.user(0.5, 1.5, "hello", said="Hello.")
    call.answer(2.0 + late, answer, seconds=1.0)
    return call


def asked(name: str, *, passed: bool = True) -> Score:
    """A call that one gate was asked of."""
    verdict = Verdict(gate="answered()", passed=passed)
    return Score(name=name, verdicts={"answered": verdict}, figures={"wer": 0.0})


def good_call(*, times: int = 1) -> Call:
    """Three turns, the second with a tool and an interruption: nothing is wrong."""
    call = Call()
    call.user(0.5, 1.5, "a table for two please", said="A table for two, please.")
    call.answer(2.0, "For what time?", seconds=1.0)
    call.user(4.0, 5.0, "at eight", said="At eight.")
    for number in range(times):
        call.tool(5.4 + 0.12 * number, "book", seats=2, time="20:00")
    call.answer(
        5.8,
        "Your table for two at eight is booked, I am looking forward to seeing you.",
        seconds=4.0,
        heard=2.0,
        truncated_at=7.81,
    )
    call.user(7.6, 8.4, "thank you", said="Thank you.")
    call.answer(9.0, "You are welcome.", seconds=1.0)
    return call
