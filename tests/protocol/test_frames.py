"""Every event, in every dialect, from the wire to its class and back."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any

import pytest
from attrs import fields_dict

from realtime_sync.protocol.codec import Codec
from realtime_sync.protocol.registry import (
    LIVE_ROWS,
    ROWS,
    canonical,
    class_of,
    event_class,
)
from realtime_sync.protocol.structure import structure_checks_of
from realtime_sync.types import UNSET
from tests.protocol.specimens import Specimen, codec_for, expected, said_by, specimens

FOLDERS = [
    (dialect, direction)
    for dialect in ("ga", "beta", "translation", "live")
    for direction in ("server", "client")
]
SPELT_TWICE = [each for each in said_by("server") if each.dialect in ("ga", "beta")]
NAMED = {"argvalues": specimens(), "ids": [each.name for each in specimens()]}


@pytest.mark.parametrize(("dialect", "direction"), FOLDERS)
def test_every_event_has_a_frame_and_every_frame_an_event(
    dialect: str, direction: str
) -> None:
    """A row without a frame fails here, and so does a frame without a row."""
    found = {
        each.frame["type"]
        for each in specimens()
        if (each.dialect, each.direction) == (dialect, direction)
    }

    assert expected(dialect, direction) == found


@pytest.mark.parametrize(
    "row",
    [*ROWS, *LIVE_ROWS],
    ids=[f"{row.direction}-{row.name}" for row in (*ROWS, *LIVE_ROWS)],
)
def test_every_row_names_a_class_that_knows_its_type(row: Any) -> None:
    """Row and class agree on the canonical spelling."""
    assert row.name == class_of(row).type  # type: ignore[attr-defined]
    assert class_of(row).__doc__


def read(specimen: Specimen, codec: Codec) -> Any:
    """The event or command of a frame."""
    if specimen.direction == "server":
        return codec.decode(specimen.text)
    return codec.command(specimen.frame)


@pytest.mark.parametrize("specimen", **NAMED)
def test_a_frame_becomes_its_class_and_comes_back_equal(specimen: Specimen) -> None:
    """Nothing that the protocol has is lost on the way, in either direction."""
    codec = codec_for(specimen.dialect)

    event = read(specimen, codec)

    cls = event_class(
        specimen.frame["type"],
        session_type=specimen.session_type,
        direction=specimen.direction,
    )
    assert cls is type(event)
    assert () == getattr(event, "problems", ())
    assert specimen.frame == codec.unstructure(event)


@pytest.mark.parametrize("specimen", **NAMED)
def test_a_frame_fits_its_class_without_leftovers(specimen: Specimen) -> None:
    """No frame needs the field for what the protocol does not have."""
    event = read(specimen, codec_for(specimen.dialect))
    body = getattr(event, "session", None) or getattr(event, "response", None)

    assert not getattr(body, "extra", None)


@pytest.mark.parametrize(
    "specimen",
    [each for each in said_by("client")],
    ids=[each.name for each in said_by("client")],
)
def test_the_text_of_a_command_is_its_frame(specimen: Specimen) -> None:
    """Encoding gives JSON of the same mapping, the fast path for audio too."""
    codec = codec_for(specimen.dialect)

    text = codec.encode(read(specimen, codec))

    assert specimen.frame == json.loads(text)


@pytest.mark.parametrize(
    "specimen",
    SPELT_TWICE,
    ids=[each.name for each in SPELT_TWICE],
)
def test_a_frame_of_the_other_dialect_reads_the_same(specimen: Specimen) -> None:
    """Servers mix the dialects; what is understood does not depend on the choice."""
    other = "beta" if specimen.dialect == "ga" else "ga"

    event = codec_for(specimen.dialect).decode(specimen.text)

    assert event == codec_for(other).decode(specimen.text)
    assert canonical(specimen.frame["type"]) == event.type
    assert specimen.frame["type"] == event.raw["type"]


def seen_fields() -> dict[type, set[str]]:
    """Every field that some frame fills, by class."""
    seen: dict[type, set[str]] = {}

    def visit(value: Any) -> None:
        if isinstance(value, (tuple, list)):
            for each in value:
                visit(each)
        elif isinstance(value, dict):
            for each in value.values():
                visit(each)
        elif hasattr(type(value), "__attrs_attrs__"):
            names = seen.setdefault(type(value), set())
            for name in structure_checks_of(type(value)):
                if getattr(value, name) is not UNSET:
                    names.add(name)
                    visit(getattr(value, name))

    for specimen in specimens():
        visit(read(specimen, codec_for(specimen.dialect)))
    return seen


UNSEEN: dict[str, set[str]] = {
    # Keys on a telephone have no event id; a client secret names the model.
    "InputAudioBufferDtmfEventReceived": {"event_id"},
    "TranslationConfig": {"model"},
    # Pieces of audio of GPT-Live have no id.
    "SessionInputAudioAppend": {"event_id"},
    "OutputAudioDelta": {"event_id"},
    # Ours, for interim transcripts that are called completed.
    "ConversationItemInputAudioTranscriptionDelta": {"cumulative"},
    # For kinds of turn detection that neither dialect has.
    "TurnDetection": {
        "type",
        "prefix_padding_ms",
        "silence_duration_ms",
        "create_response",
        "interrupt_response",
        "idle_timeout_ms",
        "eagerness",
    },
}


def test_every_field_of_every_class_is_in_some_frame() -> None:
    """A field that no frame has may be misspelt without a test to notice."""
    missing = {
        f"{cls.__name__}.{name}"
        for cls, names in seen_fields().items()
        for name in set(fields_dict(cls)) & set(structure_checks_of(cls))
        if name not in names and name not in UNSEEN.get(cls.__name__, set())
    }

    assert set() == missing


@pytest.mark.parametrize("specimen", said_by("client"), ids=lambda each: each.name)
def test_a_command_is_the_same_whatever_mapping_it_is_made_of(
    specimen: Specimen,
) -> None:
    """One that is no dict is first turned into plain data."""
    codec = codec_for(specimen.dialect)

    command = codec.command(specimen.frame)

    assert command == codec.command(MappingProxyType(specimen.frame))
