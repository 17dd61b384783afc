"""
Ephemeral keys: given out over REST, honoured at the door.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from typing import Any, Mapping, Optional

DEFAULT_SECONDS = 600
MOST_KEYS = 10_000
"""Keys that are valid at once; the oldest end early."""


def digest_of_secret(key: str) -> str:
    """What is kept and compared of a key, so that no comparison ends sooner."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


class EphemeralSecrets:
    """
    The ephemeral keys of one server. May be used from any thread.

    A key can be used as often as one likes until it expires.
    """

    def __init__(self) -> None:
        # Guards _keys, by digest: finding one takes no time that tells of another.
        self._lock = threading.Lock()
        self._keys: dict[str, tuple[float, Mapping[str, Any]]] = {}

    def create(self, session: Mapping[str, Any], expires_at: float, now: float) -> str:
        """Make a key for a session of that configuration (GA shape)."""
        value = "ek_" + secrets.token_hex(16)
        with self._lock:
            for key in [k for k, (until, _) in self._keys.items() if until <= now]:
                del self._keys[key]
            while len(self._keys) >= MOST_KEYS:
                del self._keys[next(iter(self._keys))]
            self._keys[digest_of_secret(value)] = (expires_at, dict(session))
        return value

    def session(self, key: str, now: float) -> Optional[Mapping[str, Any]]:
        """Return the session that *key* stands for; None if it is not valid."""
        with self._lock:
            expires_at, session = self._keys.get(digest_of_secret(key), (0.0, {}))
        return session if now < expires_at else None
