"""
Keys out of whatever people read: messages of errors, logs, reprs.

A server may say the key back in an error, and a URL may hold one. So the keys
that this process has sent are remembered, and taken out of every text that came
from outside before it becomes a message of ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from threading import RLock
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from ..protocol.sensitive import HIDDEN as HIDDEN

_SHORTEST = 8
"""Shorter ones are not secrets but words, such as ``none`` or ``EMPTY``."""

_MOST = 256

# Guards the replacement of `_known`. Re-entrant: a signal handler may connect while its
# thread does.
_lock = RLock()
# The keys in the order of their last use. Read without the lock: a loop that closes a
# session wants them, and must not wait for a main thread whose signal handler waits for
# that loop.
_known: tuple[str, ...] = ()

_SHAPES = re.compile(
    r"(?<![A-Za-z0-9])(?:sk|ek|xai)[-_][A-Za-z0-9_-]{8,}"
    r"|(?<=Bearer )[A-Za-z0-9._~+/=-]{16,}"
)
"""What looks like a key, of whomever."""

PLAIN_PARAMETERS = frozenset(
    {"api-version", "call_id", "deployment", "intent", "model"}
)
"""Query parameters that may be shown; a vendor's others may be keys."""


def remember_for_redaction(secret: str) -> None:
    """
    Let `redact` know of a key. The last few hundred are remembered.
    """
    global _known
    if len(secret) < _SHORTEST:
        return
    with _lock:
        while True:
            before = _known
            others = [each for each in before if each != secret]
            after = (*others, secret)[-_MOST:]
            if _known is before:  # Else a signal handler has added another.
                _known = after
                return


def secrets_for_redaction() -> tuple[str, ...]:
    """
    The keys that are remembered, the longest first.
    """
    return tuple(sorted(_known, key=len, reverse=True))


def redact(text: str) -> str:
    """
    The same text without any key that was remembered or looks like one.
    """
    known = secrets_for_redaction()
    # Shapes first: a known key may be the beginning of another one.
    text = _SHAPES.sub(HIDDEN, text)
    for secret in known:
        for spelt in (secret, quote(secret, safe="")):
            text = text.replace(spelt, HIDDEN)
    return text


def redacted_url(url: str) -> str:
    """
    A URL as it may be shown: no user, no password, harmless parameters only.
    """
    parts = urlsplit(url)
    query = redacted_query(dict(parse_qsl(parts.query, keep_blank_values=True)))
    host = parts.netloc.rpartition("@")[2]
    shown = urlencode(query, safe="<>")
    return redact(urlunsplit((parts.scheme, host, parts.path, shown, "")))


def redacted_query(query: Mapping[str, str]) -> dict[str, str]:
    """
    Query parameters as they may be shown.
    """
    return {
        name: value if name in PLAIN_PARAMETERS else HIDDEN
        for name, value in query.items()
    }
