"""Files that a command writes, which are never those that it reads."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..errors import ConfigurationError


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


def _input_files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from path.glob("*.jsonl")
    elif path.exists():
        yield path
    else:
        yield from map(Path, glob.glob(str(path), recursive=True))
