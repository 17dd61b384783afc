"""
What the end of a connection means: the table of close codes.
"""

from __future__ import annotations

from typing import Final, Optional

from ..errors import (
    ConfigurationError,
    ConnectionClosed,
    ConnectionClosedOK,
    ConnectionLost,
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

_LONGEST_REASON = 123
"""Bytes."""


def check_close(code: object, reason: object) -> None:
    """
    Refuse what may not stand in a close frame.

    Raises:
        ConfigurationError: the code is none that a client may send, or the
            reason is not text, or longer than a close frame takes.
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
    length = len(reason.encode("utf-8", "replace"))
    if length > _LONGEST_REASON:
        raise ConfigurationError(
            f"the reason of a close is at most {_LONGEST_REASON} bytes, not {length}"
        )


def is_retryable(code: Optional[int]) -> bool:
    """
    Whether a new connection may do better after this close code.
    """
    return code in RETRYABLE_CODES


def closed_error(
    code: int,
    reason: str,
    *,
    asked: bool,
    expired: bool,
    cause: Optional[BaseException] = None,
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
