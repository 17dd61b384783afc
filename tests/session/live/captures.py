"""
Sessions of the real service, frame by frame, with the words changed.

Order, times, ids that are there and ids that are not, empty fields, and what comes
between what are as they were seen on the wire.
"""

from __future__ import annotations

import base64
from typing import Any, Optional

Frame = dict[str, Any]

SILENT = base64.b64encode(bytes(4800)).decode()
"""100 ms of the model's silence."""


def audio(count: int = 1, **more: Any) -> list[Frame]:
    """Frames of the model's audio, which carry no id and no time."""
    kind = "session.output_audio.delta"
    return [{"type": kind, "delta": SILENT, **more} for _ in range(count)]


def heard(who: str, start: int, text: str, name: str = "") -> Frame:
    """A piece of what somebody says, on the grid of 200 ms."""
    return {
        "type": f"session.{who}_transcript.delta",
        "event_id": f"event_{name or who}_{start}",
        "delta": text,
        "start_ms": start,
        "end_ms": start + 200,
    }


def started(name: str, **session: Any) -> Frame:
    """The session has begun; the defaults are told."""
    return {
        "type": "session.started",
        "event_id": f"event_{name}",
        "session": {
            "id": name,
            "model": "gpt-live-1",
            "status": "active",
            "expires_at": 1_790_007_200,
            "input": [],
            "audio": {
                "format": {"type": "audio/pcm", "rate": 24_000},
                "output": {"voice": "marin"},
            },
            **session,
        },
    }


def usage(seconds: float, ratio: float) -> Frame:
    """What it has taken so far."""
    return {
        "type": "session.usage.updated",
        "event_id": f"event_usage_{seconds}",
        "usage": {"seconds": seconds},
        "context_window": {"usage_ratio": ratio},
    }


def _nested(kind: str, number: int, **fields: Any) -> Frame:
    return {
        "type": "response.event",
        "event_id": f"event_nested_{kind}_{number}_{fields.get('item_id', '')}",
        "delegation_id": "item_work",
        "event": {"type": kind, "sequence_number": number, **fields},
    }


def _response(name: str, before: str, tokens: Optional[Frame] = None) -> Frame:
    return {
        "id": name,
        "object": "response",
        "model": "gpt-5.5",
        "status": "completed" if tokens else "in_progress",
        "previous_response_id": before,
        # Always empty, also at the end of one that has called and said something.
        "output": [],
        "tools": [],
        "instructions": None,
        "usage": tokens,
        "prompt_cache_key": "live:0",
    }


CALL: Frame = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "forecast",
    "arguments": '{"city": "Oslo"}',
    "status": "completed",
}
MESSAGE: Frame = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "phase": "final_answer",
    "status": "in_progress",
    "content": [],
}
WORDS = tuple(
    "The port is cold and wet with wind from the north and little sun.".split()
)

CALLED: list[Frame] = [
    *audio(7),
    heard("input", 600, "How"),
    heard("input", 800, " is"),
    heard("input", 1200, " the port"),
    *audio(24),
    heard("input", 3600, " right"),
    heard("input", 3800, " now?"),
    {
        "type": "session.delegation.created",
        "event_id": "event_work",
        "offset_ms": 3800,
        "delegation": {
            "id": "item_work",
            "type": "delegation",
            "target": "responses",
            "response_id": "resp_1",
        },
    },
    _nested("response.created", 0, response=_response("resp_1", "resp_seed")),
    _nested("response.in_progress", 1, response=_response("resp_1", "resp_seed")),
    heard("output", 4000, "One"),
    *audio(2),
    heard("output", 4200, " moment."),
    _nested(
        "response.output_item.added",
        2,
        item={**CALL, "arguments": "", "status": "in_progress"},
        output_index=0,
    ),
    *(
        _nested(
            "response.function_call_arguments.delta",
            3 + at,
            delta=CALL["arguments"][at * 4 : at * 4 + 4],
            item_id="fc_1",
            obfuscation="x",
        )
        for at in range(5)
    ),
    _nested(
        "response.function_call_arguments.done",
        8,
        arguments=CALL["arguments"],
        item_id="fc_1",
    ),
    _nested("response.output_item.done", 9, item=CALL, output_index=0),
]
"""Until the call is complete; now the program answers it."""

