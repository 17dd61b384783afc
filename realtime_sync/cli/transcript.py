"""A live transcript of two sides on a terminal."""

from __future__ import annotations

from ..protocol.escape import one_line
from .plain_screen import PlainScreen
from .screen import NOTE, SERVER, USER, Screen


class TerminalTranscript:
    """
    Shows who says what, as it comes.

    The server's words are shown as they arrive. They are held back while the
    words of the user that they answer are still to come, because recognition is
    often slower than the answer.

    Args:
        screen: where to show it; the standard output at the time of the call.
    """

    def __init__(self, screen: Screen | None = None) -> None:
        self._screen = screen or PlainScreen()
        self._held: list[str] | None = None

    def hold(self) -> None:
        """Hold the server's words back until the user's are shown."""
        if self._held is None:
            self._held = []

    def user(self, text: str) -> None:
        """Show what the user said, then what was held back."""
        self._screen.line(text.strip(), USER)
        self.release()

    def release(self) -> None:
        """Show what was held back."""
        held, self._held = self._held or [], None
        for piece in held:
            self.server(piece)

    def server(self, piece: str) -> None:
        """Show a piece of what the server says, or hold it back."""
        if self._held is not None:
            self._held.append(piece)
        else:
            self._screen.add(piece, SERVER)

    def note(self, text: str) -> None:
        """Show a line that nobody said."""
        self._screen.line(one_line(text), NOTE)

    def end(self) -> None:
        """End the server's line."""
        self._screen.end()
