"""Misbehaviour on demand, as a client sees it."""

from __future__ import annotations

import json
from typing import Any, Callable

import pytest
import websocket

from realtime_sync.errors import ConfigurationError
from realtime_sync.server import FAULTS, Fault, ManualClock, Server, serve

from .clients import Client, client, opened
from .sounds import b64, silence

Start = Callable[..., Server]
LOST = (websocket.WebSocketConnectionClosedException, ConnectionError)


@pytest.fixture
def server(start: Start) -> Server:
    """A server that answers in three words."""
    return start(agent=["one two three"])


def talk(one: Client) -> list[Any]:
    """Say something, and collect frames until the end of the response or line."""
    frames: list[Any] = []
    one.say("hello")
    one.send("response.create", response={"output_modalities": ["text"]})
    while not frames or frames[-1].get("type") != "response.done":
        frames.append(one.receive())
    return frames


@pytest.mark.parametrize(
    "text", ["explode", "drop_after", "refuse:999", "flap:x", "cut:1:x", "drip:slow"]
)
def test_a_fault_that_makes_no_sense_is_refused(text: str) -> None:
    """When the server is started, or at the handshake."""
    with pytest.raises(ConfigurationError):
        serve(faults=[text])


def test_an_unknown_fault_in_the_url_is_refused(server: Server) -> None:
    """With HTTP 400 and a word about what there is."""
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        with client(server, "explode"):
            pass

    assert 400 == caught.value.status_code


def test_every_fault_is_described_and_parses() -> None:
    """The table is the documentation."""
    assert all(FAULTS.values())
    assert Fault("cut", 3, 10.0) == Fault.parse("cut:3:10")
    assert Fault("missing", "response.created") == Fault.parse(
        "missing:response.created"
    )


@pytest.mark.parametrize(
    ("fault", "count"),
    [
        ("drop_before:2", 1),
        ("drop_after:2", 2),
        ("drop_after:conversation.item.done", 3),
    ],
)
def test_the_connection_drops_around_a_frame(
    server: Server, fault: str, count: int
) -> None:
    """Frames before it arrive whole, then the line is dead without a close frame."""
    one = opened(server, f"/v1/realtime?model=m&fault={fault}")
    frames: list[Any] = []
    one.say("hello")
    with pytest.raises(LOST):
        while True:
            frames.append(one.receive())
    one.socket.shutdown()

    assert count == len(frames)
    assert all(isinstance(frame, dict) for frame in frames)


@pytest.mark.parametrize("size", [0, 1, 2, 5, 60])
def test_the_connection_drops_inside_a_frame(server: Server, size: int) -> None:
    """At a byte of the frame, its header included."""
    one = opened(server, f"/v1/realtime?model=m&fault=cut:2:{size}")
    one.receive()
    one.say("hello")
    left = b""
    while chunk := one.socket.sock.recv(1000):
        left += chunk
    one.socket.shutdown()

    assert size == len(left)


def test_a_reset(server: Server) -> None:
    """The harshest end there is."""
    one = opened(server, "/v1/realtime?model=m&fault=reset_after:1")
    with pytest.raises(LOST):
        one.receive()
        one.receive()
    one.socket.shutdown()


def test_a_close_frame_in_the_middle(server: Server) -> None:
    """With a code of one's choice."""
    with client(server, "close_after:3:1011") as one:
        frames = [one.receive()]
        one.say("hello")
        frames += [one.receive(), one.receive(), one.receive()]

        assert 1011 == frames[-1][0]


def test_stalling_and_half_open_lines_stay_open(server: Server) -> None:
    """Nothing comes any more; the difference is whether the server still reads."""
    for fault, heard in (("stall:2", 1), ("half_open:2", 1)):
        with client(server, fault) as one:
            one.receive()
            one.say("hello")
            server.wait_idle()
            one.socket.settimeout(0.05)
            with pytest.raises(websocket.WebSocketTimeoutException):
                one.receive()

            assert heard == len(server.sessions[-1].received)
            assert server.sessions[-1].open


