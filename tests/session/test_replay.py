"""Replays: the identical snapshot, handlers as in the session, others' files."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from realtime_sync import (
    ReconnectPolicy,
    Router,
    Session,
    Snapshot,
    connect,
    events,
    read_recording,
    replay,
)
from realtime_sync.errors import (
    ConfigurationError,
    LocalProtocolError,
    WouldDeadlock,
)
from realtime_sync.server import serve
from realtime_sync.testing import MemoryTransport, frames

FAULTS = (
    ["duplicate:response.output_audio.delta", "null_ids", "unknown_fields"],
    ["missing:response.created", "swap:conversation.item.added", "no_ids"],
    ["bad_json:6", "non_object:9", "unknown_event:12", "null_fields"],
    ["missing:conversation.item.added", "duplicate:response.done"],
    ["drop_after:25"],
    ["cut:response.done:20"],
    ["expire:20"],
)


def converse(session: Session) -> None:
    """Questions, an item at the head, a deletion; connections may break in it."""
    for text in ("one", "two", "three"):
        _tried(lambda: session.ask(text, timeout=0.5))
        _tried(lambda: _first(session, f"before {text}"))
    items = session.snapshot.items
    if len(items) > 2:
        _tried(lambda: session.conversation.item.delete(items[1].id).acknowledged(0.5))


def _first(session: Session, text: str) -> None:
    part = {"type": "input_text", "text": text}
    item = {"type": "message", "role": "system", "content": [part]}
    session.conversation.item.create(item, previous_item_id="root").acknowledged(0.5)


def _tried(act: Any) -> None:
    try:
        act()
    except Exception:
        pass  # The fault broke it; the recording is what is looked at.


def recorded(path: Path, faults: list[str], **options: Any) -> Snapshot:
    """Record a conversation with a server that misbehaves; the final snapshot."""
    with serve(agent="echo", faults=faults) as server:
        policy = ReconnectPolicy(base=0.0, attempts=2)
        session = connect("gpt-realtime", base_url=server.url, reconnect=policy)
        session.record(path, **options)
        converse(session)
        session.close()
    return session.snapshot


@pytest.mark.parametrize("faults", FAULTS, ids="+".join)
@pytest.mark.parametrize("audio", [True, False], ids=["audio", "no audio"])
def test_recording_with_faults_replays_to_the_identical_snapshot_twice(
    faults: list[str], audio: bool, tmp_path: Path
) -> None:
    """Whatever went wrong, reconnects included; also with the audio left out."""
    path = tmp_path / "a.jsonl"
    snapshot = recorded(path, faults, audio=audio)
    first, second = replay(path), replay(path)

    assert snapshot.version > 10
    assert snapshot.to_dict() == first.to_dict() == second.to_dict()
    assert snapshot == first == second


def test_recording_that_begins_late_replays_to_the_identical_snapshot(
    tmp_path: Path,
) -> None:
    """It begins with the conversation so far."""
    transport = MemoryTransport(on_send=frames.acknowledged)
    session = connect(transport=transport, dispatch="inline", timeout=0.2)
    session.conversation.add_message("Before")
    session.record(tmp_path / "a.jsonl")
    session.conversation.add_message("After")
    session.close()

    assert session.snapshot == replay(tmp_path / "a.jsonl")
    assert 2 == len(session.snapshot.items)


@pytest.mark.parametrize("dialect", ["ga", "beta"])
def test_handlers_see_what_they_saw(dialect: Any, tmp_path: Path) -> None:
    """The same events with the same snapshots in the same order, and commands."""

    def remember(seen: list[Any]) -> Router:
        router = Router()
        for pattern in ("*", "client.*", "connection.lost", "connection.restored"):
            router.on(
                pattern,
                lambda event, ctx: seen.append(
                    (event.type, getattr(event, "raw", None), ctx.snapshot.version)
                ),
            )
        return router

    live: list[Any] = []
    again: list[Any] = []
    policy = ReconnectPolicy(base=0.0)
    path = tmp_path / "a.jsonl"
    with serve(agent="echo") as server:
        with connect(
            "gpt-realtime",
            base_url=server.url,
            dialect=dialect,
            reconnect=policy,
            router=remember(live),
        ) as session:
            session.flush(5)
            live.clear()
            session.record(path)
            session.ask("Hello", timeout=5)
            with session.expect("connection.restored") as restored:
                server.sessions[-1].drop()
            restored.result(5)
            session.ask("Again", timeout=5)
    replay(path, router=remember(again))

    # Commands are shown by the thread that sends, which no order binds.
    assert _of_server(live) == _of_server(again)
    assert sorted(_of_client(live)) == sorted(_of_client(again))


def _of_server(seen: list[Any]) -> list[Any]:
    return [each for each in seen if not isinstance(each[1], type(None))]


def _of_client(seen: list[Any]) -> list[str]:
    return [each[0] for each in seen if each[1] is None]


def test_recorded_commands_reach_handlers_by_name(tmp_path: Path) -> None:
    """``client.*`` handlers work offline too, vendors' commands included."""
    router, seen = Router(), []
    router.on("client.*", lambda event: seen.append(event.type))
    router.on(events.ResponseCreate, lambda event: seen.append(event.response.metadata))
    replay(
        [
            {"type": "response.create", "response": {"metadata": {"a": "b"}}},
            {"dir": "out", "frame": {"type": "vendor.nod"}},
        ],
        router=router,
    )

    assert ["response.create", {"a": "b"}, "vendor.nod"] == seen


