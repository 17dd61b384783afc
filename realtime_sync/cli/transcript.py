"""A live transcript of two sides on a terminal."""

from __future__ import annotations

import sys
from typing import TextIO

from ..protocol.escape import one_line, terminal_text

USER = "you   "
SERVER = "server"


class LiveTranscript:
    """
    Prints who says what, as it comes.

    The server's words are printed as they arrive. They are held back while the
    words of the user that they answer are still to come, because recognition is
    often slower than the answer.

    Args:
        out: where to print; the standard output at the time of the call.
    """

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._held: list[str] | None = None
        self._open = False

    def hold(self) -> None:
        """Hold the server's words back until the user's are printed."""
        if self._held is None:
            self._held = []

    def user(self, text: str) -> None:
        """Print what the user said, then what was held back."""
        self.end()
        self._print(f"{USER}  {_hanging(text.strip())}\n")
        self.release()

    def release(self) -> None:
        """Print what was held back."""
        held, self._held = self._held or [], None
        for piece in held:
            self.server(piece)

    def server(self, piece: str) -> None:
        """Print a piece of what the server says, or hold it back."""
        if self._held is not None:
            self._held.append(piece)
            return
        if not self._open:
            self._print(f"{SERVER}  ")
            piece = piece.lstrip()
            self._open = True
        self._print(_hanging(piece))

    def note(self, text: str) -> None:
        """Print a line that nobody said."""
        self.end()
        self._print(f"!       {one_line(text)}\n")

    def end(self) -> None:
        """End the server's line."""
        if self._open:
            self._print("\n")
            self._open = False

    def _print(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


def _hanging(words: str) -> str:
    """Words whose further lines cannot be taken for somebody else's."""
    return terminal_text(words).replace("\n", "\n" + " " * (len(USER) + 2))