@pytest.mark.parametrize("fault", ["stall:2", "half_open:2"])
@pytest.mark.parametrize("reset", [False, True])
def test_a_line_that_stands_still_can_be_dropped(
    server: Server, fault: str, reset: bool
) -> None:
    """What it holds back does not keep it."""
    with client(server, fault) as one:
        one.receive()
        one.say("hello")
        server.wait_idle()
        server.sessions[-1].drop(reset=reset)
        with pytest.raises(LOST):
            one.receive()


def test_what_is_not_an_event(server: Server) -> None:
    """Bad JSON, an array, an unknown type and 15 MB, each before a frame."""
    faults = ("bad_json:2", "non_object:2", "unknown_event:2", "big:3:100000")
    with client(server, *faults) as one:
        one.receive()
        one.say("hello")
        texts = [one.socket.recv() for _ in range(6)]

    with pytest.raises(ValueError):
        json.loads(texts[0])
    assert isinstance(json.loads(texts[1]), list)
    assert "response.sparkle" == json.loads(texts[2])["type"]
    assert 100_000 == len(texts[4])
    assert ["conversation.item.added", "conversation.item.done"] == [
        json.loads(texts[index])["type"] for index in (3, 5)
    ]


def test_fields_that_are_odd(server: Server) -> None:
    """Unknown ones, null ids, nulls where nothing was."""
    with client(server, "unknown_fields", "null_ids", "null_fields") as one:
        frames = [one.receive(), *talk(one)]

    assert all(frame["event_id"] is None for frame in frames)
    assert all("x_trace" in frame for frame in frames)
    assert all("error" in frame for frame in frames)


def test_ids_may_be_missing(server: Server) -> None:
    """As other servers do it."""
    with client(server, "no_ids") as one:
        frames = [one.receive(), *talk(one)]

    assert not any("event_id" in frame for frame in frames)


def test_frames_are_left_out_doubled_and_swapped(server: Server) -> None:
    """By type, in either spelling."""
    faults = (
        "missing:response.created",
        "duplicate:response.text.delta",
        "swap:conversation.item.added",
    )
    with client(server, *faults) as one:
        one.receive()
        frames = talk(one)
        kinds = [frame["type"] for frame in frames]

    assert "response.created" not in kinds
    assert ["conversation.item.done", "conversation.item.added"] == kinds[:2]
    assert 6 == kinds.count("response.output_text.delta")


def test_a_late_delta_follows_a_cancelled_response(start: Start) -> None:
    """As it happens around interruptions."""
    server = start(agent=["word " * 100], text_interval=0.05)
    with client(server, "late_deltas") as one:
        one.receive()
        one.send("response.create", response={"output_modalities": ["text"]})
        one.until("response.output_text.delta")
        one.send("response.cancel")
        done = one.until("response.done")[-1]
        late = one.receive()

    assert "response.output_text.delta" == late["type"]
    assert done["response"]["id"] == late["response_id"]


def transcripts(one: Client) -> list[Any]:
    """Two items with audio; the types and items of what comes, up to the end."""
    heard = {"transcription": {"model": "whisper-1"}}
    session = {"type": "realtime", "audio": {"input": heard}}
    one.send("session.update", session=session)
    for item_id in "ab":
        part = {"type": "input_audio", "audio": b64(silence(200))}
        item = {"id": item_id, "type": "message", "role": "user", "content": [part]}
        one.send("conversation.item.create", item=item)
    frames = one.answer()
    frames.append(one.receive())
    while frames[-1]["type"] != "rate_limits.updated":
        frames.append(one.receive())
    name = "conversation.item.input_audio_transcription.completed"
    return [
        frame["item_id"] if frame["type"] == name else frame["type"]
        for frame in frames
        if frame["type"] in (name, "response.done")
    ]


