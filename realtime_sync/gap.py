"""Commands that were given while there was no connection."""

from __future__ import annotations

from collections import deque
from threading import Lock
from typing import Any

from .errors import ConnectionLost


class Gap:
    """
    Holds commands for the next connection; any thread.

    Args:
        limit: most commands that are held, audio apart.
        audio_bytes: microphone audio to keep, the latest; 0 drops it all.
    """

    def __init__(self, limit: int, audio_bytes: int) -> None:
        # Guards the queue and whether it still takes commands.
        self._lock = Lock()
        self._limit = limit
        self._audio_budget = audio_bytes
        self._commands: deque[Any] = deque()
        self._audio_bytes = 0
        self._commanded = 0
        self._open = True
        self.dropped_audio_bytes = 0

    def hold(self, command: Any) -> bool:
        """
        Keep a command for the next connection.

        Returns:
            False when there is a connection again: send it there.

        Raises:
            ConnectionLost: too many wait already.
        """
        audio = getattr(command, "audio", None)
        with self._lock:
            if not self._open:
                return False
            if isinstance(audio, bytes):
                self._hold_audio(command, len(audio))
            elif self._commanded >= self._limit:
                raise ConnectionLost(
                    f"{self._limit} commands wait for a new connection already",
                    code=1006,
                )
            else:
                self._commanded += 1
                self._commands.append(command)
        return True

    def take(self) -> list[Any]:
        """The commands kept so far; when there are none, the gap is over."""
        with self._lock:
            commands = list(self._commands)
            self._commands.clear()
            self._audio_bytes = self._commanded = 0
            if not commands:
                self._open = False
        return commands

    def _hold_audio(self, command: Any, size: int) -> None:
        self._commands.append(command)
        self._audio_bytes += size
        while self._audio_bytes > self._audio_budget:
            oldest = next(c for c in self._commands if hasattr(c, "audio"))
            self._commands.remove(oldest)
            self._audio_bytes -= len(oldest.audio)
            self.dropped_audio_bytes += len(oldest.audio)
