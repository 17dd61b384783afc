"""Where items stand, from predecessors told one at a time."""

from __future__ import annotations

from itertools import permutations
from typing import Any, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_sync.state.ordering import (
    LONGEST,
    Anchor,
    ItemOrder,
    Predecessor,
    forget_in_order,
    forget_tombstones,
    is_listed_in_order,
    is_orphan_in_order,
    is_placed_in_order,
    leave_tombstones,
    place_in_order,
    place_provisionally_in_order,
)
from realtime_sync.types import UNSET


def told(
    *statements: tuple[str, Predecessor],
    order: Optional[ItemOrder] = None,
    null_is_head: bool = False,
) -> ItemOrder:
    """The order after some statements."""
    order = order or ItemOrder()
    for item_id, previous in statements:
        at_root = null_is_head and previous is None
        order = place_in_order(order, item_id, previous, at_root=at_root)
    return order


@pytest.mark.parametrize(
    ("statements", "ids"),
    [
        ([("a", None), ("b", "a"), ("c", "b")], "abc"),
        ([("a", None), ("b", "a"), ("c", "a")], "acb"),
        ([("a", None), ("b", "a"), ("c", None)], "abc"),
        ([("u", None), ("a", "u"), ("f", None), ("o", None), ("b", "o")], "uafob"),
        ([("a", None), ("b", "a"), ("c", ""), ("d", "b")], "abdc"),
        ([("a", None), ("b", "a"), ("c", "root")], "cab"),
        ([("a", UNSET), ("b", UNSET), ("c", UNSET)], "abc"),
        ([("a", None), ("b", "a"), ("c", UNSET), ("d", "a")], "adbc"),
        ([("a", ""), ("b", "")], "ab"),
        ([("a", None), ("b", None), ("c", None)], "abc"),
        ([("a", None), ("b", None), ("c", "b")], "abc"),
        ([("a", None), ("b", "root"), ("c", None), ("d", "a")], "badc"),
        ([("a", UNSET), ("b", None), ("c", None), ("d", "b")], "abdc"),
        ([("b", "a"), ("a", None)], "ab"),
        ([("c", "b"), ("b", "a"), ("a", None)], "abc"),
        ([("a", None), ("c", "x"), ("b", "a")], "abc"),
        ([("a", None), ("c", "x"), ("b", "a"), ("x", "a"), ("d", "c")], "axcdb"),
        ([("a", "a")], "a"),
        ([("a", None), ("b", "b"), ("c", "a")], "acb"),
        ([("a", "b"), ("b", "a")], "ab"),
        ([("a", "b"), ("b", "c"), ("c", "a")], "bac"),
    ],
)
def test_statements_make_an_order(
    statements: list[tuple[str, Predecessor]], ids: str
) -> None:
    """Known, null, root, absent, empty, unknown, itself, and in a circle."""
    assert tuple(ids) == told(*statements).ids


@pytest.mark.parametrize("previous", [None, "", UNSET, "c"])
def test_the_head_is_where_the_client_asked_for_it(previous: Predecessor) -> None:
    """No predecessor that answers a wish for root is the head on any server."""
    order = told(("a", None), ("b", None))

    assert ("c", "a", "b") == place_in_order(order, "c", previous, at_root=True).ids


@pytest.mark.parametrize(
    ("statements", "ids"),
    [
        ([("a", None), ("b", "a"), ("c", None)], "cab"),
        ([("a", None), ("b", None), ("c", "b")], "bca"),
        ([("a", UNSET), ("b", None), ("c", None), ("d", "b")], "cbda"),
    ],
)
def test_null_is_the_head_where_the_server_means_it(
    statements: list[tuple[str, Predecessor]], ids: str
) -> None:
    """OpenAI and Azure say it of what stands first, and of nothing else."""
    assert tuple(ids) == told(*statements, null_is_head=True).ids


def test_a_deleted_item_still_marks_a_place() -> None:
    """Items that name it stand where it stood."""
    order = leave_tombstones(told(("a", None), ("b", "a"), ("c", "b")), "b")
    order = place_in_order(order, "d", "b")

    assert ("a", "d", "c") == order.visible
    assert ("a", "b", "d", "c") == order.ids


def test_an_item_deleted_before_it_comes_stays_out() -> None:
    """Its place is known all the same."""
    order = told(("b", "a"), order=leave_tombstones(ItemOrder(), "a"))
    order = told(("a", None), ("c", "a"), order=order)

    assert ("c", "b") == order.visible


