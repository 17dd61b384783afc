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
