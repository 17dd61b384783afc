"""From whatever there is of a session to a page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Optional, Protocol, Union, cast

from ..errors import ConfigurationError
from ..types import RecordingSource
from .page import MOST_AUDIO, report_page
from .timeline import Story
from .timeline_builder import timeline_of_recording, timeline_of_snapshot

if TYPE_CHECKING:
    from .. import Session, Snapshot, live


class WrittenPage(Protocol):
    """A recording under way, or finished."""

    path: Union[str, os.PathLike[str]]

    def flush(self) -> object:
        """Write what has come so far."""


Told = Union[
    WrittenPage,
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
            lines (text or decoded), a session or a snapshot of either protocol. A
            session that is not recorded, and a snapshot, have neither times nor audio.
        title: by default the name of the file or session.

    Raises:
        OSError: the file cannot be read.
        ConfigurationError: it is not a recording.
    """
    title = title or page_title(source)
    recording = _recording_for_page(source)
    if recording is not None:
        return timeline_of_recording(recording, title)
    snapshot = source.snapshot if hasattr(source, "snapshot") else source
    return timeline_of_snapshot(cast("Snapshot", snapshot), title)


def page_title(source: Told) -> str:
    """What a report is called that is given no title."""
    if hasattr(source, "snapshot"):
        return f"Session {cast('Session', source).name}"
    if hasattr(source, "flush") and hasattr(source, "path"):
        source = source.path
    if isinstance(source, (str, os.PathLike)):
        return Path(source).name
    return "Session" if hasattr(source, "transcript") else "Recording"


def recording_for_page(source: Told) -> RecordingSource:
    """
    The recording that there is of a session, written as far as it has come.

    Raises:
        ConfigurationError: there is none.
    """
    recording = _recording_for_page(source)
    if recording is None:
        raise ConfigurationError(
            f"{page_title(source)} is not recorded: session.record(path) keeps events "
            "and times"
        )
    return recording


def _recording_for_page(source: Told) -> Optional[RecordingSource]:
    if hasattr(source, "snapshot"):
        made = cast("Session", source).recording
        if made is None or made.error is not None or not Path(made.path).exists():
            return None
        source = cast(WrittenPage, made)
    if hasattr(source, "transcript"):
        return None
    if hasattr(source, "flush") and hasattr(source, "path"):
        source.flush()
        return source.path
    if isinstance(source, (str, os.PathLike)):
        return source
    return cast(RecordingSource, source)


def html(
    source: Told, *, title: Optional[str] = None, max_audio: int = MOST_AUDIO
) -> str:
    """
    A report as the text of an HTML page; see `tell` and `write`.
    """
    return report_page(tell(source, title=title), max_audio=max_audio)


def write(
    source: Told,
    path: Union[None, str, os.PathLike[str]] = None,
    *,
    title: Optional[str] = None,
    max_audio: int = MOST_AUDIO,
) -> Path:
    """
    Write a report: one HTML file that loads nothing, for desk and phone.

    Args:
        source: path of a recording, a `Recording`, lines of one, a `Session` or a
            `Snapshot`; see `tell`.
        path: is overwritten, unless it is the recording. By default it is the name of
            the session in the current folder, or beside a recording, with ``.html``.
        title: by default the name of the file or session.
        max_audio: bytes of audio to put in; what goes beyond is left out, and the
            page says so.

    Returns:
        The path.

    Raises:
        OSError: a file cannot be read or written.
        ConfigurationError: the source is not a recording, or is what would be
            overwritten.
    """
    target = _written_beside_page(source) if path is None else Path(path)
    recording = _recording_file_for_page(source)
    if recording and recording.exists() and target.exists():
        if recording.samefile(target):
            raise ConfigurationError(
                f"{target} is the recording itself: name another file for the report"
            )
    text = html(source, title=title, max_audio=max_audio)
    target.write_text(text, encoding="utf-8")
    return target


def _recording_file_for_page(source: Told) -> Optional[Path]:
    """File of a recording, or of what a session records to; None if there is none."""
    recorded: object = getattr(source, "recording", None) or source
    path = getattr(recorded, "path", recorded)
    return Path(path) if isinstance(path, (str, os.PathLike)) else None


def _written_beside_page(source: Told) -> Path:
    recording = (
        None if hasattr(source, "snapshot") else _recording_file_for_page(source)
    )
    if recording is not None:
        # Not by `with_suffix`, which is for files: that it is a folder is said later.
        return recording.parent / f"{recording.stem}.html"
    name = page_title(source)
    return Path("".join(c if c.isalnum() else "-" for c in name).lower() + ".html")
