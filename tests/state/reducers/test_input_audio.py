"""Spoken input, announced, committed and transcribed."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_sync.protocol.dialects.server_quirks import (
    CUMULATIVE,
    INTERIM,
    server_quirks_of,
)
from realtime_sync.state.growing_text import MOST_TEXT
from realtime_sync.state.reducers import input_audio
from tests.state.mirror_builder import MISSING, Mirror, message

TRANSCRIPTION = "conversation.item.input_audio_transcription."


def spoken(item_id: str = "u", transcript: Any = None) -> dict[str, Any]:
    """A user's spoken message as a server adds it."""
    return message(item_id, [{"type": "input_audio", "transcript": transcript}])


def heard(mirror: Mirror, what: str, item_id: Any = "u", **fields: Any) -> None:
    """A transcription event."""
    mirror.tell(TRANSCRIPTION + what, item_id=item_id, content_index=0, **fields)


def test_an_item_is_announced_before_it_exists() -> None:
    """It is found by id, and in the order when it comes."""
    mirror = Mirror()
    started = "input_audio_buffer.speech_started"
    mirror.tell(started, item_id="u", audio_start_ms=100)
    assert mirror.item("u").announced
    assert mirror.snapshot.user_speaking
    assert [] == mirror.order

    stopped = "input_audio_buffer.speech_stopped"
    mirror.tell(stopped, item_id="u", audio_end_ms=1600)
    assert not mirror.snapshot.user_speaking

    mirror.tell("input_audio_buffer.committed", item_id="u", previous_item_id=None)
    mirror.added(spoken())

    item = mirror.item("u")
    assert ["u"] == mirror.order
    assert (False, True, 1500) == (item.announced, item.committed, item.audio_ms)


def test_committing_by_hand_ends_the_speech() -> None:
    """There is no ``speech_stopped`` then."""
    mirror = Mirror()
    mirror.tell("input_audio_buffer.speech_started", item_id="u")
    assert mirror.snapshot.user_speaking

    mirror.tell("input_audio_buffer.committed", item_id="u")

    assert not mirror.snapshot.user_speaking
    assert 0 == mirror.item("u").audio_start_ms


@pytest.mark.parametrize("told", [None, MISSING, ""])
def test_the_place_may_be_told_with_the_commit(told: Any) -> None:
    """It is taken if the item itself does not say."""
    mirror = Mirror()
    mirror.user("a")
    mirror.user("b")
    mirror.tell("input_audio_buffer.committed", item_id="u", previous_item_id="a")
    mirror.added(spoken(), told)

    assert ["a", "u", "b"] == mirror.order
    assert "a" == mirror.item("u").previous_item_id


def test_the_item_knows_its_place_better_than_the_commit() -> None:
    """What is told with the item holds."""
    mirror = Mirror()
    mirror.user("a")
    mirror.user("b", "a")
    mirror.tell("input_audio_buffer.committed", item_id="u", previous_item_id="a")
    mirror.added(spoken(), "b")

    assert ["a", "b", "u"] == mirror.order
    assert "b" == mirror.item("u").previous_item_id


def test_a_commit_after_the_item_moves_nothing() -> None:
    """Nor does one that names the item itself."""
    mirror = Mirror()
    mirror.user("a")
    mirror.added(spoken(), "a")
    mirror.tell("input_audio_buffer.committed", item_id="u", previous_item_id="x")
    mirror.tell("input_audio_buffer.committed", item_id="v", previous_item_id="v")

    assert ["a", "u"] == mirror.order
    assert "a" == mirror.item("u").previous_item_id
    assert mirror.item("v").previous_item_id is None


def test_silence_is_an_item_too() -> None:
    """An idle user is announced with both ends."""
    mirror = Mirror()
    mirror.tell(
        "input_audio_buffer.timeout_triggered",
        item_id="u",
        audio_start_ms=0,
        audio_end_ms=600,
    )

    assert (True, 600) == (mirror.item("u").announced, mirror.item("u").audio_ms)
    assert not mirror.snapshot.user_speaking


def test_events_of_the_buffer_without_an_item_change_nothing() -> None:
    """Some servers name none."""
    mirror = Mirror()
    before = mirror.snapshot
    mirror.tell("input_audio_buffer.speech_started", audio_start_ms=1)
    mirror.tell("input_audio_buffer.committed")
    mirror.tell("input_audio_buffer.cleared")

    assert before is mirror.snapshot


