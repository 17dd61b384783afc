"""Frames that went wrong: never an exception, never a wrong class."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime_sync.protocol.events import UnknownEvent
from realtime_sync.protocol.jsontext import loads, standard_loads
from realtime_sync.protocol.registry import event_class
from tests.protocol.mutations import Path, lost, mutants
from tests.protocol.specimens import Specimen, codec_for, said_by

CODECS = {
    (dialect, decoder): codec_for(dialect, loads=decoder)
    for dialect in ("ga", "beta", "translation", "live")
    for decoder in (loads, standard_loads)
}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def cases(number: int) -> Any:
    """Settings for a number of cases."""
    return settings(
        max_examples=number,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def decode_both(specimen: Specimen, data: bytes) -> tuple[Any, Any]:
    """The event as each JSON library gives it."""
    fast = CODECS[specimen.dialect, loads].decode(data)
    plain = CODECS[specimen.dialect, standard_loads].decode(data)
    return fast, plain


def check_mutant(mutant: tuple[Specimen, Any, list[Path]]) -> None:
    """A frame with its type becomes its class, and keeps what was not touched."""
    specimen, frame, touched = mutant
    codec = CODECS[specimen.dialect, loads]
    kind = specimen.session_type

    fast, plain = decode_both(specimen, json.dumps(frame).encode())

    assert event_class(frame["type"], session_type=kind) is type(fast)
    assert fast == plain
    assert fast.problems == plain.problems
    assert frame.keys() == fast.raw.keys()
    assert [] == list(lost(frame, codec.unstructure(fast), [("type",), *touched]))
    repr(fast)


def check_text(specimen: Specimen, data: bytes) -> None:
    """Both libraries agree on what a damaged text says."""
    fast, plain = decode_both(specimen, data)

    assert type(fast) is type(plain)
    assert fast.type == plain.type
    assert fast.raw == plain.raw
    assert isinstance(fast, UnknownEvent) or fast == plain


@given(mutants("server"))
@cases(1400)
def test_a_mutated_frame_keeps_its_class_and_its_other_fields(mutant: Any) -> None:
    """Dropped, nulled, retyped and added fields, up to three in a frame."""
    check_mutant(mutant)


@given(st.sampled_from(said_by("server")), st.floats(0, 1))
@cases(200)
def test_a_frame_that_was_cut_off_is_unknown(specimen: Specimen, part: float) -> None:
    """Half a frame is not JSON."""
    data = specimen.text.strip().encode()

    check_text(specimen, data[: int(len(data) * part)])


@given(st.sampled_from(said_by("server")), st.floats(0, 1), st.integers(0, 255))
@cases(200)
def test_a_frame_with_a_wrong_byte_reads_alike(
    specimen: Specimen, part: float, byte: int
) -> None:
    """Whatever a byte in the middle becomes, both libraries see the same."""
    data = bytearray(specimen.text.encode())
    data[int((len(data) - 1) * part)] = byte

    check_text(specimen, bytes(data))


@given(JSON)
@cases(100)
def test_json_that_is_no_frame_is_unknown(value: Any) -> None:
    """A list, a number, text, an object without a type."""
    event = CODECS["ga", loads].decode(json.dumps(value))

    assert isinstance(event, UnknownEvent)
    assert event.problem


@given(mutants("client"))
@cases(100)
def test_a_mutated_command_keeps_its_class(mutant: Any) -> None:
    """The local server reads what any client sends."""
    specimen, frame, _ = mutant
    kind = specimen.session_type

    command = CODECS[specimen.dialect, loads].command(frame)

    assert type(command) is event_class(
        frame["type"], session_type=kind, direction="client"
    )


@pytest.mark.deep
@pytest.mark.timeout(900)
@given(mutants("server"))
@cases(16_000)
def test_a_mutated_frame_keeps_its_class_in_very_many_cases(mutant: Any) -> None:
    """The same with ten times the cases."""
    check_mutant(mutant)


@pytest.mark.deep
@pytest.mark.timeout(900)
@given(st.sampled_from(said_by("server")), st.floats(0, 1), st.integers(0, 255))
@cases(4_000)
def test_a_wrong_byte_reads_alike_in_very_many_cases(
    specimen: Specimen, part: float, byte: int
) -> None:
    """The same with ten times the cases, cut off after the byte half the time."""
    data = bytearray(specimen.text.encode())
    position = int((len(data) - 1) * part)
    data[position] = byte

    check_text(specimen, bytes(data))
    check_text(specimen, bytes(data[:position]))
