"""Frames that are nested deep: refused like other nonsense, or good for anything."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import pprint
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from realtime_sync import Session, connect, events, replay, report
from realtime_sync.protocol.codec import to_mapping
from realtime_sync.protocol.jsontext import MAX_DEPTH
from realtime_sync.state.restore import plan_restore
from realtime_sync.testing import MemoryTransport

BENEATH = 400
"""Calls of the program's own under whatever it calls."""


def object_in_object(inner: Any) -> Any:
    """One level more."""
    return {"a": inner}


def list_in_list(inner: Any) -> Any:
    """One level more."""
    return [inner]


def list_in_object(inner: Any) -> Any:
    """Two levels more."""
    return {"a": [inner]}


LAYERS = {"objects": (object_in_object, 1), "lists": (list_in_list, 1)}
LAYERS["both"] = (list_in_object, 2)


def filled(frame: str, layer: Callable[[Any], Any], size: int, depth: int) -> Any:
    """The frame with something as deep as it may be where its ``HERE`` is."""
    around = frame[: frame.index('"HERE"')]
    free = depth - (around.count("{") - around.count("}"))
    free -= around.count("[") - around.count("]")
    inner: Any = "x" * (free % size + 1)
    for _ in range(free // size):
        inner = layer(inner)
    return json.loads(frame.replace('"HERE"', json.dumps(inner)))


ITEM = '{"type": "conversation.item.added", "item": {"id": "a", "type": '
FRAMES = {
    "a vendor's event": '{"type": "vendor.sparkle", "sparkle": "HERE"}',
    "a tool": '{"type": "session.updated", "session": {"type": "realtime", "tools": '
    '[{"type": "function", "name": "f", "parameters": "HERE"}]}}',
    "an error of a tool": ITEM + '"mcp_call", "name": "f", "error": "HERE"}}',
    "arguments": ITEM + '"function_call", "name": "f", "arguments": "HERE"}}',
    "an item of no kind": ITEM + '"sparkle", "sparkle": "HERE"}}',
    "content": ITEM + '"message", "role": "user", "content": "HERE"}}',
    "metadata": '{"type": "response.created", "response": {"id": "r", '
    '"metadata": {"a": "HERE"}}}',
    "output": '{"type": "response.done", "response": {"id": "r", "output": '
    '[{"id": "a", "type": "mcp_call", "error": "HERE"}]}}',
    "usage": '{"type": "response.done", "response": {"id": "r", "usage": "HERE"}}',
    "an error": '{"type": "error", "error": {"message": "HERE"}}',
    "audio": '{"type": "response.output_audio.delta", "delta": "'
    + "AAAA" * 2000
    + '", "x": "HERE"}',
    "a secret": '{"type": "session.created", "session": {"type": "realtime", '
    '"audio": {"input": {"turn_detection": {"authorization": "HERE"}}}}}',
}


@contextmanager
def talking(path: Path) -> Iterator[tuple[Session, MemoryTransport, list[Any]]]:
    """A session that is recorded, and what its handler gets."""
    transport, got = MemoryTransport(), list[Any]()
    with connect(transport=transport, dispatch="inline") as session:
        with session.record(path):
            session.on("*", got.append)
            yield session, transport, got


def beneath(act: Callable[[], Any], calls: int = BENEATH) -> Any:
    """What comes of an act deep in a program's stack."""
    return beneath(act, calls - 1) if calls else act()


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("kind", FRAMES)
def test_whatever_is_accepted_can_be_shown_copied_and_kept(
    kind: str, layer: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The whole way of a frame, and all that a program may do with what it got."""
    path = tmp_path / "a.jsonl"
    frame = filled(FRAMES[kind], *LAYERS[layer], MAX_DEPTH)
    caplog.set_level(logging.DEBUG, "realtime_sync")
    with talking(path) as (session, transport, got):
        transport.feed(frame)
        snapshot, event = session.snapshot, got[0]

    assert frame == event.raw
    assert snapshot == beneath(lambda: copy.deepcopy(snapshot))
    assert snapshot == beneath(lambda: pickle.loads(pickle.dumps(snapshot)))
    assert snapshot == beneath(lambda: replay(path))
    packed = beneath(snapshot.to_dict)
    assert packed == json.loads(beneath(lambda: json.dumps(packed, indent=1)))
    assert event == beneath(lambda: copy.deepcopy(event))
    assert beneath(lambda: pprint.pformat(event.raw))
    assert beneath(lambda: repr((event, snapshot.items, dict(snapshot.responses))))
    assert event.type in beneath(lambda: json.dumps(to_mapping(event)))
    assert beneath(lambda: attrs.asdict(event))
    beneath(snapshot.to_messages)
    beneath(lambda: plan_restore(snapshot, to_mapping(snapshot.session)))
    assert beneath(lambda: report.write(path, tmp_path / "a.html"))


@pytest.mark.parametrize("more", [1, 20, 300, 900, 50_000])
@pytest.mark.parametrize("kind", sorted({*FRAMES} - {"a secret"}))
def test_what_is_nested_deeper_is_reported_like_any_other_nonsense(
    kind: str, more: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The session lives, its log and its recording go on, and nothing is lost."""
    before, after = FRAMES[kind].split('"HERE"')
    data = before + "[" * (MAX_DEPTH + more) + "]" * (MAX_DEPTH + more) + after
    caplog.set_level(logging.DEBUG, "realtime_sync.wire")
    with talking(tmp_path / "a.jsonl") as (session, transport, got):
        transport.feed(
            data, data.encode(), {"type": "error", "error": {"code": "next"}}
        )
        snapshot = session.snapshot
    path = tmp_path / "a.jsonl"
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]

    for event in got[:2]:
        assert isinstance(event, events.UnknownEvent)
        assert f"not JSON: nested deeper than {MAX_DEPTH}" == event.problem
        assert {} == event.raw and event.received in (data, data.encode())
    assert "next" == got[2].error.code
    assert "next" in caplog.text
    assert [("no_event", 2)] == [(a.kind, a.count) for a in snapshot.anomalies]
    texts = [line["text"] for line in lines if "text" in line]
    assert [data] * 2 == texts
    assert snapshot == replay(path)


def test_what_is_too_deep_to_be_searched_for_secrets_is_not_recorded(
    tmp_path: Path,
) -> None:
    """The name of one is enough; nobody has looked how far it goes."""
    deep = "[" * 200 + '"hunter2"' + "]" * 200
    data = FRAMES["a secret"].replace('"HERE"', deep)
    with talking(tmp_path / "a.jsonl") as (session, transport, got):
        transport.feed(data)
    text = (tmp_path / "a.jsonl").read_text()

    assert "hunter2" not in text and "<secret>" in text
    assert isinstance(got[0], events.UnknownEvent)


def test_halves_of_characters_do_not_open_another_way_in() -> None:
    """They are replaced, and the text is decoded once more."""
    deep = "[" * MAX_DEPTH + '"\\ud83d"' + "]" * MAX_DEPTH
    transport, got = MemoryTransport(), list[Any]()
    with connect(transport=transport, dispatch="inline") as session:
        session.on("*", got.append)
        transport.feed('{"type": "vendor.sparkle", "x": ' + deep + "}")

    assert isinstance(got[0], events.UnknownEvent)
    assert "" == got[0].type


def test_brackets_within_text_are_not_nested() -> None:
    """However many, and whatever is escaped among them."""
    text = '[{"' * 500 + "\\" + "[" * 500
    transport = MemoryTransport()
    with connect(transport=transport, dispatch="inline") as session:
        transport.feed(
            {
                "type": "response.output_text.delta",
                "response_id": "r",
                "item_id": "a",
                "delta": text,
            }
        )

        assert text == session.snapshot.items[0].said


def test_a_live_session_reads_no_deeper() -> None:
    """It has another vocabulary and another mirror, and the same codec."""
    transport = MemoryTransport(session_type="live")
    got: list[Any] = []
    deep: Any = "x"
    for _ in range(MAX_DEPTH - 1):
        deep = {"a": deep}
    with connect("gpt-live-1", transport=transport, dispatch="inline") as session:
        session.on("*", got.append)
        transport.feed({"type": "vendor.sparkle", "x": deep})
        transport.feed({"type": "vendor.sparkle", "x": {"a": deep}})
        snapshot, counted = session.snapshot, dict(session.stats.unknown)
        packed = beneath(lambda: json.dumps(snapshot.to_dict()))

    assert ["vendor.sparkle", ""] == [event.type for event in got[:2]]
    assert {"vendor.sparkle": 1, "": 1} == counted
    assert "sess" in packed
    assert got[0] == beneath(lambda: copy.deepcopy(got[0]))


@pytest.mark.parametrize("depth", [MAX_DEPTH, 200])
def test_a_command_that_no_server_could_send_back_fails_at_the_callers_line(
    depth: int,
) -> None:
    """And the session is as good as before."""
    schema: Any = {}
    for _ in range(depth):
        schema = {"items": schema}
    tool = {"type": "function", "name": "f", "parameters": schema}
    transport = MemoryTransport()
    with connect(transport=transport, dispatch="inline") as session:
        with pytest.raises(ValueError, match=f"nested deeper than {MAX_DEPTH}"):
            session.update(tools=[tool])
        session.update(instructions="Be brief.")

    assert ["session.update"] == [frame["type"] for frame in transport.sent]
