"""
Who may see a page: whoever has the token, and with TLS whoever knows the password.

The token is in the URL that is printed or shown; a page hands it on with its own
requests. There is no cookie: other servers of this machine would get it, too.
"""

from __future__ import annotations

import hmac
import secrets
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from urllib.parse import parse_qs

from ..errors import ConfigurationError
from ..server.host.origin import (
    AllowedOrigins,
    RequestOrigin,
    is_local_host_of_origin,
    origin_refusal,
)
from ..transport.redaction import remember_for_redaction

MOST_GUESSES = 10
"""Wrong passwords within `GUESS_SECONDS`; then none is looked at, be it right."""
GUESS_SECONDS = 60.0
_SHORTEST = 8


class Access:
    """
    Decides about requests. Any thread.

    Args:
        host: the address that is listened on.
        token: instead of a random one.
        password: what people type who come without the token; needs *tls*.
        tls: speak TLS.
        allowed_hosts: names that the server is called by, beside this machine's.
        allowed_origins: origins of pages beside its own.
        clock: seconds, monotonic.

    Raises:
        ConfigurationError: other machines would come in without TLS or password,
            token or password are too short or no text, or *tls* is not a server's.
    """

    def __init__(
        self,
        host: str,
        *,
        token: str | None = None,
        password: str | None = None,
        tls: ssl.SSLContext | None = None,
        allowed_hosts: Iterable[str] = (),
        allowed_origins: Iterable[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not is_local_host_of_origin(host) and (tls is None or password is None):
            raise ConfigurationError(
                f"other machines reach {host or 'every address'}: give tls and a "
                "password, or listen on 127.0.0.1 and come in through ssh -L"
            )
        if password is not None and tls is None:
            raise ConfigurationError("a password needs tls, or everybody can read it")
        if tls is not None:
            _check_tls_of_server(tls)
        for name, value in (("token", token), ("password", password)):
            if value is not None and not isinstance(value, str):
                raise ConfigurationError(f"the {name} is text, not {type(value)}")
            if value is not None and len(value) < _SHORTEST:
                raise ConfigurationError(f"the {name} has less than 8 characters")
        self.token = secrets.token_urlsafe(24) if token is None else token
        self.asks_password = password is not None
        self._password = password or ""
        # Requests are logged with their address, and errors may say it.
        for secret in (self.token, self._password):
            remember_for_redaction(secret)
        self._allowed = AllowedOrigins.of(host, allowed_hosts, allowed_origins)
        self._clock = clock
        # Guards the times of wrong guesses.
        self._lock = threading.Lock()
        self._guesses: list[float] = []

    def caller_refusal(self, caller: RequestOrigin) -> str | None:
        """Why a request is refused by where it comes from, or None."""
        return origin_refusal(caller, self._allowed)

    def has_token(self, query: str, authorization: str = "") -> bool:
        """
        Whether a request has the token.

        Args:
            query: of its URL; ``token=`` is looked for.
            authorization: that header; ``Bearer`` is looked for.
        """
        given = parse_qs(query).get("token", [])
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() == "bearer":
            given.append(value.strip())
        return any([same_for_access(each, self.token) for each in given])

    def guess(self, password: str) -> bool | None:
        """Whether a password is right; None where there were too many wrong ones."""
        now = self._clock()
        with self._lock:
            self._guesses = [at for at in self._guesses if now - at < GUESS_SECONDS]
            if len(self._guesses) >= MOST_GUESSES:
                return None
            right = self.asks_password and same_for_access(password, self._password)
            if not right:
                self._guesses.append(now)
            return right


def _check_tls_of_server(tls: object) -> None:
    """Refuse what would fail with every connection, where only browsers see it."""
    if not isinstance(tls, ssl.SSLContext):
        raise ConfigurationError(f"tls is an ssl.SSLContext, not {type(tls).__name__}")
    if tls.protocol == ssl.PROTOCOL_TLS_CLIENT:
        raise ConfigurationError(
            "tls is for clients: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), and "
            "load_cert_chain"
        )


def same_for_access(given: str, right: str) -> bool:
    """Compare in a time that tells nothing."""
    return hmac.compare_digest(
        given.encode("utf-8", "surrogatepass"), right.encode("utf-8", "surrogatepass")
    )
