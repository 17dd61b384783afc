"""
Recordings are deleted when they have been kept for long enough.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISREG
from time import time
from typing import Final, Optional, Union

from ..errors import ConfigurationError
from ..protocol import jsontext
from .lines import FORMAT

SUFFIX: Final = ".jsonl"
_LONGEST_HEAD: Final = 1 << 20


def delete_recordings(
    folder: Union[str, os.PathLike[str]],
    *,
    older_than: float,
    dry_run: bool = False,
) -> list[Path]:
    """
    Delete the recordings of a folder that are older than so many seconds.

    Those are the files ``*.jsonl`` in it and below it that `Session.record` has
    begun; every other file stays, whatever its name, and no link is followed. A
    recording is as old as its last line, so one that is still being written stays.
    Any thread; reads the first line of each file and no more.

    Args:
        folder: where the recordings are.
        older_than: seconds since the last line was written.
        dry_run: delete nothing, only say what would be.

    Returns:
        What was deleted, in the order of the names.

    Raises:
        ConfigurationError: there is no such folder, or `older_than` is no length of
            time.
        OSError: one could not be read or deleted, though the others are.

    .. versionadded:: 0.1.0
    """
    if isinstance(older_than, bool) or not 0 <= older_than < float("inf"):
        raise ConfigurationError(
            f"older_than must be seconds from 0, not {older_than!r}"
        )
    root = Path(folder)
    if not root.is_dir():
        raise ConfigurationError(f"there is no folder {str(root)!r}")
    before = time() - older_than
    deleted: list[Path] = []
    failure: Optional[OSError] = None
    for path in sorted(_files_for_retention(root)):
        try:
            if not _is_beyond_retention(path, before):
                continue
            if not dry_run:
                path.unlink()
        except FileNotFoundError:
            continue  # Somebody else has deleted it.
        except OSError as exc:
            failure = exc
        else:
            deleted.append(path)
    if failure is not None:
        raise failure
    return deleted


def _files_for_retention(root: Path) -> Iterator[Path]:
    # Links are not followed: what they lead to is not in this folder.
    for where, _, names in os.walk(root):
        yield from (Path(where, name) for name in names if name.endswith(SUFFIX))


def _is_beyond_retention(path: Path, before: float) -> bool:
    found = path.lstat()
    if not S_ISREG(found.st_mode) or found.st_mtime >= before:
        return False
    with path.open("rb") as file:
        line = file.readline(_LONGEST_HEAD)
    try:
        head = jsontext.loads(line)
    except ValueError:
        return False
    return isinstance(head, dict) and head.get("format") == FORMAT
