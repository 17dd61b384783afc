"""Texts that grow by pieces."""

from __future__ import annotations

import copy
import pickle

from realtime_sync.state.growing_text import MOST_TEXT, Text, append, plain


def grown(pieces: int) -> Text:
    """A text of so many pieces that nobody has read."""
    text = append(None, "x")
    for _ in range(pieces - 1):
        text = append(text, "x")
    return text


def test_pieces_are_joined_in_order() -> None:
    """Reading gives the pieces as they came."""
    text = append(append(append(None, "a"), "b"), "c")

    assert "abc" == str(text)
    assert "'abc'" == repr(text)


def test_two_texts_from_one_node_are_independent() -> None:
    """What is appended to one is not seen in the other."""
    start = append(None, "same ")
    one, other = append(start, "one"), append(start, "other")

    assert ["same ", "same one", "same other"] == [str(start), str(one), str(other)]


def test_reading_stops_at_what_was_read_before() -> None:
    """A node that has been read keeps the string and lets go of the pieces."""
    start = grown(3)
    assert "xxx" == str(start)

    later = append(append(start, "y"), "z")

    assert start._before is None
    assert "xxxyz" == str(later)
    assert "xxxyz" == str(later)


def test_a_string_can_be_continued() -> None:
    """A finished text grows on if the server goes on; an empty one is nothing."""
    assert "one two" == str(append("one ", "two"))
    assert "two" == str(append("", "two"))


def test_a_text_that_never_ends_is_cut_and_stays_so() -> None:
    """Nothing smaller slips in behind what was left out."""
    text = append(None, "x" * (MOST_TEXT - 3))
    cut = append(text, "abcdef")

    assert MOST_TEXT == cut.size == len(str(cut))
    assert str(cut).endswith("xabc")
    assert append(cut, "y") is cut
    assert MOST_TEXT - 3 == text.size


def test_a_whole_text_may_be_longer_and_grows_no_more() -> None:
    """What the server tells at the end is what counts."""
    whole = "x" * (MOST_TEXT + 7)

    assert whole == append(whole, "y")


def test_texts_compare_by_what_they_say() -> None:
    """How a text was cut into pieces does not matter."""
    text = append(append(None, "a"), "b")

    assert text == Text(None, "ab")
    assert text == "ab"
    assert text != "abc"
    assert text != 3
    assert hash(text) == hash("ab")


def test_plain_text_is_a_string_or_nothing() -> None:
    """Nothing stays nothing."""
    assert "ab" == plain(append("a", "b"))
    assert "ab" == plain("ab")
    assert plain(None) is None


def test_a_very_long_chain_is_no_trouble() -> None:
    """Joining, comparing, copying, pickling and freeing do not recurse."""
    text, same = grown(60_000), grown(60_000)
    assert text == same

    copies = [pickle.loads(pickle.dumps(grown(60_000))), copy.deepcopy(same)]
    unread = grown(60_000)
    del unread

    assert [60_000, 60_000] == [len(str(each)) for each in copies]
