"""A mapping of which a changed copy costs the same at any size."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_sync.state import persistent_map
from realtime_sync.state.persistent_map import MOST_CHANGES, MOST_RECENT, PersistentMap

KEYS = st.sampled_from("abcdefgh")
STEPS = st.one_of(
    st.tuples(st.just("put"), st.dictionaries(KEYS, st.integers(), max_size=3)),
    st.tuples(st.just("without"), st.lists(KEYS, max_size=3)),
)


@settings(max_examples=200)
@given(st.lists(STEPS, max_size=20), st.integers(0, 6), st.integers(0, 6))
def test_the_latest_are_all_of_them_once(
    steps: list[Any], recent: int, changes: int
) -> None:
    """With the values that they have now, whichever layers they are in."""
    mapping: PersistentMap[int] = PersistentMap()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(persistent_map, "MOST_RECENT", recent)
        patch.setattr(persistent_map, "MOST_CHANGES", changes)
        for step, argument in steps:
            mapping = getattr(mapping, step)(argument)

    assert sorted(mapping.flat().values()) == sorted(mapping.latest())


@settings(max_examples=300)
@given(
    st.lists(STEPS, max_size=20),
    st.integers(min_value=0, max_value=6),
    st.integers(min_value=0, max_value=6),
)
def test_layers_are_a_dictionary_in_order_of_arrival(
    steps: list[Any], recent: int, changes: int
) -> None:
    """Wherever the changes are settled, and what was before stays what it was."""
    model: dict[str, int] = {}
    mapping: PersistentMap[int] = PersistentMap()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(persistent_map, "MOST_RECENT", recent)
        patch.setattr(persistent_map, "MOST_CHANGES", changes)
        for step, argument in steps:
            before, kept = mapping.flat(), mapping
            mapping = getattr(mapping, step)(argument)
            if step == "put":
                model.update(argument)
            else:
                model = {k: v for k, v in model.items() if k not in argument}

            assert before == kept.flat()
            assert list(model.items()) == list(mapping.flat().items())
            assert list(model) == list(mapping)
            assert len(model) == len(mapping)
            for each in "abcdefgh":
                assert (each in model) == (each in mapping)
                assert model.get(each, -1) == mapping.get(each, -1)


def test_what_is_gone_is_not_found() -> None:
    """Neither what was taken out, nor what has never been there."""
    mapping = PersistentMap({"a": 1, "b": 2}).put({"c": 3}).without(["a", "x"])

    assert "PersistentMap({'b': 2, 'c': 3})" == repr(mapping)
    assert [2, 3] == [mapping["b"], mapping["c"]]
    for gone in ("a", "x"):
        with pytest.raises(KeyError):
            mapping[gone]


def test_a_copy_shares_what_is_settled() -> None:
    """So it costs the same however much that is."""
    settled = PersistentMap({str(each): each for each in range(50_000)})
    later = settled.put({"new": 1}).without(["7"]).put({"8": 0})

    assert settled._settled is later._settled
    assert 3 == len(later._recent)


def test_what_comes_back_settles_nothing() -> None:
    """It comes last, and costs no more than other changes."""
    settled = PersistentMap({str(each): each for each in range(50_000)})
    later = settled.without(["7"]).put({"new": 1}).put({"7": 0})

    assert settled._settled is later._settled
    assert ["49999", "new", "7"] == list(later)[-3:]
    again = later.without(["7"]).put({"8": 0}).put({"7": 1})
    assert ["new", "7"] == list(again)[-2:]


def test_changes_are_settled_before_they_are_many() -> None:
    """What is copied at each change is bounded."""
    mapping: PersistentMap[int] = PersistentMap()
    recent, changes = [], []
    for number in range(3 * MOST_CHANGES):
        mapping = mapping.put({str(number): number})
        recent.append(len(mapping._recent))
        changes.append(len(mapping._changes))

    assert max(recent) <= MOST_RECENT
    assert max(changes) <= MOST_CHANGES + MOST_RECENT + len(mapping) // 16
    assert 3 * MOST_CHANGES == len(mapping)
    assert len(mapping._settled) > MOST_CHANGES


class Key(str):
    """A key of which one can tell whether it is still there."""


def test_what_comes_and_goes_leaves_nothing() -> None:
    """Not even its key, but for the latest."""
    mapping: PersistentMap[int] = PersistentMap({"stays": 0})
    left: weakref.WeakSet[Key] = weakref.WeakSet()
    for number in range(10 * MOST_RECENT):
        key = Key(number)
        left.add(key)
        mapping = mapping.put({key: number}).without((key,))
    del key
    gc.collect()

    assert ["stays"] == list(mapping)
    assert len(left) <= MOST_RECENT
