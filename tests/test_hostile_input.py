"""
Twenty thousand inputs of each of eight kinds: no exception but the documented ones.

Each input is made from a number: something right, of the kind's own structure, in which
one to four places are changed. So a failure names the number that makes it again. The
default suite tries a tenth, `tox -m deep` all; how long one takes is printed (``-s``).
"""

from __future__ import annotations

import base64
import json
import logging
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest

from realtime_sync import Endpoint, Router, connect, errors, replay, report, webhooks
from realtime_sync.audio import telephony
from realtime_sync.audio.telephony import CallBridge, Carrier
from realtime_sync.deadline import Deadline
from realtime_sync.protocol.codec import Codec
from realtime_sync.protocol.dialects import BETA, GA
from realtime_sync.protocol.jsontext import loads, standard_loads
from realtime_sync.recording.reader import read_recording
from realtime_sync.rest.http import Rest
from realtime_sync.session.options import SessionOptions
from realtime_sync.state.reduce import reduce
from realtime_sync.state.snapshot import Snapshot
from realtime_sync.testing import MemoryTransport
from realtime_sync.testing.carrier import LINES
from realtime_sync.transport.frames import FrameReader
from realtime_sync.transport.handshake import (
    Address,
    HandshakeRefused,
    handshaken_socket,
)
from tests.protocol.mutations import ACTIONS, ODDITIES, mutate, paths
from tests.protocol.specimens import said_by
from tests.rawserver import Peer, RawServer, server_frame

MANY = 20_000
NASTY = (
    "\x1b[2J",
    "\u202eevil",
    "\ud800",
    "\x00",
    "<script>alert(1)</script>",
    "a\r\nX: y",
    "9" * 400,
    "\u2028",
    "é" * 300,
)
NUMBERS = (float("inf"), -float("inf"), float("nan"), 10**400, -(10**30), 1e308, -0.0)


def changed_json(rng: Random, frame: Any) -> Any:
    """A frame with up to four places changed."""
    frame = json.loads(json.dumps(frame))
    for _ in range(rng.randrange(5)):
        places = list(paths(frame))
        if not places:
            break
        odd = rng.choice((*ODDITIES, *NASTY, *NUMBERS))
        odd = odd if isinstance(odd, (int, float, str)) else json.loads(json.dumps(odd))
        mutate(frame, rng.choice(places), rng.choice(ACTIONS), odd)
    return frame


def changed_bytes(rng: Random, data: bytes) -> bytes:
    """Bytes with up to three places changed, cut off, doubled or put in."""
    made = bytearray(data)
    for _ in range(rng.randrange(4)):
        at = rng.randrange(len(made) + 1)
        act = rng.randrange(5)
        if act == 0:
            made[at : at + 1] = bytes([rng.randrange(256)])
        elif act == 1:
            del made[at : at + rng.randrange(1, 30)]
        elif act == 2:
            made[at:at] = made[at : at + rng.randrange(1, 200)]
        elif act == 3:
            made[at:at] = rng.choice(NASTY).encode("utf-8", "surrogatepass")
        else:
            del made[at:]
    return bytes(made)


def text_of(rng: Random, frame: Any) -> bytes:
    """A frame as text, now and then damaged."""
    data = json.dumps(frame, ensure_ascii=rng.random() < 0.5)
    raw = data.encode("utf-8", "surrogatepass")
    return changed_bytes(rng, raw) if rng.random() < 0.3 else raw


Try = Callable[[Random], None]
SAID = said_by("server")
CODECS = [
    Codec(dialect, session_type=kind, loads=decoder)
    for dialect, kind in (
        (GA, "realtime"),
        (BETA, "realtime"),
        (GA, "transcription"),
        (GA, "translation"),
        (GA, "live"),
    )
    for decoder in (loads, standard_loads)
]


# -- the eight kinds -------------------------------------------------------------


@contextmanager
def frame_reader() -> Iterator[Try]:
    """Frames, their headers changed, in pieces of any size."""

    def attempt(rng: Random) -> None:
        stream = b""
        for _ in range(rng.randrange(1, 6)):
            payload = rng.randbytes(rng.choice((0, 1, 5, 125, 126, 300, 1200)))
            opcode = rng.choice((0, 1, 1, 2, 8, 9, 10, 3, 15))
            stream += server_frame(payload, opcode, fin=rng.random() < 0.7)
        stream = changed_bytes(rng, stream)
        reader, at, messages = FrameReader(max_size=1000), 0, 0
        try:
            while at < len(stream):
                step = rng.choice((1, 2, 7, 100, 5000))
                reader.feed(stream[at : at + step])
                at += step
                while (rng.random() < 0.5 and reader.texts()) or reader.next():
                    messages += 1
        except errors.RemoteProtocolError:
            pass
        assert messages <= len(stream)

    yield attempt


