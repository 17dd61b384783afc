"""Text from outside, shown instead of obeyed."""

from __future__ import annotations

import json

import pytest

from realtime_sync.errors import CommandRejected, ConnectFailed, WaitTimeout
from realtime_sync.protocol.escape import json_text, one_line, terminal_text

SHOWN = [
    ("\x1b[2J", r"\x1b[2J"),
    ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
    ("\x9b2J", r"\x9b2J"),
    ("a\rb", r"a\rb"),
    ("\x08\x7f\x00", r"\x08\x7f\x00"),
    ("\u202egnp.exe", r"\u202egnp.exe"),
    ("\u2066a\u2069", r"\u2066a\u2069"),
    ("a\u2028b\x85c\x0bd", r"a\u2028b\x85c\x0bd"),
    ("half \ud83d", r"half \ud83d"),
]


@pytest.mark.parametrize(("text", "shown"), SHOWN)
def test_what_a_terminal_obeys_is_shown(text: str, shown: str) -> None:
    """On a terminal and in a log alike."""
    assert shown == terminal_text(text) == one_line(text)


@pytest.mark.parametrize("text", ["Zoë", "日本", "שלום", "👩\u200d🚀", r"C:\new", "%s"])
def test_other_text_stays_as_it_is(text: str) -> None:
    """Joiners of emoji and the backslash among it."""
    assert text == terminal_text(text) == one_line(text) == json_text(text)


def test_prose_keeps_its_lines_and_a_log_line_does_not() -> None:
    """A terminal shows paragraphs; a second line of a log would be forged."""
    assert "a\n\tb" == terminal_text("a\n\tb")
    assert r"a\n\tb" == one_line("a\n\tb")


@pytest.mark.parametrize("text", [text for text, _ in SHOWN])
def test_json_keeps_its_meaning(text: str) -> None:
    """A program reads what was said, a terminal obeys nothing of it."""
    written = json_text(json.dumps({"a": text}, ensure_ascii=False))

    assert {"a": text} == json.loads(written)
    assert written == one_line(written)


@pytest.mark.parametrize("kind", [CommandRejected, ConnectFailed, WaitTimeout])
def test_text_of_an_error_is_one_line(kind: type[Exception]) -> None:
    """Wherever a program prints it, in a traceback too."""
    assert r"no\x1b[2J\nINFO forged" == str(kind("no\x1b[2J\nINFO forged"))
