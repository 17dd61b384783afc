"""From whatever there is of a session to a page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Optional, Protocol, Union, cast

from ..types import RecordingSource
from .page import MOST_AUDIO, page
from .reading import from_recording, from_snapshot
from .timeline import Story

if TYPE_CHECKING:
    from .. import Session, Snapshot, live


class Written(Protocol):
    """A recording under way, or finished."""

    path: Union[str, os.PathLike[str]]

    def flush(self) -> object:
        """Write what has come so far."""


Told = Union[
    Written,
    "Session",
    "Snapshot",
    "live.LiveSession",
    "live.LiveSnapshot",
    RecordingSource,
]
"""What a report can be made of."""


def tell(source: Told, *, title: Optional[str] = None) -> Story:
    """
    Read what happened.

    Args:
        source: path of a recording, the `Recording` under way or finished, its
            lines (text or decoded), a session or a snapshot of either protocol. The
            last two have neither times nor audio.
        title: by default the name of the file or session.

    Raises:
        OSError: the file cannot be read.
        ConfigurationError: it is not a recording.
    """
    if hasattr(source, "flush") and hasattr(source, "path"):
        source.flush()
        source = source.path
    if hasattr(source, "snapshot"):
        session = cast("Session", source)
        return from_snapshot(session.snapshot, title or f"Session {session.name}")
    if hasattr(source, "transcript"):
        return from_snapshot(cast("Snapshot", source), title or "Session")
    if isinstance(source, (str, os.PathLike)):
        return from_recording(source, title or Path(source).name)
    return from_recording(list(source), title or "Recording")


def html(
    source: Told, *, title: Optional[str] = None, max_audio: int = MOST_AUDIO
) -> str:
    """
    A report as the text of an HTML page; see `tell` and `write`.
    """
    return page(tell(source, title=title), max_audio=max_audio)


def write(
    source: Told,
    path: Union[str, os.PathLike[str]],
    *,
    title: Optional[str] = None,
    max_audio: int = MOST_AUDIO,
) -> Path:
    """
    Write a report: one HTML file that loads nothing, for desk and phone.

    Args:
        source: path of a recording, a `Recording`, lines of one, a `Session` or a
            `Snapshot`; see `tell`.
        path: is overwritten.
        title: by default the name of the file or session.
        max_audio: bytes of audio to put in; what goes beyond is left out, and the
            page says so.

    Returns:
        The path.

    Raises:
        OSError: a file cannot be read or written.
        ConfigurationError: the source is not a recording.
    """
    target = Path(path)
    text = html(source, title=title, max_audio=max_audio)
    target.write_text(text, encoding="utf-8")
    return target
