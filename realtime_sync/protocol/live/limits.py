"""What the service takes at most of what was said before."""

from __future__ import annotations

from typing import Final

HISTORY_TOKENS: Final = 8192
"""Of all messages that a session starts with, together."""

HISTORY_MESSAGES: Final = 128
"""How many messages a session may start with."""
