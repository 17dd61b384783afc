"""A long conversation does not grow without end."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import pytest

from realtime_sync.state.snapshot import Snapshot
from realtime_sync.state.snapshot_parts import Limits
from tests.state.mirror_builder import Mirror, answer, message

LIMITS = Limits(max_items=20, max_responses=10, max_anomalies=5)


def turns(mirror: Mirror, first: int, last: int) -> int:
    """Go through so many turns, and return the size of the snapshot."""
    for number in range(first, last):
        user, reply, run = f"u{number:06}", f"a{number:06}", f"r{number:06}"
        before = mirror.snapshot.items[-1].id if mirror.snapshot.items else None
        mirror.tell("input_audio_buffer.speech_started", item_id=user, audio_start_ms=1)
        mirror.tell("input_audio_buffer.committed", item_id=user)
        mirror.tell("input_audio_buffer.committed", item_id=f"x{number:06}")
        mirror.added(message(user, [{"type": "input_audio"}]), before)
        mirror.created(run)
        mirror.started(answer(reply), run)
        mirror.added(answer(reply), user)
        mirror.speech("Hello", reply, response_id=run)
        mirror.audio(480, reply, response_id=run)
        response = {"id": run, "status": "completed", "output": []}
        mirror.tell("response.done", response=response)
        mirror.created(f"s{number:06}", None)
        mirror.text("aside", f"o{number:06}", response_id=f"s{number:06}")
        response = {"id": f"s{number:06}", "status": "completed"}
        mirror.tell("response.done", response={**response, "conversation_id": None})
        mirror.tell("conversation.item.deleted", item_id=f"n{number:06}")
        mirror.user(f"w{number:06}", f"missing{number:06}")
        if number % 3 == 0:
            mirror.tell("conversation.item.deleted", item_id=user)
    return len(pickle.dumps(mirror.snapshot.to_dict()))


def stays_flat(much: int) -> None:
    """After a while, ten times as much leaves no more behind."""
    mirror = Mirror(limits=LIMITS)
    settled = turns(mirror, 0, much // 10)
    later = turns(mirror, much // 10, much)

    assert later <= settled * 1.1
    assert len(mirror.order) <= LIMITS.max_items
    assert len(mirror.snapshot.responses) <= LIMITS.max_responses
    assert len(mirror.snapshot._order.ids) <= 2 * LIMITS.max_items + 1


@pytest.mark.parametrize("turns", [400, pytest.param(4000, marks=pytest.mark.deep)])
def test_what_a_snapshot_holds_is_bounded(turns: int) -> None:
    """Items, responses, tombstones, orphans, announcements, anomalies; for an hour."""
    stays_flat(turns)


def copied(snapshot: Snapshot, before: Snapshot) -> int:
    """Count the entries that an event has copied rather than shared."""
    pairs = [
        (snapshot._base, before._base),
        (snapshot._order.parents, before._order.parents),
        (snapshot._order.dead, before._order.dead),
        (snapshot._order.below, before._order.below),
    ]
    entries = sum(
        len(now._recent)
        + (now._changes is not was._changes) * len(now._changes)
        + (now._settled is not was._settled) * len(now._settled)
        for now, was in pairs
    )
    moved = snapshot._order._runs is not before._order._runs
    order = len(snapshot._order._end) + moved * len(snapshot._order._runs)
    return entries + order + len(snapshot._overlay)


Tell = Callable[[Mirror, int], None]


def in_turn(mirror: Mirror, number: int) -> None:
    """Each item after the one before it."""
    mirror.user(f"u{number}", f"u{number - 1}" if number else None)


def without_a_place(mirror: Mirror, number: int) -> None:
    """Each item at the end, because nothing is said of its place."""
    mirror.user(f"u{number}", None)


def after_strangers(mirror: Mirror, number: int) -> None:
    """Each item after one that never comes."""
    mirror.user(f"u{number}", f"x{number}")


def never_done(mirror: Mirror, number: int) -> None:
    """Each item begun, and left."""
    mirror.added(message(f"u{number}", status="in_progress"), None)


def deleted(mirror: Mirror, number: int) -> None:
    """Each item deleted soon after."""
    in_turn(mirror, number)
    mirror.tell("conversation.item.deleted", item_id=f"u{number - 5}")


def come_back(mirror: Mirror, number: int) -> None:
    """Each item deleted far from the end, and put where it was."""
    in_turn(mirror, number)
    if number > 200:
        mirror.tell("conversation.item.deleted", item_id=f"u{number - 200}")
        mirror.user(f"u{number - 200}", f"u{number - 201}")


def after_the_first(mirror: Mirror, number: int) -> None:
    """Each item right after the first one of about the latest thousand."""
    in_turn(mirror, number)
    mirror.user(f"x{number}", f"u{number // 900 * 900}")


def beside_it(mirror: Mirror, number: int) -> None:
    """Each item followed by an answer that turns out to be out of band."""
    in_turn(mirror, number)
    mirror.text("aside", f"o{number}", response_id=f"r{number}")
    response = {"id": f"r{number}", "status": "completed", "conversation_id": None}
    mirror.tell("response.done", response=response)


def mean_copied(tell: Tell, limits: Limits, size: int, count: int = 2000) -> float:
    """Count what is copied for each item once so many are there."""
    mirror, total = Mirror(limits=limits), 0
    for number in range(size + count):
        before = mirror.snapshot
        tell(mirror, number)
        total += copied(mirror.snapshot, before) * (number >= size)
    return total / count


@pytest.mark.parametrize(
    "tell", [in_turn, without_a_place, after_strangers, never_done, deleted]
)
@pytest.mark.parametrize("most", [1_000, 100_000])
def test_an_item_costs_the_same_however_many_there_are(tell: Tell, most: int) -> None:
    """Beyond the limit and far below it: what an event copies hardly grows."""
    limits = Limits(max_items=most)
    few = mean_copied(tell, limits, 500)
    many = mean_copied(tell, limits, 6_000)

    assert many < 1.5 * few + 50


@pytest.mark.parametrize("tell", [come_back, after_the_first, beside_it])
def test_what_is_far_from_the_end_costs_the_same(tell: Tell) -> None:
    """Items that come back, that are put in between, and that are taken out again."""
    limits = Limits(max_items=100_000)
    few = mean_copied(tell, limits, 400, count=300)
    many = mean_copied(tell, limits, 2_500, count=300)

    assert many < 1.5 * few + 50
