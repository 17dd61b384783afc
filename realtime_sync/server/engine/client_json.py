"""JSON as clients send it: strictly read, and no deeper than any frame is nested."""

from __future__ import annotations

from typing import Any, Union

from ...protocol import jsontext
from .refusal import refuse_invalid_json

MOST_DEPTH = 100
"""Levels of arrays and objects; what follows walks through all of them."""


def decoded_client_json(data: Union[bytes, str]) -> Any:
    """
    Return what a client's JSON says.

    Raises:
        Refusal: it is no JSON (``NaN`` is none), or nested too deep.
    """
    try:
        value = jsontext.loads(data)
        deep = jsontext.is_deeper(data, MOST_DEPTH)
    except ValueError as exc:
        raise refuse_invalid_json(f"{exc}"[:200]) from None
    if deep:
        raise refuse_invalid_json(f"nested deeper than {MOST_DEPTH}")
    return value
