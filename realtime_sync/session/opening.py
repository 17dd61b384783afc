"""
From an endpoint to an open session, or to the error that says why not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from time import time
from typing import Any, Final, Optional
from urllib.parse import urlsplit

from ..connection.close_codes import is_retryable
from ..connection.pending import rejection_of_pending
from ..deadline import Cancellation, Deadline
from ..dispatch.watches import Watch, WatchList, WatchMailbox, WatchWaiting
from ..errors import (
    AuthenticationFailed,
    CommandRejected,
    ConnectFailed,
    ConnectionClosed,
    ConnectRateLimited,
    DialectMismatch,
    WaitTimeout,
)
from ..protocol.dialects.tables import ITEM_PARTS, RESPONSE_ASKED, SESSION_ASKED
from ..protocol.events import ServerEvent
from ..transport.base import Transport
from ..transport.endpoint import Endpoint
from ..transport.http_errors import (
    RETRYABLE_STATUSES,
    http_error_in_body,
    http_retry_after,
)
from ..transport.loop import Loop
from ..transport.proxies import proxy_for
from ..transport.redaction import redact
from ..transport.websocket import Address, HandshakeRefused, open_websocket
from .options import SessionOptions

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

_CREATED = frozenset({"session.created"})
GREETINGS: Final[Mapping[str, frozenset[str]]] = {
    "realtime": _CREATED,
    "transcription": _CREATED,
    "translation": _CREATED,
    # Whoever attaches late is told only when he asks.
    "live": frozenset({"session.started", "session.updated"}),
}
"""Kind of session -> the events that say that it is there."""

_GRACE = 1.0


def open_transport(
    endpoint: Endpoint,
    model: Optional[str],
    options: SessionOptions,
    dialect: str,
    deadline: Deadline,
    given_up: Optional[Cancellation] = None,
    *,
    loop: Loop,
) -> Transport:
    """
    Open a transport.

    Args:
        endpoint: where to.
        model: what to ask it for.
        options: of the session; a `transport` that can be called makes one.
        dialect: decides about headers.
        deadline: for all of it.
        given_up: ends it before the deadline.
        loop: waits for the socket from then on.

    Raises:
        ConnectFailed: there is no connection; its subclass says why.
        ConfigurationError: the URL or the key will not do.
    """
    if callable(options.transport):
        return options.transport()  # type: ignore[no-any-return]
    if options.transport is not None:
        return options.transport  # type: ignore[no-any-return]
    url = endpoint.websocket_url(
        model=model,
        session_type=options.session_type,
        call_id=options.call_id,
        fork_of=options.fork_of,
        extra_query=options.extra_query,
    )
    proxy = proxy_for(url, options.proxy)
    credentials = endpoint.credentials(
        url,
        dialect=dialect,
        extra_headers=options.extra_headers,
        safety_identifier=options.safety_identifier,
        insecure=options.insecure,
        proxy=proxy,
    )
    address = Address(
        url=url,
        headers=credentials.headers,
        subprotocols=credentials.subprotocols,
        proxy=proxy,
        ssl_context=options.ssl_context,
        max_frame_size=options.max_frame_size,
    )
    try:
        return open_websocket(address, deadline, given_up, loop=loop)
    except HandshakeRefused as exc:
        raise opening_refused_by_status(
            exc.status,
            exc.headers,
            exc.body,
            urlsplit(url).netloc,
            hint=credentials.advice,
        ) from None


class OpeningGreeting:
    """
    Waits for the server's first word: that the session is there, or a refusal.

    Args:
        watches: tell of events.
        waiting: how the session waits.
        words: events that say that the session is there.
        refusable: it was asked for, so that any error refuses it.

    A bad key or model is answered with HTTP 101, then an error event, then a
    close with 3000 or 4000; so all three are listened for.
    """

    def __init__(
        self,
        watches: WatchList,
        waiting: WatchWaiting,
        words: frozenset[str] = _CREATED,
        *,
        refusable: bool = False,
    ) -> None:
        self._watches = watches
        self._waiting = waiting
        self._words = words
        self._refusable = refusable
        self._awaited = min(words)
        self._mailbox = WatchMailbox()
        self._watch = Watch(words | {"error"}, self._mailbox.put, self._mailbox.end)
        watches.add(self._watch)

    def wait(self, deadline: Deadline) -> Any:
        """
        Wait for it.

        Raises:
            ConnectFailed: the server refused; its subclass says why.
            WaitTimeout: it stayed silent.
        """
        error: Any = None
        try:
            while True:
                try:
                    event = self._next(deadline)
                except WaitTimeout as exc:
                    if error is None:
                        raise self._silence(exc) from None
                    raise _opening_refusal(error, None, self._awaited) from None
                except ConnectionClosed as exc:
                    raise _opening_refusal(error, exc, self._awaited) from exc
                if event.type in self._words:
                    return event
                error = rejection_of_pending(event)
                if error.code in FATAL_ERROR_CODES or self._refusable:
                    raise _opening_refusal(error, None, self._awaited)
                # Another error may be followed by the greeting all the same;
                # one without a code is most often followed by the close.
                if error.code is None:
                    deadline = deadline.limited(_GRACE)
        finally:
            self.cancel()

    def cancel(self) -> None:
        """Stop listening."""
        self._watches.remove(self._watch)

    def _next(self, deadline: Deadline) -> ServerEvent:
        event: ServerEvent = self._mailbox.take(
            self._waiting.wait, deadline, self._awaited
        )
        return event

    def _silence(self, timeout: WaitTimeout) -> WaitTimeout:
        if self._words is not _CREATED:
            return WaitTimeout(f"{timeout}; does the server speak GPT-Live?")
        return WaitTimeout(
            f"{timeout}; a server or relay that never says it is connected to with "
            "wait_created=False"
        )


def _opening_refusal(
    error: Optional[CommandRejected],
    closed: Optional[ConnectionClosed],
    awaited: str,
) -> ConnectFailed:
    if error is None and closed is not None and not closed.reason:
        words = f"{closed} before {awaited}"
    elif error is None and closed is not None:
        words = str(closed)
    else:
        words = str(error)
    return opening_refused_by_error(
        getattr(error, "code", None), words, closed.code if closed else None
    )


def opening_refused_by_status(
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
    code, words = http_error_in_body(body)
    message = f"{host} refused the connection: HTTP {status}"
    if words:
        message += f", {words}"
    if code == "beta_api_shape_disabled":
        return _dialect_mismatch(message, status=status)
    if status in (401, 403):
        return AuthenticationFailed(f"{message} ({hint})", status=status, code=code)
    if status == 429:
        return ConnectRateLimited(
            message,
            status=status,
            code=code,
            retry_after=http_retry_after(headers, time()),
        )
    if status in (301, 302, 303, 307, 308):
        message += "; redirects are not followed, connect to the new address itself"
    if status == 404 and not words:
        message += "; it has no such path, and a base_url mostly ends in /v1"
    return ConnectFailed(
        message, status=status, code=code, retryable=status in RETRYABLE_STATUSES
    )


def opening_refused_by_error(
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


_ASKED = {"session": SESSION_ASKED, "response": RESPONSE_ASKED}
_FIELDS = tuple(
    (f"{body}.{row.flat}", f"{body}.{row.path[0]}")
    for body, rows in _ASKED.items()
    for row in rows
    if row.flat != row.path[0]
)


def _any_of_fields_at_opening(names: Iterable[str]) -> str:
    """A pattern for one of some fields, and for nothing that is inside of one."""
    return rf"(?<![\w.])({'|'.join(map(re.escape, names))})(?![\w\[]|\.\w)"


_UNKNOWN = "unknown[ _]parameter"
_NO_SUCH_UPDATE = ("(unknown|invalid)[ _](or invalid )?event", r"session\.update")
_SIGNS: Mapping[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    # What we speak: the dialect to use instead, and pairs of patterns that are both
    # found in a refusal by a server that speaks that one.
    "ga": (
        "beta",
        (
            (
                _UNKNOWN,
                _any_of_fields_at_opening(
                    {"session.type", *(wrapped for _, wrapped in _FIELDS)}
                ),
            ),
            (f"invalid value: '({'|'.join(ITEM_PARTS.values())})'", ""),
            _NO_SUCH_UPDATE,
        ),
    ),
    "beta": (
        "ga",
        (
            (
                _UNKNOWN,
                _any_of_fields_at_opening(
                    {"session.temperature", *(flat for flat, _ in _FIELDS)}
                ),
            ),
            (
                "missing[ _]required[ _]parameter",
                _any_of_fields_at_opening(("session.type",)),
            ),
            (f"invalid value: '({'|'.join(ITEM_PARTS)})'", "output_text"),
            ("invalid value: 'transcription_session.update'", "session.update"),
            _NO_SUCH_UPDATE,
        ),
    ),
}


def opening_refused_for_dialect(
    refusal: CommandRejected, dialect: str
) -> Optional[DialectMismatch]:
    """
    The exception for a first `session.update` in a dialect that a server lacks.

    Args:
        refusal: of the command.
        dialect: what was spoken.

    Returns:
        None when the refusal says nothing of the kind.
    """
    said = f"{refusal} {refusal.code or ''} {refusal.param or ''}"
    # What was refused is a `session.update`, whether the server says so or not.
    if dialect_remedy(dialect, f"{said} session.update") is None:
        return None
    return DialectMismatch(str(refusal), code=refusal.code)


def dialect_remedy(dialect: str, said: str) -> Optional[str]:
    """
    What to do about an error that a server of the other dialect gives, or None.

    Args:
        dialect: what is spoken.
        said: the words of the error, its code and its ``param``.
    """
    if dialect not in _SIGNS:
        return None
    other, signs = _SIGNS[dialect]
    said = said.lower()
    if not any(re.search(a, said) and re.search(b, said) for a, b in signs):
        return None
    return (
        f"The server speaks another dialect than {dialect!r}: "
        f'connect with dialect="{other}".'
    )


def _dialect_mismatch(message: str, status: Optional[int] = None) -> DialectMismatch:
    return DialectMismatch(
        f'{message} Connect with dialect="ga".',
        status=status,
        code="beta_api_shape_disabled",
    )
