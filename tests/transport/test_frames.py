"""Cutting bytes into WebSocket messages."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from time import process_time
from typing import Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websocket import ABNF

from realtime_sync.errors import RemoteProtocolError
from realtime_sync.transport.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    FrameReader,
    Message,
    close_frame_payload,
    masked_frame,
    parse_close_frame,
)


def frame(
    payload: bytes = b"",
    opcode: int = TEXT,
    *,
    fin: bool = True,
    wide: Optional[int] = None,
    reserved: int = 0,
    masked: bool = False,
) -> bytes:
    """One frame as a server sends it; `wide` forces a length of 2 or 8 bytes."""
    size = len(payload)
    if wide is None:
        wide = 0 if size < 126 else (2 if size < 1 << 16 else 8)
    short = {0: size, 2: 126, 8: 127}[wide]
    first = (0x80 if fin else 0) | reserved << 4 | opcode
    head = bytes([first, short | (0x80 if masked else 0)])
    return head + (size.to_bytes(wide, "big") if wide else b"") + payload


def read(*chunks: bytes, max_size: Optional[int] = None) -> list[Message]:
    """All messages that come of some chunks."""
    reader = FrameReader(max_size)
    found = []
    for chunk in chunks:
        reader.feed(chunk)
        while (message := reader.next()) is not None:
            found.append(message)
    return found


def read_fast(*chunks: bytes, max_size: Optional[int] = None) -> list[Message]:
    """The same with `texts` before `next`, as the transport does it."""
    reader = FrameReader(max_size)
    found = []
    for chunk in chunks:
        reader.feed(chunk)
        while True:
            found += [Message(TEXT, payload) for payload in reader.texts()]
            message = reader.next()
            if message is None:
                break
            found.append(message)
    return found


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """The data in pieces, cut at the places given."""
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in zip(edges, edges[1:])]


SIZES = (0, 1, 125, 126, 127, 65535, 65536, 70000)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_message_of_any_size_comes_back_whole(size: int, opcode: int) -> None:
    """Every length encoding is understood, also at its limits."""
    payload = bytes(index % 251 for index in range(size))

    assert [Message(opcode, payload)] == read(frame(payload, opcode))


@pytest.mark.parametrize("wide", [2, 8])
def test_a_length_in_more_bytes_than_needed_is_understood(wide: int) -> None:
    """Servers that do not use the shortest length are tolerated."""
    assert [Message(TEXT, b"abc")] == read(frame(b"abc", wide=wide))


def test_fragments_become_one_message_with_the_first_opcode() -> None:
    """A message in three frames is one message, of the kind the first one says."""
    data = (
        frame(b"ab", BINARY, fin=False)
        + frame(b"cd", CONTINUATION, fin=False)
        + frame(b"ef", CONTINUATION)
    )

    assert [Message(BINARY, b"abcdef")] == read(data)


def test_control_frames_pass_between_fragments() -> None:
    """Pings and pongs within a message come first and leave it whole."""
    data = (
        frame(b"ab", fin=False)
        + frame(b"!", PING)
        + frame(b"cd", CONTINUATION, fin=False)
        + frame(b"", PONG)
        + frame(b"ef", CONTINUATION)
    )

    assert [
        Message(PING, b"!"),
        Message(PONG, b""),
        Message(TEXT, b"abcdef"),
    ] == read(data)


def test_a_message_of_empty_fragments_is_empty() -> None:
    """Any number of empty fragments adds nothing and keeps nothing."""
    data = frame(b"", fin=False) + frame(b"", CONTINUATION, fin=False) * 50

    assert [Message(TEXT, b"")] == read(data + frame(b"", CONTINUATION))


def test_messages_after_each_other_in_one_chunk_come_one_by_one() -> None:
    """A read from the socket may hold many frames and a part of one more."""
    data = b"".join(frame(b"%d" % number) for number in range(500))
    messages = read(data + frame(b"x" * 300)[:100], frame(b"x" * 300)[100:])

    assert [b"%d" % number for number in range(500)] + [b"x" * 300] == [
        message.payload for message in messages
    ]


def test_bytes_fed_before_the_rest_was_taken_are_not_lost() -> None:
    """Feeding ahead of taking changes nothing."""
    reader = FrameReader()
    data = frame(b"one") + frame(b"two" * 100) + frame(b"three")
    for at in range(len(data)):
        reader.feed(data[at : at + 1])
    first = reader.next()
    reader.feed(frame(b"four"))
    rest = [reader.next() for _ in range(4)]

    assert Message(TEXT, b"one") == first
    assert [
        Message(TEXT, b"two" * 100),
        Message(TEXT, b"three"),
        Message(TEXT, b"four"),
        None,
    ] == rest


def test_a_stream_may_be_cut_at_every_byte() -> None:
    """Wherever a chunk ends, the same messages come."""
    data = (
        frame(b"first")
        + frame(b"ab" * 70, BINARY, fin=False)
        + frame(b"ping", PING)
        + frame(b"cd" * 70, CONTINUATION)
        + frame(b"x" * 300, wide=8)
        + frame(close_frame_payload(1000, "bye"), CLOSE)
    )
    whole = read(data)

    assert 5 == len(whole)
    for at in range(len(data) + 1):
        assert whole == read(data[:at], data[at:])
    assert whole == read(*(data[at : at + 1] for at in range(len(data))))


fragmented = st.lists(st.binary(max_size=200), min_size=1, max_size=4)
pings = st.lists(st.binary(max_size=125), max_size=2)


@given(
    messages=st.lists(
        st.tuples(st.sampled_from([TEXT, BINARY]), fragmented, pings), max_size=6
    ),
    places=st.lists(st.integers(0, 10_000), max_size=30),
)
def test_any_fragmentation_in_any_chunks_gives_the_messages_back(
    messages: list[tuple[int, list[bytes], list[bytes]]], places: list[int]
) -> None:
    """Neither fragments, nor control frames between them, nor chunks matter."""
    data = b""
    wanted: list[Message] = []
    for opcode, parts, controls in messages:
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            data += frame(part, CONTINUATION if number else opcode, fin=last)
            if not last:
                data += b"".join(frame(control, PING) for control in controls)
                wanted += [Message(PING, control) for control in controls]
        wanted.append(Message(opcode, b"".join(parts)))

    assert wanted == read(*cut(data, places))
    assert wanted == read_fast(*cut(data, places))


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536])
def test_the_short_way_takes_whole_text_frames_below_64_kib(size: int) -> None:
    """Every other frame is left to the long way."""
    reader = FrameReader()
    reader.feed(frame(bytes(size)) + frame(b"next"))

    assert ([bytes(size), b"next"] if size < 65536 else []) == reader.texts()


@pytest.mark.parametrize(
    "data",
    [frame(b"xx", BINARY), frame(b"xx", fin=False), frame(b"xx", masked=True)],
)
def test_the_short_way_leaves_what_is_not_plain_text(data: bytes) -> None:
    """Binary, fragments, and what breaks the protocol."""
    reader = FrameReader()
    reader.feed(frame(b"before") + data + frame(b"behind"))

    assert [b"before"] == reader.texts()
    assert [] == reader.texts()


def test_the_short_way_keeps_to_the_limit() -> None:
    """A frame over the limit is refused by the long way."""
    with pytest.raises(RemoteProtocolError):
        read_fast(frame(bytes(11)), max_size=10)


@given(data=st.binary(max_size=400), places=st.lists(st.integers(0, 400), max_size=9))
def test_any_bytes_give_messages_or_a_protocol_error(
    data: bytes, places: list[int]
) -> None:
    """Noise raises nothing but `RemoteProtocolError`, wherever it is cut."""

    def outcome(chunks: list[bytes]) -> tuple[list[Message], bool]:
        reader = FrameReader(1 << 20)
        found: list[Message] = []
        try:
            for chunk in chunks:
                reader.feed(chunk)
                while (message := reader.next()) is not None:
                    found.append(message)
        except RemoteProtocolError:
            return found, True
        return found, False

    assert outcome([data]) == outcome(cut(data, places))


@pytest.mark.parametrize(
    "data",
    [
        frame(b"x", masked=True),
        frame(b"x", reserved=4),
        frame(b"x", reserved=1),
        frame(b"x", opcode=0x3),
        frame(b"x", opcode=0xB),
        frame(b"x", opcode=CONTINUATION),
        frame(b"x", fin=False) + frame(b"y"),
        frame(b"x", fin=False) + frame(b"y", BINARY, fin=False),
        frame(b"x", opcode=PING, fin=False),
        frame(b"x" * 126, opcode=PING),
        frame(b"x", opcode=CLOSE, wide=2),
    ],
    ids=[
        "masked",
        "compressed",
        "reserved-bit",
        "reserved-data-opcode",
        "reserved-control-opcode",
        "continuation-of-nothing",
        "message-within-message",
        "fragments-within-fragments",
        "ping-in-fragments",
        "long-ping",
        "close-with-long-length",
    ],
)
def test_a_malformed_frame_is_refused(data: bytes) -> None:
    """What RFC 6455 forbids ends the connection, and is named."""
    with pytest.raises(RemoteProtocolError):
        read(data)


def test_a_control_frame_that_claims_to_be_long_is_refused_at_its_head() -> None:
    """The reader does not collect gigabytes for a ping."""
    with pytest.raises(RemoteProtocolError, match="control frame"):
        read(bytes([0x80 | PING, 127]) + (1 << 40).to_bytes(8, "big")[:1])


def test_a_length_with_the_sign_bit_is_refused() -> None:
    """Without a limit the reader would wait for ever."""
    with pytest.raises(RemoteProtocolError, match="length"):
        read(bytes([0x80 | TEXT, 127]) + b"\xff" * 8)


def test_a_message_over_the_limit_is_refused_before_it_is_collected() -> None:
    """The head of the frame is enough, and the message says what to change."""
    with pytest.raises(RemoteProtocolError, match="max_frame_size"):
        read(frame(b"x" * 101)[:2], max_size=100)


def test_the_limit_counts_all_fragments_of_a_message() -> None:
    """A message cannot grow past the limit in small pieces."""
    with pytest.raises(RemoteProtocolError, match="over the limit of 100"):
        read(
            frame(b"x" * 60, fin=False),
            frame(b"x" * 41, CONTINUATION),
            max_size=100,
        )


def test_a_message_of_exactly_the_limit_passes_with_pings_inside() -> None:
    """Control frames are no part of the message that they interrupt."""
    data = (
        frame(b"x" * 60, fin=False)
        + frame(b"ping" * 20, PING)
        + frame(b"x" * 40, CONTINUATION)
    )

    assert Message(TEXT, b"x" * 100) == read(data, max_size=100)[-1]


def test_the_limit_starts_anew_with_each_message() -> None:
    """Only one message at a time is limited."""
    data = (frame(b"x" * 60, fin=False) + frame(b"x" * 40, CONTINUATION)) * 3

    assert 3 == len(read(data, max_size=100))


@pytest.mark.parametrize("chunk", [1, 1 << 16])
def test_a_large_message_costs_time_in_proportion(chunk: int) -> None:
    """
    Four times the bytes take about four times as long, in chunks of any size.

    A reader that joined what it has at every chunk would take sixteen times as
    long; the bound lies between, and the best of three is taken.
    """
    unit = 250_000 if chunk == 1 else 15_000_000 // 4

    def seconds(size: int) -> float:
        data = frame(bytes(size), BINARY)
        pieces = [data[at : at + chunk] for at in range(0, len(data), chunk)]
        started = process_time()
        (message,) = read(*pieces)
        took = process_time() - started
        assert size == len(message.payload)
        return took

    small = min(seconds(unit) for _ in range(3))
    large = min(seconds(4 * unit) for _ in range(3))

    assert large < 9 * small + 0.05


@pytest.mark.deep
def test_fifteen_megabytes_byte_by_byte_are_read() -> None:
    """The largest frame of the service, in the smallest chunks."""
    data = frame(bytes(15 << 20), BINARY)

    assert 15 << 20 == len(read(*(data[i : i + 1] for i in range(len(data))))[0][1])


@pytest.mark.parametrize(
    ("payload", "wanted"),
    [
        (b"", (1005, "")),
        (b"\x03", (1005, "")),
        (close_frame_payload(1000), (1000, "")),
        (close_frame_payload(3000, "who are you"), (3000, "who are you")),
        (b"\x0f\xa0\xff\xfe", (4000, "\ufffd\ufffd")),
    ],
)
def test_a_close_frame_gives_code_and_reason(
    payload: bytes, wanted: tuple[int, str]
) -> None:
    """Also one without a code, or with a reason that is not text."""
    assert wanted == parse_close_frame(payload)


@given(st.text(max_size=200))
def test_a_reason_is_cut_to_what_fits_and_stays_text(reason: str) -> None:
    """A peer fails the connection over a reason cut within a character."""
    payload = close_frame_payload(1000, reason)
    code, words = parse_close_frame(payload)

    assert len(payload) <= 125
    assert 1000 == code
    assert reason.encode("utf-8", "replace").decode().startswith(words)


@given(
    st.binary(max_size=300),
    st.sampled_from((0, 1, 125, 126, 65_535, 65_536)),
    st.sampled_from((TEXT, BINARY, CONTINUATION, PING, PONG, CLOSE)),
    st.booleans(),
    st.binary(min_size=4, max_size=4),
)
def test_masked_frame_is_what_websocket_client_would_send(
    some: bytes, size: int, opcode: int, fin: bool, key: bytes
) -> None:
    """The short way of masking has the library's own as its oracle."""
    payload = some + bytes(size)
    slow = ABNF(int(fin), 0, 0, 0, opcode, 1, payload)
    slow.get_mask_key = lambda length: key

    assert slow.format() == masked_frame(payload, opcode, key, fin=fin)


