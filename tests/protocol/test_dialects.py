"""The beta's spellings and shapes, both ways."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from realtime_sync.errors import ConfigurationError
from realtime_sync.protocol.audio_formats import WORDS
from realtime_sync.protocol.dialects import (
    BETA,
    GA,
    dialect_named,
    lift_response,
    lift_server_session,
    lift_session,
)
from realtime_sync.protocol.dialects.field_moves import Field, Lens, moves
from realtime_sync.protocol.dialects.tables import (
    RESPONSE_ASKED,
    RESPONSE_SAID,
    SESSION_ASKED,
    SESSION_SAID,
)
from realtime_sync.protocol.registry import ALIASES, ROWS
from tests.protocol.specimens import Specimen, specimens

BETA_FRAMES = [each for each in specimens() if each.dialect == "beta"]
GA_FRAMES = [each for each in specimens() if each.dialect == "ga"]

VALUES: dict[str, tuple[Any, ...]] = {
    "modalities": (["text"], ["text", "audio"], None),
    "input_audio_format": ("pcm16", "g711_ulaw", "g711_alaw", "pcm24", None),
    "output_audio_format": ("pcm16", "g711_ulaw", "g711_alaw", "pcm24", None),
    "tool_choice": ("auto", "none", "required", "get_weather", None),
}
"""What a field of the beta may be; any other field may be anything."""

TABLES = {
    "session said": SESSION_SAID,
    "session asked": SESSION_ASKED,
    "response said": RESPONSE_SAID,
    "response asked": RESPONSE_ASKED,
}

ROW_CASES = [
    pytest.param(table, row, value, id=f"{name}-{row.flat}-{value}")
    for name, table in TABLES.items()
    for row in table
    for value in VALUES.get(row.flat, ("x", 5, {"a": 1}, [], None))
]


@pytest.mark.parametrize(("table", "row", "value"), ROW_CASES)
def test_every_row_goes_up_and_comes_down_again(
    table: tuple[Field, ...], row: Field, value: Any
) -> None:
    """A field alone, moved to its place in GA and back."""
    lens, flat = moves(table), {row.flat: value}

    lifted = lens.up(flat)

    place: Any = lifted
    for name in row.path:
        place = place[name]
    # What DashScope says is understood, and said again in the common word.
    common = value == "pcm24" and table in (SESSION_SAID, RESPONSE_SAID)
    said = "pcm16" if common else value

    assert {row.flat: said} == lens.down(lifted)
    assert {row.flat: value} == flat


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_whole_object_goes_up_and_comes_down_again(table: tuple[Field, ...]) -> None:
    """All rows at once, with strangers among them."""
    flat = {row.flat: VALUES.get(row.flat, ("x",))[0] for row in table}
    flat = {**flat, "instructions": "Be brief.", "vendor": {"a": [1]}}
    lens = moves(table)

    assert flat == lens.down(lens.up(flat))
    assert lens.up(lens.up(flat)) == lens.up(flat)


@pytest.mark.parametrize("alias", ALIASES)
def test_every_spelling_is_lifted_in_either_dialect(alias: str) -> None:
    """Servers mix them on one connection."""
    for dialect in (GA, BETA):
        if alias.endswith("session.update"):
            lifted = dialect.lift_client({"type": alias})
        else:
            lifted = dialect.lift_server({"type": alias})

        assert {"type": ALIASES[alias]} == lifted


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.direction == "server"], ids=lambda row: row.name
)
def test_every_server_event_has_a_name_or_none_in_the_beta(row: Any) -> None:
    """As the registry has it; the names of GA are the canonical ones."""
    frame = {"type": row.name, "event_id": "e"}

    if row.family != "translation":
        lowered = BETA.lower_server(frame)
        assert row.beta == (None if lowered is None else lowered["type"])
    assert frame == GA.lower_server(frame)


@pytest.mark.parametrize("specimen", BETA_FRAMES, ids=lambda each: each.name)
def test_a_beta_frame_is_lifted_and_lowered_to_itself(specimen: Specimen) -> None:
    """Plain dicts, without classes in between; the argument is not changed."""
    frame = specimen.frame
    before = copy.deepcopy(frame)

    if specimen.direction == "server":
        back: Any = BETA.lower_server(BETA.lift_server(frame))
    else:
        back = BETA.lower_client(BETA.lift_client(frame))

    assert frame == back
    assert before == frame


@pytest.mark.parametrize("specimen", GA_FRAMES, ids=lambda each: each.name)
def test_a_ga_frame_is_its_own_canonical_shape(specimen: Specimen) -> None:
    """Lifting and lowering change nothing that is in order."""
    frame = specimen.frame
    if specimen.name.endswith("conversation.item.retrieved"):
        frame["item"]["content"][0]["type"] = "output_audio"

    if specimen.direction == "server":
        assert frame == GA.lift_server(frame) == GA.lower_server(frame)
    else:
        assert frame == GA.lift_client(frame) == GA.lower_client(frame)


def test_a_full_beta_session_has_the_shape_of_ga() -> None:
    """Every field in its new place."""
    frame = {
        "type": "session.updated",
        "session": {
            "modalities": ["text", "audio"],
            "voice": "alloy",
            "speed": 1.5,
            "input_audio_format": "pcm16",
            "output_audio_format": "g711_alaw",
            "input_audio_transcription": {"model": "whisper-1"},
            "input_audio_noise_reduction": None,
            "turn_detection": None,
            "tool_choice": "get_weather",
            "max_response_output_tokens": 9,
            "temperature": 0.8,
        },
    }

    assert {
        "output_modalities": ["text", "audio"],
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": {"model": "whisper-1"},
                "noise_reduction": None,
                "turn_detection": None,
            },
            "output": {
                "format": {"type": "audio/pcma"},
                "voice": "alloy",
                "speed": 1.5,
            },
        },
        "tool_choice": {"type": "function", "name": "get_weather"},
        "max_output_tokens": 9,
        "temperature": 0.8,
    } == GA.lift_server(frame)["session"]


def test_what_ga_refuses_is_put_right_for_a_client() -> None:
    """Both modalities are audio there, audio alone is both here."""
    assert ["audio"] == lift_session({"modalities": ["audio", "text"]})[
        "output_modalities"
    ]
    assert ["text"] == lift_response({"modalities": ["text"]})["output_modalities"]
    frame = {"type": "response.create", "response": {"output_modalities": ["audio"]}}
    assert {"modalities": ["text", "audio"]} == BETA.lower_client(frame)["response"]


def test_modalities_that_are_given_in_gas_own_spelling_stay() -> None:
    """Some servers take both."""
    both = {"output_modalities": ["audio", "text"]}

    assert both == lift_session(both)


def test_a_nested_field_goes_before_a_flat_one() -> None:
    """xAI puts the voice at the top, and may say it twice."""
    session = {"voice": "old", "audio": {"output": {"voice": "new"}}}

    assert {"audio": {"output": {"voice": "new"}}} == lift_server_session(session)


def test_a_flat_field_finds_its_place_in_an_odd_object() -> None:
    """Null, or no object at all, is replaced."""
    assert {"audio": {"output": {"voice": "x"}}} == lift_server_session(
        {"voice": "x", "audio": None}
    )
    assert {"audio": {"output": {"voice": "x"}}} == lift_server_session(
        {"voice": "x", "audio": {"output": 5}}
    )


def test_lenses_leave_alone_what_they_do_not_understand() -> None:
    """Numbers for objects, objects for words."""
    frames: tuple[dict[str, Any], ...] = (
        {"type": "session.updated", "session": 5},
        {"type": "session.updated", "session": {"input_audio_format": 5}},
        {"type": "conversation.item.added", "item": []},
        {"type": "response.done", "response": {"output": {"a": 1}}},
        {
            "type": "response.done",
            "response": {"output": [None, {"role": "assistant"}]},
        },
        {
            "type": "conversation.item.added",
            "item": {"role": "assistant", "content": 5},
        },
        {"type": "response.content_part.added", "part": {"type": ["x"]}},
        {"type": "transcription_session.updated", "session": "x"},
        {"type": ["x"]},
        {},
    )

    for frame in frames:
        before = copy.deepcopy(frame)
        BETA.lift_client(frame)
        assert before.get("session", None) != {} and before == frame
        lifted = BETA.lift_server(frame)
        if "type" in lifted:
            BETA.lower_server({**lifted, "type": str(lifted["type"])})


def test_formats_have_names_and_objects() -> None:
    """A format that is unknown keeps its name."""
    row = next(row for row in SESSION_SAID if row.flat == "input_audio_format")

    for word, (kind, rate) in WORDS.items():
        made = row.value.up(word)
        said = row.value.down(made)
        assert (kind, rate) == (made["type"], made.get("rate", 8000))
        assert WORDS[said] == WORDS[word]
    assert "pcm16" == row.value.down({"type": "audio/pcm"})
    assert "pcm16" == row.value.down({"type": "audio/pcm", "rate": 48_000})
    assert "audio/opus" == row.value.down({"type": "audio/opus"})
    assert {"type": "opus"} == row.value.up("opus")
    assert {"rate": 8000} == row.value.up({"rate": 8000})
    assert {"rate": 8000} == row.value.down({"rate": 8000})


def test_a_named_tool_is_a_word_in_the_beta() -> None:
    """An MCP server has no word; it is passed on for the server to refuse."""
    row = next(row for row in SESSION_SAID if row.flat == "tool_choice")

    assert "f" == row.value.down({"type": "function", "name": "f"})
    assert {"type": "mcp"} == row.value.down({"type": "mcp"})


def test_part_types_follow_the_dialect_only_in_the_assistants_messages() -> None:
    """And in `response.content_part` events they never change."""
    item = {"role": "assistant", "content": [{"type": "text"}, {"type": "audio"}]}
    user = {"role": "user", "content": [{"type": "text"}]}
    part = {"type": "response.content_part.done", "part": {"type": "output_audio"}}
    lifted = GA.lift_server({"type": "conversation.item.created", "item": item})

    assert ["output_text", "output_audio"] == [
        each["type"] for each in lifted["item"]["content"]
    ]
    lowered: Any = BETA.lower_server(lifted)
    assert item == lowered["item"]
    same = GA.lift_server({"type": "conversation.item.added", "item": user})
    assert user == same["item"]
    assert {"type": "audio"} == GA.lift_server(part)["part"]
    assert GA.lift_server(part) == BETA.lower_server(GA.lift_server(part))


def test_a_session_always_has_its_type_in_ga() -> None:
    """And never in the beta, where the event says it."""
    frame = {"type": "session.update", "session": {"instructions": "x"}}

    assert "realtime" == GA.lower_client(frame)["session"]["type"]
    assert "type" not in BETA.lower_client(frame)["session"]
    assert "realtime" == BETA.lift_client(frame)["session"]["type"]
    assert frame == GA.lift_client(frame)


def test_sessions_for_rest_have_the_shape_of_the_dialect() -> None:
    """In either spelling."""
    session = {"voice": "alloy", "max_output_tokens": 5}

    assert {"voice": "alloy", "max_response_output_tokens": 5} == BETA.lower_session(
        session
    )
    assert {
        "type": "realtime",
        "max_output_tokens": 5,
        "audio": {"output": {"voice": "alloy"}},
    } == GA.lower_session(session)


def test_dialects_have_names() -> None:
    """Two of them."""
    assert GA is dialect_named("ga")
    assert BETA is dialect_named("beta")
    with pytest.raises(ConfigurationError, match="'gamma'"):
        dialect_named("gamma")


def test_a_lens_does_nothing_unless_told() -> None:
    """Both ways."""
    assert (5, 5) == (Lens().up(5), Lens().down(5))


HABIT_CASES = {
    "error as text": (
        {"type": "error", "error": "too long", "code": 400},
        {"error": {"message": "too long", "code": 400}},
    ),
    "error at top": (
        {"type": "error", "message": "no", "code": "bad"},
        {"error": {"message": "no", "code": "bad"}},
    ),
    "no session": (
        {"type": "session.created", "event_id": "e", "id": "sess_1", "model": "m"},
        {"session": {"id": "sess_1", "model": "m"}},
    ),
    "untyped transcription session": (
        {
            "type": "session.created",
            "session": {"object": "realtime.transcription_session"},
        },
        {
            "session": {
                "object": "realtime.transcription_session",
                "type": "transcription",
            }
        },
    ),
    "words for details": (
        {"type": "response.done", "response": {"status_details": "cancelled"}},
        {"response": {"status_details": {"reason": "cancelled"}}},
    ),
    "usage at top": (
        {
            "type": "response.done",
            "response": {"id": "r"},
            "usage": {"total_tokens": 3},
        },
        {"response": {"id": "r", "usage": {"total_tokens": 3}}},
    ),
    "text in delta": (
        {"type": "response.text.done", "delta": "all"},
        {"text": "all"},
    ),
    "transcript in delta": (
        {"type": "response.output_audio_transcript.done", "delta": "all"},
        {"transcript": "all"},
    ),
    "arguments in delta": (
        {"type": "response.function_call_arguments.done", "delta": "{}"},
        {"arguments": "{}"},
    ),
}


@pytest.mark.parametrize(
    ("frame", "mended"), HABIT_CASES.values(), ids=list(HABIT_CASES)
)
def test_a_servers_habit_is_put_right(frame: Any, mended: Any) -> None:
    """Whatever dialect was asked for."""
    before = copy.deepcopy(frame)

    for dialect in (GA, BETA):
        lifted = dialect.lift_server(frame)
        assert mended == {name: lifted[name] for name in mended}
    assert before == frame


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "error", "error": {"message": "x"}, "message": "y"},
        {"type": "error", "error": None},
        {"type": "session.created", "event_id": "e"},
        {"type": "session.created", "session": {"object": "realtime.session"}},
        {"type": "session.created", "session": None},
        {"type": "response.done", "response": None},
        {"type": "response.done", "response": {"status_details": None}, "usage": {}},
        {
            "type": "response.done",
            "response": {"usage": {"total_tokens": 1}},
            "usage": {"total_tokens": 2},
        },
        {"type": "response.output_text.done", "text": "x", "delta": "y"},
        {"type": "response.output_text.done"},
    ],
)
def test_a_frame_without_the_habit_is_left_alone(frame: Any) -> None:
    """Or one that has nothing to put right with."""
    assert frame == GA.lift_server(frame)


@pytest.mark.parametrize(
    ("event_type", "in_ga", "in_beta"),
    [
        ("conversation.item.added", True, True),
        ("conversation.item.done", True, False),
        ("response.done", True, True),
        ("acme.weather", True, True),
    ],
)
def test_a_dialect_tells_which_events_it_has(
    event_type: str, in_ga: bool, in_beta: bool
) -> None:
    """The beta had no word for an item that is done; nobody knows a vendor's words."""
    assert in_ga == GA.has(event_type)
    assert in_beta == BETA.has(event_type)
