"""
Functions that the model may call.

``session.tool`` is the usual way in; `ToolSet` is what stands behind it.
"""

from __future__ import annotations

from .calls import ToolCall
from .live import LiveToolSet
from .schema import function_schema, type_schema
from .tool import Tool
from .toolset import ToolSet

__all__ = [
    "LiveToolSet",
    "Tool",
    "ToolCall",
    "ToolSet",
    "function_schema",
    "type_schema",
]
