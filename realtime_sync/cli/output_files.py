"""Files that a command writes: looked at before its work, never those that it reads."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ..errors import ConfigurationError

SPOKEN_FILES = ("question.wav", "answer.wav", "session.jsonl")
"""What a spoken conversation leaves in its folder."""


def check_outputs(written: Sequence[Path], read: Iterable[Path] = ()) -> None:
    """
    See, before the work whose outcome they are, that files can be written.

    Args:
        written: files; an older one is overwritten later.
        read: see `refuse_to_overwrite`.

    Raises:
        ConfigurationError: one of them has no folder, is one, is the same as another,
            or is read.
        OSError: the system does not let it be written.
    """
    real = [os.path.realpath(path) for path in written]
    for path, where in zip(written, real):
        # What is open, such as /dev/stdout, need not be anywhere.
        if not path.exists() and not os.path.isdir(os.path.dirname(where)):
            raise ConfigurationError(f"there is no folder {path.parent} for {path}")
        if path.is_dir():
            raise ConfigurationError(f"{path} is a folder: name a file in it")
        if real.count(where) > 1 and not _is_device(path):
            raise ConfigurationError(f"{path} would be written twice")
    refuse_to_overwrite(read, written)
    for path in written:
        try_to_write_file(path)


def check_output_folder(
    folder: Path, names: Iterable[str], read: Iterable[Path] = ()
) -> None:
    """
    Make a folder, and see that files can be written in it.

    Args:
        folder: may be there.
        names: of the files.
        read: see `refuse_to_overwrite`.

    Raises:
        ConfigurationError: one of them is a folder, or is read.
        OSError: the system does not let it be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    check_outputs([folder / name for name in names], read)


def try_to_write_file(path: Path) -> None:
    """
    Find out what `os.access` does not know: quotas, names that are too long.

    What is in the file stays; one that is not there is not there afterwards.

    Raises:
        OSError: it cannot be written.
    """
    if not path.exists():
        # Through a link, or it would be taken away instead of what it leads to.
        real = Path(os.path.realpath(path))
        with open(real, "xb"):
            pass
        real.unlink()
    elif not _is_device(path):
        with open(path, "ab"):
            pass


def refuse_to_overwrite(read: Iterable[Path], written: Iterable[Path]) -> None:
    """
    See that nothing is written over what is read.

    Args:
        read: files, folders whose ``*.jsonl`` are read, and patterns.
        written: files.

    Raises:
        ConfigurationError: two of them are one file.
    """
    there = [path for each in read for path in _input_files(each)]
    for output in written:
        if output.exists() and any(output.samefile(path) for path in there):
            raise ConfigurationError(
                f"{output} is read here and would be overwritten: write to another file"
            )


def _is_device(path: Path) -> bool:
    """Whether it is a pipe or a device: opening it may wait, or mean something."""
    return path.exists() and not path.is_file()


def _input_files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from path.glob("*.jsonl")
    elif path.exists():
        yield path
    else:
        yield from map(Path, glob.glob(str(path), recursive=True))
