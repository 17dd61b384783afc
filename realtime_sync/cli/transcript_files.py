"""Where transcripts go: names that do not collide, files that grow as one listens."""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

from attrs import Factory, asdict, frozen

from ..errors import ConfigurationError
from ..protocol.escape import terminal_text
from .output_files import try_to_write_file
from .transcript_formats import FORMATS, TranscribedSegment

PART = ".part"
"""Ending of a transcript that is not complete."""


class FoundTranscript(Protocol):
    """What has been recognized so far, as `TranscriptSegments` has it."""

    @property
    def ready(self) -> list[TranscribedSegment]:
        """The beginning, up to the first turn that is still to come."""

    @property
    def done(self) -> list[TranscribedSegment]:
        """Everything, in the order in which it was spoken."""

    @property
    def recognized(self) -> float:
        """Seconds of the file before which nothing is missing."""


class TranscriptStream(Protocol):
    """Where a transcript is printed."""

    def write(self, text: str, /) -> int:
        """Print some of it."""

    def flush(self) -> None:
        """Let it be seen."""


@frozen
class KeptTranscript:
    """
    What is left of an earlier attempt at a transcript.

    Attributes:
        segments: what was recognized then.
        until: seconds of the file before which nothing is missing.
    """

    segments: list[TranscribedSegment] = Factory(list)
    until: float = 0.0

    @property
    def ready(self) -> list[TranscribedSegment]:
        """As `FoundTranscript` has it, before anything else is found."""
        return self.segments

    @property
    def done(self) -> list[TranscribedSegment]:
        """Likewise."""
        return self.segments

    @property
    def recognized(self) -> float:
        """Likewise."""
        return self.until


class TranscriptOutput(Protocol):
    """Somewhere to write one transcript to."""

    @property
    def finished(self) -> Path | None:
        """The file that has the whole transcript already."""

    def open(self, seconds: float) -> KeptTranscript:
        """Make sure that it can be written; return what is to be gone on from."""

    def update(self, found: FoundTranscript, new: Sequence[TranscribedSegment]) -> None:
        """Write what is new, so that it is safe."""

    def finish(self, found: FoundTranscript, *, complete: bool) -> Path | None:
        """Write the rest; return the file that has it, if there is one."""


class TranscriptStreamOutput:
    """
    A transcript on the standard output, or on a device.

    What is written cannot be taken back, so that a turn is held until those
    before it are there, or until the end. A terminal obeys nothing of it.

    Args:
        form: a key of `FORMATS`.
        out: an open stream, or the device to open.
    """

    finished: Path | None = None

    def __init__(self, form: str, out: TranscriptStream | Path) -> None:
        self._form = FORMATS[form]
        self._out = out
        self._device: IO[str] | None = None
        self._stream: TranscriptStream | None = None
        self._written = ""

    def open(self, seconds: float) -> KeptTranscript:
        """Open the device; nothing is left of another attempt."""
        if isinstance(self._out, Path):
            self._stream = self._device = _opened_transcript(self._out, "w")
        else:
            self._stream = self._out
        return KeptTranscript()

    def update(self, found: FoundTranscript, new: Sequence[TranscribedSegment]) -> None:
        """Write the turns before which none is missing."""
        if found.ready:
            self._write(found.ready)

    def finish(self, found: FoundTranscript, *, complete: bool) -> Path | None:
        """Write the rest, whatever is missing before it."""
        if self._stream is None:
            return None
        self._write(found.done)
        if self._device is None or not isinstance(self._out, Path):
            return None
        self._device.close()
        return self._out

    def _write(self, segments: Sequence[TranscribedSegment]) -> None:
        assert self._stream is not None
        text = self._form(segments)
        more = text.removeprefix(self._written)
        if more:
            self._stream.write(terminal_text(more))
            self._stream.flush()
        self._written = text


