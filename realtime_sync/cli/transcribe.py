"""``realtime-sync transcribe``: speech in files to text and subtitles."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import define

from ..errors import ConfigurationError, RealtimeError, WaitTimeout
from .connecting import add_server_options, new_session, server_url
from .failures import explain
from .machine import add_json_option, print_json
from .transcripts import FORMATS, Segment, Segments

SUFFIXES = frozenset(".wav .flac .ogg .oga .opus .mp3 .aif .aiff .au".split())
"""Files of a folder that are audio."""

TAIL = 1.0
"""Seconds of silence after a file, in which VAD may find that a turn is over."""

CELLS = 24


@define
class Result:
    """What became of one file."""

    path: Path
    seconds: float
    segments: list[Segment]
    problem: str = ""
    took: float = 0.0


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "transcribe",
        help="turn speech in files into text or subtitles",
        description="Turn the speech in a file, or in every file of a folder, into "
        "text, SRT or WebVTT. One file is printed, unless --output says where to.",
    )
    parser.add_argument(
        "path", type=Path, metavar="FILE|FOLDER", help="WAV, FLAC, Ogg, MP3 and others"
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
        type=Path,
        metavar="PATH",
        help="file to write; of a folder, the folder to write to (default: itself)",
    )
    parser.add_argument(
        "--transcription-model",
        default="gpt-4o-mini-transcribe",
        metavar="NAME",
        help="model that listens (default: %(default)s)",
    )
    parser.add_argument("--language", metavar="CODE", help="language, such as en")
    add_json_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    if options.path.is_dir():
        return _folder(options)
    from .. import audio

    length = audio.file_seconds(options.path)
    with server_url(options) as url:
        result = _transcribe(options.path, length, url, options)
    text = FORMATS[options.format](result.segments)
    if options.output:
        options.output.write_text(text, encoding="utf-8")
    if options.json:
        print_json(_as_json(result))
    elif options.output:
        print(f"wrote {options.output}")
    else:
        sys.stdout.write(text)
    if result.problem:
        print(f"realtime-sync: {result.problem}", file=sys.stderr)
    return 1 if result.problem else 0


def _folder(options: argparse.Namespace) -> int:
    paths = [
        each
        for each in sorted(options.path.iterdir())
        if each.suffix.lower() in SUFFIXES and each.is_file()
    ]
    if not paths:
        raise ConfigurationError(f"there is no audio file in {options.path}")
    target = options.output or options.path
    target.mkdir(parents=True, exist_ok=True)
    results = []
    with server_url(options) as url:
        for path in paths:
            result = _attempt(path, url, options)
            results.append(result)
            if not result.problem:
                written = target / f"{path.stem}.{options.format}"
                text = FORMATS[options.format](result.segments)
                written.write_text(text, encoding="utf-8")
            if options.json:
                print_json(_as_json(result))
    if not options.json:
        print(table(results))
    return 1 if any(each.problem for each in results) else 0


def _attempt(path: Path, url: str | None, options: argparse.Namespace) -> Result:
    """One file of many: what is wrong with it is a line of the table."""
    from .. import audio

    try:
        length = audio.file_seconds(path)
        return _transcribe(path, length, url, options)
    except (RealtimeError, OSError) as exc:
        return Result(path, 0.0, [], explain(exc)[1])


def _transcribe(
    path: Path, length: float, url: str | None, options: argparse.Namespace
) -> Result:
    from .. import audio

    began = time.monotonic()
    session = new_session(url, options, _config(options), session_type="transcription")
    segments = Segments(session, length)
    with session, _Progress(path.name, length) as progress:
        wire = audio.session_format(session, "input")
        sent = audio.stream(
            session,
            _blocks(path, wire, progress),
            pace="full",
            format=wire,
        )
        # The server answers in order: this comes back when it has heard it all.
        session.input_audio_buffer.clear().acknowledged(
            timeout=max(options.timeout, sent)
        )
        # The handlers have to know of all of it before it can be said what is missing.
        session.flush(options.timeout)
        if not segments.wait(options.timeout):
            raise WaitTimeout(
                f"{path}: no transcript for {options.timeout:g} s; some are missing"
            )
    found = segments.done
    problem = "; ".join(dict.fromkeys(segments.problems))
    if not found and not problem:
        problem = f"the server found no speech in {path}"
    return Result(path, length, found, problem, time.monotonic() - began)


def _blocks(path: Path, wire: Any, progress: _Progress) -> Iterator[bytes]:
    from .. import audio

    done = 0.0
    for block in audio.file_blocks(path, wire, block_ms=100):
        yield block
        done += wire.ms(len(block)) / 1000
        progress.reached(done)
    for _ in range(int(TAIL * 10)):
        yield audio.silence(0.1, wire)


def _config(options: argparse.Namespace) -> dict[str, Any]:
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


class _Progress:
    """A bar on the standard error, if that is a terminal."""

    def __init__(self, name: str, length: float) -> None:
        self._name = name
        self._length = max(length, 0.001)
        self._shown = sys.stderr.isatty()
        self._last = -1

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._last >= 0:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def reached(self, seconds: float) -> None:
        """Show how far it is."""
        share = min(1.0, seconds / self._length)
        percent = int(share * 100)
        if not self._shown or percent == self._last:
            return
        self._last = percent
        full = round(share * CELLS)
        cells = "█" * full + "·" * (CELLS - full)
        state = "listening" if percent == 100 else f"{seconds:.0f} s"
        sys.stderr.write(f"\r\x1b[K{self._name[:30]} [{cells}] {percent:3d} % {state}")
        sys.stderr.flush()


def table(results: list[Result]) -> str:
    """The results of a folder in plain text."""
    width = max([len(each.path.name) for each in results] + [4])
    lines = [f"{'file':<{width}}  seconds  turns  words  took"]
    for each in results:
        words = sum(len((turn.text or "").split()) for turn in each.segments)
        figures = f"{each.seconds:>7.1f}  {len(each.segments):>5}  {words:>5}"
        took = each.problem or f"{each.took:.1f} s"
        lines.append(f"{each.path.name:<{width}}  {figures}  {took}")
    return "\n".join(lines)


def _as_json(result: Result) -> dict[str, Any]:
    return {
        "file": str(result.path),
        "seconds": round(result.seconds, 3),
        "problem": result.problem or None,
        "segments": [
            {
                "start": round(each.start, 3),
                "end": round(each.end, 3),
                "text": each.text,
            }
            for each in result.segments
        ],
    }
