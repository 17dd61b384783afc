"""What an answer of the model came to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from attrs import field, frozen

from ..errors import (
    ResponseCancelled,
    ResponseError,
    ResponseFailed,
    ResponseIncomplete,
)
from ..transport.redaction import redact
from .audio import Audio

_RETRYABLE_FAILURES = frozenset(
    {"rate_limit_exceeded", "inference_rate_limit_exceeded", "server_error"}
)
_ENDINGS = {"cancelled": ResponseCancelled, "incomplete": ResponseIncomplete}


@frozen(kw_only=True)
class Reply:
    """
    The outcome of a response.

    Attributes:
        text: what the model said, in text or as a transcript of its speech.
        audio: what it sounded like, or None.
        tool_calls: the function-call items, each once.
        status: final status; ``in_progress`` in the `partial` of a timeout.
        response: the response resource of `response.done`, or None before it.
        steps: the replies of all tool rounds, this one last.
    """

    text: str = ""
    audio: Optional[Audio] = None
    tool_calls: tuple[Any, ...] = ()
    status: str = "in_progress"
    response: Any = field(default=None, repr=False)
    steps: tuple[Reply, ...] = field(default=(), repr=False)

    @property
    def usage(self) -> Any:
        """Tokens that the response took, or None."""
        return getattr(self.response, "usage", None) or None

    @property
    def id(self) -> Optional[str]:
        """The response's id, or None."""
        return getattr(self.response, "id", None) or None

    def __str__(self) -> str:
        return self.text


def raise_for_status(reply: Reply) -> None:
    """
    Raise unless the response was completed.

    Raises:
        ResponseFailed: the server could not produce it.
        ResponseCancelled: it was cancelled.
        ResponseIncomplete: it was cut off.
    """
    if reply.status in ("completed", "in_progress"):
        return
    details = _part(reply.response, "status_details")
    reason = _field(details, "reason")
    if reply.status in _ENDINGS:
        error: type[ResponseError] = _ENDINGS[reply.status]
        raise error(
            redact(f"response {reply.id} ended {reply.status}")
            + (f" ({redact(reason)})" if reason else ""),
            response=reply.response,
            reply=reply,
        )
    cause = _part(details, "error")
    code = _field(cause, "code") or _field(cause, "type")
    raise ResponseFailed(
        redact(
            f"response {reply.id} {reply.status}: "
            f"{_field(cause, 'message') or code or reason or 'no reason given'}"
        ),
        response=reply.response,
        reply=reply,
        code=redact(code) if code else None,
        retryable=code in _RETRYABLE_FAILURES,
    )


def output_text(output: Any) -> str:
    """
    What the messages among a response's output items say.
    """
    pieces = []
    for item in output or ():
        if getattr(item, "role", None) == "user":
            continue
        for part in getattr(item, "content", None) or ():
            pieces.append(_field(part, "text") or _field(part, "transcript") or "")
    return "".join(pieces)


def _part(value: Any, name: str) -> Any:
    """A field of an object or a mapping; None for whatever is empty."""
    if isinstance(value, Mapping):
        return value.get(name) or None
    return getattr(value, name, None) or None


def _field(value: Any, name: str) -> Optional[str]:
    if isinstance(value, str):
        return value if name == "reason" else None
    found = _part(value, name)
    return found if isinstance(found, str) and found else None
