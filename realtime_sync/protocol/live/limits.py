"""What the service takes at most."""

from __future__ import annotations

from typing import Final

INSTRUCTION_TOKENS: Final = 16_384
"""Of the instructions that a session starts with."""

HISTORY_TOKENS: Final = 8192
"""Of all messages that a session starts with, together."""

HISTORY_MESSAGES: Final = 128
"""How many messages a session may start with."""

APPEND_TOKENS: Final = 500
"""Of one note, instruction or commentary."""

BYTES_PER_TOKEN: Final = 2
"""Of text, in UTF-8. The true figure is larger, so that nothing is refused."""

FIXTURE_BYTES: Final = 30 * 48_000
"""Of a recording that is played in the place of the model: 24 kHz PCM16."""

QUEUED_ITEMS: Final = 128
"""Items that wait for the backend."""

QUEUED_BYTES: Final = 32_768
"""Of these, together; what is more is refused, and its call stays open."""