@contextmanager
def codec() -> Iterator[Try]:
    """Any frame, for any dialect, with either JSON library: always an event."""

    def attempt(rng: Random) -> None:
        frame = changed_json(rng, rng.choice(SAID).frame)
        event = rng.choice(CODECS).decode(text_of(rng, frame))
        assert isinstance(event.type, str)
        repr(event)

    yield attempt


@contextmanager
def mirror() -> Iterator[Try]:
    """Events in any order, about the same few things."""
    ids = ("item_1", "item_2", "item_3", "resp_1", "resp_2", "")
    ga = [each.frame for each in SAID if each.dialect == "ga"]
    names = ("id", "item_id", "response_id", "previous_item_id", "conversation_id")

    def about(rng: Random, value: Any) -> Any:
        """The same frame about one of a few things."""
        if isinstance(value, dict):
            return {
                name: (
                    rng.choice((*ids, None))
                    if name in names and isinstance(each, (str, type(None)))
                    else about(rng, each)
                )
                for name, each in value.items()
            }
        if isinstance(value, list):
            return [about(rng, each) for each in value]
        return value

    def attempt(rng: Random) -> None:
        snapshot = Snapshot()
        for _ in range(rng.randrange(1, 12)):
            frame = about(rng, changed_json(rng, rng.choice(ga)))
            snapshot = reduce(snapshot, CODECS[0].decode(text_of(rng, frame)))
        packed = json.loads(json.dumps(snapshot.to_dict()))
        assert Snapshot.from_dict(packed).to_dict() == snapshot.to_dict()
        snapshot.transcript()
        snapshot.to_messages()

    yield attempt


HEADS = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: x\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 401 Unauthorized\r\n\r\n",
    b"HTTP/1.1 429 Too Many\r\nRetry-After: 5\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n",
    b"HTTP/1.1 500 X\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b'HTTP/1.1 400 X\r\nContent-Length: 30\r\n\r\n{"error": {"message": "no"}}',
)


@contextmanager
def answering() -> Iterator[tuple[str, Callable[[bytes], None]]]:
    """A server that answers each connection with what it was last told, and goes."""
    told: list[bytes] = [b""]

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.raw(told[0])

    with RawServer(script) as server:

        def tell(answer: bytes) -> None:
            told[0] = answer
            # What is over is of no interest to the server's end.
            server._threads[:] = [each for each in server._threads if each.is_alive()]
            del server._socks[:-8], server.heads[:]

        yield server.url, tell


@contextmanager
def handshake() -> Iterator[Try]:
    """Answers to the request for a WebSocket."""
    with answering() as (url, tell):

        def attempt(rng: Random) -> None:
            tell(changed_bytes(rng, rng.choice(HEADS)))
            try:
                handshaken_socket(Address(url=url, headers={}), Deadline(5)).close()
            except (HandshakeRefused, errors.ConnectFailed):
                pass

        yield attempt


@contextmanager
def rest() -> Iterator[Try]:
    """Answers to a REST request."""
    with answering() as (url, tell):
        endpoint = Endpoint.at(url.replace("ws://", "http://"))
        client = Rest(endpoint, SessionOptions(timeout=5.0), max_retries=0)
        good = json.dumps({"value": "ek_1", "expires_at": 1, "session": {}}).encode()
        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        whole = (head % len(good) + good, *HEADS[1:])

        def attempt(rng: Random) -> None:
            tell(changed_bytes(rng, rng.choice(whole)))
            try:
                client.request("POST", "/x", repeatable=False).decoded()
            except errors.RestError:
                pass

        yield attempt
        client.close()


@contextmanager
def recordings() -> Iterator[Try]:
    """Files: read, replayed, and reported on."""
    ga = [each.frame for each in SAID if each.dialect == "ga"]
    head = {
        "format": "realtime-sync-recording",
        "version": 1,
        "started": 1.0,
        "dialect": "ga",
        "session_type": "realtime",
        "connection": 1,
    }
    note = {"t": 1.0, "dir": "note", "note": {"type": "turn.finished", "seconds": 1}}

    def attempt(rng: Random) -> None:
        lines: list[Any] = [head] if rng.random() < 0.9 else []
        for number in range(rng.randrange(1, 8)):
            kind = rng.choice(("in", "in", "in", "out"))
            line = {"t": number / 10, "dir": kind, "frame": rng.choice(ga)}
            lines.append(changed_json(rng, note if rng.random() < 0.1 else line))
        texts = [text_of(rng, line) for line in lines]
        try:
            list(read_recording(texts))
            replay(texts, router=Router())
            report.html(texts)
        except errors.ConfigurationError:
            pass

    yield attempt


