"""
What the end of a connection means: tables of close codes, statuses and errors.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from time import time
from typing import Any, Final, Optional

from attrs import frozen

from ..errors import (
    AuthenticationFailed,
    ConfigurationError,
    ConnectFailed,
    ConnectionClosed,
    ConnectionClosedOK,
    ConnectionLost,
    ConnectRateLimited,
    DialectMismatch,
    SessionExpired,
)
from ..transport.redaction import redact

CLEAN_CODE: Final = 1000
"""Closed on purpose."""

RETRYABLE_CODES: Final = frozenset({1001, 1005, 1006, 1011, 1012, 1013, 1014, 1015})
"""
The network, the server's restart, a close frame without a code (1005), or the end of
the session's time.

Any other would only be given again: 3000 for the key, 4000 for the request.
"""

SENDABLE_CODES: Final = (range(1000, 1004), range(1007, 1015), range(3000, 5000))
"""Codes that may stand in a close frame (RFC 6455, section 7.4)."""

RETRYABLE_STATUSES: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses of a handshake that may succeed later."""

AUTHENTICATION_CODES: Final = frozenset(
    {"invalid_api_key", "account_deactivated", "invalid_client_secret"}
)
FATAL_ERROR_CODES: Final = AUTHENTICATION_CODES | {
    "invalid_model",
    "missing_model",
    "beta_api_shape_disabled",
    "insufficient_quota",
    "billing_hard_limit_reached",
    "session_expired",
}
"""Codes of error events after which the server closes the connection."""

_MOST_WORDS = 500


@frozen(kw_only=True)
class CloseReport:
    """
    How a session ended.

    Attributes:
        code: WebSocket close code; None while it is not over.
        reason: the reason that came with it.
        complete: whether the session is over: socket closed, threads ended.
        active_response_id: response that was in flight when it closed, or None.
        unsent: commands that the kernel had not taken.
        unsent_commands: commands that waited for a new connection in vain.
        undelivered: events that handlers have not seen.
        error: what broke the connection, or None after a clean close.
    """

    code: Optional[int] = None
    reason: str = ""
    complete: bool = False
    active_response_id: Optional[str] = None
    unsent: int = 0
    unsent_commands: tuple[Any, ...] = ()
    undelivered: int = 0
    error: Optional[BaseException] = None


def check_close(code: Any, reason: Any) -> None:
    """
    Refuse what may not stand in a close frame.

    Raises:
        ConfigurationError: the code is none that a client may send, or the
            reason is not text.
    """
    if type(code) is not int or not any(code in codes for codes in SENDABLE_CODES):
        raise ConfigurationError(
            f"a close code must be 1000 to 1003, 1007 to 1014 or 3000 to 4999, "
            f"not {code!r}"
        )
    if not isinstance(reason, str):
        raise ConfigurationError(
            f"the reason of a close must be text, not {type(reason).__name__}"
        )


def is_retryable(code: Optional[int]) -> bool:
    """
    Whether a new connection may do better after this close code.
    """
    return code in RETRYABLE_CODES


def closed_error(
    code: int, reason: str, *, asked: bool, expired: bool, cause: Any = None
) -> ConnectionClosed:
    """
    The exception for whatever waits when the connection ends.

    Args:
        code: close code.
        reason: the server's words.
        asked: we had asked for the close.
        expired: the server had said that the session's time is up.
        cause: the exception that broke the connection, if any.
    """
    reason = redact(reason)
    told = f"close code {code}" + (f": {reason}" if reason else "")
    if asked:
        return ConnectionClosedOK("the session was closed", code=code, reason=reason)
    if expired or "session_expired" in reason:
        error: ConnectionClosed = SessionExpired(
            f"the session's time is up ({told})", code=code, reason=reason
        )
    elif code == CLEAN_CODE:
        error = ConnectionClosedOK(
            f"the server closed the session ({told})", code=code, reason=reason
        )
    else:
        error = ConnectionLost(
            f"the connection was lost ({told})", code=code, reason=reason
        )
    error.__cause__ = cause
    return error


def refused_by_status(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    host: str,
    *,
    hint: str = "check the api_key",
) -> ConnectFailed:
    """
    The exception for a handshake that was answered with an HTTP status.

    Args:
        status: HTTP status.
        headers: of the answer, names in lower case.
        body: of the answer.
        host: who refused.
        hint: what to do about a refused key.
    """
    code, words = error_in_body(body)
    message = f"{host} refused the connection: HTTP {status}"
    if words:
        message += f", {words}"
    if code == "beta_api_shape_disabled":
        return _dialect_mismatch(message, status=status)
    if status in (401, 403):
        return AuthenticationFailed(f"{message} ({hint})", status=status, code=code)
    if status == 429:
        return ConnectRateLimited(
            message, status=status, code=code, retry_after=retry_after(headers, time())
        )
    if status in (301, 302, 303, 307, 308):
        message += "; redirects are not followed, connect to the new address itself"
    return ConnectFailed(
        message, status=status, code=code, retryable=status in RETRYABLE_STATUSES
    )


def refused_by_error(
    code: Optional[str],
    message: str,
    close_code: Optional[int],
    *,
    hint: str = "check the api_key",
) -> ConnectFailed:
    """
    The exception for a handshake that succeeded, followed by error and close.

    Args:
        code: of the error event, if there was one.
        message: of the error event, or of the close frame.
        close_code: of the close frame, if it came.
        hint: what to do about a refused key.
    """
    words = redact(message) or "the server closed the connection before session.created"
    if code == "beta_api_shape_disabled":
        return _dialect_mismatch(words)
    if close_code == 3000 or code in AUTHENTICATION_CODES:
        return AuthenticationFailed(f"{words} ({hint})", code=code or 3000)
    if code in ("rate_limit_exceeded", "insufficient_quota"):
        return ConnectRateLimited(words, code=code)
    return ConnectFailed(
        words, code=code or close_code, retryable=is_retryable(close_code)
    )


def _dialect_mismatch(message: str, status: Optional[int] = None) -> DialectMismatch:
    return DialectMismatch(
        f'{message} Connect with dialect="ga".',
        status=status,
        code="beta_api_shape_disabled",
    )


def error_in_body(body: bytes) -> tuple[Optional[str], str]:
    """
    Code and message of an error that was answered over HTTP, in whatever shape.
    """
    try:
        decoded = json.loads(body)
    except (ValueError, RecursionError):
        words = body[:_MOST_WORDS].decode("utf-8", "replace").strip()
        return None, redact(words)
    if not isinstance(decoded, dict):
        return None, ""
    error = decoded.get("error") or decoded.get("detail") or decoded
    if isinstance(error, str):
        return None, redact(error[:_MOST_WORDS])
    if not isinstance(error, dict):
        return None, ""
    code = error.get("code")
    message = error.get("message")
    return (
        code if isinstance(code, str) else None,
        redact(message[:_MOST_WORDS]) if isinstance(message, str) else "",
    )


def retry_after(headers: Mapping[str, str], now: float) -> Optional[float]:
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
            seconds = _seconds_until(value, now)
        if math.isfinite(seconds):
            return max(0.0, seconds)
    return None


def _seconds_until(date: str, now: float) -> float:
    from email.utils import parsedate_to_datetime  # Slow to import, seldom needed.

    try:
        return parsedate_to_datetime(date).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return math.nan
