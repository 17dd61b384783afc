"""
Conversation items and the parts of their content.

The nine kinds of GA, one class each. An item of any other kind is an
`UnknownItem`, which has every field that items commonly have. Content parts
are one flat class, because servers disagree about which fields go with which
type.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Union

from attrs import frozen

from ..types import UNSET, OrUnset, Unset
from .fields import (
    MaybeAny,
    MaybeBool,
    MaybeInt,
    MaybeText,
    audio_field,
    checked,
    free,
    given_sequence,
    required,
    sequence,
)
from .lazy_audio import lazy_audio


@lazy_audio
@frozen(kw_only=True, slots=False, field_transformer=checked)
class ContentPart:
    """
    One part of a message.

    Attributes:
        type: ``input_text``, ``input_audio``, ``input_image``, ``output_text``,
            ``output_audio``; in ``response.content_part`` events ``text`` and
            ``audio``, in either dialect.
        text: of a text part.
        audio: bytes in the session's format. Servers leave them out, except in
            ``conversation.item.retrieved``.
        transcript: what was said in an audio part; None while it is not known.
        image_url: a ``data:`` URL of a PNG or JPEG image.
        detail: how finely an image is looked at: ``auto``, ``low``, ``high``.
        id: the item that an ``item_reference`` part of the beta means.
        format: of the audio, where a server says it.
    """

    type: MaybeText = UNSET
    text: MaybeText = UNSET
    audio: Union[bytes, None, Unset] = audio_field()
    transcript: MaybeText = UNSET
    image_url: MaybeText = UNSET
    detail: MaybeText = UNSET
    id: MaybeText = UNSET
    format: MaybeText = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class SystemMessage:
    """
    Something the application tells the model.

    Attributes:
        content: ``input_text`` parts only.
        id: up to 32 characters; the server makes one if absent.
        object: ``"realtime.item"``.
        status: set by the server.
    """

    type: ClassVar[Literal["message"]] = "message"
    role: ClassVar[str] = "system"
    content: tuple[ContentPart, ...] = given_sequence()
    id: MaybeText = UNSET
    object: MaybeText = UNSET
    status: MaybeText = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class UserMessage:
    """
    Something the user said, wrote or showed.

    Attributes:
        content: ``input_text``, ``input_audio`` and ``input_image`` parts.
        id: up to 32 characters; the server makes one if absent.
        object: ``"realtime.item"``.
        status: set by the server.
    """

    type: ClassVar[Literal["message"]] = "message"
    role: ClassVar[str] = "user"
    content: tuple[ContentPart, ...] = given_sequence()
    id: MaybeText = UNSET
    object: MaybeText = UNSET
    status: MaybeText = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class AssistantMessage:
    """
    Something the model said or wrote.

    Attributes:
        content: ``output_text`` and ``output_audio`` parts.
        id: up to 32 characters; the server makes one if absent.
        object: ``"realtime.item"``.
        status: ``in_progress``, ``completed`` or ``incomplete``.
        phase: ``commentary`` for what is said on the way to an answer, and
            ``final_answer``; models that reason tell them apart.
    """

    type: ClassVar[Literal["message"]] = "message"
    role: ClassVar[str] = "assistant"
    content: tuple[ContentPart, ...] = given_sequence()
    id: MaybeText = UNSET
    object: MaybeText = UNSET
    status: MaybeText = UNSET
    phase: MaybeText = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class FunctionCall:
    """
    The model wants a function called.

    Attributes:
        name: which function.
        arguments: JSON text; "" until it is complete.
        call_id: ties the output to the call. The same call is delivered three
            or four times; this is how to know.
        id: id of the item.
        object: ``"realtime.item"``.
        status: ``in_progress``, ``completed`` or ``incomplete``.
    """

    type: ClassVar[Literal["function_call"]] = "function_call"
    name: str
    arguments: str
    call_id: MaybeText = UNSET
    id: MaybeText = UNSET
    object: MaybeText = UNSET
    status: MaybeText = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class FunctionCallOutput:
    """
    What a function gave, for the model to read.

    Attributes:
        call_id: the call that this answers.
        output: any text; JSON by custom.
        id: up to 32 characters; the server makes one if absent.
        object: ``"realtime.item"``.
        status: set by the server.
    """

    type: ClassVar[Literal["function_call_output"]] = "function_call_output"
    call_id: str
    output: str
    id: MaybeText = UNSET
    object: MaybeText = UNSET
    status: MaybeText = UNSET


@frozen(kw_only=True, slots=False)
class McpListedTool:
    """
    One tool that an MCP server offers.

    Attributes:
        name: how calls name it.
        input_schema: JSON schema of its arguments.
        description: what it does.
        annotations: the server's hints about it.
    """

    name: OrUnset[str] = required()
    input_schema: OrUnset[Any] = required()
    description: MaybeText = UNSET
    annotations: MaybeAny = free()


@frozen(kw_only=True, slots=False)
class McpListTools:
    """
    The tools that an MCP server offers.

    Attributes:
        server_label: label of the MCP server.
        tools: what it has.
        id: id of the item.
    """

    type: ClassVar[Literal["mcp_list_tools"]] = "mcp_list_tools"
    server_label: OrUnset[str] = required()
    tools: OrUnset[tuple[McpListedTool, ...]] = required()
    id: MaybeText = UNSET


@frozen(kw_only=True, slots=False)
class McpError:
    """
    Why a call to an MCP server failed.

    Attributes:
        type: ``protocol_error``, ``tool_execution_error`` or ``http_error``.
        message: in words.
        code: of the protocol or of HTTP; a failed tool has none.
    """

    type: OrUnset[str] = required()
    message: OrUnset[str] = required()
    code: MaybeInt = UNSET


@frozen(kw_only=True, slots=False)
class McpCall:
    """
    A call that the server itself made to an MCP server.

    Attributes:
        id: id of the item.
        server_label: label of the MCP server.
        name: which tool.
        arguments: JSON text.
        output: what the tool gave.
        error: why it failed, if it did.
        approval_request_id: the request that was approved for it.
    """

    type: ClassVar[Literal["mcp_call"]] = "mcp_call"
    id: OrUnset[str] = required()
    server_label: OrUnset[str] = required()
    name: OrUnset[str] = required()
    arguments: OrUnset[str] = required()
    output: MaybeText = UNSET
    error: Union[McpError, None, Unset] = UNSET
    approval_request_id: MaybeText = UNSET


@frozen(kw_only=True, slots=False)
class McpApprovalRequest:
    """
    The server asks whether it may make a call to an MCP server.

    Attributes:
        id: what the answer names.
        server_label: label of the MCP server.
        name: which tool.
        arguments: JSON text.
    """

    type: ClassVar[Literal["mcp_approval_request"]] = "mcp_approval_request"
    id: OrUnset[str] = required()
    server_label: OrUnset[str] = required()
    name: OrUnset[str] = required()
    arguments: OrUnset[str] = required()


@frozen(kw_only=True, slots=False, field_transformer=checked)
class McpApprovalResponse:
    """
    The answer to an `McpApprovalRequest`.

    Attributes:
        id: id of this item.
        approval_request_id: the request.
        approve: whether the call may be made.
        reason: why not.
    """

    type: ClassVar[Literal["mcp_approval_response"]] = "mcp_approval_response"
    id: str
    approval_request_id: str
    approve: bool
    reason: MaybeText = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class ItemReference:
    """
    An item that the server has already, in the ``input`` of a response.

    Attributes:
        id: which item.
    """

    type: ClassVar[Literal["item_reference"]] = "item_reference"
    id: str


@frozen(kw_only=True, slots=False)
class UnknownItem:
    """
    An item of a kind that the protocol does not have.

    Attributes:
        type: as it came.
        role: as it came.
    """

    type: MaybeText = UNSET
    role: MaybeText = UNSET
    id: MaybeText = UNSET
    object: MaybeText = UNSET
    status: MaybeText = UNSET
    phase: MaybeText = UNSET
    content: Union[tuple[ContentPart, ...], None, Unset] = sequence()
    call_id: MaybeText = UNSET
    name: MaybeText = UNSET
    arguments: MaybeText = UNSET
    output: MaybeText = UNSET
    server_label: MaybeText = UNSET
    tools: Union[tuple[McpListedTool, ...], None, Unset] = sequence()
    error: Union[McpError, None, Unset] = UNSET
    approval_request_id: MaybeText = UNSET
    approve: MaybeBool = UNSET
    reason: MaybeText = UNSET


Item = Union[
    SystemMessage,
    UserMessage,
    AssistantMessage,
    FunctionCall,
    FunctionCallOutput,
    McpListTools,
    McpCall,
    McpApprovalRequest,
    McpApprovalResponse,
    UnknownItem,
]
"""What a server lists in a conversation."""

InputItem = Union[Item, ItemReference, Mapping[str, Any]]
"""What a caller may give where an item is wanted."""
