"""
Which of the tools on offer a request is meant for, and with what arguments.

A tool is chosen by the words that the request shares with its name, its
description and the values it accepts; arguments are found by their types and
names. Nothing here knows any tool in particular.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Optional

import attrs

from .conversation import ToolCall
from .numerals import find_numerals
from .request import VoiceRequest, request_as_sentence

_PLAIN_WORDS: Final = frozenset(
    "a about all am an and any are as at be by call can could current do does for from "
    "function get gets give given has have how i in is it its let like me my now of "
    "on one or our please return returns set should show tell that the their them "
    "there this to tool use user want was we what when where which who will with "
    "would you your".split()
)
_NAMES: Final = frozenset(
    "city country customer location name person place town who".split()
)
_OFF: Final = ("off", "not", "no", "stop", "disable", "close", "without")
_ENOUGH: Final = 3.0
_QUOTED: Final = re.compile(r"[\"\u201c](.+?)[\"\u201d]")
_TIMES: Final = re.compile(r"\b(?:today|tomorrow|now|right|please|tonight)\b")
_PLACED: Final = re.compile(
    r".*\b(?:in|for|at|of|from|to|on|about|named) (?:(?:the|an?) )?(.+)$"
)


@attrs.frozen(kw_only=True)
class Wanted:
    """
    A tool that fits the request.

    Attributes:
        call: the function with the arguments that were found.
        missing: required parameters that the request says nothing about.
    """

    call: ToolCall
    missing: tuple[str, ...] = ()


def choose_tool(
    request: VoiceRequest, tools: Sequence[Mapping[str, Any]], *, forced: bool = False
) -> Optional[Wanted]:
    """
    The tool that fits the request best, or None if none fits well enough.

    Args:
        request: what the user said.
        tools: as the session has them; all but functions are passed over.
        forced: take the best one however little it fits.
    """
    offered = [tool for tool in tools if tool.get("type", "function") == "function"]
    ranked = [(_tool_fit(request, tool), tool) for tool in offered if tool.get("name")]
    fit, tool = max(ranked, key=lambda pair: pair[0], default=(0.0, None))
    if tool is None or (fit < _ENOUGH and not forced):
        return None
    schema = _tool_output_object(tool.get("parameters"))
    parameters = {
        k: _tool_output_object(v)
        for k, v in _tool_output_object(schema.get("properties")).items()
    }
    numbers, rest = iter(find_numerals(request.words)), request.core
    for value in _values_accepted_by_tool(parameters):
        spoken = re.escape(" ".join(_words_of_tool(value)))
        rest = re.sub(rf"(?:\b(?:in|on|to|of|for) )?(?:the )?\b{spoken}\b", "", rest)
    found = {
        name: _tool_argument(request, " ".join(rest.split()), name, parameter, numbers)
        for name, parameter in parameters.items()
    }
    arguments = {name: value for name, value in found.items() if value is not None}
    required = schema.get("required") or ()
    return Wanted(
        call=ToolCall(name=str(tool["name"]), arguments=arguments),
        missing=tuple(name for name in required if name not in arguments),
    )


def spoken_tool_output(output: str) -> str:
    """What a tool gave back, as a sentence."""
    try:
        value = json.loads(output)
    except ValueError:
        value = output
    if isinstance(value, Mapping) and value.get("error"):
        return f"I am sorry, that did not work: {_tool_value_as_said(value['error'])}."
    return request_as_sentence(_tool_value_as_said(value).strip() or "It is done")


def _tool_fit(request: VoiceRequest, tool: Mapping[str, Any]) -> float:
    said = {_stem_for_tool(word) for word in request.words} - _PLAIN_WORDS
    parameters = _tool_output_object(
        _tool_output_object(tool.get("parameters")).get("properties")
    )
    named = _stems_for_tool(tool["name"])
    described = _stems_for_tool(tool.get("description"))
    for name, parameter in parameters.items():
        described |= _stems_for_tool(name) | _stems_for_tool(
            _tool_output_object(parameter).get("description")
        )
    accepted = set().union(*map(_stems_for_tool, _values_accepted_by_tool(parameters)))
    return (
        3.0 * len(said & named)
        + 1.5 * len(said & (described - named))
        + 1.0 * len(said & (accepted - described - named))
    )


def _tool_argument(
    request: VoiceRequest,
    rest: str,
    name: str,
    parameter: Mapping[str, Any],
    numbers: Iterator[Any],
) -> Any:
    kind = parameter.get("type", "string")
    kinds = kind if isinstance(kind, list) else [kind]
    if parameter.get("enum"):
        fitting = (
            v for v in parameter["enum"] if request.has(" ".join(_words_of_tool(v)))
        )
        return next(fitting, None)
    if "integer" in kinds or "number" in kinds:
        number = next(numbers, None)
        return int(number) if number is not None and "integer" in kinds else number
    if "boolean" in kinds:
        return not request.has(*_OFF)
    if "array" in kinds:
        listed = _tool_output_object(parameter.get("items")).get("type") in (
            "integer",
            "number",
        )
        return (list(numbers) or None) if listed else None
    return _tool_phrase(request.text, rest, name) if "string" in kinds else None


def _tool_phrase(text: str, rest: str, name: str) -> Optional[str]:
    """The words of the request that answer to a parameter of that name."""
    if quoted := _QUOTED.search(text):
        return quoted[1]
    last = _words_of_tool(name)[-1]
    named = re.search(rf"\b{re.escape(last)} (?:is |of |named |called )?(.+)$", rest)
    placed = named or _PLACED.match(" ".join(_TIMES.sub("", rest).split()))
    if placed is None or last not in _NAMES:
        return placed and placed[1]
    place = text.lower().find(placed[1])
    typed = text[place:][: len(placed[1])] if place >= 0 else placed[1]
    return typed if typed != typed.lower() else typed.title()


def _values_accepted_by_tool(parameters: Mapping[str, Any]) -> list[Any]:
    """The values that parameters accept by name."""
    return [
        v
        for each in parameters.values()
        for v in _tool_output_object(each).get("enum") or ()
    ]


def _tool_output_object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _tool_value_as_said(value: object) -> str:
    if isinstance(value, Mapping):
        value = [
            f"the {' '.join(_words_of_tool(k))} is {_tool_value_as_said(v)}"
            for k, v in value.items()
        ]
    if isinstance(value, list):
        *most, last = [_tool_value_as_said(each) for each in value] or [""]
        return f"{', '.join(most)} and {last}" if most else last
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "yes", False: "no"}[value]
    return str(value)


def _words_of_tool(name: object) -> list[str]:
    """The words of an identifier or of a text, in lower case."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", str(name))
    return re.findall(r"[a-z0-9]+", spaced.lower())


def _stems_for_tool(text: object) -> set[str]:
    return {
        _stem_for_tool(word)
        for word in _words_of_tool(text or "")
        if word not in _PLAIN_WORDS
    }


def _stem_for_tool(word: str) -> str:
    for ending in ("ing", "es", "ed", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word