def test_a_cleared_buffer_takes_back_what_it_announced() -> None:
    """What was committed will still come."""
    mirror = Mirror()
    mirror.tell("input_audio_buffer.committed", item_id="u")
    mirror.tell("input_audio_buffer.speech_started", item_id="v", audio_start_ms=1)
    mirror.tell("mcp_list_tools.in_progress", item_id="l")
    mirror.tell("input_audio_buffer.cleared")

    assert ["u", "l"] == [item.id for item in mirror.snapshot.announced]


def test_a_transcript_may_come_before_its_item() -> None:
    """It is adopted when the item comes."""
    mirror = Mirror()
    heard(mirror, "delta", delta="Hel")
    heard(mirror, "delta", delta="lo")
    assert ("Hello", "in_progress") == (
        mirror.item("u").text,
        mirror.item("u").content[0].transcription,
    )
    assert [] == mirror.order

    mirror.added(spoken())
    heard(mirror, "delta", delta=" there")
    usage = {"type": "duration", "seconds": 2}
    heard(mirror, "completed", transcript="Hello there.", usage=usage)

    part = mirror.item("u").content[0]
    assert ("Hello there.", "completed") == (part.transcript, part.transcription)
    assert 2 == mirror.snapshot.usage.transcription_seconds


def test_a_transcript_may_come_after_everything() -> None:
    """The item gets it whenever it comes, and keeps it."""
    mirror = Mirror()
    mirror.added(spoken())
    mirror.done(spoken())
    mirror.user("a", "u")
    usage = {"type": "tokens", "total_tokens": 9, "input_tokens": 4}
    heard(mirror, "completed", transcript="Hello", usage=usage)
    heard(mirror, "delta", delta="more")
    mirror.done(spoken())

    assert "Hello" == mirror.item("u").text
    assert 9 == mirror.snapshot.usage.transcription_tokens
    assert ["late_event"] == mirror.kinds


@pytest.mark.parametrize(
    ("deltas", "so_far"),
    [
        (["Hel", "lo"], "Hello"),
        (["Hel", "Hello", "Hello there"], "Hello there"),
        (["5", "5", "5", "-", "0"], "555-0"),
        (["ha", "ha"], "haha"),
        (["no, ", "no, ", "no"], "no, no, no"),
        (["I", "I want", "I went"], "I went"),
        (["I", "I want", "I want", "!"], "I want!"),
        ([None, "", "Hi"], "Hi"),
    ],
)
def test_deltas_may_tell_again_what_was_said(deltas: list[Any], so_far: str) -> None:
    """A longer one that begins with the text so far replaces it, and shows why."""
    mirror = Mirror()
    mirror.added(spoken())
    for delta in deltas:
        heard(mirror, "delta", delta=delta)
    assert so_far == mirror.item("u").text

    heard(mirror, "completed", transcript="The end")
    assert "The end" == mirror.item("u").text


def test_nothing_said_is_a_transcript() -> None:
    """Empty is what the server heard, missing is not."""
    mirror = Mirror()
    mirror.added(spoken())
    heard(mirror, "delta", delta="noise")
    heard(mirror, "completed", transcript="")
    assert "" == mirror.item("u").text

    mirror.added(spoken("v"))
    heard(mirror, "delta", "v", delta="Hello")
    heard(mirror, "completed", "v", transcript=None)

    assert "Hello" == mirror.item("v").text


def test_a_failed_transcription_leaves_the_item() -> None:
    """The part says that it failed."""
    mirror = Mirror()
    mirror.added(spoken())
    heard(mirror, "failed", error={"type": "x", "message": "unintelligible"})

    assert ["u"] == mirror.order
    assert "failed" == mirror.item("u").content[0].transcription


def test_a_transcription_that_is_complete_does_not_fail_any_more() -> None:
    """Its words stay, and that it was said to have failed is noted."""
    mirror = Mirror()
    mirror.added(spoken())
    heard(mirror, "completed", transcript="Hello")
    heard(mirror, "failed", error={"type": "x", "message": "unintelligible"})
    part = mirror.item("u").content[0]

    assert ("completed", "Hello") == (part.transcription, part.transcript)
    assert ["late_event"] == mirror.kinds


