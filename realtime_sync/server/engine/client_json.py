"""JSON as clients send it: strictly read, and no deeper than any frame is nested."""

from __future__ import annotations

from typing import Any, Union

from ...protocol import jsontext
from .refusal import refuse_invalid_json


def decoded_client_json(data: Union[bytes, str]) -> Any:
    """
    Return what a client's JSON says.

    Raises:
        Refusal: it is no JSON (``NaN`` is none), or nested too deep.
    """
    try:
        jsontext.check_depth(data)
        return jsontext.loads(data)
    except ValueError as exc:
        raise refuse_invalid_json(f"{exc}"[:200]) from None
