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
from .numerals import find_numbers
from .request import Request

_PLAIN_WORDS: Final = frozenset(
    "a about all am an and any are as at be by call can could current do does for from "
    "function get gets give given has have how i in is it its let like me my now of "
    "on one or our please return returns set should show tell that the their them "
    "there this to tool use user want was we what when where which who will with "
    "would you your".split()
)
_PREPOSITIONS: Final = ("in", "for", "at", "of", "from", "to", "on", "about", "named")
_NAMES: Final = frozenset(
    "city country customer location name person place town who".split()
)
_OFF: Final = ("off", "not", "no", "stop", "disable", "close", "without")
_ENOUGH: Final = 3.0
_QUOTED: Final = re.compile(
    r"[\"\N{LEFT DOUBLE QUOTATION MARK}](.+?)[\"\N{RIGHT DOUBLE QUOTATION MARK}]"
)
_TIMES: Final = frozenset("today tomorrow now right please tonight".split())


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
    request: Request, tools: Sequence[Mapping[str, Any]], *, forced: bool = False
) -> Optional[Wanted]:
    """
    The tool that fits the request best, or None if none fits well enough.

    Args:
        request: what the user said.
        tools: as the session has them; all but functions are passed over.
        forced: take the best one however little it fits.
    """
    offered = [tool for tool in tools if tool.get("type", "function") == "function"]
    ranked = [(_fit(request, tool), tool) for tool in offered if tool.get("name")]
    if not ranked:
        return None
    fit, tool = max(ranked, key=lambda pair: pair[0])
    if fit < _ENOUGH and not forced:
        return None
    return _filled(request, tool)


def spoken_output(output: str) -> str:
    """What a tool gave back, as a sentence."""
    try:
        value = json.loads(output)
    except ValueError:
        value = output
    if isinstance(value, Mapping) and value.get("error"):
        return f"I am sorry, that did not work: {_said(value['error'])}."
    text = _said(value).strip() or "It is done"
    text = text[0].upper() + text[1:]
    return text if text[-1] in ".!?" else f"{text}."


def _fit(request: Request, tool: Mapping[str, Any]) -> float:
    said = {_stem(word) for word in request.words} - _PLAIN_WORDS
    named = set(_stems(str(tool["name"])))
    described = set(_stems(str(tool.get("description") or "")))
    accepted: set[str] = set()
    for name, schema in _parameters(tool).items():
        described.update(_stems(f"{name} {schema.get('description') or ''}"))
        for value in schema.get("enum") or ():
            accepted.update(_stems(str(value)))
    return (
        3.0 * len(said & named)
        + 1.5 * len(said & (described - named))
        + 1.0 * len(said & (accepted - described - named))
    )


def _filled(request: Request, tool: Mapping[str, Any]) -> Wanted:
    parameters = _parameters(tool)
    arguments: dict[str, Any] = {}
    numbers = iter(find_numbers(request.words))
    rest = _without_accepted(request, parameters)
    for name, schema in parameters.items():
        value = _argument(request, name, schema, numbers, rest)
        if value is not None:
            arguments[name] = value
    outline = tool.get("parameters")
    required = outline.get("required") if isinstance(outline, Mapping) else ()
    missing = tuple(name for name in required or () if name not in arguments)
    return Wanted(
        call=ToolCall(name=str(tool["name"]), arguments=arguments), missing=missing
    )


def _parameters(tool: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    schema = tool.get("parameters")
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    if not isinstance(properties, Mapping):
        return {}
    return {
        str(name): value if isinstance(value, Mapping) else {}
        for name, value in properties.items()
    }


def _argument(
    request: Request,
    name: str,
    schema: Mapping[str, Any],
    numbers: Iterator[Any],
    rest: str,
) -> Any:
    kind = schema.get("type", "string")
    kinds = kind if isinstance(kind, list) else [kind]
    if schema.get("enum"):
        return _accepted(request, schema["enum"])
    if "integer" in kinds or "number" in kinds:
        number = next(numbers, None)
        return int(number) if number is not None and "integer" in kinds else number
    if "boolean" in kinds:
        return not request.has(*_OFF)
    if "array" in kinds:
        items = schema.get("items")
        if isinstance(items, Mapping) and items.get("type") in ("integer", "number"):
            return list(numbers) or None
        return None
    if "string" in kinds:
        return _phrase(request.text, rest, name)
    return None


def _accepted(request: Request, values: Sequence[Any]) -> Any:
    for value in values:
        if request.has(*[" ".join(_split(str(value)))]):
            return value
    return None


def _without_accepted(
    request: Request, parameters: Mapping[str, Mapping[str, Any]]
) -> str:
    """The request without the values that some parameter accepts by name."""
    rest = request.core
    for schema in parameters.values():
        for value in schema.get("enum") or ():
            spoken = re.escape(" ".join(_split(str(value))))
            rest = re.sub(
                rf"(?:\b(?:in|on|to|of|for) )?(?:the )?\b{spoken}\b", "", rest
            )
    return " ".join(rest.split())


def _phrase(text: str, rest: str, name: str) -> Optional[str]:
    """The words of the request that answer to a parameter of that name."""
    quoted = _QUOTED.search(text)
    if quoted:
        return quoted[1]
    last = _split(name)[-1]
    found = _after_name(rest, last) or _after_preposition(rest)
    if found and last in _NAMES:
        return _as_name(text, found)
    return found


def _after_name(rest: str, name: str) -> Optional[str]:
    found = re.search(rf"\b{re.escape(name)}\b (?:is |of |named |called )?(.+)$", rest)
    return found[1] if found else None


def _after_preposition(core: str) -> Optional[str]:
    words = core.split()
    for preposition in _PREPOSITIONS:
        if preposition in words:
            place = len(words) - words[::-1].index(preposition)
            rest = [word for word in words[place:] if word not in _TIMES]
            if rest and rest[0] in ("the", "a", "an") and len(rest) > 1:
                rest = rest[1:]
            if rest:
                return " ".join(rest)
    return None


def _as_name(text: str, phrase: str) -> str:
    place = text.lower().find(phrase)
    typed = text[place : place + len(phrase)] if place >= 0 else phrase
    return typed if typed != typed.lower() else typed.title()


def _said(value: object) -> str:
    if isinstance(value, Mapping):
        parts = [
            f"the {_readable(key)} is {_said(item)}" for key, item in value.items()
        ]
        return _listed(parts)
    if isinstance(value, list):
        return _listed([_said(item) for item in value])
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "nothing" if value is None else str(value)


def _listed(parts: Sequence[str]) -> str:
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def _readable(name: object) -> str:
    return " ".join(_split(str(name)))


def _split(name: str) -> list[str]:
    """The words of an identifier or of a text, in lower case."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return re.findall(r"[a-z0-9]+", spaced.lower())


def _stems(text: str) -> list[str]:
    return [_stem(word) for word in _split(text) if word not in _PLAIN_WORDS]


def _stem(word: str) -> str:
    for ending in ("ing", "es", "ed", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word
