"""
Pages for a browser: talk, watch running calls, step through a recording.

Needs the extra ``web``; importing it loads none of those packages, the name that
needs one does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import names_of_extra

if TYPE_CHECKING:
    from .board import Board
    from .channel import Channel
    from .conversation import Talking
    from .debug import Debugger
    from .host import Answer, Asked, WebHost
    from .modules import bundled
    from .static_files import static_text
    from .talk import add_talk, serve

__all__ = [
    "Answer",
    "Asked",
    "Board",
    "Channel",
    "Debugger",
    "Talking",
    "WebHost",
    "add_talk",
    "bundled",
    "serve",
    "static_text",
]

_HOMES = {
    "Answer": "host",
    "Asked": "host",
    "Board": "board",
    "Channel": "channel",
    "Debugger": "debug",
    "Talking": "conversation",
    "WebHost": "host",
    "add_talk": "talk",
    "bundled": "modules",
    "serve": "talk",
    "static_text": "static_files",
}


if not TYPE_CHECKING:  # A checker knows the names, and finds misspelt ones.
    __getattr__ = names_of_extra(
        __name__, _HOMES, needs=("werkzeug", "websockets"), extra="web", what="a page"
    )


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