def test_a_turn_is_timed_by_the_recording(tmp_path: Path) -> None:
    """`turn.finished` tells how long it took then, not how long the replay takes."""
    router, turns = Router(), []
    router.on("turn.finished", lambda event: turns.append(event))
    made = list(frames.answer("Hi", response_id="resp_1")({}))
    lines = [{"t": 1.0, "event": {"type": "response.create"}}]
    lines += [{"t": 1.25, "event": made[0]}]
    lines += [{"t": 2.5, "event": frame} for frame in made[1:]]
    replay(lines, router=router)

    assert [(250.0, 1500.0)] == [(t.created_ms, t.done_ms) for t in turns]


def test_commands_of_handlers_go_nowhere_and_waiting_is_refused() -> None:
    """A replay changes nothing, and a handler cannot hang in it."""
    router, problems = Router(), []

    def act(event: Any, ctx: Any) -> None:
        ctx.session.input_audio_buffer.append(b"\0\0")
        handle = ctx.session.response.create()
        for wait in (
            lambda: handle.acknowledged(),
            lambda: ctx.session.wait_for("response.done"),
            lambda: ctx.session.ask("Hello?"),
        ):
            with pytest.raises((LocalProtocolError, WouldDeadlock)) as caught:
                wait()
            problems.append(caught.value)
        ctx.session.close()

    router.on("response.sparkle", act, unknown=True)
    snapshot = replay([{"type": "response.sparkle"}, *frames.answer("Hi")({})],
                      router=router)  # fmt: skip

    assert 3 == len(problems)
    assert "Hi" == snapshot.items[0].text


def test_handler_that_fails_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged and reported, as in a session."""
    router, failed = Router(), []
    router.on("response.created", lambda event: 1 / 0)
    router.on("handler.failed", lambda event: failed.append(event.error))
    snapshot = replay(list(frames.answer("Hi")({})), router=router)

    assert [ZeroDivisionError] == [type(error) for error in failed]
    assert "Hi" == snapshot.transcript()[0].text


# -- pace --------------------------------------------------------------------------


class Waits(threading.Event):
    """An event that only notes how long it was waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def wait(self, timeout: Any = None) -> bool:
        self.seconds.append(timeout)
        return self.is_set()


@pytest.mark.parametrize(("speed", "ends"), [(1.0, 3.0), (2.0, 1.5)])
def test_speed_is_a_multiple_of_the_recorded_pace(speed: float, ends: float) -> None:
    """The waits add up to the recorded time; at the default there is none."""
    lines = [{"t": float(t), "event": {"type": "vendor.tick"}} for t in range(4)]
    waits, none = Waits(), Waits()
    replay(lines, speed=speed, stop=waits)
    replay(lines, stop=none)

    assert 3 == len(waits.seconds)
    assert ends - 0.5 < waits.seconds[-1] <= ends
    assert [] == none.seconds


def test_replay_can_be_stopped() -> None:
    """By an event, from a handler or another thread."""
    router, stop = Router(), threading.Event()
    router.on("vendor.last", lambda event: stop.set(), unknown=True)
    made = list(frames.answer("Hi")({}))
    snapshot = replay([{"type": "vendor.last"}, *made], router=router, stop=stop)

    assert 0 == len(snapshot.items)


def test_speed_must_make_sense() -> None:
    """Negative speed, and what is no number, is a mistake of the caller."""
    with pytest.raises(ConfigurationError, match="speed"):
        replay([], speed=-1)
    with pytest.raises(ConfigurationError, match="speed"):
        replay([], speed=float("nan"))


# -- files -------------------------------------------------------------------------

ITEM = frames.message("Hello", id="item_1")
ADDED = {"type": "conversation.item.added", "item": ITEM, "event_id": "event_1"}
CREATE = {"type": "conversation.item.create", "item": ITEM, "event_id": "e1"}

