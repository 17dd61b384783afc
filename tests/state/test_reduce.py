"""The table of reducers, and what holds for all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_sync.protocol import events
from realtime_sync.protocol.codec import Codec
from realtime_sync.protocol.events import ResponseTextDelta, UnknownEvent
from realtime_sync.protocol.registry import ROWS, class_of
from realtime_sync.state import reduce as reduce_module
from realtime_sync.state.reduce import NOT_MIRRORED, REDUCERS, reduce
from realtime_sync.state.snapshot import Snapshot
from realtime_sync.state.snapshot_parts import Limits
from tests.state.mirror_builder import Mirror, answer

SERVER = sorted({row.name for row in ROWS if row.direction == "server"})


def test_every_server_event_is_mirrored_or_declared_not_to_be() -> None:
    """A new event needs a reducer, or a reason why it has none."""
    assert SERVER == sorted([*REDUCERS, *NOT_MIRRORED])


def test_reducers_take_just_the_classes_that_the_table_gives_them() -> None:
    """A class under the wrong function would be read by names that it lacks."""
    handed: dict[Callable[..., Any], set[type]] = {}
    taken: dict[Callable[..., Any], set[type]] = {}
    for row in ROWS:
        reducer = REDUCERS.get(row.name)
        if row.direction == "server" and reducer is not None:
            handed.setdefault(reducer, set()).add(class_of(row))
            hint = get_type_hints(reducer, localns={"events": events})["event"]
            taken[reducer] = set(get_args(hint)) or {hint}

    assert taken == handed


@pytest.mark.parametrize("kind", sorted(NOT_MIRRORED))
def test_events_that_are_not_mirrored_change_nothing(kind: str) -> None:
    """The very same snapshot comes back."""
    mirror = Mirror()
    before = mirror.snapshot
    mirror.tell(kind, item_id="a", response_id="r", content_index=0, delta="AAAA")

    assert before is mirror.snapshot


@pytest.mark.parametrize("kind", SERVER)
def test_an_empty_event_never_raises(kind: str) -> None:
    """Whatever is missing, the snapshot goes on, and its version counts."""
    mirror = Mirror()
    mirror.spoken_answer()
    before = mirror.snapshot.version
    mirror.frame({"type": kind})

    assert mirror.snapshot.version in (before, before + 1)
    assert "not_followed" not in mirror.kinds


def test_every_change_is_one_version() -> None:
    """However much an event changes; and an anomaly is a change."""
    mirror = Mirror()
    versions = [
        mirror.user("u").version,
        mirror.created().version,
        mirror.text("Hello").version,
        mirror.text("").version,
        mirror.ended(answer()).version,
        mirror.text("late").version,
    ]

    assert [1, 2, 3, 3, 4, 5] == versions


def test_problems_of_an_event_are_noted() -> None:
    """A field that does not fit, with the event that had it."""
    mirror = Mirror()
    mirror.text("Hello", content_index="first")

    (anomaly,) = mirror.snapshot.anomalies
    assert ("bad_field", "response.output_text.delta", "event_1") == (
        anomaly.kind,
        anomaly.event_type,
        anomaly.event_id,
    )
    assert "content_index" in anomaly.detail
    assert "Hello" == mirror.item("a").text


def test_what_is_no_event_is_noted_and_what_is_new_is_not() -> None:
    """Servers may send events that nobody knows yet."""
    mirror = Mirror()
    mirror.tell("vendor.ping")
    assert [] == mirror.kinds

    mirror.snapshot = reduce(mirror.snapshot, mirror.codec.decode(b"[1, 2]"))

    assert ["no_event"] == mirror.kinds


def test_an_unknown_event_cannot_pass_for_a_known_one() -> None:
    """Even under the name of one."""
    event = UnknownEvent(type="response.done", raw={"type": "response.done"})
    before = Snapshot()

    assert before is reduce(before, event)


def test_an_event_that_cannot_be_followed_does_not_raise() -> None:
    """The reader lives on, and the anomaly names what went wrong."""
    nonsense: Any = ["a"]
    event = ResponseTextDelta(response_id="r", item_id=nonsense, delta="x")
    after = reduce(Snapshot(), event)

    assert ["not_followed"] == [each.kind for each in after.anomalies]
    assert "TypeError" in after.anomalies[0].detail


def test_anomalies_are_bounded() -> None:
    """The latest ones are kept."""
    mirror = Mirror(limits=Limits(max_anomalies=3))
    for index in range(9):
        mirror.tell("conversation.item.deleted", item_id=f"i{index}")

    assert ["i6", "i7", "i8"] == [each.item_id for each in mirror.snapshot.anomalies]


def test_the_same_surprise_about_something_else_is_another() -> None:
    """Only the very same in a row is counted."""
    mirror = Mirror()
    for item_id in ("a", "b", "a"):
        mirror.tell("conversation.item.deleted", item_id=item_id)
    mirror.tell("conversation.item.deleted", item_id="a")

    assert [("a", 1), ("b", 1), ("a", 2)] == [
        (each.item_id, each.count) for each in mirror.snapshot.anomalies
    ]


def test_the_reducers_that_run_are_those_of_the_table() -> None:
    """The table that is read is a copy for speed."""
    assert dict(REDUCERS) == reduce_module._REDUCERS


# Nothing a server says may raise, or break what holds for every snapshot.

IDS = st.sampled_from(["a", "b", "c", "", None])
INDICES = st.sampled_from([0, 1, -1, None, 10**6])
STATUSES = st.sampled_from(["in_progress", "completed", "incomplete", "odd", None])
TEXTS = st.sampled_from(["", "Hi", "Hi there", None, 5])
PARTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "audio", "input_audio", "output_text", None])},
    optional={"text": TEXTS, "transcript": TEXTS, "audio": st.just("AAAA")},
)
ITEMS = st.fixed_dictionaries(
    {"id": IDS, "type": st.sampled_from(["message", "function_call", "mcp_call", "x"])},
    optional={
        "role": st.sampled_from(["user", "assistant", "system"]),
        "status": STATUSES,
        "content": st.lists(PARTS, max_size=2),
        "arguments": TEXTS,
        "call_id": IDS,
    },
)
RESPONSES = st.fixed_dictionaries(
    {"id": IDS},
    optional={
        "status": STATUSES,
        "conversation_id": st.sampled_from(["conv", None]),
        "output": st.lists(ITEMS, max_size=2),
        "usage": st.sampled_from([None, {}, {"total_tokens": 3}]),
    },
)
FRAMES = st.fixed_dictionaries(
    {"type": st.sampled_from(SERVER)},
    optional={
        "item_id": IDS,
        "response_id": IDS,
        "previous_item_id": IDS,
        "content_index": INDICES,
        "output_index": INDICES,
        "audio_end_ms": INDICES,
        "audio_start_ms": INDICES,
        "delta": TEXTS,
        "text": TEXTS,
        "transcript": TEXTS,
        "arguments": TEXTS,
        "part": PARTS,
        "item": ITEMS,
        "response": RESPONSES,
    },
)


def follows(frames: list[dict[str, Any]]) -> None:
    """Reduce frames, and hold every snapshot against what must be true."""
    codec = Codec()
    snapshot = Snapshot(limits=Limits(max_items=4, max_responses=2, max_anomalies=3))
    for frame in frames:
        before = snapshot
        packed = before.to_dict()
        snapshot = reduce(before, codec.structure(frame))

        kinds = [each.kind for each in snapshot.anomalies]
        assert "not_followed" not in kinds, snapshot.anomalies
        assert packed == before.to_dict()
        ids = [item.id for item in snapshot.items]
        assert len(set(ids)) == len(ids)
        assert not any(item.announced or item.out_of_band for item in snapshot.items)
        assert len(snapshot.anomalies) <= 3
        assert all(state.output is not None for state in snapshot.responses.values())
        assert snapshot == Snapshot.from_dict(snapshot.to_dict())


@settings(max_examples=60)
@given(st.lists(FRAMES, max_size=12))
def test_nothing_a_server_says_breaks_the_mirror(frames: list[dict[str, Any]]) -> None:
    """No exception, no item twice, nothing of the past changed, all bounded."""
    follows(frames)


@pytest.mark.deep
@settings(max_examples=600)
@given(st.lists(FRAMES, max_size=25))
def test_nothing_breaks_the_mirror_at_length(frames: list[dict[str, Any]]) -> None:
    """The same with more and longer conversations."""
    follows(frames)


def test_an_anomaly_is_short_however_much_the_server_says() -> None:
    """Its detail is for people; what was left out is counted."""
    mirror = Mirror()
    strange = "x" * 1_000_000
    mirror.tell("conversation.item.added", item={"id": strange, "type": 7})
    mirror.tell("conversation.item.deleted", item_id=strange, event_id=strange)
    mirror.user("u", strange)

    assert mirror.snapshot.anomalies
    for anomaly in mirror.snapshot.anomalies:
        assert len(anomaly.detail) < 600
