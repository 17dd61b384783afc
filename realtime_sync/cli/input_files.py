"""Sound that a command reads: what can be read only once is kept on disk first."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import ConfigurationError


def sound_to_read_twice(path: Path, folder: Path) -> Path:
    """
    Return a file that can be read as often as need be.

    A command looks how long sound is before it begins; of a pipe there would be
    nothing left then.

    Args:
        path: a file, a pipe, or ``-`` for the standard input.
        folder: where a copy is put if it is needed.

    Raises:
        OSError: it cannot be read.
        ConfigurationError: there is nothing on the standard input.
    """
    if str(path) != "-" and (path.is_file() or not path.exists() or path.is_dir()):
        return path  # What is wrong with it is told by who opens it.
    if str(path) != "-":
        copy = folder / f"{len(list(folder.iterdir()))}-{path.name}"
        with path.open("rb") as pipe, copy.open("wb") as file:
            shutil.copyfileobj(pipe, file)
        return copy
    if sys.stdin is None or sys.stdin.isatty():
        raise ConfigurationError("there is no audio on the standard input")
    copy = folder / "stdin"
    with copy.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return copy


@contextmanager
def sound_named_as_given(sound: Path, given: Path) -> Iterator[None]:
    """
    Let what is wrong with a copy be told by the name of what was copied.

    Raises:
        ConfigurationError: the block did, with a message that names the copy.
    """
    try:
        yield
    except ConfigurationError as exc:
        told = str(exc).replace(str(sound), str(given))
        raise ConfigurationError(told) from None
