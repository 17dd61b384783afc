"""A session as data frames: flat columns, whatever was in it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from realtime_sync import Session, connect
from realtime_sync.errors import ConfigurationError
from realtime_sync.report import to_dataframe, write
from realtime_sync.report.tables import COLUMNS
from realtime_sync.testing import MemoryTransport, frames
from tests.session.live.live_session import live_session, said

from .recordings import head, line, spoken_turn

LINES = [head(), *spoken_turn(5.0, 1), *spoken_turn(10.0, 2, said="Bye")]
TABLES: Any = list(COLUMNS)


def in_memory() -> Session:
    """A session without a socket that is answered once."""
    transport = MemoryTransport(on_send=frames.acknowledged)
    session = connect(transport=transport, dispatch="inline", timeout=0.2, name="shop")
    session.conversation.add_message("One lamp")
    for frame in frames.answer("With pleasure", response_id="resp_1")({}):
        transport.feed(frame)
    return session


def test_turns_have_times_from_the_end_of_speech_and_tokens_by_kind() -> None:
    """A row for each answer."""
    frame = to_dataframe(LINES)

    assert list(COLUMNS["turns"]) == list(frame.columns)
    assert ["Hello", "Bye"] == list(frame["said"])
    assert [500.0, 500.0] == list(frame["first_audio_ms"])
    assert [80, 80] == list(frame["input_audio_tokens"])
    assert ["resp_1", "resp_2"] == list(frame["response_id"])


def test_items_tell_who_said_what_and_how_long_it_sounds() -> None:
    """A row for each thing said."""
    frame = to_dataframe(LINES, "items")

    assert ["user", "assistant"] * 2 == list(frame["role"])
    assert ["Hello", "Good day", "Bye", "Good day"] == list(frame["text"])
    assert [1.0, 2.0] * 2 == [round(each, 2) for each in frame["audio_seconds"]]


def test_events_have_a_row_each_with_ids_words_and_bytes_of_sound() -> None:
    """In both directions, notices too."""
    frame = to_dataframe([*LINES, line(20, "note", "connection.lost")], "events")
    deltas = frame[frame["type"] == "response.output_audio.delta"]
    words = frame[frame["type"] == "response.output_audio_transcript.delta"]
    done = frame[frame["type"] == "response.done"]

    assert 35 == len(frame) and "note" == frame["direction"].iloc[-1]
    assert [96_000, 96_000] == list(deltas["audio_bytes"])
    assert [""] == list(set(deltas["text"]))
    assert ["Good day"] == list(set(words["text"]))
    assert ["resp_1", "resp_2"] == list(done["response_id"])
    assert ["completed"] * 2 == list(done["status"])
    assert "user_1" in list(frame["item_id"])


def test_latencies_are_long_as_plotting_libraries_like_them() -> None:
    """A row for each moment of each turn."""
    frame = to_dataframe(LINES, "latencies")
    audio = frame[frame["moment"] == "first_audio"]

    assert [1, 2] == list(audio["turn"])
    assert [500.0, 500.0] == list(audio["ms"])


@pytest.mark.parametrize("table", TABLES)
def test_table_of_nothing_has_its_columns(table: Any) -> None:
    """So that code that comes after it runs for a call in which nothing was said."""
    frame = to_dataframe([head()], table)

    assert 0 == len(frame)
    assert list(COLUMNS[table]) == list(frame.columns)


@pytest.mark.parametrize("table", TABLES)
def test_live_session_has_the_same_tables(table: Any, tmp_path: Path) -> None:
    """It has no turns; it has items and events."""
    with live_session() as (session, server):
        session.record(tmp_path / "call.jsonl")
        server.feed(said("user", "Which gate?", 0), said("assistant", "B12.", 900))
        session.close()
        frame = to_dataframe(session, table)

    assert list(COLUMNS[table]) == list(frame.columns)
    assert (len(frame) > 0) == (table in ("items", "events"))


def test_session_is_read_from_its_recording(tmp_path: Path) -> None:
    """While it goes on; its mirror alone has items and no times."""
    session = in_memory()
    items = to_dataframe(session, "items")
    with pytest.raises(ConfigurationError, match="is not recorded"):
        to_dataframe(session, "events")
    recording = session.record(tmp_path / "call.jsonl")
    session.conversation.add_message("And another one")
    events = to_dataframe(session, "events")
    session.close()

    assert session.recording is recording
    assert ["One lamp", "With pleasure"] == list(items["text"])
    assert "conversation.item.create" in list(events["type"])
    assert ["Session shop"] == list(set(events["session"]))


def test_report_of_a_session_has_its_times_and_a_name_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`report.write(session)` is enough."""
    monkeypatch.chdir(tmp_path)
    session = in_memory()
    plain = write(session)
    without = plain.read_text()
    session.record(tmp_path / "call.jsonl")
    session.conversation.add_message("And another one")
    recorded = write(session)
    beside = write(tmp_path / "call.jsonl")
    session.close()
    (tmp_path / "call.jsonl").unlink()
    removed = write(session).read_text()

    assert Path("session-shop.html") == plain == recorded
    assert tmp_path / "call.html" == beside
    assert "keeps neither audio nor times" in without
    assert "conversation.item.create" in beside.read_text()
    assert "keeps neither audio nor times" in removed


def test_name_that_is_no_table_is_refused() -> None:
    """With the names that there are."""
    with pytest.raises(ConfigurationError, match="turns, items, events, latencies"):
        to_dataframe(LINES, "answers")  # type: ignore[arg-type]


def test_without_pandas_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is loaded when a frame is asked for, and not before."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ConfigurationError, match="pandas.*jupyter"):
        to_dataframe(LINES)
