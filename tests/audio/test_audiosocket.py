"""
AudioSocket over TCP, played by a second implementation of it.

`Asterisk` below is written from the public description of the protocol (the README of
CyCoreSystems/audiosocket and the table of types in it) and shares nothing with the
package: the real Asterisk was not tried.
"""

from __future__ import annotations

import importlib.util
import socket
import struct
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from realtime_sync import audio
from realtime_sync.server import Call, Prompt, Say, serve

TERMINATE, IDENTIFY, DTMF, ERROR = 0x00, 0x01, 0x03, 0xFF
SLIN = {0x10: 8_000, 0x12: 16_000}
"""Signed linear, 16-bit, mono, little-endian; the ones that are played here."""


class Asterisk:
    """
    The side of AudioSocket that connects: a header of three bytes, then a payload.

    Args:
        address: where to.
        kind: the type of sound that the channel has.
    """

    def __init__(self, address: Any, kind: int = 0x10) -> None:
        self.id = uuid.uuid4()
        self.kinds: list[int] = []
        self.lengths: set[int] = set()
        self.heard = bytearray()
        self.ended = threading.Event()
        self.changed = threading.Condition()
        self._kind = kind
        self._line = socket.create_connection(address)
        self._say(IDENTIFY, self.id.bytes)
        self._threads = [
            threading.Thread(target=self._listen, name="asterisk-reads"),
            threading.Thread(target=self._talk, name="asterisk-talks"),
        ]
        for thread in self._threads:
            thread.start()

    def _say(self, kind: int, payload: bytes = b"") -> None:
        self._line.sendall(struct.pack("!BH", kind, len(payload)) + payload)

    def _read(self, count: int) -> bytes:
        read = b""
        while len(read) < count:
            piece = self._line.recv(count - len(read))
            if not piece:
                raise EOFError
            read += piece
        return read

    def _listen(self) -> None:
        """Take frames until the other side ends."""
        try:
            while True:
                kind, length = struct.unpack("!BH", self._read(3))
                payload = self._read(length)
                with self.changed:
                    self.kinds.append(kind)
                    if kind in SLIN:
                        self.lengths.add(length)
                        self.heard += payload
                    self.changed.notify_all()
                if kind == TERMINATE:
                    return
        except (EOFError, OSError):
            return
        finally:
            self.ended.set()

    def _talk(self) -> None:
        """Send a frame every 20 ms, as a channel does, silence if nobody speaks."""
        frame = bytes(SLIN[self._kind] // 50 * 2)
        begun, number = time.monotonic(), 0
        try:
            while not self.ended.is_set():
                self._say(self._kind, frame)
                number += 1
                self.ended.wait(max(begun + 0.02 * number - time.monotonic(), 0))
        except OSError:
            self.ended.set()

    def wait_heard(self, ms: float) -> None:
        """Wait until so much sound has come."""
        size = round(SLIN[self._kind] * 2 * ms / 1000)
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.heard) >= size, 20)

    def press(self, digit: str) -> None:
        """A key."""
        self._say(DTMF, digit.encode())

    def hang_up(self, how: str) -> None:
        """End the call: by a frame, by an error, or by the socket alone."""
        if how == "frame":
            self._say(TERMINATE)
        elif how == "error":
            self._say(ERROR, b"\x01")
        self.close()

    def close(self) -> None:
        """Let go of the socket."""
        self.ended.set()
        try:
            self._line.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        for thread in self._threads:
            thread.join(10)
        self._line.close()


def speak(prompt: Prompt) -> Any:
    """Greet; say goodbye and end the call when a key was pressed."""
    if prompt.response_instructions:
        return Say("hello", audio.tone(440, 0.5, level=-6))
    if any(item.get("type") == "function_call" for item in prompt.items):
        return None
    return [Say("goodbye", audio.tone(440, 0.8, level=-6)), Call("end_call")]


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Any]]:
    """The example, listening; and its address."""
    path = Path(__file__).parents[2] / "docs" / "examples" / "audiosocket_server.py"
    spec = importlib.util.spec_from_file_location("audiosocket_server", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with serve(agent=speak) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        spec.loader.exec_module(module)
        listener = socket.create_server(("127.0.0.1", 0))
        thread = threading.Thread(target=module.serve, args=(listener,), name="line")
        thread.start()
        yield module, listener.getsockname()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)
        server.wait_idle()


@pytest.mark.parametrize("kind", SLIN, ids=["slin", "slin16"])
@pytest.mark.parametrize("how", ["frame", "error", "socket"])
def test_a_caller_is_greeted_and_hangs_up(
    line: tuple[Any, Any], kind: int, how: str
) -> None:
    """In frames of 20 ms of the channel's own kind, and nothing else."""
    asterisk = Asterisk(line[1], kind)
    asterisk.wait_heard(500)
    asterisk.hang_up(how)
    rate = SLIN[kind]
    loud = audio.level(bytes(asterisk.heard[:rate]), audio.audio_format("pcm16"))

    assert set(asterisk.kinds) == {kind}
    assert asterisk.lengths == {rate // 50 * 2}
    assert -12 < loud.peak < -3


def test_the_model_hangs_up_once_its_goodbye_was_heard(
    line: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last frame is the end, and the one before it the last of the goodbye."""
    module, address = line
    keys: list[str] = []

    def bridge(session: Any, *args: Any, **options: Any) -> Any:
        def pressed(key: str) -> None:
            keys.append(key)
            session.response.create()

        return made(session, *args, on_dtmf=pressed, **options)

    made = module.CallBridge
    monkeypatch.setattr(module, "CallBridge", bridge)
    asterisk = Asterisk(address)
    asterisk.wait_heard(500)
    asterisk.press("#")
    ended = asterisk.ended.wait(20)
    asterisk.close()

    assert ended
    assert keys == ["#"]
    assert asterisk.kinds[-1] == TERMINATE
    assert len(asterisk.heard) / 16 == pytest.approx(1300, abs=45)
