"""
The decoder, in a process of its own.

pocketsphinx holds the interpreter while it decodes, for a tenth of the length
of the speech. In the server's process that would stop every other session,
and a client in the same program, for as long.

Messages in both directions are a length of four bytes and as many bytes: 16 kHz
audio towards the decoder, UTF-8 text back.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import weakref
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any, Final, Optional

if TYPE_CHECKING:
    from pocketsphinx import Decoder

SETTINGS: Final[Mapping[str, Any]] = {"fwdflatsfwin": 50, "fwdflatefwid": 2}
"""
Where the decoder differs from its defaults.

The second pass looks for a word in twice as many frames, and also for those
that the first pass saw end in two frames only; short words are lost otherwise.
"""

_LENGTH: Final = struct.Struct("<I")
# Ctrl-C is for the program that started this one, whose end ends it too. It comes to
# both, also while this one is still importing.
_PROGRAM: Final = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); "
    "sys.path[:] = sys.argv[1].split(os.pathsep); "
    f"from {__name__} import serve_decoder; serve_decoder()"
)
_GRACE_S: Final = 5.0


class DecoderStopped(Exception):
    """The decoder's process ended before it answered."""


class DecoderProcess:
    """
    One decoder, which takes one turn at a time.

    The process starts at once and loads its models while the caller goes on.
    It ends with `close`, when this object is collected, when the program
    ends, and when the program is killed.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, os.pathsep.join(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._owner = os.getpid()
        self.close = weakref.finalize(self, _stop_decoder, self._process)

    @property
    def usable(self) -> bool:
        """Whether the process is alive, and belongs to this side of a fork."""
        return self._owner == os.getpid() and self._process.poll() is None

    def decode(self, pcm: bytes) -> str:
        """
        Write down what is said.

        Args:
            pcm: 16-bit little-endian mono at 16,000 hertz.

        Raises:
            DecoderStopped: the process ended; make another one.
        """
        source, sink = self._process.stdout, self._process.stdin
        assert source is not None and sink is not None
        try:
            _send_to_decoder(sink, pcm)
        except (OSError, ValueError) as error:
            raise DecoderStopped from error
        words = _receive_of_decoder(source)
        if words is None:
            raise DecoderStopped
        return words.decode()


def serve_decoder() -> None:
    """Decode what comes on standard input, until it ends."""
    from pocketsphinx import Decoder

    decoder = Decoder(loglevel="FATAL", **SETTINGS)
    while (pcm := _receive_of_decoder(sys.stdin.buffer)) is not None:
        _send_to_decoder(sys.stdout.buffer, _decode_in_process(decoder, pcm).encode())


def _decode_in_process(decoder: Decoder, pcm: bytes) -> str:
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()
    best = decoder.hyp()
    return str(best.hypstr) if best else ""


def _send_to_decoder(sink: IO[bytes], message: bytes) -> None:
    sink.write(_LENGTH.pack(len(message)))
    sink.write(message)
    sink.flush()


def _receive_of_decoder(source: IO[bytes]) -> Optional[bytes]:
    head = source.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (size,) = _LENGTH.unpack(head)
    message = source.read(size)
    return message if len(message) == size else None


def _stop_decoder(process: subprocess.Popen[bytes]) -> None:
    # Output stays open until the process has ended: a thread may be reading it.
    _close_decoder_stream(process.stdin)
    try:
        process.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _close_decoder_stream(process.stdout)


def _close_decoder_stream(stream: Optional[IO[bytes]]) -> None:
    try:
        if stream is not None:
            stream.close()
    except OSError:
        # A process that is gone cannot take what is still buffered.
        pass
