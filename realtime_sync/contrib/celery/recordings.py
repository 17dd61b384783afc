"""Recordings of calls, in a folder or wherever fsspec can write."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import TYPE_CHECKING, Optional

from ...errors import ConfigurationError, install_command

if TYPE_CHECKING:
    from .call import AnySession

_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,100}")


def recording_file_name(call_id: str) -> str:
    """A name for a call's file; ids that are no names of files get another."""
    if not _PLAIN.fullmatch(call_id):
        call_id = sha256(call_id.encode()).hexdigest()
    return f"{call_id}.jsonl"


def check_recording_place(place: Optional[str]) -> None:
    """Refuse, where it is asked for, what cannot be written to."""
    if place is not None and "://" in place:
        try:
            import fsspec
        except ImportError:
            raise ConfigurationError(
                f"to record to {place} takes fsspec: {install_command('celery')}"
            ) from None
        try:
            fsspec.get_filesystem_class(place.partition("://")[0])
        except (ImportError, ValueError) as exc:
            raise ConfigurationError(f"nothing can be written to {place}: {exc}")


def check_recording_folder(place: Optional[str]) -> None:
    """
    Refuse a folder of this machine that cannot be written to.

    Raises:
        ConfigurationError: it cannot.
    """
    if place is None or "://" in place:
        return
    try:
        Path(place).mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=place):
            return
    except OSError as exc:
        raise ConfigurationError(f"nothing can be recorded to {place}: {exc}") from exc


@contextmanager
def recorded_call(
    session: AnySession, place: Optional[str], call_id: str
) -> Iterator[Optional[str]]:
    """
    Record a session while something goes on; gives where that is.

    What goes to a URL is written on this machine first, and copied at the end.

    Raises:
        OSError: it cannot be written.
    """
    if place is None:
        yield None
        return
    name = recording_file_name(call_id)
    if "://" not in place:
        folder = Path(place)
        folder.mkdir(parents=True, exist_ok=True)
        with session.record(folder / name):
            yield str(folder / name)
        return
    from fsspec.core import url_to_fs

    target = f"{place.rstrip('/')}/{name}"
    with TemporaryDirectory() as folder_name:
        path = Path(folder_name, name)
        try:
            with session.record(path):
                yield target
        finally:
            system, there = url_to_fs(target)
            system.makedirs(there.rpartition("/")[0], exist_ok=True)
            with path.open("rb") as source, system.open(there, "wb") as copy:
                shutil.copyfileobj(source, copy)
