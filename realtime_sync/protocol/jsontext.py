"""
JSON text, decoded alike by orjson and by the standard library.

orjson is used when it is installed. The standard library is more forgiving;
here it is made to refuse what orjson refuses: what is not strict UTF-8, a byte
order mark, lone surrogates, ``NaN`` and infinities, numbers beyond a double,
nesting deeper than 1024. Integers beyond 64 bits become floats in both.

What can be decoded is more than what can be used: see `MAX_DEPTH`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from math import isinf
from typing import Any, Optional, Union

Text = Union[bytes, bytearray, memoryview, str]
Loads = Callable[[Text], Any]

MAX_DEPTH = 100
"""
How deep arrays and objects of a message may be nested, either way.

Whatever goes through a value calls itself two or three times for each level, and
Python allows 1,000 calls, those of the program around it included. No proper frame
is half as deep.
"""

LINE_DEPTH = MAX_DEPTH + 10
"""The same for a line of a recording: it has a message in it, or a snapshot of many."""

DECODABLE_DEPTH = 1024
"""How deep they may be nested to be decoded at all; orjson's limit."""

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_HALVES = re.compile(
    r"\\(?:[^u]|u(?:[dD][89abAB]..\\u[dD][c-fC-F]..|([dD][89a-fA-F]..)|.{4}))",
    re.DOTALL,
)
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_OPENING = b"[{"
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def standard_loads(data: Text) -> Any:
    """
    Decode JSON with the standard library, as strictly as orjson would.

    Raises:
        ValueError: this is not JSON.
    """
    text = _json_text_of(data)
    check_depth(text, DECODABLE_DEPTH)
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise ValueError("nested too deep") from None
    if _SURROGATE.search(text):
        # An escaped half of a pair decodes to text that UTF-8 cannot hold.
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    return value


def without_lone_surrogates(data: Text) -> Optional[str]:
    """
    Return JSON text with lone halves of surrogate pairs replaced, None without any.

    Raises:
        ValueError: it is not UTF-8.
    """
    text = _json_text_of(data)
    whole = _HALVES.sub(lambda each: r"\ufffd" if each[1] else each[0], text)
    return None if whole == text else whole


def loads_with_lone_surrogates(data: Text) -> Any:
    """
    Decode JSON in which lone halves of surrogate pairs are replaced by U+FFFD.

    Raises:
        ValueError: this is not JSON.
    """
    try:
        return loads(data)
    except ValueError:
        whole = without_lone_surrogates(data)
        if whole is None:
            raise
        return loads(whole)


def check_depth(data: Text, most: int = MAX_DEPTH) -> None:
    """
    Refuse JSON text whose arrays and objects are nested too deep.

    Args:
        data: the text; what is no JSON is not refused for that.
        most: levels that it may have.

    Raises:
        ValueError: it has more.
    """
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogatepass")
    text = bytes(data)
    if text.count(b"[") + text.count(b"{") <= most:
        return
    depth = 0
    for bracket in _STRING.sub(b"", text).translate(None, _NO_BRACKETS):
        depth += 1 if bracket in _OPENING else -1
        if depth > most:
            raise ValueError(f"nested deeper than {most}")


def standard_dumps(value: object) -> bytes:
    """
    Encode JSON with the standard library.

    Raises:
        TypeError, ValueError: JSON cannot hold the value.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8")


def _json_text_of(data: Text) -> str:
    if isinstance(data, str):
        data.encode("utf-8")
        return data
    return str(data, "utf-8")


def _json_integer(text: str) -> Union[int, float]:
    if len(text) <= 20:
        value = int(text)
        if -(2**63) <= value < 2**64:
            return value
    return _json_float(text)


def _json_float(text: str) -> float:
    value = float(text)
    if isinf(value):
        raise ValueError("a number is too big for a double")
    return value


def _refuse_json_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(
    parse_int=_json_integer,
    parse_float=_json_float,
    parse_constant=_refuse_json_constant,
)

try:
    import orjson
except ImportError:  # pragma: no cover
    loads: Loads = standard_loads
    dumps: Callable[[Any], bytes] = standard_dumps
else:
    loads = orjson.loads
    dumps = orjson.dumps
