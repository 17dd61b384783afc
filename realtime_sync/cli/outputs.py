"""Where transcripts go: names that do not collide, files that grow as one listens."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO, Protocol

from ..errors import ConfigurationError
from ..protocol.escape import terminal_text
from .transcripts import FORMATS, Segment

PART = ".part"
"""Ending of a transcript that is not complete."""


class Found(Protocol):
    """What has been recognised so far, as `transcripts.Segments` has it."""

    @property
    def ready(self) -> list[Segment]:
        """The beginning, up to the first turn that is still to come."""

    @property
    def done(self) -> list[Segment]:
        """Everything, in the order in which it was spoken."""


class Output(Protocol):
    """Somewhere to write one transcript to."""

    def open(self) -> None:
        """Make sure that it can be written."""

    def update(self, found: Found) -> None:
        """Write what is new, so that it is safe."""

    def finish(self, found: Found, *, complete: bool) -> Path | None:
        """Write the rest; return the file that has it, if there is one."""


class StreamOutput:
    """
    A transcript on the standard output, or on a device.

    What is written cannot be taken back, so that a turn is held until those
    before it are there, or until the end. A terminal obeys nothing of it.

    Args:
        form: a key of `FORMATS`.
        out: an open stream, or the device to open.
    """

    def __init__(self, form: str, out: IO[str] | Path) -> None:
        self._form = FORMATS[form]
        self._out = out
        self._file: IO[str] | None = None
        self._written = ""

    def open(self) -> None:
        """Open the device."""
        if isinstance(self._out, Path):
            self._file = _opened(self._out, "w")
        else:
            self._file = self._out

    def update(self, found: Found) -> None:
        """Write the turns before which none is missing."""
        if found.ready:
            self._write(found.ready)

    def finish(self, found: Found, *, complete: bool) -> Path | None:
        """Write the rest, whatever is missing before it."""
        if self._file is None:
            return None
        self._write(found.done)
        if not isinstance(self._out, Path):
            return None
        self._file.close()
        return self._out

    def _write(self, segments: Sequence[Segment]) -> None:
        assert self._file is not None
        text = self._form(segments)
        self._file.write(terminal_text(text.removeprefix(self._written)))
        self._file.flush()
        self._written = text


class FileOutput:
    """
    A transcript in a file, which is called ``.part`` until it is complete.

    Args:
        form: a key of `FORMATS`.
        target: name of the complete file.
        force: whether what is there may be overwritten.
    """

    def __init__(self, form: str, target: Path, *, force: bool) -> None:
        self._form = FORMATS[form]
        self.target = target
        self._force = force
        # The file that a link leads to is replaced, not the link.
        self._real = Path(os.path.realpath(target))
        self.part = self._real.with_name(self._real.name + PART)
        self._file: IO[str] | None = None
        self._written: str | None = ""

    def open(self) -> None:
        """
        Open the partial file.

        Raises:
            OSError: it cannot be written, or somebody made one meanwhile.
        """
        self._file = _opened(self.part, "w" if self._force else "x")

    def update(self, found: Found) -> None:
        """Write every turn that is known, each at its place."""
        if found.done:
            self._write(self._form(found.done))

    def finish(self, found: Found, *, complete: bool) -> Path | None:
        """
        Write the rest, and give the file its name if it is complete.

        Returns:
            The file that has the text; None if there is no text, and no file.

        Raises:
            OSError: it cannot be written, or the name was taken meanwhile.
        """
        if self._file is None:
            return None
        with self._file:
            self.update(found)
        if not found.done:
            self.part.unlink()
            return None
        if not complete:
            return self.part
        if not self._force and os.path.lexists(self._real):
            raise ConfigurationError(
                f"{self.target} was made by somebody else; the text is in {self.part}"
            )
        os.replace(self.part, self._real)
        return self.target

    def _write(self, text: str) -> None:
        assert self._file is not None
        before, self._written = self._written, None
        if before is not None and text.startswith(before):
            self._file.write(text[len(before) :])
        else:
            # A turn came late that belongs before others, or a write failed.
            self._file.seek(0)
            self._file.write(text)
            self._file.truncate()
        self._file.flush()
        self._written = text


def file_outputs(
    form: str, targets: Sequence[Path], audio: Iterable[Path], *, force: bool
) -> list[Output]:
    """
    Outputs for files, once it is certain that each can be written.

    Folders that are missing are made.

    Args:
        form: a key of `FORMATS`.
        targets: names of the complete files, no two the same.
        audio: files that are read; none is overwritten, whatever *force* says.
        force: whether other files may be overwritten.

    Raises:
        ConfigurationError: a file is in the way.
        OSError: a file or folder cannot be written.
    """
    read = {_identity(each) for each in audio}
    outputs: list[Output] = []
    files: list[FileOutput] = []
    taken: list[Path] = []
    for target in targets:
        if target.exists() and not (target.is_file() or target.is_dir()):
            outputs.append(StreamOutput(form, target))
            continue
        output = FileOutput(form, target, force=force)
        for path in (target, output.part):
            if path.exists() and _identity(path) in read:
                raise ConfigurationError(f"{path} is the audio; choose another name")
            if path.is_dir():
                raise ConfigurationError(f"{path} is a folder")
            if os.path.lexists(path):
                taken.append(path)
        files.append(output)
        outputs.append(output)
    if taken and not force:
        more = f", and {len(taken) - 1} more" if len(taken) > 1 else ""
        raise ConfigurationError(
            f"{taken[0]} exists already{more}; --force overwrites what is there"
        )
    for output in files:
        output.part.parent.mkdir(parents=True, exist_ok=True)
        _try_to_write(output.part)
        if output.target.exists():
            _try_to_write(output.target)
    return outputs


def names(audio: Sequence[Path], form: str, folder: Path | None = None) -> list[Path]:
    """
    Names of the transcripts of audio files, no two the same on any file system.

    ``a.wav`` gives ``a.txt``; where others would have that name too, ``a.wav.txt``,
    then ``folder_a.wav.txt``, then a number.

    Args:
        audio: files, no two the same.
        form: ending of the names.
        folder: where they all go; None for beside the audio.
    """
    levels = [0] * len(audio)
    while True:
        found = [
            (folder or path.parent) / f"{_stem(path, level)}.{form}"
            for path, level in zip(audio, levels)
        ]
        groups: dict[str, list[int]] = {}
        for number, path in enumerate(found):
            groups.setdefault(_same_name(path), []).append(number)
        crowded = [group for group in groups.values() if len(group) > 1]
        if not crowded:
            return found
        for group in crowded:
            lowest = min(levels[each] for each in group)
            longer = [each for each in group if levels[each] == lowest]
            if lowest >= len(_STEMS) - 1 and len(longer) > 1:
                # If all had the next number, they would collide again.
                longer = longer[1:]
            for each in longer:
                levels[each] += 1


_STEMS: tuple[Callable[[Path], str], ...] = (
    lambda path: path.stem,
    lambda path: path.name,
    lambda path: f"{Path(os.path.abspath(path)).parent.name}_{path.name}",
)
"""How a file is called, from short to exact."""


def _stem(path: Path, level: int) -> str:
    last = len(_STEMS) - 1
    if level <= last:
        return _STEMS[level](path)
    return f"{_STEMS[last](path)}.{level - last + 1}"


def _same_name(path: Path) -> str:
    # As file systems compare that fold case and accents.
    return unicodedata.normalize("NFC", os.path.realpath(path)).casefold()


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _opened(path: Path, mode: str) -> IO[str]:
    # Half a surrogate pair from a server must not cost the rest of the text.
    return open(path, mode, encoding="utf-8", errors="backslashreplace")


def _try_to_write(path: Path) -> None:
    """Find out what `os.access` does not know: quotas, names that are too long."""
    existed = path.exists()
    with open(path, "ab"):
        pass
    if not existed:
        path.unlink()
