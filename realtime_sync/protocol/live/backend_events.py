"""
Events of the backend, which ``response.event`` carries.

Only those that a client acts on have classes; others stay mappings. The frame
as it came is in ``raw["event"]`` of the event around it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Union

from attrs import frozen

from ...types import UNSET, OrUnset, Unset
from ..fields import MaybeInt, MaybeText, free, required


@frozen(kw_only=True, slots=False)
class BackendUsage:
    """Tokens that a response of the backend took."""

    input_tokens: MaybeInt = UNSET
    output_tokens: MaybeInt = UNSET
    total_tokens: MaybeInt = UNSET
    input_tokens_details: Union[Mapping[str, Any], None, Unset] = UNSET
    output_tokens_details: Union[Mapping[str, Any], None, Unset] = UNSET


@frozen(kw_only=True, slots=False)
class BackendError:
    """Why a response of the backend failed."""

    code: MaybeText = UNSET
    message: MaybeText = UNSET


@frozen(kw_only=True, slots=False)
class BackendResponse:
    """
    A response of the backend.

    Its ``output`` is empty even when it is completed: items come one by one.

    Attributes:
        id: of the response.
        status: ``"in_progress"``, ``"completed"``, ``"failed"``, ``"incomplete"``.
        model: which model works.
        previous_response_id: which response it goes on from.
        usage: what it took, once it has ended.
        error: why it failed.
        incomplete_details: why it is incomplete.
    """

    id: OrUnset[str] = required()
    status: MaybeText = UNSET
    model: MaybeText = UNSET
    previous_response_id: MaybeText = UNSET
    usage: Union[BackendUsage, None, Unset] = UNSET
    error: Union[BackendError, None, Unset] = UNSET
    incomplete_details: Union[Mapping[str, Any], None, Unset] = UNSET


@frozen(kw_only=True, slots=False)
class BackendFunctionCall:
    """
    The backend calls a function of yours.

    Attributes:
        id: of the item.
        call_id: what the output names.
        name: which function.
        namespace: where the function is declared.
        arguments: JSON text; empty when the item is new.
        status: run it when it is ``"completed"``, never when ``"incomplete"``.
    """

    type: ClassVar[Literal["function_call"]] = "function_call"
    id: MaybeText = UNSET
    call_id: OrUnset[str] = required()
    name: OrUnset[str] = required()
    namespace: MaybeText = UNSET
    arguments: OrUnset[str] = free(required=True)
    status: MaybeText = UNSET


Item = Union[BackendFunctionCall, Mapping[str, Any]]


@frozen(kw_only=True, slots=False)
class ResponseCreated:
    """The backend begins a response."""

    type: ClassVar[Literal["response.created"]] = "response.created"
    response: OrUnset[BackendResponse] = required()
    sequence_number: MaybeInt = UNSET


@frozen(kw_only=True, slots=False)
class ResponseCompleted:
    """A response has ended well."""

    type: ClassVar[Literal["response.completed"]] = "response.completed"
    response: OrUnset[BackendResponse] = required()
    sequence_number: MaybeInt = UNSET


@frozen(kw_only=True, slots=False)
class ResponseFailed:
    """A response has failed; calls that it made are dropped."""

    type: ClassVar[Literal["response.failed"]] = "response.failed"
    response: OrUnset[BackendResponse] = required()
    sequence_number: MaybeInt = UNSET


@frozen(kw_only=True, slots=False)
class ResponseIncomplete:
    """A response was cut short; calls that it made are dropped."""

    type: ClassVar[Literal["response.incomplete"]] = "response.incomplete"
    response: OrUnset[BackendResponse] = required()
    sequence_number: MaybeInt = UNSET


@frozen(kw_only=True, slots=False)
class OutputItemAdded:
    """A response has a new item, which is not whole yet."""

    type: ClassVar[Literal["response.output_item.added"]] = "response.output_item.added"
    item: OrUnset[Item] = required()
    output_index: MaybeInt = UNSET
    sequence_number: MaybeInt = UNSET


@frozen(kw_only=True, slots=False)
class OutputItemDone:
    """An item is whole. Of a function call, this is the one to act on."""

    type: ClassVar[Literal["response.output_item.done"]] = "response.output_item.done"
    item: OrUnset[Item] = required()
    output_index: MaybeInt = UNSET
    sequence_number: MaybeInt = UNSET


@frozen(kw_only=True, slots=False)
class OutputTextDelta:
    """More of what the backend writes, which the voice will say."""

    type: ClassVar[Literal["response.output_text.delta"]] = "response.output_text.delta"
    delta: OrUnset[str] = required()
    item_id: MaybeText = UNSET
    output_index: MaybeInt = UNSET
    content_index: MaybeInt = UNSET
    sequence_number: MaybeInt = UNSET


BackendEvent = Union[
    ResponseCreated,
    ResponseCompleted,
    ResponseFailed,
    ResponseIncomplete,
    OutputItemAdded,
    OutputItemDone,
    OutputTextDelta,
    Mapping[str, Any],
]
