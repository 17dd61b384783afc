"""The outcome of a response: words, sound, calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Optional

from attrs import field, frozen

from ..errors import (
    ResponseCancelled,
    ResponseError,
    ResponseFailed,
    ResponseIncomplete,
)
from ..state.final_text import whole_text
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
        text: what the model said, in text or as a transcript of its speech; of a
            model that reasons, the final answer.
        commentary: what such a model said on the way to it.
        audio: what it sounded like, or None.
        tool_calls: the function-call items, each once.
        status: final status; ``in_progress`` in the `partial` of a timeout.
        response: the response resource of `response.done`, or None before it; id and
            status alone where a server has said ``response.cancelled`` in its place.
        steps: the replies of all tool rounds, this one last.
    """

    text: str = ""
    commentary: str = ""
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


def raise_for_reply_status(reply: Reply) -> None:
    """
    Raise unless the response was completed.

    Raises:
        ResponseFailed: the server could not produce it.
        ResponseCancelled: it was cancelled.
        ResponseIncomplete: it was cut off.
    """
    if reply.status in ("completed", "in_progress"):
        return
    details = _member_of_reply(reply.response, "status_details")
    reason = _text_member_of_reply(details, "reason")
    if reply.status in _ENDINGS:
        error: type[ResponseError] = _ENDINGS[reply.status]
        raise error(
            redact(f"response {reply.id} ended {reply.status}")
            + (f" ({redact(reason)})" if reason else ""),
            response=reply.response,
            reply=reply,
        )
    cause = _member_of_reply(details, "error")
    code = _text_member_of_reply(cause, "code") or _text_member_of_reply(cause, "type")
    message = _text_member_of_reply(cause, "message")
    raise ResponseFailed(
        redact(
            f"response {reply.id} {reply.status}: "
            f"{message or code or reason or 'no reason given'}"
        ),
        response=reply.response,
        reply=reply,
        code=redact(code) if code else None,
        retryable=code in _RETRYABLE_FAILURES,
    )


@frozen
class Words:
    """
    What a response said.

    Attributes:
        text: the answer.
        commentary: what was said on the way to it.
    """

    text: str = ""
    commentary: str = ""


def words_of_reply(
    output: Optional[Iterable[object]], said: Mapping[Optional[str], str]
) -> Words:
    """
    What the messages among a response's output items say.

    Args:
        output: the items.
        said: what their deltas said, by item id.
    """
    messages = [each for each in output or () if _is_message_of_reply(each)]
    told: list[tuple[Optional[str], str]] = []
    for item in messages:
        text = "".join(
            _text_member_of_reply(part, "text")
            or _text_member_of_reply(part, "transcript")
            or ""
            for part in getattr(item, "content", None) or ()
        )
        pieces = said.get(getattr(item, "id", None), "")
        if len(said) == len(messages) == 1:
            (pieces,) = said.values()  # Of a server that names no items.
        told.append((_text_member_of_reply(item, "phase"), whole_text(pieces, text)))
    return reply_by_phase(told)


def reply_by_phase(told: Iterable[tuple[Optional[str], str]]) -> Words:
    """
    Tell an answer from what was said on the way to it.

    Args:
        told: phase and text of each message, in order.
    """
    told = tuple(told)
    answer = [text for phase, text in told if phase in (None, "final_answer")]
    rest = [text for phase, text in told if phase not in (None, "final_answer")]
    return Words("".join(answer), "".join(rest))


def _is_message_of_reply(item: object) -> bool:
    return getattr(item, "role", None) != "user" and bool(
        getattr(item, "content", None)
    )


def _member_of_reply(value: object, name: str) -> Any:
    """A field of an object or a mapping; None for whatever is empty."""
    if isinstance(value, Mapping):
        return value.get(name) or None
    return getattr(value, name, None) or None


def _text_member_of_reply(value: object, name: str) -> Optional[str]:
    if isinstance(value, str):
        return value if name == "reason" else None
    found = _member_of_reply(value, name)
    return found if isinstance(found, str) and found else None