class TranscriptFileOutput:
    """
    A transcript in a file, beside which a ``.part`` grows until it is complete.

    The part has a line of JSON for each segment, whatever the format of the
    transcript is: lines are only ever added to it, so that nothing that was
    recognized can be lost again, and with their times one can go on from there.

    Args:
        form: a key of `FORMATS`.
        target: name of the complete file.
        force: whether what is there may be overwritten.
        resume: whether what is there is gone on from.
    """

    def __init__(
        self, form: str, target: Path, *, force: bool = False, resume: bool = False
    ) -> None:
        self._form = FORMATS[form]
        self.target = target
        self._force = force
        self._resume = resume
        # The file that a link leads to is replaced, not the link.
        self._real = Path(os.path.realpath(target))
        self.part = self._real.with_name(self._real.name + PART)
        # Under a name of its own until it is written: half of it is no transcript.
        self.whole = self.part.with_name(f"{self.part.name}.{os.getpid()}")
        self._file: IO[str] | None = None
        self._made = False

    @property
    def finished(self) -> Path | None:
        """See `TranscriptOutput`; only where one goes on from what is there."""
        if not self._resume or self._overwrites():
            return None
        return self.target if os.path.lexists(self._real) else None

    def open(self, seconds: float) -> KeptTranscript:
        """
        Open the part.

        Args:
            seconds: length of the audio, by which a part of it is known again.

        Raises:
            OSError: it cannot be written, or somebody made one meanwhile.
            ConfigurationError: it is no part of a transcript of this audio.
        """
        kept = KeptTranscript()
        if self._resume and self.part.exists():
            kept = read_transcript_part(self.part, seconds)
            self._force = self._force or self._overwrites()
            self._file = _opened_transcript(self.part, "a")
            # The last line may have been cut off, which would spoil the next.
            self._file.write("\n")
        else:
            self._file = _opened_transcript(self.part, "w" if self._force else "x")
            self._made = True
        over = self._force and os.path.lexists(self._real)
        self._add({"seconds": seconds, "from": kept.until, "force": over})
        return kept

    def update(self, found: FoundTranscript, new: Sequence[TranscribedSegment]) -> None:
        """Write every segment as it comes, and how far nothing is missing."""
        until = found.recognized
        for each in new:
            self._add({**asdict(each), "until": until})

    def finish(self, found: FoundTranscript, *, complete: bool) -> Path | None:
        """
        Write the transcript if it is complete, in the place of the part.

        Returns:
            The file that has the text; None if there is no text, and no file.

        Raises:
            OSError: it cannot be written, or the name was taken meanwhile.
        """
        if self._file is None:
            return None
        self._file.close()
        if not found.done:
            if self._made:
                self.part.unlink()
            return None
        if not complete:
            return self.part
        if not self._force and os.path.lexists(self._real):
            raise ConfigurationError(
                f"{self.target} was made by somebody else; the text is in {self.part}"
            )
        with _opened_transcript(self.whole, "x") as file:
            file.write(self._form(found.done))
        os.replace(self.whole, self._real)
        self.part.unlink()
        return self.target

    def _overwrites(self) -> bool:
        """Whether there is a part of an attempt that was to overwrite the target."""
        try:
            with self.part.open(encoding="utf-8", errors="replace") as file:
                return _line_of_transcript_part(file.readline()).get("force") is True
        except OSError:
            return False

    def _add(self, line: Mapping[str, object]) -> None:
        assert self._file is not None
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._file.flush()


