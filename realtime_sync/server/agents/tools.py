"""
Tools of pretended MCP servers, run inside the local server.
"""

from __future__ import annotations

from typing import Any, Callable, Mapping, Optional

import attrs


@attrs.frozen(kw_only=True)
class McpTool:
    """
    One tool of an MCP server.

    Attributes:
        name: the tool's name.
        call: runs it, in a worker thread, with the arguments as a mapping; what it
            returns is the output. An exception becomes a tool execution error.
        description: for the model.
        input_schema: JSON schema of the arguments.
        read_only: whether it changes nothing; sessions may filter by that.
    """

    name: str
    call: Callable[[Mapping[str, Any]], Any]
    description: Optional[str] = None
    input_schema: Mapping[str, Any] = attrs.field(
        factory=lambda: {"type": "object", "properties": {}}
    )
    read_only: bool = False

    def listed(self) -> dict[str, Any]:
        """Describe the tool as an ``mcp_list_tools`` item does."""
        return {
            "name": self.name,
            "description": self.description,
            "input_schema": dict(self.input_schema),
            "annotations": {"read_only": self.read_only},
        }