def test_what_the_server_has_not_placed_goes_to_its_place_later() -> None:
    """An item known from its response moves with everything below it."""
    order = told(("a", None), ("b", "a"))
    order = place_provisionally_in_order(order, "r")
    order = place_in_order(order, "x", "r")
    assert ("a", "b", "r", "x") == order.ids

    order = place_in_order(order, "r", "a")

    assert ("a", "r", "x", "b") == order.ids


def test_what_has_a_place_is_told_apart() -> None:
    """A place that was told, a place that was assumed, and none."""
    order = place_in_order(ItemOrder(), "a", None, at_root=True)
    order = place_provisionally_in_order(
        told(("b", UNSET), ("o", "x"), order=order), "r"
    )

    assert [True, False, True, False, False] == [
        is_placed_in_order(order, each) for each in ("a", "b", "o", "r", "z")
    ]
    assert [True, True, True, False, False] == [
        is_listed_in_order(order, each) for each in ("a", "b", "o", "r", "z")
    ]
    assert [False, False, True, False, False] == [
        is_orphan_in_order(order, each) for each in ("a", "b", "o", "r", "z")
    ]


def test_an_orphan_that_was_placed_otherwise_is_not_moved_again() -> None:
    """Only what still waits for an item is moved to it."""
    order = told(("a", None), ("o", "x"), ("o", "a"), ("b", "a"))
    order = place_in_order(order, "x", "b")

    assert ("a", "b", "x", "o") == order.ids


def test_forgetting_leaves_the_rest_in_order() -> None:
    """What stood below a forgotten item is inherited by that one's parent."""
    statements = (("a", None), ("b", "a"), ("c", "b"), ("d", "c"))
    order = told(*statements, null_is_head=True)
    order = forget_in_order(order, ("b", "c", "unknown"))

    assert ("a", "d") == order.ids
    assert "a" == order.parents["d"]
    assert Anchor.HEAD is forget_in_order(order, ("a",)).parents["d"]


def test_forgetting_an_orphan_frees_what_stood_below_it() -> None:
    """Nothing waits on behalf of an item that is not there."""
    order = forget_in_order(
        told(("a", None), ("o", "x"), ("p", "o"), ("q", "x")), ("o",)
    )
    assert ("a", "p", "q") == order.ids
    assert Anchor.END is order.parents["p"]
    assert {"x": ("q",)} == order.waiting

    assert ("a", "x", "q", "p") == place_in_order(order, "x", "a").ids


def test_the_oldest_tombstones_are_forgotten_first() -> None:
    """There are never more than the limit."""
    order = told(("a", None), ("b", "a"), ("c", "b"))
    order = leave_tombstones(leave_tombstones(order, "c"), "a")

    assert order is forget_tombstones(order, 2)
    assert ["a"] == list(forget_tombstones(order, 1).dead)
    assert ("a", "b") == forget_tombstones(order, 1).ids


# The server's own way, for comparison: a list, and insertion into it.


def server_order(
    history: list[tuple[str, Optional[str]]], *, null_is_head: bool
) -> list[str]:
    """The order of a server to which items come one after the other."""
    items: list[str] = []
    for item_id, previous in history:
        if previous is None:
            items.insert(0 if null_is_head else len(items), item_id)
        else:
            items.insert(items.index(previous) + 1, item_id)
    return items


@st.composite
def histories(draw: Any, most: int = 6) -> list[tuple[str, Optional[str]]]:
    """What a server tells: items whose predecessors were there before."""
    history: list[tuple[str, Optional[str]]] = []
    for index in range(draw(st.integers(1, most))):
        earlier = [each for each, _ in history]
        previous = draw(st.sampled_from([None, *earlier]))
        history.append((f"i{index}", previous))
    return history


def keeps_siblings(
    arrival: tuple[tuple[str, Optional[str]], ...],
    history: list[tuple[str, Optional[str]]],
) -> bool:
    """Say whether items that name the same predecessor come as they were told."""
    for previous in {previous for _, previous in history}:
        told_so = [each for each in history if each[1] == previous]
        if told_so != [each for each in arrival if each[1] == previous]:
            return False
    return True


