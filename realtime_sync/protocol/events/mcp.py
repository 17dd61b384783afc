"""
Events of MCP: ``mcp_list_tools.*`` and ``response.mcp_call*``.

The server talks to the MCP server; the client only watches, and approves.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from attrs import frozen

from ...types import UNSET, OrUnset
from ..fields import MaybeText, required
from ._base import ServerEvent


@frozen(kw_only=True, slots=False)
class McpListToolsInProgress(ServerEvent):
    """
    The server asks an MCP server for its tools.

    Attributes:
        item_id: the item that will list them.
    """

    type: ClassVar[Literal["mcp_list_tools.in_progress"]] = "mcp_list_tools.in_progress"
    item_id: OrUnset[str] = required()


@frozen(kw_only=True, slots=False)
class McpListToolsCompleted(ServerEvent):
    """
    The tools of an MCP server are known; the model can call them from now on.

    Attributes:
        item_id: the item that lists them.
    """

    type: ClassVar[Literal["mcp_list_tools.completed"]] = "mcp_list_tools.completed"
    item_id: OrUnset[str] = required()


@frozen(kw_only=True, slots=False)
class McpListToolsFailed(ServerEvent):
    """
    An MCP server did not tell its tools. Why is not said.

    Attributes:
        item_id: the item that would have listed them.
    """

    type: ClassVar[Literal["mcp_list_tools.failed"]] = "mcp_list_tools.failed"
    item_id: OrUnset[str] = required()


@frozen(kw_only=True, slots=False)
class ResponseMcpCallArgumentsDelta(ServerEvent):
    """
    More of the arguments of a call to an MCP server.

    Attributes:
        response_id: the response.
        item_id: the call.
        output_index: position of the call in the response.
        delta: JSON text to append.
        obfuscation: padding against guessing from sizes; of no use otherwise.
    """

    type: ClassVar[Literal["response.mcp_call_arguments.delta"]] = (
        "response.mcp_call_arguments.delta"
    )
    response_id: OrUnset[str] = required()
    item_id: OrUnset[str] = required()
    output_index: OrUnset[int] = required()
    delta: OrUnset[str] = required(also=("text", "arguments"))
    obfuscation: MaybeText = UNSET


@frozen(kw_only=True, slots=False)
class ResponseMcpCallArgumentsDone(ServerEvent):
    """
    The arguments of a call to an MCP server are complete.

    Attributes:
        response_id: the response.
        item_id: the call.
        output_index: position of the call in the response.
        arguments: JSON text.
    """

    type: ClassVar[Literal["response.mcp_call_arguments.done"]] = (
        "response.mcp_call_arguments.done"
    )
    response_id: OrUnset[str] = required()
    item_id: OrUnset[str] = required()
    output_index: OrUnset[int] = required()
    arguments: OrUnset[str] = required()


@frozen(kw_only=True, slots=False)
class ResponseMcpCallInProgress(ServerEvent):
    """
    The server is calling an MCP server.

    Attributes:
        item_id: the call.
        output_index: position of the call in the response.
    """

    type: ClassVar[Literal["response.mcp_call.in_progress"]] = (
        "response.mcp_call.in_progress"
    )
    item_id: OrUnset[str] = required()
    output_index: OrUnset[int] = required()


@frozen(kw_only=True, slots=False)
class ResponseMcpCallCompleted(ServerEvent):
    """
    A call to an MCP server gave its result, which the item carries.

    Attributes:
        item_id: the call.
        output_index: position of the call in the response.
    """

    type: ClassVar[Literal["response.mcp_call.completed"]] = (
        "response.mcp_call.completed"
    )
    item_id: OrUnset[str] = required()
    output_index: OrUnset[int] = required()


@frozen(kw_only=True, slots=False)
class ResponseMcpCallFailed(ServerEvent):
    """
    A call to an MCP server failed; the item says why.

    Attributes:
        item_id: the call.
        output_index: position of the call in the response.
    """

    type: ClassVar[Literal["response.mcp_call.failed"]] = "response.mcp_call.failed"
    item_id: OrUnset[str] = required()
    output_index: OrUnset[int] = required()
