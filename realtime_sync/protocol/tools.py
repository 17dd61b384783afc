"""
Tools that the model may call, how it chooses, and hosted prompts.

A tool of a kind that is not listed here (vendors have their own) is a plain
mapping, in commands and in what the server says alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Union

from attrs import frozen

from ..types import UNSET, Unset
from .fields import MaybeAny, MaybeBool, MaybeText, checked, free, secret, sequence


@frozen(kw_only=True, slots=False, field_transformer=checked)
class FunctionTool:
    """
    A function of yours that the model may call.

    Attributes:
        name: how the model names it.
        description: what it does, and when to call it.
        parameters: JSON schema of its arguments.
    """

    type: ClassVar[Literal["function"]] = "function"
    name: MaybeText = UNSET
    description: MaybeText = UNSET
    parameters: MaybeAny = free()


@frozen(kw_only=True, slots=False, field_transformer=checked)
class McpToolFilter:
    """
    Which tools of an MCP server are meant.

    Attributes:
        tool_names: only these.
        read_only: only those that say they change nothing.
    """

    tool_names: Union[tuple[str, ...], None, Unset] = sequence()
    read_only: MaybeBool = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class McpToolApprovalFilter:
    """
    Which tools of an MCP server need approval.

    Attributes:
        always: these ask every time.
        never: these never ask.
    """

    always: Union[McpToolFilter, None, Unset] = UNSET
    never: Union[McpToolFilter, None, Unset] = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class McpTool:
    """
    An MCP server whose tools the model may call without the client.

    Attributes:
        server_label: your name for the server; calls carry it.
        server_url: where it is. One of this, a connector and a tunnel.
        connector_id: a connector that the service hosts.
        tunnel_id: a tunnel to a server that is not reachable otherwise.
        server_description: more about it, for the model.
        authorization: OAuth token for it. Secret: never logged.
        headers: HTTP headers for it. Secret: never logged.
        allowed_tools: names or a filter; all tools when absent.
        require_approval: ``"always"`` (the server's default), ``"never"`` or a
            filter.
        allowed_callers: ``"direct"``, ``"programmatic"``.
        defer_loading: load the tools only when they are looked for.
    """

    type: ClassVar[Literal["mcp"]] = "mcp"
    server_label: str
    server_url: MaybeText = free()
    connector_id: MaybeText = UNSET
    tunnel_id: MaybeText = UNSET
    server_description: MaybeText = UNSET
    authorization: MaybeText = secret()
    headers: Union[Mapping[str, str], None, Unset] = secret()
    allowed_tools: Union[tuple[str, ...], McpToolFilter, None, Unset] = UNSET
    require_approval: Union[str, McpToolApprovalFilter, None, Unset] = UNSET
    allowed_callers: Union[tuple[str, ...], None, Unset] = sequence()
    defer_loading: MaybeBool = UNSET


Tool = Union[FunctionTool, McpTool, Mapping[str, Any]]


@frozen(kw_only=True, slots=False, field_transformer=checked)
class ToolChoiceFunction:
    """The model must call this function."""

    type: ClassVar[Literal["function"]] = "function"
    name: str


@frozen(kw_only=True, slots=False, field_transformer=checked)
class ToolChoiceMcp:
    """
    The model must call a tool of this MCP server.

    Attributes:
        server_label: the label that the tool was declared with.
        name: which of its tools; any when absent.
    """

    type: ClassVar[Literal["mcp"]] = "mcp"
    server_label: str
    name: MaybeText = UNSET


ToolChoice = Union[str, ToolChoiceFunction, ToolChoiceMcp, Mapping[str, Any]]
"""``"auto"``, ``"none"``, ``"required"``, or one particular tool."""


@frozen(kw_only=True, slots=False, field_transformer=checked)
class PromptCacheBreakpoint:
    """
    The end of a part of the prompt that is worth caching.

    Attributes:
        mode: ``"explicit"``.
        ttl: how long at least to keep it: ``"30m"`` or ``"12h"``.
    """

    mode: str
    ttl: MaybeText = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class PromptText:
    """Text as the value of a prompt variable."""

    type: ClassVar[Literal["input_text"]] = "input_text"
    text: str
    prompt_cache_breakpoint: Union[PromptCacheBreakpoint, None, Unset] = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class PromptImage:
    """
    An image as the value of a prompt variable.

    Attributes:
        detail: ``"low"``, ``"high"``, ``"auto"`` or ``"original"``.
        file_id: an uploaded file. This or the URL.
        image_url: URL, or a ``data:`` URL.
    """

    type: ClassVar[Literal["input_image"]] = "input_image"
    detail: str
    file_id: MaybeText = UNSET
    image_url: MaybeText = UNSET
    prompt_cache_breakpoint: Union[PromptCacheBreakpoint, None, Unset] = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class PromptFile:
    """
    A file as the value of a prompt variable.

    Attributes:
        detail: how finely pages are looked at: ``"low"``, ``"high"``, ``"auto"``.
        file_data: the content as a ``data:`` URL. One of this, id and URL.
        file_id: an uploaded file.
        file_url: where it is.
        filename: what to call it.
    """

    type: ClassVar[Literal["input_file"]] = "input_file"
    detail: MaybeText = UNSET
    file_data: MaybeText = UNSET
    file_id: MaybeText = UNSET
    file_url: MaybeText = UNSET
    filename: MaybeText = UNSET
    prompt_cache_breakpoint: Union[PromptCacheBreakpoint, None, Unset] = UNSET


PromptVariable = Union[str, PromptText, PromptImage, PromptFile, Mapping[str, Any]]


@frozen(kw_only=True, slots=False, field_transformer=checked)
class Prompt:
    """
    A prompt that is stored with the service.

    Fields of the session that are given directly go before those of the prompt.

    Attributes:
        id: which prompt.
        version: which version of it; the current one when absent.
        variables: what to fill in.
    """

    id: str
    version: MaybeText = UNSET
    variables: Union[Mapping[str, PromptVariable], None, Unset] = UNSET
