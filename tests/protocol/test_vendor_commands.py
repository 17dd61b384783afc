"""How single vendors want commands."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_sync.protocol.dialects import DASHSCOPE

FUNCTION = {"type": "function", "name": "f", "description": "Does it."}
NESTED = {"type": "function", "function": {"name": "f", "description": "Does it."}}


@pytest.mark.parametrize(
    "tool, wanted",
    [
        (FUNCTION, NESTED),
        (NESTED, NESTED),
        ({"type": "mcp", "server_label": "s"}, {"type": "mcp", "server_label": "s"}),
        ("f", "f"),
    ],
)
def test_dashscope_has_functions_nested(tool: Any, wanted: Any) -> None:
    """What is nested already, or is no function, goes as it is."""
    frame = {"type": "session.update", "session": {"tools": [tool]}}

    assert [wanted] == DASHSCOPE.lower_client(frame)["session"]["tools"]


@pytest.mark.parametrize("heard, spoken", [("pcm16", "pcm24"), ("pcm", "pcm")])
@pytest.mark.parametrize("name", ["session.created", "session.updated"])
def test_dashscope_hears_at_16_kilohertz_and_speaks_at_24(
    heard: str, spoken: str, name: str
) -> None:
    """Its words, as its server echoes them."""
    said = {"input_audio_format": heard, "output_audio_format": spoken}
    lifted = DASHSCOPE.lift_server({"type": name, "session": said})
    audio = lifted["session"]["audio"]

    assert {"type": "audio/pcm", "rate": 16_000} == audio["input"]["format"]
    assert {"type": "audio/pcm", "rate": 24_000} == audio["output"]["format"]


def test_dashscope_is_told_both_rates_in_its_words() -> None:
    """And G.711 in the words of everybody."""
    wide = {"type": "audio/pcm", "rate": 16_000}
    frame = {
        "type": "session.update",
        "session": {
            "audio": {
                "input": {"format": wide},
                "output": {"format": {"type": "audio/pcm", "rate": 24_000}},
            }
        },
    }
    sent = DASHSCOPE.lower_client(frame)["session"]
    frame["session"]["audio"]["input"]["format"] = {"type": "audio/pcmu"}
    narrow = DASHSCOPE.lower_client(frame)["session"]

    assert ("pcm16", "pcm24") == (
        sent["input_audio_format"],
        sent["output_audio_format"],
    )
    assert "g711_ulaw" == narrow["input_audio_format"]


@pytest.mark.parametrize(
    ("heard", "lifted"),
    [("g711_ulaw", {"type": "audio/pcmu"}), ("opus", {"type": "opus"}), (7, 7)],
)
def test_dashscope_says_other_formats_like_everybody(heard: Any, lifted: Any) -> None:
    """Only its own words have a meaning of their own."""
    frame = {"type": "session.updated", "session": {"input_audio_format": heard}}

    assert lifted == DASHSCOPE.lift_server(frame)["session"]["audio"]["input"]["format"]
