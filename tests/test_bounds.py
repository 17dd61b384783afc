"""
Every bound of the documentation is reached, and what happens there is what it says.

The rows are those of ``docs/_extensions/bounds.py``. Where the constant is large, a
test makes it small first: that the code goes by it is what is shown.
"""

from __future__ import annotations

import io
import json
import logging
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Optional

import pytest
import requests
import websocket

from realtime_sync import (
    ReconnectPolicy,
    Router,
    connect,
    errors,
    read_recording,
    web,
)
from realtime_sync.audio import PCM16
from realtime_sync.connection import connection, held_commands, pending, wire_log
from realtime_sync.deadline import Deadline, Flag
from realtime_sync.dispatch import streams
from realtime_sync.jupyter import talk as notebook_talk
from realtime_sync.protocol import jsontext
from realtime_sync.protocol.codec import Codec
from realtime_sync.protocol.events import UnknownEvent
from realtime_sync.recording import reader
from realtime_sync.report import html, timeline_builder
from realtime_sync.rest import response_limits
from realtime_sync.rest.http import Rest
from realtime_sync.server import Server, serve
from realtime_sync.server.host import calls
from realtime_sync.server.host import connection as serving
from realtime_sync.server.host import listener, secrets
from realtime_sync.session.live import LiveConfig, Responses, backend, delegations
from realtime_sync.session.options import SessionOptions
from realtime_sync.state.growing_text import MOST_TEXT
from realtime_sync.state.item_merge import FURTHEST_PART
from realtime_sync.state.live import fragments
from realtime_sync.state.live import reduce as live
from realtime_sync.state.live.snapshot import LiveSnapshot
from realtime_sync.state.reducers import attribution
from realtime_sync.state.reducers import conversation as conversation_reducers
from realtime_sync.state.reducers import session as session_reducers
from realtime_sync.state.snapshot_parts import Limits
from realtime_sync.telemetry import Ledger, live_work
from realtime_sync.testing import MemoryTransport
from realtime_sync.transport import final_answer, http_errors, log_writer, logs, outbox
from realtime_sync.transport.endpoint import Endpoint
from realtime_sync.web import access, browser_audio
from realtime_sync.web import channel as web_channel
from realtime_sync.web import host as web_host
from realtime_sync.web import view
from tests.rawserver import Peer, RawServer
from tests.server.clients import client, opened
from tests.session.live.live_session import LiveServer, delegated, live_session, said
from tests.state.mirror_builder import Mirror, message

sys.path.insert(0, str(Path(__file__).parents[1] / "docs" / "_extensions"))

from bounds import BOUNDS, Bound  # type: ignore  # noqa: E402

ROWS: dict[str, Bound] = {row.what: row for rows in BOUNDS.values() for row in rows}
REACHED: dict[str, Callable[[pytest.MonkeyPatch, Path], None]] = {}
Reach = Callable[[pytest.MonkeyPatch, Path], None]


def reaches(what: str) -> Callable[[Reach], Reach]:
    """Mark what reaches the bound of a row."""

    def mark(reach: Reach) -> Reach:
        assert what not in REACHED, what
        REACHED[what] = reach
        return reach

    return mark


def test_every_bound_is_reached() -> None:
    """A row without a test is a promise, a test without a row a secret."""
    assert ROWS.keys() == REACHED.keys()


@pytest.mark.parametrize("row", ROWS.values(), ids=lambda row: row.what)
def test_the_bound_is_a_number_of_the_library(row: Bound) -> None:
    """Not one that somebody wrote down once."""
    assert isinstance(row.value(), (int, float)) and row.value() > 0
    assert row.shown()