FOREIGN: dict[str, list[Any]] = {
    "bare": [CREATE, ADDED],
    "direction": [{"direction": "sent", **CREATE}, {"direction": "received", **ADDED}],
    "event": [{"source": "client", "event": CREATE}, {"source": "server",
              "event": ADDED}],  # fmt: skip
    "data": [{"type": "sent", "ts": 1.0, "data": CREATE},
             {"type": "received", "ts": 1.5, "data": ADDED}],  # fmt: skip
    "text": [{"dir": ">", "time": 1.0, "frame": json.dumps(CREATE)},
             {"dir": "<", "time": 1.5, "frame": json.dumps(ADDED)}],  # fmt: skip
    "iso": [{"timestamp": "2026-01-01T00:00:00Z", "message": CREATE},
            {"timestamp": "2026-01-01T00:00:00.500+00:00",
             "message": ADDED}],  # fmt: skip
    "epoch ms": [{"at": 1767225600000, "payload": CREATE},
                 {"at": 1767225600500, "payload": ADDED}],  # fmt: skip
    "elapsed": [{"elapsed_ms": 0, "body": CREATE}, {"elapsed_ms": "500",
                "body": ADDED}],  # fmt: skip
}


@pytest.mark.parametrize("name", FOREIGN)
def test_lines_of_others_are_understood(name: str, tmp_path: Path) -> None:
    """One event per line; direction and time where they are given."""
    path = tmp_path / "other.jsonl"
    path.write_text("\n\n".join(map(json.dumps, FOREIGN[name])))
    found = list(read_recording(path))

    assert ["out", "in"] == [line.direction for line in found]
    assert [CREATE, ADDED] == [line.frame for line in found]
    assert (0.5 if name not in ("bare", "direction", "event") else 0) == found[1].at
    assert "Hello" == replay(path).items[0].text


def test_item_at_the_head_is_followed_in_the_lines_of_others() -> None:
    """Their mirror is unknown; ours is told what was asked for."""
    second = frames.message("Head", id="item_2")
    create = {**CREATE, "item": second, "previous_item_id": "root"}
    added = {**ADDED, "item": second, "previous_item_id": None}
    snapshot = replay([CREATE, ADDED, create, added])

    assert ["item_2", "item_1"] == [item.id for item in snapshot.items]


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (frames.session_created(), ("ga", "realtime")),
        (
            {"type": "session.created", "session": {"modalities": ["text"]}},
            ("beta", "realtime"),
        ),
        ({"type": "transcription_session.created", "session": {}},
         ("beta", "transcription")),  # fmt: skip
        (frames.session_created(type="transcription"), ("ga", "transcription")),
        ({"type": "session.output_transcript.delta", "delta": "a"},
         ("ga", "translation")),  # fmt: skip
    ],
)
def test_kind_of_session_is_guessed_for_others(
    first: Any, expected: tuple[str, str]
) -> None:
    """By how the first frames are spelt."""
    found = read_recording([first])

    assert expected == (found.dialect, found.session_type)


def test_recording_can_be_read_more_than_once(tmp_path: Path) -> None:
    """Files are read anew, lines are kept."""
    once = read_recording(json.dumps(frame) for frame in (CREATE, ADDED))

    assert list(once) == list(once)
    assert 2 == len(list(once))


def test_recording_cut_off_in_a_line_ends_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A process that died leaves half a line; what stands before it is good."""
    path = tmp_path / "a.jsonl"
    recorded(path, [])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])

    assert replay(path).version > 0
    assert "ends within line" in caplog.text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"type": "error"}\nno json\n{"type": "error"}\n', "line 2 .* not JSON"),
        ("[1]\n", "line 1 .* no JSON object"),
        ('{"type": "error"}\n{"level": "info"}\n', "line 2 .* no event"),
        ('{"format": "realtime-sync-recording", "version": 2}\n', "version 2"),
    ],
)
def test_file_that_is_no_recording_says_where(
    text: str, problem: str, tmp_path: Path
) -> None:
    """The line and the reason, not a traceback from within."""
    path = tmp_path / "a.jsonl"
    path.write_text(text)

    with pytest.raises(ConfigurationError, match=problem):
        replay(path)


def test_missing_file_is_an_os_error(tmp_path: Path) -> None:
    """As from `open`."""
    with pytest.raises(FileNotFoundError):
        replay(tmp_path / "nowhere.jsonl")


def test_unknown_lines_of_a_newer_release_are_passed_over(tmp_path: Path) -> None:
    """Kinds of lines may be added to version 1."""
    head = {"format": "realtime-sync-recording", "version": 1}
    lines = [head, {"t": 0, "dir": "thought", "thought": 1},
             {"t": 0, "dir": "note", "note": {"type": "vendor.note"}},
             {"t": 0, "dir": "in", "frame": ADDED}]  # fmt: skip

    assert 1 == len(replay(lines).items)


def test_an_empty_file_is_no_recording(tmp_path: Path) -> None:
    """Ours begin with a line at once; no lines at all are no conversation."""
    path = tmp_path / "a.jsonl"
    path.touch()

    with pytest.raises(ConfigurationError, match="no recording"):
        replay(path)
    assert Snapshot() == replay([])
