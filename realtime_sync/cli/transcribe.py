"""``realtime-sync transcribe``: speech in files to text and subtitles."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from attrs import Factory, define, evolve, frozen

from ..errors import (
    ConfigurationError,
    ConnectFailed,
    ConnectionLost,
    RealtimeError,
    WaitTimeout,
)
from ..protocol.escape import one_line
from .failures import FAILED, explain_failure
from .input_files import sound_named_as_given, sound_to_read_twice
from .json_output import Commands, add_json_option, print_json
from .progress import WorkProgress
from .screen import Screen, ScreenTable, screen_clock
from .server_options import (
    add_server_options,
    server_url,
    session_by_options,
    text_option,
)
from .terminal import open_side_screen_of_terminal, open_terminal_screen
from .transcript_files import (
    FoundTranscript,
    KeptTranscript,
    TranscriptOutput,
    TranscriptStreamOutput,
    transcript_file_names,
    transcript_file_outputs,
)
from .transcript_formats import (
    FORMATS,
    TranscribedSegment,
    TranscriptSegments,
    transcript_words,
)

if TYPE_CHECKING:
    from .. import Session
    from ..audio import AudioFormat

SUFFIXES = frozenset(".wav .flac .ogg .oga .opus .mp3 .aif .aiff .au".split())
"""Files of a folder that are audio."""

TAIL = 1.0
"""Seconds of silence after a file, in which VAD may find that a turn is over."""


@frozen
class SourceToTranscribe:
    """
    One file to listen to.

    Attributes:
        path: the file that is read.
        shown: what the user calls it.
        raw: format of a file that is nothing but samples, with `rate`, `channels`.
        channel: the one channel to hear, from 0.
        alone: whether no other channel of it is heard, too.
    """

    path: Path
    shown: Path
    raw: str | None = None
    rate: int | None = None
    channels: int = 1
    channel: int | None = None
    alone: bool = True

    @property
    def named(self) -> Path:
        """What its transcript is named after."""
        if self.alone:
            return self.shown
        return self.shown.with_suffix(f".{self.channel}{self.shown.suffix}")


@define
class TranscribeResult:
    """What became of one file, or of one of its channels."""

    source: SourceToTranscribe
    seconds: float = 0.0
    segments: list[TranscribedSegment] = Factory(list)
    problem: str = ""
    note: str = ""
    took: float = 0.0
    error: BaseException | None = None
    written: Path | None = None

    @property
    def outcome(self) -> str:
        """What is wrong, and where the text is that came before; or nothing."""
        if self.problem and self.written:
            return (
                f"{self.problem}; what was recognized is in {self.written}, "
                "--resume goes on from there"
            )
        return self.problem or self.note


def add_transcribe_command(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "transcribe",
        help="turn speech in files into text or subtitles",
        description="Turn the speech in files, and in every audio file of folders, "
        "into text, SRT or WebVTT. One file is printed, unless --output says where "
        "to; of many, each is written beside its audio. What is recognized is "
        "written as it comes, to a file called .part until all of it is there.",
    )
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="FILE|FOLDER",
        help="WAV, FLAC, Ogg, MP3 and others; - is the standard input",
    )
    add_server_options(parser)
    parser.add_argument(
        "--format",
        choices=tuple(FORMATS),
        default="txt",
        help="text, SubRip or WebVTT (default: %(default)s)",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="PATH",
        help="file to write; of many or of a folder, the folder to write to; "
        "made if it is missing",
    )
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument(
        "--resume",
        action="store_true",
        help="leave transcripts that exist, go on with those that were interrupted",
    )
    existing.add_argument(
        "--force", action="store_true", help="overwrite files that exist"
    )
    parser.add_argument(
        "--transcription-model",
        type=text_option,
        default="gpt-transcribe",
        metavar="NAME",
        help="model that listens (default: %(default)s)",
    )
    parser.add_argument(
        "--channel",
        type=int,
        action="append",
        metavar="N",
        help="hear one channel, from 0: a side of a recorded call; more than one give "
        "a transcript each",
    )
    parser.add_argument(
        "--raw",
        action="store_true",
        help="the files are nothing but samples, 16-bit PCM",
    )
    parser.add_argument(
        "--rate",
        type=int,
        default=24_000,
        metavar="HZ",
        help="samples per second of --raw files (default: %(default)s)",
    )
    parser.add_argument(
        "--channels",
        type=int,
        default=1,
        metavar="N",
        help="channels of --raw files (default: %(default)s)",
    )
    parser.add_argument(
        "--language",
        type=text_option,
        metavar="CODE",
        help="language, such as en",
    )
    add_json_option(parser)
    parser.set_defaults(run=run_transcribe)


def run_transcribe(options: argparse.Namespace) -> int:
    """Run the command."""
    with TemporaryDirectory() as spool:
        channels = list(dict.fromkeys(options.channel or [None]))
        sources = [
            evolve(
                each,
                raw="pcm16" if options.raw else None,
                rate=options.rate,
                channels=options.channels,
                channel=channel,
                alone=len(channels) == 1,
            )
            for each in _sources_to_transcribe(options.paths, Path(spool))
            for channel in channels
        ]
        many = len(options.paths) * len(channels) > 1
        many = many or Path(options.paths[0]).is_dir()
        for folder in _folders_to_transcribe_within(options.paths):
            line = one_line(f"{folder} is left out; name it as well")
            print(f"realtime-sync: {line}", file=sys.stderr)
        with open_terminal_screen(json=options.json) as screen:
            outputs = _outputs_of_transcribe(sources, options, many, screen)
            results = [_measured_to_transcribe(source) for source in sources]
            if not many and results[0].error:
                raise results[0].error
            stopped = _transcribe_all(sources, outputs, results, options, screen)
            if many and not options.json:
                screen.aside("")
                screen.table(transcribe_table(results))
                for line in _places_transcribed(results):
                    screen.line(line)
            elif results[0].written and not (results[0].problem or options.json):
                screen.line(one_line(f"wrote {results[0].written}"))
    return _transcribe_exit_code(results, stopped, many)


def _sources_to_transcribe(
    paths: Sequence[str], spool: Path
) -> list[SourceToTranscribe]:
    """Every file once, in the order of the arguments; folders sorted."""
    found: dict[str, SourceToTranscribe] = {}
    for name in paths:
        path = Path(name)
        if name == "-":
            # Read when the other names are known to be right.
            sources = [SourceToTranscribe(spool / "stdin", Path("stdin"))]
        elif path.is_dir():
            sources = [
                SourceToTranscribe(each, each)
                for each in _audio_files_to_transcribe(path)
            ]
        else:
            path.stat()
            sources = [SourceToTranscribe(sound_to_read_twice(path, spool), path)]
        for source in sources:
            found.setdefault(os.path.abspath(source.path), source)
    if "-" in paths:
        sound_to_read_twice(Path("-"), spool)
    return list(found.values())


def _audio_files_to_transcribe(folder: Path) -> list[Path]:
    paths = [
        each
        for each in sorted(folder.iterdir())
        if each.suffix.lower() in SUFFIXES and each.is_file()
    ]
    if not paths:
        within = " ".join(
            shlex.quote(str(each)) for each in _folders_to_transcribe(folder)
        )
        remedy = f"; name the folders within it: {within}" if within else ""
        raise ConfigurationError(f"there is no audio file in {folder}{remedy}")
    return paths


def _folders_to_transcribe_within(paths: Sequence[str]) -> list[Path]:
    """Folders with audio that nobody has named, within folders that somebody has."""
    named = {os.path.abspath(path) for path in paths}
    return [
        inner
        for path in paths
        if path != "-" and Path(path).is_dir()
        for inner in _folders_to_transcribe(Path(path))
        if os.path.abspath(inner) not in named
    ]


def _folders_to_transcribe(folder: Path) -> list[Path]:
    found = []
    for inner in sorted(each for each in folder.iterdir() if each.is_dir()):
        # One that may not be read is nobody's to transcribe.
        with suppress(PermissionError):
            if any(each.suffix.lower() in SUFFIXES for each in inner.iterdir()):
                found.append(inner)
    return found


def _outputs_of_transcribe(
    sources: Sequence[SourceToTranscribe],
    options: argparse.Namespace,
    many: bool,
    screen: Screen,
) -> list[TranscriptOutput]:
    """Where each transcript goes; bad names are found before any work."""
    if not many and not options.output:
        if options.resume:
            raise ConfigurationError("--resume goes on with a file: name it, -o FILE")
        # With JSON, the text is a part of that.
        return [
            TranscriptStreamOutput(
                options.format, StringIO() if options.json else screen
            )
        ]
    folder = Path(options.output) if options.output else None
    if many and folder and folder.exists() and not folder.is_dir():
        raise ConfigurationError(f"{folder} is a file; many need a folder")
    one = folder and not (
        many or folder.is_dir() or options.output.endswith(("/", os.sep))
    )
    if folder and one:
        targets = [folder]
    else:
        targets = transcript_file_names(
            [each.named for each in sources], options.format, folder
        )
    audio = [each.path for each in sources]
    return transcript_file_outputs(
        options.format, targets, audio, force=options.force, resume=options.resume
    )


def _measured_to_transcribe(source: SourceToTranscribe) -> TranscribeResult:
    """One file of many: what is wrong with it is a line of the table."""
    from .. import audio

    result = TranscribeResult(source)
    try:
        with sound_named_as_given(source.path, source.shown):
            result.seconds = audio.file_seconds(
                source.path, raw=source.raw, rate=source.rate, channels=source.channels
            )
    except (RealtimeError, OSError) as exc:
        result.error = exc
        problem = explain_failure(exc)[1]
        result.problem = problem.replace(str(source.path), str(source.shown))
    return result


def _transcribe_all(
    sources: Sequence[SourceToTranscribe],
    outputs: Sequence[TranscriptOutput],
    results: Sequence[TranscribeResult],
    options: argparse.Namespace,
    screen: Screen,
) -> BaseException | None:
    """Fill in the results; return what stopped it before the last, if anything did."""
    stopped: BaseException | None = None
    with ExitStack() as stack:
        url = None
        if any(not (each.error or to.finished) for each, to in zip(results, outputs)):
            url = stack.enter_context(server_url(options))
        side = stack.enter_context(open_side_screen_of_terminal(screen))
        work = WorkProgress(side, [each.seconds for each in results])
        for number, (source, output, result) in enumerate(
            zip(sources, outputs, results)
        ):
            if result.error or output.finished:
                work.skip(number)
                result.note = "complete already" if output.finished else ""
                result.written = output.finished
            elif stopped is not None:
                result.problem = "not begun"
            else:
                listener = TranscribeListener(
                    source, output, result, options, side, work
                )
                listener.run(url, number)
                # Without a server, or with Ctrl-C, the others are not tried.
                if isinstance(result.error, (ConnectFailed, KeyboardInterrupt)):
                    stopped = result.error
            if options.json:
                print_json(_transcribed_json(result))
        side.status(None)
    return stopped


def _transcribe_exit_code(
    results: Sequence[TranscribeResult], stopped: BaseException | None, many: bool
) -> int:
    bad = [each for each in results if each.problem]
    if not bad:
        return 0
    if stopped is None and many:
        return FAILED
    first = next(each for each in bad if each.error is stopped or not many)
    print(f"realtime-sync: {one_line(first.outcome)}", file=sys.stderr)
    return (explain_failure(first.error)[0] if first.error else None) or FAILED


class TranscribeListener:
    """
    Listens to one file; whatever ends it, what was recognized is kept.

    Args:
        source: the file.
        output: where its transcript goes.
        result: to be filled in.
        options: as the parser gives them.
        screen: for those who look on.
        work: of which the file is a part.
    """

    def __init__(
        self,
        source: SourceToTranscribe,
        output: TranscriptOutput,
        result: TranscribeResult,
        options: argparse.Namespace,
        screen: Screen,
        work: WorkProgress,
    ) -> None:
        self._source = source
        self._output = output
        self._result = result
        self._options = options
        self._screen = screen
        self._work = work
        self._unwritten: list[Exception] = []

    def run(self, url: str | None, number: int) -> None:
        """
        Listen.

        Args:
            url: of the server.
            number: of the file, from 0.

        Raises:
            BrokenPipeError: nobody reads what is printed.
        """
        began = time.monotonic()
        result, name = self._result, self._source.named.name
        found: FoundTranscript = KeptTranscript()
        try:
            found = kept = self._output.open(result.seconds)
            session = session_by_options(
                url,
                self._options,
                _config_to_transcribe(self._options),
                session_type="transcription",
            )
            found = segments = self._segments(session, kept)
            if not isinstance(self._output, TranscriptStreamOutput):
                self._screen.aside(one_line(name))
            self._work.begin(number, name, kept.until)
            self._listen(session, segments, kept.until)
            result.problem = "; ".join(dict.fromkeys(segments.problems))
            if not segments.done and not result.problem:
                result.problem = f"the server found no speech in {self._source.shown}"
        except BrokenPipeError:
            raise
        except (RealtimeError, OSError, KeyboardInterrupt) as exc:
            result.error, result.problem = exc, explain_failure(exc)[1]
        # The session is closed: nobody else writes.
        try:
            result.written = self._output.finish(found, complete=not result.problem)
        except BrokenPipeError:
            raise
        except (RealtimeError, OSError) as exc:
            result.error = result.error or exc
            result.problem = result.problem or explain_failure(exc)[1]
        result.segments = found.done
        result.took = time.monotonic() - began

    def _segments(self, session: Session, kept: KeptTranscript) -> TranscriptSegments:
        segments = TranscriptSegments(
            session,
            self._result.seconds,
            lambda new: self._heard(segments, new),
            kept=kept.segments,
            begin=kept.until,
        )
        return segments

    def _heard(
        self, segments: TranscriptSegments, new: Sequence[TranscribedSegment]
    ) -> None:
        """Write and show what is new; in the dispatcher thread."""
        # An error here would reach nobody: the sender looks at them.
        try:
            self._output.update(segments, new)
        except (OSError, ValueError) as exc:
            self._unwritten.append(exc)
        if not isinstance(self._output, TranscriptStreamOutput):
            for each in new:
                self._screen.aside(
                    one_line(transcript_words(each)), screen_clock(each.start)
                )
        self._work.reached(segments.passed)

    def _listen(
        self, session: Session, segments: TranscriptSegments, begin: float
    ) -> None:
        """Send the file and wait until everything in it is understood."""
        from .. import audio

        shown, timeout = self._source.shown, self._options.timeout
        with session:
            wire = audio.session_format(session, "input")
            blocks = self._blocks(wire, begin)
            sent = audio.stream(session, blocks, pace="full", format=wire)
            # The server answers in order: this comes back when it has heard it all.
            session.input_audio_buffer.clear().acknowledged(timeout=max(timeout, sent))
            # The handlers have to know of all of it before it can be said what is
            # missing.
            session.flush(timeout)
            if segments.wait(timeout):
                return
            if not session.is_open:
                raise ConnectionLost(
                    f"{shown}: the connection was lost; some transcripts are missing"
                )
            raise WaitTimeout(
                f"{shown}: no transcript for {timeout:g} s; some are missing"
            )

    def _blocks(self, wire: AudioFormat, begin: float) -> Iterator[bytes]:
        from .. import audio

        passed = 0.0
        for block in audio.file_blocks(
            self._source.path,
            wire,
            block_ms=100,
            channel=self._source.channel,
            raw=self._source.raw,
            rate=self._source.rate,
            channels=self._source.channels,
        ):
            if self._unwritten:
                raise self._unwritten[0]
            if passed >= begin:
                yield block
            passed += wire.ms(len(block)) / 1000
        for _ in range(int(TAIL * 10)):
            yield audio.silence(0.1, wire)


def _config_to_transcribe(options: argparse.Namespace) -> dict[str, Any]:
    transcription = {"model": options.transcription_model}
    if options.language:
        transcription["language"] = options.language
    return {
        "audio": {
            "input": {
                "transcription": transcription,
                "turn_detection": {"type": "server_vad"},
            }
        }
    }


def transcribe_table(results: list[TranscribeResult]) -> ScreenTable:
    """The results of many files."""
    rows = []
    for each in results:
        words = sum(len(turn.text.split()) for turn in each.segments)
        found = "-", "-"
        if not each.note:
            found = str(len(each.segments)), str(words)
        counts = f"{each.seconds:.1f}", *found
        rows.append(
            [each.source.named.name, *counts, each.outcome or f"{each.took:.1f} s"]
        )
    return ScreenTable(
        columns=[
            ("file", "left"),
            ("seconds", "right"),
            ("segments", "right"),
            ("words", "right"),
            ("took", "left"),
        ],
        rows=rows,
    )


def _places_transcribed(results: list[TranscribeResult]) -> list[str]:
    """In which folders the transcripts are that were made just now."""
    made = Counter(
        each.written.parent
        for each in results
        if each.written and not (each.note or each.problem)
    )
    return [
        one_line(f"wrote {count} transcript{'s' * (count > 1)} to {folder}")
        for folder, count in made.items()
    ]


def _transcribed_json(result: TranscribeResult) -> dict[str, Any]:
    return {
        "file": str(result.source.shown),
        **({} if result.source.alone else {"channel": result.source.channel}),
        "seconds": round(result.seconds, 3),
        "problem": result.problem or None,
        "output": str(result.written) if result.written else None,
        "segments": [
            {
                "start": round(each.start, 3),
                "end": round(each.end, 3),
                "text": each.text,
                **({"speaker": each.speaker} if each.speaker else {}),
            }
            for each in result.segments
        ],
    }
