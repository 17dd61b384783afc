"""A session as flat tables: turns, items, events, latencies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

from .. import Audio, read_recording
from ..errors import ConfigurationError
from ..protocol import audio_fields
from ..telemetry import data_frame, token_columns
from ..types import RecordingSource
from .page_writer import Told, page_title, recording_for_page, tell
from .timeline import MOMENTS, Story

if TYPE_CHECKING:
    from pandas import DataFrame

TableName = Literal["turns", "items", "events", "latencies"]

_TIMES: Final = tuple(name for name, _ in MOMENTS if name != "speech_end")
_IDS: Final = ("event_id", "item_id", "response_id", "call_id")

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "turns": (
        "session",
        "turn",
        "response_id",
        "item_id",
        "status",
        "interrupted",
        "start",
        "said",
        *(f"{name}_ms" for name in _TIMES),
        *token_columns(None),
    ),
    "items": (
        "session",
        "item_id",
        "role",
        "at",
        "text",
        "unheard",
        "remark",
        "audio_seconds",
    ),
    "events": (
        "session",
        "event",
        "at",
        "direction",
        "connection",
        "type",
        *_IDS,
        "status",
        "text",
        "audio_bytes",
        "bytes",
    ),
    "latencies": ("session", "turn", "response_id", "moment", "ms"),
}
"""The columns of each table, whatever a session had in it."""


def to_dataframe(source: Told, table: TableName = "turns") -> DataFrame:
    """
    A session as a data frame of flat columns; pandas is loaded when it is called.

    ``"turns"`` has a row for each answer, with milliseconds from the end of the
    user's speech and tokens by kind; ``"items"`` one for each thing said or called;
    ``"events"`` one for each frame and notice; ``"latencies"`` one for each moment of
    each turn, the shape that plotting libraries like. Times are seconds since the
    recording began.

    Args:
        source: what `tell` takes. Times and events need a recording: a session that
            is recorded will do.
        table: which one.

    Raises:
        ConfigurationError: there is no such table, it needs a recording, it is none,
            or pandas is not installed.
        OSError: the file cannot be read.
    """
    if table not in COLUMNS:
        raise ConfigurationError(f"{table!r} is none of {', '.join(COLUMNS)}")
    if table == "events":
        rows = _events_table(recording_for_page(source), page_title(source))
    else:
        rows = _ROWS[table](tell(source))
    return data_frame(rows, COLUMNS[table])


def _turns_table(story: Story) -> Iterator[dict[str, Any]]:
    said = {each.item_id: each.text for each in story.utterances}
    for number, turn in enumerate(story.turns, 1):
        yield {
            "session": story.title,
            "turn": number,
            "response_id": turn.response_id,
            "item_id": turn.item_id,
            "status": turn.status,
            "interrupted": turn.interrupted,
            "start": turn.start,
            "said": said.get(turn.item_id or "", ""),
            **{f"{name}_ms": turn.after_ms(name) for name in _TIMES},
            **token_columns(turn.usage),
        }


def _items_table(story: Story) -> Iterator[dict[str, Any]]:
    for each in story.utterances:
        yield {
            "session": story.title,
            "item_id": each.item_id,
            "role": each.role,
            "at": each.at,
            "text": each.text,
            "unheard": each.unheard,
            "remark": each.remark,
            "audio_seconds": Audio(*each.sound).seconds if each.sound else None,
        }


def _latencies_table(story: Story) -> Iterator[dict[str, Any]]:
    for number, turn in enumerate(story.turns, 1):
        for name in _TIMES:
            ms = turn.after_ms(name)
            if ms is not None:
                row = {"session": story.title, "turn": number, "moment": name, "ms": ms}
                yield {**row, "response_id": turn.response_id}


def _events_table(source: RecordingSource, name: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(read_recording(source)):
        frame: Any = line.frame if isinstance(line.frame, Mapping) else {}
        response = frame.get("response")
        inner = response if isinstance(response, Mapping) else {}
        item = frame.get("item")
        ids = {each: _text_for_table(frame.get(each)) for each in _IDS}
        yield {
            "session": name,
            "event": number,
            "at": line.at,
            "direction": line.direction,
            "connection": line.connection,
            "type": line.type,
            **ids,
            "item_id": ids["item_id"] or _text_for_table(_value_for_table(item, "id")),
            "response_id": ids["response_id"] or _text_for_table(inner.get("id")),
            "status": _text_for_table(inner.get("status"))
            or _text_for_table(frame.get("status")),
            "text": _words_of_table_event(frame),
            "audio_bytes": _sound_of_table_event(frame),
            "bytes": len(line.data),
        }


_ROWS: Final[Mapping[str, Callable[[Story], Iterator[dict[str, Any]]]]] = {
    "turns": _turns_table,
    "items": _items_table,
    "latencies": _latencies_table,
}


def _words_of_table_event(frame: Mapping[str, Any]) -> str:
    """What an event says in words, if it does."""
    for name in ("delta", "transcript", "text", "content", "arguments"):
        value = frame.get(name)
        if isinstance(value, str) and value:
            spoken = audio_fields.is_audio_field(name, value, frame.get("type"))
            return "" if spoken else value
    message = _value_for_table(frame.get("error"), "message")
    return message if isinstance(message, str) else ""


def _sound_of_table_event(frame: object) -> int:
    """Bytes of the audio in an event."""
    sizes: list[int] = []
    audio_fields.audio_fields_replaced(
        frame, lambda text: sizes.append(audio_fields.audio_field_size(text))
    )
    return sum(sizes)


def _value_for_table(value: object, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None


def _text_for_table(value: object) -> str:
    return value if isinstance(value, str) else ""
