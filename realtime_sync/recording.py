"""
Record a session to JSON lines.

One line per frame: ``{"t": seconds, "dir": "in" | "out", "frame": {...}}``, after
a first line that says what the file is. Version 1 of the format; the frames are
as on the wire, but for secrets, which are replaced, and for audio if it is left
out.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from time import monotonic, time
from typing import TYPE_CHECKING, Any, Optional, TextIO, Union

from .redaction import redact

if TYPE_CHECKING:
    from .session import Session

FORMAT = "realtime-sync-recording"
VERSION = 1
REDACTED = "<redacted>"

_ALWAYS_SECRET = frozenset({"authorization", "api_key"})
_TOLD = frozenset({"message", "error"})
"""Words of the server, which may say our key back."""

_AUDIO_KEYS = frozenset({"audio"})


class Recording:
    """
    A recording under way; made by `Session.record`.

    Usable as a context manager. Ends with the session at the latest.

    Attributes:
        path: the file.
        lines: how many frames have been written.
    """

    def __init__(
        self,
        session: Session,
        path: Union[str, os.PathLike[str]],
        *,
        audio: bool = True,
    ) -> None:
        self.path = Path(path)
        self.lines = 0
        self._audio = audio
        self._session = session
        # Guards the file: commands and events come from different threads.
        self._lock = Lock()
        self._file: Optional[TextIO] = self.path.open("w", encoding="utf-8")
        self._start = monotonic()
        wiring = session._wiring
        self._write(
            {
                "format": FORMAT,
                "version": VERSION,
                "started": time(),
                "dialect": wiring.dialect,
                "session_type": wiring.options.session_type,
            }
        )
        wiring.sender.taps += (self._tap,)

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Finish the file. Any number of times, from any thread."""
        sender = self._session._wiring.sender
        sender.taps = tuple(tap for tap in sender.taps if tap != self._tap)
        with self._lock:
            file, self._file = self._file, None
        if file is not None:
            file.close()

    def _tap(self, direction: str, frame: Any) -> None:
        """Called with every frame; with None at the end of the session."""
        if frame is None:
            self.close()
            return
        line = {
            "t": round(monotonic() - self._start, 6),
            "dir": direction,
            "frame": redacted(frame, audio=self._audio),
        }
        self._write(line)
        self.lines += 1

    def _write(self, line: Mapping[str, Any]) -> None:
        text = json.dumps(line, ensure_ascii=False, separators=(",", ":"))
        with self._lock:
            if self._file is not None:
                self._file.write(text + "\n")
                self._file.flush()


def redacted(value: Any, *, audio: bool = True) -> Any:
    """
    A copy of a frame without secrets, and without audio if it is unwanted.

    Args:
        value: decoded JSON.
        audio: keep base64 audio.
    """
    if isinstance(value, Mapping):
        return {
            key: _redact_field(key, each, value, audio) for key, each in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [redacted(each, audio=audio) for each in value]
    return value


def _redact_field(key: str, value: Any, owner: Mapping[str, Any], audio: bool) -> Any:
    if key in _ALWAYS_SECRET and value is not None:
        return REDACTED
    if key == "headers" and "server_label" in owner and isinstance(value, Mapping):
        return {name: REDACTED for name in value}
    if key == "client_secret" and isinstance(value, Mapping):
        return {k: (REDACTED if k == "value" else v) for k, v in value.items()}
    if key in _TOLD and isinstance(value, str):
        return redact(value)
    if not audio and isinstance(value, str) and _is_audio(key, owner):
        return ""
    return redacted(value, audio=audio)


def _is_audio(key: str, owner: Mapping[str, Any]) -> bool:
    if key in _AUDIO_KEYS:
        return True
    kind = owner.get("type")
    return key == "delta" and isinstance(kind, str) and kind.endswith("audio.delta")
