"""Commands that were given while there was no connection."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from threading import RLock
from typing import Optional

from ..errors import ConnectionLost
from .command_handle import CommandOfHandle


class HeldCommands:
    """
    Holds commands for the next connection; any thread.

    Args:
        limit: most commands that are held, audio apart.
        audio_bytes: microphone audio to keep, the latest; 0 drops it all.
        order: guards the queues and whether they still take commands; it is the
            lock under which commands take their place on the way out.

    Attributes:
        dropped_audio_bytes: microphone audio that was not kept.
    """

    def __init__(self, limit: int, audio_bytes: int, order: RLock) -> None:
        self._lock = order
        self._limit = limit
        self._audio_budget = audio_bytes
        self._commands: deque[CommandOfHandle] = deque()
        self._audio: deque[CommandOfHandle] = deque()
        self._audio_bytes = 0
        self._open = True
        self.dropped_audio_bytes = 0

    def hold(self, command: CommandOfHandle) -> bool:
        """
        Keep a command for the next connection. The caller has the lock.

        Returns:
            False when a connection has come: send it there.

        Raises:
            ConnectionLost: too many wait already.
        """
        if not self._open:
            return False
        size = _held_audio_size(command)
        if size is not None:
            self._commands.append(command)
            self._audio.append(command)
            self._audio_bytes += size
            self._drop_oldest_audio()
        elif len(self._commands) - len(self._audio) >= self._limit:
            raise ConnectionLost(
                f"{self._limit} commands wait for a new connection already",
                code=1006,
            )
        else:
            self._commands.append(command)
        return True

    def take(self) -> list[CommandOfHandle]:
        """The commands kept so far; when there are none, no more are held."""
        with self._lock:
            commands = self._empty()
            # In the step that finds nothing: a command that is added after it would
            # wait for a connection that is there already.
            if not commands:
                self._open = False
        return commands

    def put_back(self, commands: Sequence[CommandOfHandle]) -> None:
        """Hold again, before all others, what could not be sent after all."""
        with self._lock:
            # Before those that came meanwhile: the server must get them in the order in
            # which they were given, or a commit comes before its audio.
            self._commands.extendleft(reversed(commands))
            sizes = [(command, _held_audio_size(command)) for command in commands]
            audio = [command for command, size in sizes if size is not None]
            self._audio.extendleft(reversed(audio))
            self._audio_bytes += sum(size or 0 for _, size in sizes)

    def end(self) -> list[CommandOfHandle]:
        """No connection will come: the commands in vain."""
        with self._lock:
            # In one step: who comes after it is refused and told of the loss, and who
            # came before it is among those that are given back.
            self._open = False
            return self._empty()

    def _empty(self) -> list[CommandOfHandle]:
        commands = list(self._commands)
        self._commands.clear()
        self._audio.clear()
        self._audio_bytes = 0
        return commands

    def _drop_oldest_audio(self) -> None:
        while self._audio_bytes > self._audio_budget:
            oldest = self._audio.popleft()
            size = _held_audio_size(oldest) or 0
            self._audio_bytes -= size
            self.dropped_audio_bytes += size
            _remove_held_command(self._commands, oldest)


def _held_audio_size(command: CommandOfHandle) -> Optional[int]:
    """Bytes of the audio that a command appends, or None for any other."""
    audio = getattr(command, "audio", None)
    return len(audio) if isinstance(audio, bytes) else None


def _remove_held_command(
    commands: deque[CommandOfHandle], gone: CommandOfHandle
) -> None:
    """Take one object out; comparing commands would compare their audio."""
    place = next(n for n, command in enumerate(commands) if command is gone)
    del commands[place]