def test_a_transcription_that_failed_may_still_be_completed() -> None:
    """A server may try again."""
    mirror = Mirror()
    mirror.added(spoken())
    heard(mirror, "failed", error={"type": "x", "message": "unintelligible"})
    heard(mirror, "completed", transcript="Hello")
    part = mirror.item("u").content[0]

    assert ("completed", "Hello") == (part.transcription, part.transcript)
    assert [] == mirror.kinds


@pytest.mark.parametrize("seconds", [-4, -0.5, -1e308])
def test_seconds_below_nothing_are_not_counted(seconds: float) -> None:
    """They would take back what was taken."""
    mirror = Mirror()
    mirror.added(spoken())
    usage = {"type": "duration", "seconds": seconds}
    heard(mirror, "completed", transcript="Hello", usage=usage)

    assert 0 == mirror.snapshot.usage.transcription_seconds


def test_transcripts_without_an_item_id_go_to_the_last_that_waits() -> None:
    """Announced ones first, then those without a transcript."""
    mirror = Mirror()
    mirror.added(spoken("u"))
    mirror.added(spoken("v"))
    mirror.user("w")
    heard(mirror, "completed", None, transcript="second")
    heard(mirror, "completed", None, transcript="first")
    mirror.tell("input_audio_buffer.committed", item_id="x")
    heard(mirror, "completed", None, transcript="third")

    assert ["first", "second", "third"] == [mirror.item(each).text for each in "uvx"]


def test_words_make_the_items_that_a_server_never_lists() -> None:
    """One for each transcript, as long as the server lists none itself."""
    mirror = Mirror()
    for words in ("one", "two"):
        heard(mirror, "delta", None, delta=words[0])
        heard(mirror, "completed", None, transcript=words)
    heard(mirror, "completed", None, transcript="")

    assert ["one", "two"] == [item.text for item in mirror.snapshot.items]
    assert {"user"} == {item.role for item in mirror.snapshot.items}
    assert ["late_event"] == mirror.kinds


@pytest.mark.parametrize("what", ["delta", "completed", "failed"])
def test_a_transcript_of_nothing_is_noted(what: str) -> None:
    """No item waits, or it has been deleted, or there is no such part."""
    mirror = Mirror()
    text = {"delta": "x", "transcript": "x"}
    mirror.added(spoken("v"))
    heard(mirror, "completed", "v", transcript="heard before")
    mirror.tell("conversation.item.deleted", item_id="u")
    heard(mirror, what, **text)
    mirror.tell("input_audio_buffer.speech_started", item_id="u")
    heard(mirror, what, None, **text)
    mirror.tell(TRANSCRIPTION + what, item_id="w", content_index=-1, **text)

    assert ["late_event"] * 4 == mirror.kinds[1:]
    assert mirror.snapshot.item("u") is None


def test_a_piece_is_a_piece_where_the_endpoint_says_so() -> None:
    """A number on OpenAI is not told again because it begins as the one before."""
    mirror = Mirror(habits=server_quirks_of("OpenAI"))
    mirror.added(spoken())
    for delta in ("5", "55", "-", "0"):
        heard(mirror, "delta", delta=delta)

    assert "555-0" == mirror.item("u").text
    assert server_quirks_of("OpenAI") == mirror.snapshot.habits


def test_a_server_is_known_for_cumulative_once_it_was_caught() -> None:
    """It need not show it again for the next item."""
    mirror = Mirror()
    mirror.added(spoken())
    heard(mirror, "delta", delta="Good")
    assert frozenset() == mirror.snapshot.habits
    heard(mirror, "delta", delta="Good day")
    assert {CUMULATIVE} == mirror.snapshot.habits

    mirror.added(spoken("v"))
    for delta in ("I sink", "I think so"):
        heard(mirror, "delta", "v", delta=delta)

    assert "I think so" == mirror.item("v").text


