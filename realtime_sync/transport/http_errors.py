"""
What a server answers over HTTP when it refuses: status, body, when to come back.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Final, Optional

from .redaction import redact

RETRYABLE_STATUSES: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses of a request that may succeed later."""

_MOST_WORDS = 500


def http_error_in_body(body: bytes) -> tuple[Optional[str], str]:
    """
    Code and message of an error that was answered over HTTP, in whatever shape.
    """
    try:
        decoded = json.loads(body)
    except (ValueError, RecursionError):
        return None, _http_error_words(body.decode("utf-8", "replace").strip())
    if not isinstance(decoded, dict):
        return None, ""
    error = decoded.get("error") or decoded.get("detail") or decoded
    several = decoded.get("errors")
    if error is decoded and isinstance(several, list) and several:
        error = several[0]
    if isinstance(error, str):
        return None, _http_error_words(error)
    if not isinstance(error, dict):
        return None, ""
    code = error.get("code")
    message = error.get("message") or error.get("detail") or error.get("title")
    return (
        # Telephone companies number their errors.
        _http_error_words(str(code)) if isinstance(code, (str, int)) else None,
        _http_error_words(message) if isinstance(message, str) else "",
    )


def _http_error_words(text: str) -> str:
    """A short text without keys; cut later, or half a key would be left."""
    return redact(text)[:_MOST_WORDS]


def http_retry_after(headers: Mapping[str, str], now: float) -> Optional[float]:
    """
    Seconds that a server asks to wait, or None.

    Args:
        headers: of the answer, names in lower case.
        now: seconds since the epoch, for servers that give a date.
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if not value:
            continue
        try:
            seconds = float(value) * unit
        except ValueError:
            seconds = _seconds_until_http_date(value, now)
        if math.isfinite(seconds):
            return max(0.0, seconds)
    return None


def _seconds_until_http_date(date: str, now: float) -> float:
    from email.utils import parsedate_to_datetime  # Slow to import, seldom needed.

    try:
        return parsedate_to_datetime(date).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return math.nan
