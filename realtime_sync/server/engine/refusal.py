"""
The error catalogue: every way in which the engine refuses a command.

A `Refusal` is raised by the code that finds the fault and becomes one ``error``
event; the session goes on, and nothing of the refused command has taken effect.
"""

from __future__ import annotations

from typing import Any, Iterable, Optional


class Refusal(Exception):
    """
    A client's command that is not carried out.

    Attributes:
        code, message, param, type: as they stand in the ``error`` event.
    """

    def __init__(
        self,
        message: str,
        *,
        code: Optional[str] = None,
        param: Optional[str] = None,
        type: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param
        self.type = type

    def event(self, command_id: object) -> dict[str, Any]:
        """Build the ``error`` event that answers the command *command_id*."""
        return {
            "type": "error",
            "error": {
                "type": self.type,
                "code": self.code,
                "message": self.message,
                "param": self.param,
                "event_id": command_id if isinstance(command_id, str) else None,
            },
        }


def refusal_choices(values: Iterable[object]) -> str:
    """Spell a choice: ``'a'``, ``'a' and 'b'``, ``'a', 'b', and 'c'``."""
    quoted = [f"'{value}'" for value in values]
    if len(quoted) <= 2:
        return " and ".join(quoted)
    return ", ".join(quoted[:-1]) + ", and " + quoted[-1]


def refuse_invalid_value(
    value: object, supported: Iterable[object], param: str
) -> Refusal:
    """Refuse a value that is not among those supported."""
    choices = refusal_choices(supported)
    return Refusal(
        f"Invalid value: '{value}'. Supported values are: {choices}.",
        code="invalid_value",
        param=param,
    )


def refuse_missing(param: str) -> Refusal:
    """Refuse a command that lacks a field it must have."""
    return Refusal(
        f"Missing required parameter: '{param}'.",
        code="missing_required_parameter",
        param=param,
    )


def refuse_unknown_parameter(param: str) -> Refusal:
    """Refuse a command with a field that the protocol does not have."""
    return Refusal(
        f"Unknown parameter: '{param}'.", code="unknown_parameter", param=param
    )


def refuse_invalid_json(detail: str) -> Refusal:
    """Refuse a text message that is not JSON, or not an object."""
    return Refusal(
        f"Invalid event: failed to parse JSON value. {detail}", code="invalid_json"
    )


def refuse_binary_message() -> Refusal:
    """Refuse a binary WebSocket message."""
    return Refusal(
        "Expected a text WebSocket message; binary frames are not supported.",
        code="invalid_event",
    )


def refuse_missing_item(verb: str, item_id: str) -> Refusal:
    """Refuse to retrieve or delete an item that is not there."""
    gerund = {"delete": "deleting", "retrieve": "retrieving"}[verb]
    return Refusal(
        f"Error {gerund} item: the item with id '{item_id}' does not exist.",
        code=f"item_{verb}_invalid_item_id",
    )


def refuse_truncate_of_missing(item_id: str) -> Refusal:
    """Refuse to truncate an item that is not there."""
    return Refusal(
        f"Item with item_id not found: {item_id}", code="item_truncate_invalid_item_id"
    )


def refuse_truncate_of_no_audio() -> Refusal:
    """Refuse to truncate what is not the assistant's audio, or to nothing."""
    return Refusal(
        "Only model output audio messages can be truncated",
        code="unsupported_content_type",
    )


def refuse_truncate_too_long(audio_ms: int, audio_end_ms: int) -> Refusal:
    """Refuse to truncate behind the end of the audio."""
    return Refusal(
        f"Audio content of {audio_ms}ms is already shorter than {audio_end_ms}ms",
        code="invalid_value",
        param="audio_end_ms",
    )


def refuse_missing_predecessor(item_id: str) -> Refusal:
    """Refuse to insert an item after one that is not there."""
    return Refusal(
        f"Previous item with id '{item_id}' does not exist.",
        code="invalid_value",
        param="previous_item_id",
    )


def refuse_empty_commit(buffered_ms: float) -> Refusal:
    """Refuse to commit less than 100 ms of audio."""
    return Refusal(
        "Error committing input audio buffer: buffer too small. Expected at least "
        f"100ms of audio, but buffer only has {buffered_ms:.2f}ms of audio.",
        code="input_audio_buffer_commit_empty",
    )


def refuse_to_cancel_nothing() -> Refusal:
    """Refuse to cancel when no response is active."""
    return Refusal(
        "Cancellation failed: no active response found",
        code="response_cancel_not_active",
    )


def refuse_second_active_response(response_id: str) -> Refusal:
    """Refuse a second response that would write to the conversation."""
    return Refusal(
        "Conversation already has an active response in progress: "
        f"{response_id}. Wait until the response is finished before creating a "
        "new one.",
        code="conversation_already_has_active_response",
    )


def refuse_locked_voice() -> Refusal:
    """Refuse another voice once the conversation holds assistant audio."""
    return Refusal(
        "Cannot update a conversation's voice if assistant audio is present.",
        code="cannot_update_voice",
    )


def refuse_wrong_session_type(passed: str, session_type: str) -> Refusal:
    """Refuse an update for another type of session."""
    return Refusal(
        f"Passing a {passed} session update event to a {session_type} session is "
        "not allowed.",
        code="invalid_parameter",
        param="",
    )


def refuse_missing_call(call_id: str, param: str) -> Refusal:
    """Refuse the output of a call that is not there."""
    return Refusal(
        f"Tool call ID '{call_id}' not found in conversation.",
        code="invalid_tool_call_id",
        param=param,
    )


def refuse_not_transcribable(what: str, param: str) -> Refusal:
    """Refuse a setting that the transcription model does not have."""
    return Refusal(
        f"{what} is not supported for this transcription model.", param=param
    )


def refuse_full_conversation(limit: str) -> Refusal:
    """Refuse an item for which there is no room."""
    return Refusal(
        f"The conversation is full: it holds {limit}.", code="rate_limit_exceeded"
    )


def refuse_expired_session(minutes: int) -> Refusal:
    """Say that the session's time is up."""
    return Refusal(
        f"Your session hit the maximum duration of {minutes} minutes.",
        code="session_expired",
    )