@pytest.mark.parametrize("dialect", ["ga", "beta"])
@pytest.mark.parametrize("interim", [["Hello?"], ["Hallo", "Hello?"], ["", "Hello? H"]])
def test_a_transcript_that_is_in_progress_is_not_the_end(
    interim: list[str], dialect: str
) -> None:
    """xAI calls each one completed, with a status that says otherwise."""
    mirror = Mirror(dialect=dialect)
    mirror.added(spoken())
    for words in interim:
        told = {"transcript": words, "status": "in_progress"}
        heard(mirror, "completed", **told)
    part = mirror.item("u").content[0]
    assert (interim[-1], "in_progress") == (part.transcript, part.transcription)
    assert {INTERIM} == mirror.snapshot.habits

    heard(mirror, "completed", transcript="Hello? Is it you?", status="completed")
    part = mirror.item("u").content[0]

    assert ("Hello? Is it you?", "completed") == (part.transcript, part.transcription)
    assert [] == mirror.kinds


@pytest.mark.parametrize(
    "said",
    [
        {"status": "IN_PROGRESS"},
        {"status": "in-progress"},
        {"status": "partial"},
        {"is_final": False},
        {"final": False},
        {"is_partial": True},
    ],
    ids=str,
)
def test_what_says_in_other_words_that_it_is_not_the_end_is_not(said: Any) -> None:
    """A server has its own way to say so; what says the opposite is the end."""
    mirror = Mirror()
    mirror.added(spoken())
    heard(mirror, "completed", transcript="Hello?", **said)
    assert "in_progress" == mirror.item("u").content[0].transcription

    heard(mirror, "completed", transcript="Hello? You?", is_final=True, partial=False)
    part = mirror.item("u").content[0]

    assert ("Hello? You?", "completed") == (part.transcript, part.transcription)


def test_an_interim_transcript_is_a_delta_to_everybody() -> None:
    """Nobody who waits for the completed one gets it; what came is in ``raw``."""
    frame = {"type": TRANSCRIPTION + "completed", "item_id": "u", "transcript": "Hel"}
    event: Any = Mirror().codec.structure({**frame, "status": "in_progress"})

    assert TRANSCRIPTION + "delta" == event.type
    assert ("Hel", True) == (event.delta, event.cumulative)
    assert TRANSCRIPTION + "completed" == event.raw["type"]


@pytest.mark.parametrize("told", [["Hel", "Hello?"], ["Hallo", "Hello?"], ["Hello?"]])
def test_updated_captions_are_all_that_was_said_so_far(told: list[str]) -> None:
    """xAI's own event: shorter ones and corrections take the place of what was."""
    mirror = Mirror()
    mirror.added(message("u", [{"type": "input_audio"}]))
    for words in told:
        heard(mirror, "updated", transcript=words)
    part = mirror.item("u").content[0]

    assert ("Hello?", "in_progress") == (part.transcript, part.transcription)
    assert INTERIM in mirror.snapshot.habits
    assert [] == mirror.kinds


def test_a_transcription_that_never_ends_is_kept_up_to_a_bound_and_noted() -> None:
    """The completed one has all of it."""
    mirror = Mirror()
    for number in range(3):
        mirror.tell(
            "conversation.item.input_audio_transcription.delta",
            item_id="u",
            content_index=0,
            delta=str(number) * (MOST_TEXT // 2 + 1),
        )

    item = mirror.snapshot.item("u")
    assert item is not None
    assert MOST_TEXT == len(item.content[0].transcript or "")
    assert "endless_text" in mirror.kinds


@pytest.mark.parametrize("items", [10, 2_000])
def test_what_names_no_item_is_looked_for_among_the_latest(
    items: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the conversation is: each event would cost more than the last."""
    monkeypatch.setattr(input_audio, "LOOKED_BACK", 8)
    mirror = Mirror()
    previous = None
    for number in range(items):
        mirror.user(f"u{number}", previous)
        previous = f"u{number}"
    mirror.tell("conversation.item.deleted", item_id=previous)
    mirror.tell("input_audio_buffer.speech_started", item_id="early", audio_start_ms=0)
    mirror.tell("input_audio_buffer.speech_started", item_id="next", audio_start_ms=5)
    looked_at: list[str] = []
    find = input_audio.find_item
    monkeypatch.setattr(
        input_audio,
        "find_item",
        lambda snapshot, id: looked_at.append(id) or find(snapshot, id),
    )
    mirror.tell(TRANSCRIPTION + "delta", delta="Hel")
    mirror.tell("input_audio_buffer.cleared")
    cleared = mirror.snapshot.announced
    mirror.tell(TRANSCRIPTION + "delta", delta="lo")

    assert () == cleared
    assert ["late_event"] == mirror.kinds
    assert len(looked_at) <= 2 * 8