def every_arrival(history: list[tuple[str, Optional[str]]]) -> None:
    """Try all orders of arrival of one history."""
    for null_is_head in (False, True):
        expected = server_order(history, null_is_head=null_is_head)
        for arrival in permutations(history):
            ids = list(told(*arrival, null_is_head=null_is_head).ids)
            assert sorted(expected) == sorted(ids)
            if keeps_siblings(arrival, history):
                assert expected == ids


@settings(max_examples=30)
@given(histories())
def test_every_arrival_that_keeps_siblings_converges(
    history: list[tuple[str, Optional[str]]],
) -> None:
    """And any other order of arrival is a total order with every item once."""
    every_arrival(history)


@pytest.mark.deep
@settings(max_examples=600)
@given(histories())
def test_every_arrival_converges_at_length(
    history: list[tuple[str, Optional[str]]],
) -> None:
    """The same with more histories."""
    every_arrival(history)


PREDECESSORS = st.sampled_from(["a", "b", "c", "d", "x", "root", "", None, UNSET])
STEPS = st.one_of(
    st.tuples(st.just(place_in_order), st.sampled_from("abcd"), PREDECESSORS),
    st.tuples(st.just(place_provisionally_in_order), st.sampled_from("abcd")),
    st.tuples(st.just(leave_tombstones), st.sampled_from("abcdx")),
    st.tuples(st.just(forget_in_order), st.sampled_from("abcdx")),
)


def below_of(order: ItemOrder) -> dict[str, set[str]]:
    """The items right below each one, read from what each one named."""
    below: dict[str, set[str]] = {}
    for each, parent in order.parents.items():
        if isinstance(parent, str):
            below.setdefault(parent, set()).add(each)
    return below


@settings(max_examples=300)
@given(st.lists(STEPS, max_size=14))
def test_no_sequence_of_statements_breaks_the_order(steps: list[Any]) -> None:
    """Whatever is said, every item stands in it once, below its parent."""
    order = ItemOrder()
    for step, *arguments in steps:
        before = order.ids, dict(order.parents), dict(order.dead)
        kept = order
        order = step(order, *arguments)

        assert before == (kept.ids, kept.parents, kept.dead)
        assert sorted(order.ids) == sorted(order.parents)
        assert len(set(order.ids)) == len(order.ids)
        seen: set[str] = set()
        for each in order.ids:
            parent = order.parents[each]
            assert (
                isinstance(parent, Anchor)
                or parent in seen
                or is_orphan_in_order(order, each)
            )
            seen.add(each)
        assert below_of(order) == {each: set(order.below[each]) for each in order.below}


@pytest.mark.parametrize("at", [0, 1, 100, 300, 499])
def test_an_item_finds_its_place_anywhere_in_a_long_order(at: int) -> None:
    """In the run where its predecessor is; runs that grow are cut."""
    order, model = ItemOrder(), list[str]()
    for number in range(500):
        order = place_in_order(
            order, f"u{number}", f"u{number - 1}" if number else None
        )
        model.append(f"u{number}")
    for number in range(300):
        order = place_in_order(order, f"x{number}", f"u{at}")
        model.insert(at + 1, f"x{number}")
    order = place_in_order(order, "first", None, at_root=True)

    assert ("first", *model) == order.ids
    assert max(map(len, order._runs)) <= LONGEST


@pytest.mark.parametrize("at", [0, 1, 64, 200, 449, 450, 499])
def test_a_forgotten_item_leaves_the_rest_of_a_long_order(at: int) -> None:
    """Wherever it stood; and it may come back to another place."""
    order = ItemOrder()
    for number in range(500):
        order = place_in_order(
            order, f"u{number}", f"u{number - 1}" if number else None
        )
    left = [f"u{number}" for number in range(500) if number != at]
    shorter = forget_in_order(order, (f"u{at}",))

    assert tuple(left) == shorter.ids
    again = place_in_order(shorter, f"u{at}", left[10])
    assert (*left[:11], f"u{at}", *left[11:]) == again.ids
    assert 500 == len(again.parents)


def test_what_is_below_an_item_moves_with_it_over_several_runs() -> None:
    """Also below one that has been forgotten meanwhile."""
    order = place_provisionally_in_order(ItemOrder(), "u0")
    for number in range(1, 300):
        order = place_in_order(order, f"u{number}", f"u{number - 1}")
    order = forget_in_order(told(("z", UNSET), ("y", "z"), order=order), ("u150",))
    order = place_in_order(order, "u0", "z")

    rest = [f"u{number}" for number in range(300) if number != 150]
    assert ("z", *rest, "y") == order.ids