def read_transcript_part(path: Path, seconds: float) -> KeptTranscript:
    """
    Read what is left of an earlier attempt.

    What was recognized behind a gap is left out: it is heard again with the gap.

    Args:
        path: a ``.part``.
        seconds: length of the audio that it has to be of.

    Raises:
        ConfigurationError: it is of other audio, or of another program.
        OSError: it cannot be read.
    """
    found: dict[tuple[float, float], TranscribedSegment] = {}
    until = 0.0
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = text.split("\n") if text.strip() else []
    try:
        for number, line in enumerate(lines):
            values = _line_of_transcript_part(line)
            if number == 0 or "seconds" in values:
                # Each attempt begins with this, and hears again what is behind it.
                length, until = float(values["seconds"]), float(values["from"])
                found = {key: each for key, each in found.items() if key[1] <= until}
                if abs(length - seconds) > 0.01:
                    raise ConfigurationError(f"{path} is of audio of {length:.2f} s")
            elif values:
                until = max(until, float(values.pop("until")))
                segment = TranscribedSegment(**values)
                found[segment.start, segment.end] = segment
    except (LookupError, TypeError, ValueError) as exc:
        if isinstance(exc, ConfigurationError):
            raise
        raise ConfigurationError(f"{path} is no part of a transcript") from exc
    whole = [each for each in found.values() if each.end <= until]
    return KeptTranscript(sorted(whole, key=lambda each: each.start), until)


def _line_of_transcript_part(line: str) -> dict[str, Any]:
    """A line of a part; nothing where it was being written when everything ended."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def transcript_file_outputs(
    form: str,
    targets: Sequence[Path],
    audio: Iterable[Path],
    *,
    force: bool = False,
    resume: bool = False,
) -> list[TranscriptOutput]:
    """
    Outputs for files, once it is certain that each can be written.

    Folders that are missing are made.

    Args:
        form: a key of `FORMATS`.
        targets: names of the complete files, no two the same.
        audio: files that are read; none is overwritten, whatever *force* says.
        force: whether other files may be overwritten.
        resume: whether transcripts that are there are left as they are, and parts
            of them gone on from.

    Raises:
        ConfigurationError: a file is in the way.
        OSError: a file or folder cannot be written.
    """
    read = {_file_identity(each) for each in audio}
    outputs: list[TranscriptOutput] = []
    files: list[TranscriptFileOutput] = []
    taken: list[Path] = []
    for target in targets:
        if target.exists() and not (target.is_file() or target.is_dir()):
            outputs.append(TranscriptStreamOutput(form, target))
            continue
        output = TranscriptFileOutput(form, target, force=force, resume=resume)
        for path in (target, output.part):
            if path.exists() and _file_identity(path) in read:
                raise ConfigurationError(f"{path} is the audio; choose another name")
            if path.is_dir():
                raise ConfigurationError(f"{path} is a folder")
            if os.path.lexists(path):
                taken.append(path)
        files.append(output)
        outputs.append(output)
    if taken and not (force or resume):
        more = f", and {len(taken) - 1} more" if len(taken) > 1 else ""
        raise ConfigurationError(
            f"{taken[0]} exists already{more}; --resume goes on from what is there, "
            "--force overwrites it"
        )
    for output in files:
        if output.finished:
            continue
        output.part.parent.mkdir(parents=True, exist_ok=True)
        try_to_write_file(output.part)
        try_to_write_file(output.whole)
        if output.target.exists():
            try_to_write_file(output.target)
    return outputs


def transcript_file_names(
    audio: Sequence[Path], form: str, folder: Path | None = None
) -> list[Path]:
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
            (folder or path.parent) / f"{_transcript_stem(path, level)}.{form}"
            for path, level in zip(audio, levels)
        ]
        groups: dict[str, list[int]] = {}
        for number, path in enumerate(found):
            groups.setdefault(_same_file_name(path), []).append(number)
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


def _transcript_stem(path: Path, level: int) -> str:
    last = len(_STEMS) - 1
    if level <= last:
        return _STEMS[level](path)
    return f"{_STEMS[last](path)}.{level - last + 1}"


def _same_file_name(path: Path) -> str:
    # As file systems compare that fold case and accents.
    return unicodedata.normalize("NFC", os.path.realpath(path)).casefold()


def _file_identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _opened_transcript(path: Path, mode: str) -> IO[str]:
    # Half a surrogate pair from a server must not cost the rest of the text.
    return open(path, mode, encoding="utf-8", errors="backslashreplace")