CARRIERS = [each for each in vars(telephony).values() if isinstance(each, Carrier)]


@contextmanager
def carriers() -> Iterator[Try]:
    """What a telephone company's side says, for each of them."""
    memory = MemoryTransport()
    with connect("m", transport=memory, router=Router(), dispatch="inline") as session:

        def attempt(rng: Random) -> None:
            carrier = rng.choice(CARRIERS)
            line = LINES[carrier.name]()
            mark = json.dumps({"mark": "m"}) if carrier is telephony.VONAGE else "m"
            said = [
                *line.begin(),
                line.caller(b"\xff" * 160),
                line.key("5"),
                line.heard(mark),
                line.stop(),
            ]
            messages = [each for each in said if each is not None]
            rng.shuffle(messages)
            bridge = None
            if rng.random() < 0.05:
                bridge = CallBridge(session, carrier, send=lambda message: None)
            wire = carrier.wire()
            try:
                for message in messages:
                    sent = changed_message(rng, message)
                    try:
                        if bridge is not None:
                            bridge.receive(sent)
                        else:
                            list(wire.read(sent))
                    except (errors.RemoteProtocolError, errors.CommandRejected):
                        pass
            finally:
                if bridge is not None:
                    bridge.close()

        yield attempt


def changed_message(rng: Random, message: Any) -> Any:
    """A carrier's message: text, bytes, or decoded, changed."""
    if isinstance(message, str) and message.startswith("{"):
        frame = changed_json(rng, json.loads(message))
        if rng.random() < 0.3:
            return frame
        return text_of(rng, frame).decode("utf-8", "surrogateescape")
    raw = message if isinstance(message, bytes) else message.encode()
    raw = changed_bytes(rng, raw)
    return raw if isinstance(message, bytes) else raw.decode("utf-8", "replace")


@contextmanager
def webhook() -> Iterator[Try]:
    """Signed or forged, of any content."""
    secret = "whsec_" + base64.b64encode(b"k" * 24).decode()
    call = {
        "id": "evt_1",
        "type": "realtime.call.incoming",
        "created_at": 1,
        "data": {"call_id": "rtc", "sip_headers": [{"name": "From", "value": "sip:x"}]},
    }

    def attempt(rng: Random) -> None:
        body = text_of(rng, changed_json(rng, call))
        headers: Any = webhooks.sign(body, secret, webhook_id="w", timestamp=100)
        genuine = rng.random() < 0.6
        if not genuine:
            name = rng.choice(list(headers))
            damaged = changed_bytes(rng, headers[name].encode())
            headers[name] = damaged.decode("utf-8", "surrogateescape")
        try:
            webhooks.unwrap(body, headers, secret, now=100)
        except errors.WebhookRejected:
            pass

    yield attempt


KINDS = {
    "frame reader": frame_reader,
    "codec": codec,
    "mirror": mirror,
    "handshake answers": handshake,
    "REST answers": rest,
    "recordings": recordings,
    "carriers' messages": carriers,
    "webhooks": webhook,
}


def tried(kind: str, numbers: range) -> list[str]:
    """Try inputs of a kind; what was raised, with the number of the input."""
    wrong: list[str] = []
    # Whoever tests keeps what is logged, and the library beneath REST logs much.
    logging.disable(logging.CRITICAL)
    with KINDS[kind]() as attempt:
        attempt(Random(0))
        tracemalloc.start()
        start = time.process_time()
        for number in numbers:
            try:
                attempt(Random(number))
            except Exception as exc:
                where = exc.__traceback__
                while where is not None and where.tb_next is not None:
                    where = where.tb_next
                place = where.tb_frame.f_code if where is not None else None
                wrong.append(f"{number}: {type(exc).__name__}: {exc!s:.100} in {place}")
        took = time.process_time() - start
        kept, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    logging.disable(logging.NOTSET)
    each = took / len(numbers) * 1e6
    print(f"{kind}: {len(numbers):,} inputs, {each:.0f} us each, {len(wrong)} raised,")
    print(f"  {kept >> 10} KiB kept, {most >> 10} KiB at most")
    assert most < 24 << 20  # One answer of REST may be 16 MiB.
    return wrong[:20]


@pytest.mark.parametrize(
    "share",
    [10, pytest.param(1, marks=[pytest.mark.deep, pytest.mark.timeout(900)])],
)
@pytest.mark.parametrize("kind", KINDS)
def test_none_of_the_inputs_raises_anything_else(kind: str, share: int) -> None:
    """Two thousand of each kind, and twenty thousand under ``deep``."""
    assert [] == tried(kind, range(MANY // share))