MANY = 50_000


def fragments(size: int) -> Iterator[bytes]:
    """A message in many frames of so many bytes, some of them empty."""
    piece = bytes(size)
    yield frame(piece, TEXT, fin=False)
    for _ in range(MANY):
        yield frame(piece, CONTINUATION, fin=False) + frame(
            b"", CONTINUATION, fin=False
        )
    yield frame(piece, CONTINUATION)


def small_reads(size: int) -> Iterator[bytes]:
    """One large frame that comes in reads of so many bytes."""
    whole = frame(bytes(size * MANY))
    yield from (whole[at : at + size] for at in range(0, len(whole), size))


@pytest.mark.parametrize("size", [1, 2, 3, 10])
@pytest.mark.parametrize("stream", [fragments, small_reads])
def test_pieces_take_no_more_memory_than_what_is_in_them(
    stream: Callable[[int], Iterator[bytes]], size: int
) -> None:
    """The bound of a message is one of memory, however many pieces it is in."""
    reader, found = FrameReader(size * (MANY + 2)), list[Message]()
    tracemalloc.start()
    for chunk in stream(size):
        reader.feed(bytes(bytearray(chunk)))
        while (message := reader.next()) is not None:
            found.append(message)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert [True] == [len(each.payload) >= size * MANY - 8 for each in found]
    assert peak < 4 * size * MANY + 20_000


def test_fragments_that_exceed_the_bound_end_the_connection_whatever_their_size() -> (
    None
):
    """And not one byte later."""
    reader = FrameReader(1000)
    with pytest.raises(RemoteProtocolError, match="1001 bytes"):
        for chunk in fragments(1):
            reader.feed(chunk)
            assert reader.next() is None
