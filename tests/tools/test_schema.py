"""Schemas come from what a function says of itself."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Optional, TypedDict, Union

import attrs
import pytest

from realtime_sync.errors import ToolError
from realtime_sync.tools import function_schema, type_schema
from realtime_sync.tools.schema import parameter_texts_for_schema, summary_for_schema


class Unit(enum.Enum):
    """Of temperature."""

    CELSIUS = "C"
    FAHRENHEIT = "F"


@attrs.define
class Place:
    """Where something is."""

    city: str
    country: str = "PE"


@dataclasses.dataclass
class Window:
    """From when to when."""

    start: int
    end: Optional[int] = None


class Options(TypedDict, total=False):
    """What may be chosen."""

    verbose: bool


@attrs.define
class Loop:
    """Contains itself."""

    again: Loop


def weather(
    place: Place,
    unit: Literal["C", "F"] = "C",
    days: Annotated[int, "how many days ahead"] = 1,
) -> str:
    """
    Tell the weather.

    Args:
        place: the town, with
            its country.
        unit: of the temperature.

    Returns:
        A sentence.
    """
    return f"{place}{unit}{days}"


def test_parameters_defaults_and_texts_make_the_schema() -> None:
    """Required is what has no default; descriptions come from the docstring."""
    schema = function_schema(weather)

    assert ["place"] == schema["required"]
    assert "Where something is." == schema["properties"]["place"]["description"]
    assert {
        "type": "string",
        "enum": ["C", "F"],
        "description": "of the temperature.",
    } == schema["properties"]["unit"]
    assert {
        "type": "integer",
        "description": "how many days ahead",
    } == schema[
        "properties"
    ]["days"]
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (str, {"type": "string"}),
        (Optional[int], {"type": ["integer", "null"]}),
        (Union[int, str], {"type": ["integer", "string"]}),
        (
            Union[list[int], str],
            {
                "anyOf": [
                    {"type": "array", "items": {"type": "integer"}},
                    {"type": "string"},
                ]
            },
        ),
        (int | None, {"type": ["integer", "null"]}),
        (list[str], {"type": "array", "items": {"type": "string"}}),
        (list, {"type": "array"}),
        (
            set[int],
            {"type": "array", "items": {"type": "integer"}, "uniqueItems": True},
        ),
        (
            tuple[int, str],
            {
                "type": "array",
                "prefixItems": [{"type": "integer"}, {"type": "string"}],
                "minItems": 2,
                "maxItems": 2,
            },
        ),
        (tuple[int, ...], {"type": "array", "items": {"type": "integer"}}),
        (dict, {"type": "object"}),
        (
            Mapping[str, float],
            {"type": "object", "additionalProperties": {"type": "number"}},
        ),
        (Unit, {"type": "string", "enum": ["C", "F"]}),
        (Literal[1, "a"], {"enum": [1, "a"]}),
        (Any, {}),
        (Annotated[int, 5], {"type": "integer"}),
    ],
)
def test_types_have_their_json_form(kind: Any, expected: dict[str, Any]) -> None:
    """Each kind of annotation has one schema."""
    assert expected == type_schema(kind)


def test_records_become_objects() -> None:
    """attrs classes, dataclasses and TypedDicts are described field by field."""
    place, window, options = map(type_schema, (Place, Window, Options))

    assert ["city"] == place["required"]
    assert {"type": ["integer", "null"]} == window["properties"]["end"]
    assert "From when to when." == window["description"]
    assert [] == options["required"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (complex, "has no JSON form"),
        (dict[int, str], "keys of a JSON object"),
        (Loop, "contains itself"),
        (object(), "has no JSON form"),
    ],
)
def test_what_json_cannot_say_is_refused(kind: Any, words: str) -> None:
    """The error comes at the decorator, and names the place."""
    with pytest.raises(ToolError, match=words):
        type_schema(kind, where="f(x)")


def no_annotation(x) -> None:  # type: ignore[no-untyped-def]
    """One that the model could not call."""


def variadic(*values: int) -> None:
    """One that cannot be called by name."""


def missing_name(x: "Nowhere") -> None:  # type: ignore[name-defined]  # noqa: F821
    """One whose annotation does not exist."""


@pytest.mark.parametrize("function", [no_annotation, variadic, missing_name])
def test_a_function_the_model_cannot_call_is_refused(function: Any) -> None:
    """Every parameter needs a name and a type."""
    with pytest.raises(ToolError, match=function.__name__):
        function_schema(function)


def test_docstrings_are_read_up_to_their_sections() -> None:
    """The summary ends at the first section; entries may go on for lines."""
    doc = "Do it.\n\nAt once.\n\nArgs:\n    a: one\n        more\n    b (int): two\n"
    doc += "Raises:\n"

    assert "Do it.\n\nAt once." == summary_for_schema(doc)
    assert {"a": "one more", "b": "two"} == parameter_texts_for_schema(doc)
    assert {} == parameter_texts_for_schema("Nothing to see.")


def test_fields_of_sphinx_and_of_classes_are_read() -> None:
    """``:param x:`` and the Attributes of a record describe them too."""
    doc = "Do it.\n\n:param a: one\n    more\n:param int b: two\n:returns: it\n"

    assert "Do it." == summary_for_schema(doc)
    assert {"a": "one more", "b": "two"} == parameter_texts_for_schema(doc)
    assert "its name" == type_schema(Town)["properties"]["name"]["description"]
    assert "A town." == type_schema(Town)["description"]


@attrs.define
class Town:
    """
    A town.

    Attributes:
        name: its name
    """

    name: str