def test_late_transcripts(server: Server) -> None:
    """They come when the response is over."""
    with client(server, "late_transcripts") as one:
        one.receive()

        assert ["response.done", "a", "b"] == transcripts(one)


def test_transcripts_out_of_order(server: Server) -> None:
    """The second item's words come before the first one's."""
    with client(server, "swap_transcripts") as one:
        one.receive()

        assert ["b", "a", "response.done"] == transcripts(one)


def test_json_in_binary_frames(server: Server) -> None:
    """As some relays send it."""
    with client(server, "binary") as one:
        opcode, data = one.socket.recv_data()

    assert websocket.ABNF.OPCODE_BINARY == opcode
    assert "session.created" == json.loads(data)["type"]


def test_the_wrong_dialect(server: Server) -> None:
    """Beta frames for a GA client."""
    with client(server, "wrong_dialect") as one:
        frames = [one.receive()]
        one.say("hello")
        frames.append(one.receive())

    assert "modalities" in frames[0]["session"]
    assert "conversation.item.created" == frames[1]["type"]


def test_expiry_at_a_frame(server: Server) -> None:
    """Error and close code 1001, without waiting an hour."""
    with client(server, "expire:2") as one:
        one.receive()
        one.say("hello")
        frames = [one.receive() for _ in range(4)]

    assert "session_expired" == frames[2]["error"]["code"]
    assert 1001 == frames[3][0]


def test_a_delay_is_kept_on_the_servers_clock(start: Start) -> None:
    """The frame and all behind it wait; a manual clock lets them go."""
    clock = ManualClock()
    server = start(clock=clock)
    with client(server, "delay:2:30") as one:
        one.receive()
        one.say("hello")
        server.wait_idle()
        one.socket.settimeout(0.05)
        with pytest.raises(websocket.WebSocketTimeoutException):
            one.receive()
        one.socket.settimeout(10)
        clock.advance(31)

        assert "conversation.item.added" == one.receive()["type"]


def test_a_slow_drip_arrives_whole(server: Server) -> None:
    """A few bytes at a time; frames come out as they were."""
    with client(server, "drip:150") as one:
        first = one.receive()

    assert "session.created" == first["type"]


@pytest.mark.parametrize(
    ("status", "closes"), [(401, 0), (429, 0), (3000, 1), (4000, 1)]
)
def test_refusals_for_the_first_connections(
    start: Start, status: int, closes: int
) -> None:
    """The amount says how many are refused; then the server is well again."""
    server = start(faults=[f"refuse:{status}:1"])
    if closes:
        one = opened(server)
        one.receive()

        assert status == one.receive()[0]
        one.socket.shutdown()
    else:
        with pytest.raises(websocket.WebSocketBadStatusException) as caught:
            opened(server)

        assert status == caught.value.status_code
    with client(server) as two:
        assert "session.created" == two.receive()["type"]


def test_flapping(start: Start) -> None:
    """The first connections drop at once, the next one stays."""
    server = start(faults=["flap:2"])
    for _ in range(2):
        one = opened(server)
        one.receive()
        with pytest.raises(LOST):
            one.receive()
        one.socket.shutdown()
    with client(server) as two:
        two.receive()
        two.say("hello")

        assert "conversation.item.added" == two.receive()["type"]


def test_faults_by_code_at_any_moment(server: Server) -> None:
    """A test drops a line, or sends what it likes, when it likes."""
    with client(server) as one:
        one.receive()
        server.sessions[0].send({"type": "keepalive"})
        server.sessions[0].send("not json")

        assert "keepalive" == one.receive()["type"]
        assert "not json" == one.socket.recv()
        server.sessions[0].drop()
        with pytest.raises(LOST):
            one.receive()


def test_faults_in_the_url_can_be_forbidden(start: Start) -> None:
    """Then they are ignored."""
    with client(start(faults_by_url=False), "drop_after:1") as one:
        one.receive()
        one.say("hello")

        assert "conversation.item.added" == one.receive()["type"]
