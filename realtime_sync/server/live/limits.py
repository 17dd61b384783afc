"""
What a GPT-Live session takes at most, and how its tokens are counted.
"""

from __future__ import annotations

import math
from typing import Any, Final, Mapping, Sequence

from ...protocol.live.limits import HISTORY_MESSAGES, HISTORY_TOKENS
from ..engine.refusal import Refusal

FRAME_MS: Final = 100
"""Of output in one frame, and the step of the clock."""
GRID_MS: Final = 200
"""Transcripts come in stretches of this length; so do a sideband's audio frames."""
USAGE_MS: Final = 15_000
"""Between two reports of usage."""
USAGE_LAG_MS: Final = 1000
"""A report says what was used so long ago."""
CONTEXT_TOKENS: Final = 128_000
INSTRUCTIONS_TOKENS: Final = 16_384
APPEND_TOKENS: Final = 500
PENDING_APPENDS: Final = 64
QUEUED_ITEMS: Final = 128
QUEUED_BYTES: Final = 32_768
FIXTURE_BYTES: Final = 30 * 24_000 * 2
SIDEBANDS: Final = 8
SPEECH_MS: Final = 600_000
"""Of speech that waits to be heard."""
KEPT_CALLS: Final = 1000
"""Calls of the backend, and works of the client's, that are remembered."""
DECISION_ITEMS: Final = 1000
DECISIONS: Final = 100_000
"""That a client may ask for in one session: each id is remembered."""
DRAIN_SECONDS: Final = 10.0
REFUSED_SECONDS: Final = 2.0
"""After a start that was refused, until the socket is closed."""

_CHARACTERS: Final = 3.6
"""In a token: 1,756 characters were taken as an append, 1,900 were not."""
_MESSAGE_TOKENS: Final = 4
"""What a message costs beside its text."""


def tokens_for_limit(text: str) -> int:
    """Count the tokens of a text, by a rule: there is no tokenizer here."""
    return math.ceil(len(text) / _CHARACTERS)


def message_tokens_for_limit(message: Mapping[str, Any]) -> int:
    """Count the tokens of a message of the history."""
    return _MESSAGE_TOKENS + sum(
        tokens_for_limit(part["text"]) for part in message["content"]
    )


def check_instructions_limit(text: str) -> None:
    """
    Hold instructions against their limit.

    Raises:
        Refusal: they are longer.
    """
    if tokens_for_limit(text) > INSTRUCTIONS_TOKENS:
        raise Refusal(
            f"Instructions must not exceed {INSTRUCTIONS_TOKENS} tokens.",
            code="invalid_value",
            param="session.instructions",
        )


def check_append_limit(text: str) -> None:
    """
    Hold text that is appended to the context against its limit.

    Raises:
        Refusal: it is longer.
    """
    if tokens_for_limit(text) > APPEND_TOKENS:
        raise Refusal(
            f"Context append text must not exceed {APPEND_TOKENS} tokens.",
            code="invalid_value",
            param="content",
        )


def check_history_limit(messages: Sequence[Mapping[str, Any]]) -> None:
    """
    Hold the history that a session begins with against its limits.

    Raises:
        Refusal: it is longer, by messages or by tokens.
    """
    if len(messages) > HISTORY_MESSAGES:
        raise Refusal(
            f"Session input must not exceed {HISTORY_MESSAGES} messages.",
            code="invalid_value",
            param="session.input",
        )
    if sum(map(message_tokens_for_limit, messages)) > HISTORY_TOKENS:
        raise Refusal(
            f"Session input must not exceed {HISTORY_TOKENS} tokens.",
            code="invalid_value",
            param="session.input",
        )
