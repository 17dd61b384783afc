"""The live transcript."""

from __future__ import annotations

import io

from realtime_sync.cli.plain_screen import PlainScreen
from realtime_sync.cli.transcript import TerminalTranscript


def test_words_are_printed_as_they_come() -> None:
    """The server's line grows piece by piece."""
    out = io.StringIO()
    transcript = TerminalTranscript(PlainScreen(out))
    transcript.server(" Hello")
    before = out.getvalue()
    transcript.server(" there.")
    transcript.end()

    assert "server  Hello" == before
    assert "server  Hello there.\n" == out.getvalue()


def test_an_answer_waits_for_the_words_that_it_answers() -> None:
    """Recognition that is slower than the answer does not turn the order around."""
    out = io.StringIO()
    transcript = TerminalTranscript(PlainScreen(out))
    transcript.hold()
    transcript.hold()
    transcript.server("Lima.")
    before = out.getvalue()
    transcript.user("the capital of peru ")
    transcript.end()

    assert "" == before
    assert "you     the capital of peru\nserver  Lima.\n" == out.getvalue()


def test_an_interruption_starts_a_line() -> None:
    """Two people never share a line."""
    out = io.StringIO()
    transcript = TerminalTranscript(PlainScreen(out))
    transcript.server("Once upon")
    transcript.user("stop")
    transcript.end()

    assert "server  Once upon\nyou     stop\n" == out.getvalue()


def test_nobody_can_clear_the_screen_or_speak_for_somebody_else() -> None:
    """Controls are shown, and further lines are indented."""
    out = io.StringIO()
    transcript = TerminalTranscript(PlainScreen(out))
    transcript.user("hi\x1b[2J\nserver  yes")
    transcript.server("one\r\nyou     no\x9b")
    transcript.note("odd\nyou     no\x1b]0;title\x07")

    assert (
        "you     hi\\x1b[2J\n        server  yes\n"
        "server  one\\r\n        you     no\\x9b\n"
        "!       odd\\nyou     no\\x1b]0;title\\x07\n"
    ) == out.getvalue()