ANSWERED: list[Frame] = [
    heard("output", 4600, " I am"),
    _nested(
        "response.completed",
        10,
        response=_response(
            "resp_1",
            "resp_seed",
            {
                "input_tokens": 805,
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": 19,
                "total_tokens": 824,
            },
        ),
    ),
]
"""Until the response that has called is over; now the backend may go on."""

WENT_ON: list[Frame] = [
    _nested("response.created", 0, response=_response("resp_2", "resp_1")),
    _nested("response.in_progress", 1, response=_response("resp_2", "resp_1")),
    heard("output", 5000, " looking."),
    _nested("response.output_item.added", 2, item=MESSAGE, output_index=0),
    _nested("response.content_part.added", 3, item_id="msg_1", part={}),
    *(
        frame
        for at, word in enumerate(WORDS)
        for frame in (
            _nested(
                "response.output_text.delta",
                4 + at,
                delta=(" " if at else "") + word,
                item_id="msg_1",
            ),
            *([heard("output", 5400, " Cold"), *audio(2)] if at == 6 else []),
        )
    ),
    _nested("response.output_text.done", 19, item_id="msg_1", text=" ".join(WORDS)),
    _nested("response.content_part.done", 20, item_id="msg_1", part={}),
    _nested("response.output_item.done", 21, item={**MESSAGE, "status": "completed"}),
    _nested(
        "response.completed",
        22,
        response=_response(
            "resp_2",
            "resp_1",
            {
                "input_tokens": 846,
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": 19,
                "total_tokens": 865,
            },
        ),
    ),
    usage(14.0, 0.0103203125),
]
"""The same delegation, another response, and what is said of it."""

FORKED: list[Frame] = [
    *audio(11),
    heard("input", 800, "And", "f"),
    *audio(10),
    heard("input", 1800, " then?", "f"),
    heard("output", 2000, "It", "f"),
    heard("output", 2200, " stays.", "f"),
    *audio(8),
    usage(14.0, 0.0089140625),
]
"""What the fork of a stored session says."""

SPOKEN: list[Frame] = [
    heard("output", 0, "Good"),
    *audio(1),
    heard("output", 200, " evening"),
    *audio(4),
    heard("output", 600, " and welcome"),
    {
        "type": "session.commentary.appended",
        "event_id": "event_appended",
        "start_ms": 600,
        "end_ms": 800,
    },
    *audio(12),
    heard("output", 2000, " aboard."),
    *audio(10),
]
"""A program that only writes: the answer to a text names no command."""

WATCHED: list[Frame] = [
    started(
        "live_u1_1",
        input=[{"type": "message"}, {"type": "message"}],
        audio={"output": {"voice": "marin"}},
        client={
            "data_channel": {"allowed_client_events": [], "allowed_server_events": []}
        },
    ),
    {"type": "session.input_audio.append", "audio": SILENT * 2},
    *audio(start_ms=200, end_ms=400),
    *audio(start_ms=400, end_ms=600),
    heard("input", 600, "May"),
    *audio(start_ms=600, end_ms=800),
    # What lies between is left out: 800 to 1000 ms.
    *audio(start_ms=1000, end_ms=1200),
    heard("input", 1400, " we"),
    heard("input", 2400, " go"),
    heard("output", 2400, "Please"),
    heard("input", 2600, " in"),
    heard("output", 2600, " do"),
    heard("input", 2800, "?"),
    heard("output", 3200, " now."),
]
"""A connection that looks on from aside."""