@pytest.mark.parametrize("what", REACHED)
def test_at_the_bound_happens_what_the_table_says(
    what: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Row by row."""
    REACHED[what](monkeypatch, tmp_path)


@contextmanager
def talking(memory: Optional[MemoryTransport] = None, **options: Any) -> Iterator[Any]:
    """A session in this thread, and what feeds it."""
    memory = memory or MemoryTransport()
    options = {"dispatch": "inline", **options}
    with connect("m", transport=memory, router=Router(), **options) as session:
        yield session, memory


@contextmanager
def scripted(script: Callable[[Peer], None], **options: Any) -> Iterator[Any]:
    """A session with a server that does what it is told."""
    with RawServer(script) as server:
        with connect("m", base_url=server.url, router=Router(), **options) as session:
            yield session


def ended(session: Any) -> BaseException:
    """Wait for the end of a session; what it ended with."""
    with pytest.raises(errors.RealtimeError) as caught:
        session.wait_for("session.updated", timeout=10)
    return caught.value


# -- a session -------------------------------------------------------------------


@reaches("one message")
def _one_message(patch: pytest.MonkeyPatch, path: Path) -> None:
    code: list[int] = []

    def script(peer: Peer) -> None:
        peer.greet()
        peer.frame(b"x" * 2000)
        while True:
            opcode, payload, _ = peer.read_frame()
            if opcode == 8:
                code.append(int.from_bytes(payload[:2], "big"))
                return

    with scripted(script, max_frame_size=1000) as session:
        lost = ended(session)

    assert isinstance(lost, errors.ConnectionLost)
    assert [1009] == code


def overflowing(**options: Any) -> BaseException:
    """End a session by what its handlers do not take."""
    go_on = threading.Event()
    lagging: list[Any] = []

    def script(peer: Peer) -> None:
        peer.greet()
        peer.hear()
        for _ in range(40):
            peer.say({"type": "error", "error": {"message": "x" * 100}})
        peer.rest()

    with scripted(script, **options) as session:
        session.on("error", lambda event: go_on.wait(10))
        session.on("dispatch.lagging", lagging.append, inline=True)
        session.input_audio_buffer.clear()
        lost = ended(session)
        go_on.set()

    assert lagging
    return lost


@reaches("deliveries that wait for handlers")
def _deliveries(patch: pytest.MonkeyPatch, path: Path) -> None:
    assert isinstance(overflowing(queue_limit=10), errors.DispatchOverflow)


@reaches("frames that wait for handlers")
def _frames(patch: pytest.MonkeyPatch, path: Path) -> None:
    assert isinstance(overflowing(queue_bytes=1500), errors.DispatchOverflow)


@reaches("pongs that wait to be sent")
def _pongs(patch: pytest.MonkeyPatch, path: Path) -> None:
    written: list[bytes] = []

    def write(data: memoryview) -> int:
        if not taking:
            raise BlockingIOError
        written.append(bytes(data))
        return len(data)

    taking: list[bool] = []
    box = outbox.Outbox(write, lambda deadline: True)
    for number in range(100_000):
        box.enqueue_pong(b"%d" % number)
        if number % 1000 == 0:
            box.drain()
    waiting = len(box._pongs) + len(box._control)
    taking.append(True)
    box.drain()

    assert (
        waiting <= 1 + outbox.MOST_PONGS
    )  # One has been tried, see `OutboxEntry.tried`.
    assert written[-1] == b"99999"
    assert len(written) <= 2


@reaches("events of a stream that nobody reads")
def _stream(patch: pytest.MonkeyPatch, path: Path) -> None:
    with talking() as (session, memory):
        stream = session.events("error")
        for _ in range(streams._MOST_UNREAD + 1):
            memory.feed({"type": "error"})
        with pytest.raises(errors.DispatchOverflow):
            list(stream)

        assert session.is_open


@reaches("commands of a kind that wait for an answer")
def _pending(patch: pytest.MonkeyPatch, path: Path) -> None:
    patch.setattr(pending, "_MOST_PENDING", 3)
    with talking(MemoryTransport(on_send=lambda command: None)) as (session, memory):
        handles = [session.input_audio_buffer.clear() for _ in range(4)]
        with pytest.raises(errors.LocalProtocolError, match="was not answered"):
            handles[0].acknowledged(1)

        assert [False] * 3 == [handle.done() for handle in handles[1:]]


@reaches("commands of a kind that nothing acknowledges, and an error may name")
def _unanswered(patch: pytest.MonkeyPatch, path: Path) -> None:
    patch.setattr(pending, "_MOST_UNANSWERED", 2)
    with talking() as (session, memory):
        handles = [session.send({"type": "vendor.thing"}) for _ in range(3)]
        for handle in handles:
            memory.feed({"type": "error", "error": {"event_id": handle.event_id}})

        assert [False, True, True] == [handle.done() for handle in handles]


@reaches("commands that wait for a new connection")
def _held(patch: pytest.MonkeyPatch, path: Path) -> None:
    lock = threading.Lock()
    limit = ReconnectPolicy(queue_limit=2).queue_limit
    held = held_commands.HeldCommands(limit, 0, lock)
    with lock:
        for _ in range(limit):
            held.hold({"type": "x"})  # type: ignore[arg-type]
        with pytest.raises(errors.ConnectionLost):
            held.hold({"type": "x"})  # type: ignore[arg-type]


@contextmanager
def warnings_of(area: str) -> Iterator[Callable[[], list[str]]]:
    """What an area of the log warns of."""
    told = io.StringIO()
    handler = logging.StreamHandler(told)
    logger = logging.getLogger(f"realtime_sync.{area}")
    logger.addHandler(handler)
    try:
        yield lambda: told.getvalue().splitlines()
    finally:
        logger.removeHandler(handler)


@contextmanager
def delegating() -> Iterator[tuple[Any, LiveServer]]:
    """A live session whose backend may call a function that blocks to the end."""
    over = threading.Event()

    def look_up() -> None:
        """Look something up."""
        over.wait(10)

    config = LiveConfig(delegation=Responses(model="m"))
    with live_session(config=config) as (session, server):
        session.tool(look_up)
        try:
            yield session, server
        finally:
            over.set()


def backend_created(number: int) -> dict[str, Any]:
    """A response of a delegation, each of its own."""
    inner = {"type": "response.created", "response": {"id": f"r{number}"}}
    return {"type": "response.event", "delegation_id": f"d{number}", "event": inner}


def backend_called(number: int, **more: Any) -> dict[str, Any]:
    """A call of a delegation, each of its own."""
    item = {"type": "function_call", "call_id": f"c{number}", "name": "look_up"}
    item |= {"arguments": "{}", "status": "completed", **more}
    inner = {"type": "response.output_item.done", "item": item}
    return {"type": "response.event", "delegation_id": f"d{number}", "event": inner}


@reaches("calls of a live session's backend that wait for their outputs")
def _open_calls(patch: pytest.MonkeyPatch, path: Path) -> None:
    patch.setattr(backend, "MOST_OPEN", 3)
    with warnings_of("session") as said, delegating() as (session, server):
        came = []
        session.on("response.event", came.append)
        for number in range(5):
            server.feed(backend_called(number))

        assert 5 == len(came)
        assert ["c3", "c4"] == [
            line.split()[2] for line in said() if "is not run" in line
        ]
        # What waits is answered, and there is room again.
        output = {"type": "function_call_output", "call_id": "c0", "output": "{}"}
        session.send({"type": "response.item.create", "item": output})
        server.feed(backend_called(5), backend_called(6))
        assert ["c3", "c4", "c6"] == [
            line.split()[2] for line in said() if "is not run" in line
        ]


@reaches("delegations of a live session that wait for a function")
def _waiting_delegations(patch: pytest.MonkeyPatch, path: Path) -> None:
    patch.setattr(delegations, "MOST_WAITING", 2)
    go_on, ended = Flag(), []
    with warnings_of("session") as said, live_session() as (session, server):
        session.on("delegation.finished", ended.append, inline=True)

        @session.delegate
        def work(task: Any) -> None:
            assert go_on.wait(10)

        server.feed(*[delegated(f"item_{number}") for number in range(4)])

        assert [("item_1", "dropped")] == [
            (each.delegation_id, each.outcome) for each in ended
        ]
        assert ["item_1"] == [x.split()[1] for x in said() if "given up" in x]
        go_on.set()


@reaches("delegations of a live session that telemetry follows")
def _followed_delegations(patch: pytest.MonkeyPatch, path: Path) -> None:
    patch.setattr(live_work, "MOST_OPEN", 2)
    ledger = Ledger()
    with live_session() as (session, server):
        ledger.watch(session)
        server.feed(*[delegated(f"item_{number}") for number in range(3)])

        assert [("item_0", "abandoned")] == [
            (turn.item_id, turn.status) for turn in ledger.turns
        ]
        assert 3 == len(session.snapshot.delegations)


@reaches("responses, delegations and calls of a live session's backend that are known")
def _named(patch: pytest.MonkeyPatch, path: Path) -> None:
    patch.setattr(backend, "MOST_NAMED", 3)
    with warnings_of("session") as said, delegating() as (session, server):
        came = []
        session.on("response.event", came.append)
        for number in range(9):
            server.feed(backend_created(number))
            server.feed(backend_called(number, status="incomplete"))

        assert 18 == len(came)
        assert ["responses", "delegations", "calls"] == [
            line.split(";")[0].split()[-1] for line in said() if "named more" in line
        ]


@reaches("unknown types of events, by name")
def _unknown(patch: pytest.MonkeyPatch, path: Path) -> None:
    got: list[Any] = []
    with talking() as (session, memory):
        session.on("*", got.append)
        for number in range(connection._MOST_UNKNOWN + 50):
            memory.feed({"type": f"vendor.{number}"})

        assert 50 == session.stats.unknown["(others)"]
        assert connection._MOST_UNKNOWN + 1 == len(session.stats.unknown)
        assert connection._MOST_UNKNOWN + 50 == len(got)


@reaches("name of an unknown type, where it is counted")
def _name(patch: pytest.MonkeyPatch, path: Path) -> None:
    got: list[Any] = []
    with talking() as (session, memory):
        session.on("*", got.append)
        memory.feed({"type": "v" * 1_000_000})

        assert ["v" * connection.LONGEST_TYPE] == list(session.stats.unknown)
        assert 1_000_000 == len(got[0].type)


@reaches("depth of JSON")
def _depth(patch: pytest.MonkeyPatch, path: Path) -> None:
    got: list[Any] = []
    deep = jsontext.MAX_DEPTH
    with talking() as (session, memory):
        session.on("*", got.append)
        memory.feed(b'{"type": "error", "x": ' + b"[" * deep + b"]" * deep + b"}")
        memory.feed({"type": "error"})

    assert isinstance(got[0], UnknownEvent) and "error" == got[1].type


@reaches("the end of a session")
def _end(patch: pytest.MonkeyPatch, path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.greet()
        peer.rest()

    with RawServer(script) as server:
        session = connect("m", base_url=server.url, router=Router(), close_timeout=0.2)
        deadline = Deadline(5)
        report = session.close()

    assert not deadline.passed
    assert 1006 == report.code


# -- the mirror ------------------------------------------------------------------

FEW = Limits(max_items=16, max_responses=8, max_anomalies=4)


@reaches("items, and events parked for items that have not come")
def _items(patch: pytest.MonkeyPatch, path: Path) -> None:
    kind = "conversation.item.input_audio_transcription.delta"
    for parked in (False, True):
        mirror = Mirror(limits=FEW)
        for number in range(200):
            if parked:
                mirror.tell(kind, item_id=f"i{number}", content_index=0, delta="x")
            else:
                mirror.user(f"i{number}")

        assert len(mirror.snapshot._base) + len(mirror.snapshot._overlay) < 100
        assert mirror.snapshot.item("i199") and not mirror.snapshot.item("i0")


@reaches("responses")
def _responses(patch: pytest.MonkeyPatch, path: Path) -> None:
    mirror = Mirror(limits=FEW)
    for number in range(30):
        mirror.created(f"r{number}")

    assert FEW.max_responses == len(mirror.snapshot.responses)
    assert "endless_response" == mirror.kinds[-1]
    assert mirror.snapshot.response("r29")


@reaches("items of one response")
def _output(patch: pytest.MonkeyPatch, path: Path) -> None:
    patch.setattr(attribution, "MOST_OUTPUT", 5)
    mirror = Mirror()
    mirror.created("r")
    for number in range(20):
        mirror.text("x", f"i{number}", response_id="r")

    assert ["i15", "i16", "i17", "i18", "i19"] == [
        item.id for item in mirror.snapshot.responses["r"].output
    ]
    assert 20 == len(mirror.order)


@reaches("a text, a transcript or arguments that come in pieces")
def _text(patch: pytest.MonkeyPatch, path: Path) -> None:
    piece = "x" * (MOST_TEXT // 4 + 1)
    mirror = Mirror()
    for _ in range(6):
        mirror.text(piece, "i")

    (item,) = mirror.snapshot.items
    assert MOST_TEXT == len(item.text)
    assert ["endless_text"] == mirror.kinds
    assert 3 == mirror.snapshot.anomalies[-1].count


@reaches("the text of one delegation of a live session")
def _delegated_text(patch: pytest.MonkeyPatch, path: Path) -> None:
    delta = {"type": "response.output_text.delta", "delta": "x" * (live.LONGEST - 1)}
    frame = {"type": "response.event", "delegation_id": "d", "event": delta}
    snapshot = live_mirror(*[frame] * 3)

    assert live.LONGEST == len(snapshot.delegations["d"].text)
    assert 1 == len(snapshot.anomalies)


def live_mirror(*frames: dict[str, Any]) -> LiveSnapshot:
    """What is known of a live session after some events."""
    codec, snapshot = Codec(session_type="live"), LiveSnapshot()
    for frame in frames:
        snapshot = live.reduce_live(snapshot, codec.structure(frame))
    return snapshot


@reaches("responses and calls of one delegation of a live session")
def _listed(patch: pytest.MonkeyPatch, path: Path) -> None:
    patch.setattr(live, "MOST_OF_ONE", 2)
    calls = [{**backend_called(n), "delegation_id": "d"} for n in range(4)]
    snapshot = live_mirror(*calls)
    work = snapshot.delegations["d"]

    assert (["c2", "c3"], 2) == (list(work.calls), work.dropped)
    assert 1 == len(snapshot.anomalies)


@reaches("delegations, added texts, decisions and anomalies of a live session")
def _remembered(patch: pytest.MonkeyPatch, path: Path) -> None:
    patch.setattr(live, "MOST", 2)
    snapshot = live_mirror(
        *[backend_called(n) for n in range(4)],
        *[{"type": "session.thinking.appended", "start_ms": n} for n in range(3)],
        *[{"type": "decision.event"}] * 3,
    )

    assert ["d2", "d3"] == list(snapshot.delegations)
    assert 2 == len(snapshot.context) == len(snapshot.decisions)
    assert 2 == len(snapshot.anomalies)


@reaches("models of a live session's backend whose tokens are told apart")
def _models(patch: pytest.MonkeyPatch, path: Path) -> None:
    patch.setattr(live, "MOST_MODELS", 2)
    ends = [
        {"id": "r", "model": f"m{n}", "usage": {"output_tokens": 3}} for n in range(4)
    ]
    snapshot = live_mirror(
        *[
            {
                "type": "response.event",
                "delegation_id": "d",
                "event": {"type": "response.completed", "response": end},
            }
            for end in ends
        ]
    )

    assert {"m0": (0, 3), "m1": (0, 3), "(others)": (0, 6)} == dict(
        snapshot.usage.backend
    )


@reaches("what both sides of a live session said")
def _spoken(patch: pytest.MonkeyPatch, path: Path) -> None:
    patch.setattr(fragments, "MOST_BLOCKS", 2)
    words = [said("user", f"w{n} ", 200 * n) for n in range(3 * fragments.BLOCK)]
    snapshot = live_mirror(*words)

    assert fragments.BLOCK == snapshot.said.dropped
    assert snapshot.user.text.startswith("w64 ")


@reaches("anomalies")
def _anomalies(patch: pytest.MonkeyPatch, path: Path) -> None:
    mirror = Mirror(limits=FEW)
    for number in range(20):
        mirror.done(message(f"i{number % 3}", []))
        mirror.tell("conversation.item.deleted", item_id=f"i{number % 3}")
        mirror.tell("response.output_text.delta", item_id=f"i{number % 3}", delta="x")

    assert FEW.max_anomalies == len(mirror.snapshot.anomalies)


@reaches("detail of an anomaly")
def _detail(patch: pytest.MonkeyPatch, path: Path) -> None:
    mirror = Mirror()
    mirror.tell("response.output_text.delta", item_id="i", delta={"x": "y" * 100_000})
    longest = max(len(each.detail) for each in mirror.snapshot.anomalies)

    assert longest < 2 * ROWS["detail of an anomaly"].value()


@reaches("rate limits")
def _rate_limits(patch: pytest.MonkeyPatch, path: Path) -> None:
    mirror = Mirror()
    limits = [{"name": f"n{number}", "limit": 1} for number in range(5000)]
    mirror.tell("rate_limits.updated", rate_limits=limits)

    assert session_reducers.MOST_RATE_LIMITS == len(mirror.snapshot.rate_limits)


@reaches("items asked for at the head that have not come")
def _asked(patch: pytest.MonkeyPatch, path: Path) -> None:
    most = conversation_reducers.MOST_ASKED
    with talking(MemoryTransport(on_send=lambda command: None)) as (session, memory):
        for number in range(most + 20):
            item = {"type": "message", "role": "user", "id": f"i{number}"}
            session.conversation.item.create(
                {**item, "content": [{"type": "input_text", "text": "x"}]},
                previous_item_id="root",
            )
        memory.feed({"type": "error"})

        assert most == len(session.snapshot._asked)


@reaches("parts of an item")
def _parts(patch: pytest.MonkeyPatch, path: Path) -> None:
    mirror = Mirror()
    where = {"response_id": "r", "item_id": "i", "delta": "x"}
    kind = "response.output_text.delta"
    mirror.tell(kind, content_index=FURTHEST_PART, **where)
    mirror.tell(kind, content_index=FURTHEST_PART + 1, **where)
    mirror.tell(kind, content_index=10**9, **where)

    assert FURTHEST_PART + 1 == len(mirror.item("i").content)
    assert "bad_index" == mirror.kinds[-1]


# -- texts -----------------------------------------------------------------------


@reaches("one argument of a line of a log")
def _argument(patch: pytest.MonkeyPatch, path: Path) -> None:
    told = io.StringIO()
    logger = logs.area_logger("realtime_sync.test_bounds")
    handler = logging.StreamHandler(told)
    logger.addHandler(handler)
    logger.warning("%s", "x" * 1_000_000)
    logger.removeHandler(handler)

    assert len(told.getvalue()) < logs.LONGEST + 50
    assert "(1000000 characters)" in told.getvalue()


@reaches("records of a loop that the handlers of the log have not taken")
def _records(patch: pytest.MonkeyPatch, path: Path) -> None:
    patch.setattr(log_writer, "MOST_RECORDS", 10)
    said, entered, go_on = list[str](), threading.Event(), threading.Event()

    class Slow(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            entered.set()
            assert go_on.wait(10)
            said.append(record.getMessage())

    logger, slow = logging.getLogger("realtime_sync"), Slow()
    logger.addHandler(slow)

    def script(peer: Peer) -> None:
        peer.greet()
        peer.hear()
        for number in range(30):
            peer.say({"type": f"vendor.{number}"})
        peer.say({"type": "error", "error": {"message": "the last"}})
        peer.answer_close()

    with scripted(script) as session:
        with session.expect("error") as last:
            session.input_audio_buffer.clear()
        last.result(10)
        assert entered.wait(10)
        go_on.set()
    logger.removeHandler(slow)
    left_out = 30 - sum("unknown event" in line for line in said)
    told = [int(line.split()[1]) for line in said if "are left out" in line]

    assert sum(told) >= left_out >= 10


@reaches("a frame in the log of frames")
def _frame(patch: pytest.MonkeyPatch, path: Path) -> None:
    shown = wire_log.frame_for_wire_log({"type": "x", "text": "y" * 1_000_000})

    assert len(shown) < wire_log._LONGEST + 50
    assert "characters)" in shown


@reaches("a server's words in an error of HTTP")
def _words(patch: pytest.MonkeyPatch, path: Path) -> None:
    code, words = http_errors.http_error_in_body(b"x" * 1_000_000)

    assert len(words) <= http_errors._MOST_WORDS + 50


@reaches("an entry in a report")
def _entry(patch: pytest.MonkeyPatch, path: Path) -> None:
    frame = {"type": "error", "error": {"message": "y" * 1_000_000}}
    head = {"format": "realtime-sync-recording", "version": 1}
    lines = [head, {"t": 0.1, "dir": "in", "frame": frame}]
    page = html([json.dumps(each) for each in lines])

    assert "y" * 100 in page
    assert "y" * (2 * timeline_builder.LONGEST_TEXT) not in page


# -- HTTP ------------------------------------------------------------------------


def answered(script: Callable[[Peer], None], timeout: float = 10.0) -> Any:
    """POST to a server that does what it is told."""
    with RawServer(script) as server:
        url = server.url.replace("ws://", "http://")
        rest = Rest(Endpoint.at(url), SessionOptions(timeout=timeout), max_retries=0)
        try:
            return rest.request("POST", "/x", repeatable=False)
        finally:
            rest.close()


@reaches("a REST call, with all its attempts")
def _call(patch: pytest.MonkeyPatch, path: Path) -> None:
    def drip(peer: Peer) -> None:
        peer.read_head()
        tick = threading.Event()
        while True:
            peer.raw(b"H")
            tick.wait(0.01)

    deadline = Deadline(5)
    with pytest.raises(errors.RestError):
        answered(drip, timeout=0.2)

    assert not deadline.passed


@reaches("an answer's body, unpacked")
def _body(patch: pytest.MonkeyPatch, path: Path) -> None:
    patch.setattr(response_limits, "LARGEST_ANSWER", 1000)
    body = b'{"x": "%b"}' % (b"y" * 1000)

    def script(peer: Peer) -> None:
        peer.refuse("200 OK", body=body)

    with pytest.raises(errors.RestError, match="1000 bytes"):
        answered(script)


@reaches("from the first packet to ``session.created``")
def _greeting(patch: pytest.MonkeyPatch, path: Path) -> None:
    for script in (Peer.read_head, Peer.upgrade):

        def rest(peer: Peer, script: Callable[[Peer], object] = script) -> None:
            script(peer)
            peer.rest()

        deadline = Deadline(5)
        with pytest.raises((errors.ConnectFailed, errors.WaitTimeout)):
            with scripted(rest, connect_timeout=0.2, close_timeout=0.2):
                pass

        assert not deadline.passed


def refused_answer(answer: bytes) -> None:
    """An answer to the handshake is given up."""

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.raw(answer)
        peer.rest()

    with pytest.raises(errors.ConnectFailed):
        with scripted(script, connect_timeout=30.0):
            pass


@reaches("an answer to the handshake")
def _handshake(patch: pytest.MonkeyPatch, path: Path) -> None:
    refused_answer(b"HTTP/1.1 101 X\r\nX: " + b"a" * (final_answer.LONGEST_ANSWER + 1))


@reaches("answers before the one that counts")
def _interim(patch: pytest.MonkeyPatch, path: Path) -> None:
    refused_answer(b"HTTP/1.1 103 X\r\n\r\n" * (final_answer.MOST_INTERIM + 1))


# -- recordings ------------------------------------------------------------------


@reaches("a line of a recording that is read")
def _line(patch: pytest.MonkeyPatch, path: Path) -> None:
    patch.setattr(reader, "LONGEST_LINE", 1 << 20)
    file = path / "a.jsonl"
    file.write_bytes(b" " * (2 << 20) + b"{}\n")

    with pytest.raises(errors.ConfigurationError, match="1 MiB"):
        read_recording(file)


@reaches("what waits for the disk while recording")
def _disk(patch: pytest.MonkeyPatch, path: Path) -> None:
    with talking() as (session, memory):
        recording = session.record(path / "a.jsonl", limit=1000)
        memory.feed({"type": "error", "error": {"message": "x" * 2000}})
        memory.feed({"type": "error"})
        with pytest.raises(OverflowError):
            recording.close()

        assert session.is_open
    last = json.loads((path / "a.jsonl").read_text().splitlines()[-1])
    assert "recording.failed" == last["note"]["type"]


# -- the local server ------------------------------------------------------------


def posted(server: Server, body: bytes) -> Any:
    """Ask a server for an ephemeral key."""
    url = f"{server.url}/realtime/client_secrets"
    headers = {"Content-Type": "application/json"}
    return requests.post(url, data=body, headers=headers, timeout=10)


@reaches("sessions at a time")
def _sessions(patch: pytest.MonkeyPatch, path: Path) -> None:
    with serve(max_sessions=1) as server, client(server) as one:
        one.receive()
        with pytest.raises(errors.ConnectRateLimited) as caught:
            connect("m", base_url=server.url, router=Router())

    assert 429 == caught.value.status


@contextmanager
def dripping(server: Server, count: int) -> Iterator[list[socket.socket]]:
    """Clients that have begun to say their request."""
    peers = []
    try:
        for _ in range(count):
            peer = socket.create_connection(("127.0.0.1", server.port), timeout=10)
            peers.append(peer)
            peer.sendall(b"GET / HTTP/1.1\r\nX: ")
        yield peers
    finally:
        for peer in peers:
            peer.close()


def over(peer: socket.socket) -> bool:
    """Whether a connection ends."""
    try:
        while peer.recv(4096):
            pass
    except ConnectionError:
        pass
    return True


@reaches("connections whose request is not complete")
def _waiting(patch: pytest.MonkeyPatch, path: Path) -> None:
    patch.setattr(listener, "MOST_WAITING", 5)
    with serve() as server, dripping(server, 20) as peers:
        assert all(map(over, peers[:10]))
        with client(server) as good:
            assert "session.created" == good.receive()["type"]


@reaches("a request, until it is complete")
def _head(patch: pytest.MonkeyPatch, path: Path) -> None:
    patch.setattr(listener, "_HEAD_SECONDS", 0.1)
    with serve() as server, dripping(server, 1) as peers:
        assert over(peers[0])


@reaches("a request's body")
def _request(patch: pytest.MonkeyPatch, path: Path) -> None:
    with serve() as server:
        reply = posted(server, b'{"x": "%b"}' % (b"y" * (1 << 20)))

        assert 413 == reply.status_code


@reaches("depth of a client's JSON")
def _client_depth(patch: pytest.MonkeyPatch, path: Path) -> None:
    deep = b"[" * 101 + b"]" * 101
    with serve() as server, client(server) as one:
        one.receive()
        one.socket.send(b'{"type": "x", "y": ' + deep + b"}")

        assert "error" == one.receive()["type"]
        assert 400 == posted(server, b'{"session": ' + deep + b"}").status_code


@reaches("one message of a client")
def _client_message(patch: pytest.MonkeyPatch, path: Path) -> None:
    with serve(max_frame_size=1000) as server, client(server) as one:
        one.receive()
        one.socket.send("x" * 2000)

        assert 1009 == one.receive()[0]


@reaches("output that a client does not read")
def _unread(patch: pytest.MonkeyPatch, path: Path) -> None:
    patch.setattr(serving, "_BUFFER_HIGH", 1 << 16)
    with serve() as server:
        one = opened(server)
        one.receive()
        one.say("x" * 100_000)
        item = one.until("conversation.item.done")[-1]["item"]["id"]
        one.socket.sock.settimeout(1.0)
        heard = 0
        try:
            for heard in range(500):
                one.send("conversation.item.retrieve", item_id=item)
        except OSError:
            pass  # The server reads no more, so nothing more can be said.
        piled = len(server.sessions[0].connection.wire.buffer)
        one.socket.shutdown()

    assert piled < 10 << 20


@reaches("ephemeral keys")
def _keys(patch: pytest.MonkeyPatch, path: Path) -> None:
    patch.setattr(secrets, "MOST_KEYS", 2)
    kept = secrets.EphemeralSecrets()
    keys = [kept.create({"n": number}, 100.0, 0.0) for number in range(3)]

    assert [None, 1, 2] == [(kept.session(key, 1.0) or {}).get("n") for key in keys]


@reaches("calls")
def _calls(patch: pytest.MonkeyPatch, path: Path) -> None:
    patch.setattr(calls, "MOST_CALLS", 2)
    with serve() as server:
        rung = [server.ring() for _ in range(3)]

        assert [False, True, True] == [bool(server.calls.find(each)) for each in rung]


# -- pages in a browser ----------------------------------------------------------


class Listening:
    """The far end of a page that says nothing."""

    def __init__(self, channel: web.Channel) -> None:
        self.channel = channel
        self.closed = threading.Event()

    def receive(self, message: Mapping[str, Any], sound: bytes) -> None:
        """Hear it."""

    def close(self) -> None:
        """Take note."""
        self.closed.set()


@contextmanager
def pages(count: int) -> Iterator[tuple[list[Any], list[Listening]]]:
    """WebSockets of pages, and their far ends."""
    ends: list[Listening] = []

    def listening(channel: web.Channel) -> Listening:
        ends.append(Listening(channel))
        return ends[-1]

    with web.WebHost() as host:
        host.socket("/page", listening)
        url = host.url("/page").replace("http", "ws", 1)
        opened: list[Any] = []
        try:
            for _ in range(count):
                opened.append(websocket.create_connection(url, timeout=10))
            yield opened, ends
        finally:
            for each in opened:
                each.shutdown()


@reaches("one message of a page")
def _page_message(patch: pytest.MonkeyPatch, path: Path) -> None:
    patch.setattr(web_host, "LARGEST_MESSAGE", 1000)
    with pages(2) as (opened, _):
        opened[0].send_binary(b"x" * 2000)
        opened[1].ping()

        assert 1009 == int.from_bytes(opened[0].recv_data()[1][:2], "big")
        assert 10 == opened[1].recv_data_frame(control_frame=True)[0]


@reaches("pages at a time")
def _pages(patch: pytest.MonkeyPatch, path: Path) -> None:
    patch.setattr(web_host, "MOST_CHANNELS", 1)
    with pytest.raises(websocket.WebSocketBadStatusException, match="503"):
        with pages(2):
            pass


@reaches("what waits for a page that does not read")
def _unread_page(patch: pytest.MonkeyPatch, path: Path) -> None:
    patch.setattr(web_channel, "MOST_WAITING", 1 << 16)
    with pages(1) as (opened, ends):
        opened[0].ping()
        opened[0].recv_data_frame(control_frame=True)
        ends[0].channel.send({"kind": "sound"}, bytes(1 << 17))

        assert ends[0].closed.wait(10)


@reaches("wrong passwords in a minute")
def _guesses(patch: pytest.MonkeyPatch, path: Path) -> None:
    patch.setattr(access, "MOST_GUESSES", 2)
    now = [0.0]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    one = access.Access(
        "127.0.0.1", password="long enough", tls=context, clock=lambda: now[0]
    )
    first = [one.guess("wrong"), one.guess("wrong"), one.guess("long enough")]
    now[0] = access.GUESS_SECONDS

    assert [False, False, None] == first
    assert one.guess("long enough")


@reaches("sound of a microphone that the session does not take")
def _microphone(patch: pytest.MonkeyPatch, path: Path) -> None:
    patch.setattr(browser_audio, "KEEP", 10 / PCM16.bytes_per_second)
    one = browser_audio.BrowserAudio(lambda message, sound=b"": None)
    for number in range(8):
        one.receive({"kind": "microphone"}, bytes([number, 0]))
    kept = [block[0] for block in one.take(0)]
    one.close()

    assert ([3, 4, 5, 6, 7], 3) == (kept, one.dropped)


@reaches("lines of a conversation in a page")
def _lines(patch: pytest.MonkeyPatch, path: Path) -> None:
    patch.setattr(view, "MOST_LINES", 2)
    with talking() as (session, memory):
        for number in range(3):
            item = message(f"item_{number}")
            memory.feed({"type": "conversation.item.added", "item": item})
        told = view.PageView(session).news()
    (lines,) = [each for each in told if each["kind"] == "lines"]

    assert ["item_1", "item_2"] == lines["order"]


@reaches("windows of one output in a notebook")
def _windows(patch: pytest.MonkeyPatch, path: Path) -> None:
    patch.setattr(notebook_talk, "MOST_VIEWS", 1)
    ended: list[str] = []

    def far_end(opened: Any, send: Any, owns: bool) -> Any:
        name = f"window {len(ended)}"
        return SimpleNamespace(
            receive=lambda message, sound: None, close=lambda: ended.append(name)
        )

    patch.setattr(notebook_talk, "Talking", far_end)
    with talking() as (session, _):
        talk = notebook_talk.Talk(session)
        for name in ("a", "b"):
            said = {"method": "custom", "content": {"view": name, "kind": "alive"}}
            talk.widget.comm.handle_msg({"content": {"data": said}, "buffers": []})
        before = len(ended)
        talk.close()

    assert 1 == before
