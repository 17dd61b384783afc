"""
Text from outside, made harmless for the place where it comes out.

Whatever a server or a caller says may hold what a terminal obeys, what forges a
line of a log, or what reverses the order of letters. Here it becomes visible.
"""

from __future__ import annotations

import re

# Controls of both ranges, ends of lines and paragraphs, what embeds, overrides or
# isolates a direction of writing, and halves of pairs, which no encoding takes.
_UNSAFE = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff"
)
_IN_TEXT = re.compile(f"[{_UNSAFE}]")
_IN_LINE = re.compile(f"[{_UNSAFE}\t\n]")
_SHORT = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}


def terminal_text(text: str) -> str:
    """
    The same text for a terminal: line feeds and tabs stay, other controls are shown.
    """
    return _IN_TEXT.sub(_visible_escape, text)


def one_line(text: str) -> str:
    """
    The same text in one line, for a log or a message: every control is shown.
    """
    return _IN_LINE.sub(_visible_escape, text)


def json_text(text: str) -> str:
    """
    The same JSON with controls as escapes of JSON, which mean the same.
    """
    return _IN_TEXT.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _visible_escape(found: re.Match[str]) -> str:
    mark = found[0]
    code = ord(mark)
    return _SHORT.get(mark) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")
