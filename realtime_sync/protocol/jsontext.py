"""
JSON text, decoded alike by orjson and by the standard library.

orjson is used when it is installed. The standard library is more forgiving;
here it is made to refuse what orjson refuses: what is not strict UTF-8, a byte
order mark, lone surrogates, ``NaN`` and infinities, numbers beyond a double,
nesting deeper than 1024. Integers beyond 64 bits become floats in both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from math import isinf
from typing import Any, Optional, Union

Text = Union[bytes, bytearray, memoryview, str]
Loads = Callable[[Text], Any]

MAX_DEPTH = 1024
"""How deep arrays and objects may be nested; orjson's limit."""

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_HALVES = re.compile(
    r"\\(?:[^u]|u(?:[dD][89abAB]..\\u[dD][c-fC-F]..|([dD][89a-fA-F]..)|.{4}))",
    re.DOTALL,
)
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')


def standard_loads(data: Text) -> Any:
    """
    Decode JSON with the standard library, as strictly as orjson would.

    Raises:
        ValueError: this is not JSON.
    """
    text = _json_text_of(data)
    if is_deeper(text, MAX_DEPTH):
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise ValueError("nested too deep") from None
    if _SURROGATE.search(text):
        # An escaped half of a pair decodes to text that UTF-8 cannot hold.
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    return value


def without_halves(data: Text) -> Optional[str]:
    """
    Return JSON text with lone halves of surrogate pairs replaced, None without any.

    Raises:
        ValueError: it is not UTF-8.
    """
    text = _json_text_of(data)
    whole = _HALVES.sub(lambda each: r"\ufffd" if each[1] else each[0], text)
    return None if whole == text else whole


def loads_with_halves(data: Text) -> Any:
    """
    Decode JSON in which lone halves of surrogate pairs are replaced by U+FFFD.

    Raises:
        ValueError: this is not JSON.
    """
    try:
        return loads(data)
    except ValueError:
        whole = without_halves(data)
        if whole is None:
            raise
        return loads(whole)


def is_deeper(data: Text, most: int) -> bool:
    """
    Say whether arrays and objects of a JSON text are nested deeper than so many.
    """
    text = _json_text_of(data)
    return text.count("[") + text.count("{") > most and _json_depth(text) > most


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


def _json_depth(text: str) -> int:
    depth = deepest = 0
    for token in _TOKEN.findall(text):
        if token in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif token in "]}":
            depth -= 1
    return deepest


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
