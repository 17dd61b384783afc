"""Sending audio to a session, in step with a clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Literal, Union

from ..errors import ConfigurationError
from ..protocol.audio_formats import stated_audio_rate
from .files import FilePath, file_blocks
from .formats import PCM16, AudioFormat, FormatLike, audio_format
from .generate import silence as silent
from .pacer import Pacer

if TYPE_CHECKING:
    from typing_extensions import TypeIs

    from .. import Session, live

    AnySession = Union[Session, live.LiveSession]

Pace = Union[Literal["realtime", "full"], Pacer]


def is_live_for_stream(session: AnySession) -> TypeIs[live.LiveSession]:
    """Whether a session is one of GPT-Live."""
    return session.session_type == "live"


def append_for_stream(session: AnySession) -> Callable[[bytes], None]:
    """What takes the audio of a session's user."""
    if is_live_for_stream(session):
        return session.input_audio.append
    return session.input_audio_buffer.append


def stream_file(
    session: AnySession,
    path: FilePath,
    *,
    pace: Pace = "realtime",
    block_ms: float = 20,
    format: FormatLike | None = None,
    silence: float = 0.0,
    on_block: Callable[[bytes], object] | None = None,
) -> float:
    """
    Send an audio file to a session, as its user's speech.

    The file is read, mixed down to mono and resampled to the session's input
    format as it goes; memory does not grow with it. Commits nothing: server VAD
    finds the turn, or you commit; a live session knows by itself. Threads, pace and
    errors are those of `stream`.

    Args:
        session: an open session.
        path: any file that `read_file` reads.
        pace: see `stream`.
        block_ms: milliseconds of audio per append.
        format: input format, where it is not the session's.
        silence: seconds of silence to send after the file, for server VAD.
        on_block: see `stream`.

    Returns:
        Seconds of audio sent.
    """
    target = audio_format(format) if format else session_format(session, "input")
    return stream(
        session,
        _paced_blocks_then_silence(path, target, block_ms, silence),
        pace=pace,
        format=target,
        on_block=on_block,
    )


def stream(
    session: AnySession,
    blocks: Iterable[bytes],
    *,
    pace: Pace = "realtime",
    format: FormatLike | None = None,
    on_block: Callable[[bytes], object] | None = None,
) -> float:
    """
    Send blocks of audio to a session, as its user's speech.

    At ``"realtime"`` pace each block is sent when a microphone would have heard
    its end, measured from the start, so that lateness never adds up.

    May be called from any thread except the session's loop; it returns when
    everything is sent, and raises what ``append`` of the session raises when the
    connection is gone.

    Args:
        session: an open session.
        blocks: bytes of audio in the session's input format; may be endless.
        pace: ``"realtime"``, ``"full"`` (as fast as the socket takes it), or a
            `Pacer` of your own, which can be stopped from another thread.
        format: input format, where it is not the session's.
        on_block: called with each block after it was sent.

    Returns:
        Seconds of audio sent.
    """
    target = audio_format(format) if format else session_format(session, "input")
    pacer = Pacer() if pace == "realtime" else pace
    if isinstance(pacer, Pacer):
        pacer.wait(0)
    elif pacer != "full":
        raise ConfigurationError(f'pace is "realtime" or "full", not {pace!r}')
    append = append_for_stream(session)
    sent = 0
    for block in blocks:
        due = target.ms(sent + len(block)) / 1000
        if isinstance(pacer, Pacer) and not pacer.wait(due):
            break
        append(block)
        sent += len(block)
        if on_block is not None:
            on_block(block)
    return target.ms(sent) / 1000


def session_format(
    session: AnySession, direction: Literal["input", "output"]
) -> AudioFormat:
    """
    The audio format that a session uses in one direction.

    pcm16 at 24 kHz where the server has not said otherwise. A live session has one
    for both.
    """
    audio = getattr(session.config, "audio", None)
    side = audio if is_live_for_stream(session) else getattr(audio, direction, None)
    return _stream_format_of_side(side) or PCM16


def response_format(response: object) -> AudioFormat | None:
    """The audio format in which a response says that it speaks, if it does."""
    return _stream_format_of_side(
        getattr(getattr(response, "audio", None), "output", None)
    )


def _stream_format_of_side(side: object) -> AudioFormat | None:
    wire = getattr(side, "format", None)
    told = wire.get if isinstance(wire, Mapping) else partial(getattr, wire)
    name, rate = told("type", None), told("rate", None)
    if not isinstance(name, str) or not name:
        return None
    found = audio_format(name)
    if found.name != PCM16.name:
        # G.711 has one rate, whatever is left over in an echo.
        return found
    return audio_format(found, rate=stated_audio_rate(rate, found.rate))


def _paced_blocks_then_silence(
    path: FilePath, target: AudioFormat, block_ms: float, seconds: float
) -> Iterator[bytes]:
    yield from file_blocks(path, target, block_ms=block_ms)
    left = silent(seconds, target)
    size = target.size(block_ms)
    for start in range(0, len(left), size):
        yield left[start : start + size]
