"""Texts that grow by pieces."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import weakref

from realtime_sync.state.growing_text import (
    MOST_TEXT,
    GrowingText,
    grow_text,
    plain_text,
)


def grown(pieces: int) -> GrowingText:
    """A text of so many pieces that nobody has read."""
    text = grow_text(None, "x")
    for _ in range(pieces - 1):
        text = grow_text(text, "x")
    return text


def test_pieces_are_joined_in_order() -> None:
    """Reading gives the pieces as they came."""
    text = grow_text(grow_text(grow_text(None, "a"), "b"), "c")

    assert "abc" == str(text)
    assert "'abc'" == repr(text)


def test_two_texts_from_one_are_independent() -> None:
    """What is appended to one is not seen in the other, nor in those that follow."""
    start = grow_text(None, "same ")
    one, other = grow_text(start, "one"), grow_text(start, "other")
    onward, aside = grow_text(one, "!"), grow_text(other, "?")

    assert "same " == str(start)
    assert ["same one", "same other"] == [str(one), str(other)]
    assert ["same one!", "same other?"] == [str(onward), str(aside)]


def test_texts_grow_from_one_in_several_threads() -> None:
    """A snapshot is read, and reduced, wherever a program likes."""
    start = grown(3)
    found: dict[int, list[str]] = {}
    at_once = threading.Barrier(4)

    def grow(number: int) -> None:
        at_once.wait(10.0)
        texts = [grow_text(grow_text(start, f"{number} {n}"), ".") for n in range(500)]
        found[number] = [str(each) for each in texts]

    threads = [threading.Thread(target=grow, args=(number,)) for number in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(10.0)

    assert {n: [f"xxx{n} {m}." for m in range(500)] for n in range(4)} == found


class _Hasty(list[str]):
    """Pieces to which another thread appends just before anybody does."""

    def append(self, piece: str) -> None:
        super().append("another's")
        super().append(piece)


def test_a_text_that_another_thread_was_quicker_to_continue_is_its_own() -> None:
    """Both looked at the same moment, and saw that nobody had."""
    start = GrowingText(_Hasty(["x"]), 1, 1)
    text = grow_text(grow_text(start, "y"), "z")

    assert ["x", "xyz"] == [str(start), str(text)]


class _Piece(str):
    """A string that can be watched going."""


def test_a_text_that_has_been_read_lets_go_of_its_pieces() -> None:
    """And what grows from it, before or after, still says all."""
    piece = _Piece("y")
    watched = weakref.ref(piece)
    text = grow_text(grown(3), piece)
    before = grow_text(text, "z")
    del piece
    assert ["xxxy", "xxxyz"] == [str(text), str(before)]

    later = grow_text(grow_text(text, "z"), "!")

    assert watched() is None
    assert "xxxyz!" == str(later)
    assert "xxxyz!" == str(later)


def test_a_piece_leaves_nothing_for_the_garbage_collector() -> None:
    """Or it would go over all sessions of a process every few seconds."""
    text = grown(10)
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(1000):
        text = grow_text(text, "x")
    left = len(gc.get_objects()) - before

    assert left < 100
    assert 1010 == len(str(text))


def test_a_string_can_be_continued() -> None:
    """A finished text grows on if the server goes on; an empty one is nothing."""
    assert "one two" == str(grow_text("one ", "two"))
    assert "two" == str(grow_text("", "two"))


def test_a_text_that_never_ends_is_cut_and_stays_so() -> None:
    """Nothing smaller slips in behind what was left out."""
    text = grow_text(None, "x" * (MOST_TEXT - 3))
    cut = grow_text(text, "abcdef")

    assert MOST_TEXT == cut.size == len(str(cut))
    assert str(cut).endswith("xabc")
    assert grow_text(cut, "y") is cut
    assert MOST_TEXT - 3 == text.size


def test_a_whole_text_may_be_longer_and_grows_no_more() -> None:
    """What the server tells at the end is what counts."""
    whole = "x" * (MOST_TEXT + 7)

    assert whole == grow_text(whole, "y")


def test_texts_compare_by_what_they_say() -> None:
    """How a text was cut into pieces does not matter."""
    text = grow_text(grow_text(None, "a"), "b")

    assert text == grow_text(None, "ab")
    assert text == "ab"
    assert text != "abc"
    assert text != 3
    assert hash(text) == hash("ab")


def test_plain_text_is_a_string_or_nothing() -> None:
    """Nothing stays nothing."""
    assert "ab" == plain_text(grow_text("a", "b"))
    assert "ab" == plain_text("ab")
    assert plain_text(None) is None


def test_a_very_long_chain_is_no_trouble() -> None:
    """Joining, comparing, copying, pickling and freeing do not recurse."""
    text, same = grown(60_000), grown(60_000)
    assert text == same

    copies = [pickle.loads(pickle.dumps(grown(60_000))), copy.deepcopy(same)]
    unread = grown(60_000)
    del unread

    assert [60_000, 60_000] == [len(str(each)) for each in copies]
