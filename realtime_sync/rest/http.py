"""
Requests to the REST side of a server.

The only importer of `requests`. A `Rest` has one pool of connections, asks for
a key at every request, gives every request a deadline, and repeats one only
where repeating cannot do anything twice.
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable, Mapping
from http.cookiejar import DefaultCookiePolicy
from random import Random
from threading import RLock
from typing import Any, BinaryIO, Optional, Union
from urllib.parse import urlsplit

import requests
import urllib3.exceptions
from attrs import field, frozen
from requests.adapters import HTTPAdapter
from urllib3.poolmanager import ProxyManager

from ..deadline import Deadline, check_seconds
from ..errors import ConfigurationError, RestError
from ..protocol import jsontext
from ..session.options import SessionOptions
from ..transport.backoff import backoff_delays
from ..transport.credentials import Credentials
from ..transport.endpoint import Endpoint
from ..transport.http_errors import (
    RETRYABLE_STATUSES,
    http_error_in_body,
    http_retry_after,
)
from ..transport.logs import area_logger
from ..transport.proxies import need_socks_proxy, proxy_for
from ..transport.redaction import redact
from ..types import UNSET, Timeout, Unset
from .response_limits import (
    LONGEST_SILENCE,
    TooLarge,
    limit_answers,
    limit_reading_until,
    read_limited_body,
)

_PIECE = 1 << 16
"""Bytes of a download that are written at a time."""

logger = area_logger("realtime_sync.rest")

REFUSED_UNSEEN = frozenset({425, 429})
"""Statuses with which a server says that it has done nothing."""

_HOPELESS = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
"""Codes of errors that money ends, and time does not."""

_REQUEST_ID_HEADERS = ("x-request-id", "apim-request-id", "x-ms-request-id")
_LONGEST_ID = 200

_NEVER_CONNECTED = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.ProxyError,
)


@frozen(kw_only=True)
class HttpAnswer:
    """
    What a server answered, if it was not an error.

    Attributes:
        status: HTTP status.
        headers: names in lower case.
        body: undecoded.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def decoded(self) -> Mapping[str, Any]:
        """
        The JSON object in the body.

        Raises:
            RestError: there is something else; it is not shown, because it may
                hold a key.
        """
        try:
            jsontext.check_depth(self.body)
            decoded = jsontext.loads(self.body)
        except ValueError:
            decoded = None
        if not isinstance(decoded, dict):
            raise RestError(
                f"the server's answer is not a JSON object (HTTP {self.status})",
                status=self.status,
            )
        return decoded


@frozen(kw_only=True)
class _Failure:
    """
    One attempt that came to nothing.

    Attributes:
        error: what to raise if it was the last attempt.
        again: whether repeating is safe, and may help.
        wait: seconds that the server asks to wait, or None.
        cause: the exception beneath, or None.
    """

    error: RestError
    again: bool
    wait: Optional[float] = None
    cause: Optional[BaseException] = None


class Rest:
    """
    Sends requests of one client. From any thread, and again after a fork.

    Args:
        endpoint: where to, and how to say who we are.
        options: of these, timeouts, proxy, TLS settings and headers apply.
        max_retries: how often a request may be repeated.
        rng: where the randomness of delays comes from.
        sleep: waits between attempts.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        options: SessionOptions,
        *,
        max_retries: int = 2,
        rng: Optional[Random] = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._endpoint = endpoint
        self._options = options
        self._max_retries = max_retries
        self._rng = rng or Random()
        self._sleep = sleep
        # Guards the pool: sockets must not be shared with a forked child. Re-entrant: a
        # signal handler may close it while its thread makes it.
        self._lock = RLock()
        self._pool: Optional[requests.Session] = None
        self._process = os.getpid()

    def __repr__(self) -> str:
        return f"<Rest {self._endpoint!r}>"

    def request(
        self,
        method: str,
        path: str,
        *,
        json: object = UNSET,
        text: Optional[tuple[str, str]] = None,
        form: Optional[Mapping[str, tuple[str, str]]] = None,
        accept: str = "application/json",
        repeatable: bool,
        timeout: Timeout = UNSET,
    ) -> HttpAnswer:
        """
        Send a request and wait for its answer.

        Args:
            method: of HTTP.
            path: below the endpoint's base.
            json: a body to be sent as JSON.
            text: a body as it is, and its media type.
            form: parts of a form, each with its media type.
            accept: media type of the answer.
            repeatable: doing it twice does no harm. What is not repeatable is
                sent again only if the server cannot have seen it, or says
                that it has refused to look at it.
            timeout: seconds for all attempts together; `UNSET` takes the
                client's, None sets no end, but for the silence of the server.

        Raises:
            RestError: the server refused, or there was no answer.
            ConfigurationError: URL, key, header or proxy will not do.
        """
        request = _http_body(json, text, form)
        headers = {"Accept": accept, **request.pop("headers", {})}
        return self._request(method, path, headers, request, repeatable, timeout)

    def download(
        self, path: str, file: BinaryIO, *, accept: str, timeout: Timeout = UNSET
    ) -> int:
        """
        Send a GET request and write what comes to a file, however long it is.

        Args:
            path: below the endpoint's base.
            file: is written to.
            accept: media type of the answer.
            timeout: as for `request`.

        Returns:
            How many bytes were written.

        Raises:
            RestError: the server refused, there was no answer, or it broke off.
            ConfigurationError: URL, key, header or proxy will not do.
        """
        written = 0

        def take(response: requests.Response) -> bytes:
            nonlocal written
            if response.status_code != 200:
                return read_limited_body(response.raw)
            for piece in response.iter_content(_PIECE):
                written += file.write(piece)
            return b""

        headers = {"Accept": accept}
        self._request("GET", path, headers, {}, False, timeout, take)
        return written

    def _request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        request: Mapping[str, Any],
        repeatable: bool,
        timeout: Timeout,
        take: Optional[Callable[[requests.Response], bytes]] = None,
    ) -> HttpAnswer:
        if isinstance(timeout, Unset):
            timeout = self._options.timeout
        deadline = Deadline(check_seconds(timeout))
        waits = backoff_delays(self._rng)
        for left in range(self._max_retries, -1, -1):
            outcome = self._attempt(
                method, path, headers, request, repeatable, deadline, take
            )
            if isinstance(outcome, HttpAnswer):
                return outcome
            wait = next(waits) if outcome.wait is None else outcome.wait
            time_left = deadline.remaining()
            in_time = time_left is None or wait < time_left
            if not (left and outcome.again and in_time):
                raise outcome.error from outcome.cause
            logger.info("! %s; again in %.1f s", outcome.error, wait)
            self._sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def close(self) -> None:
        """Close the pooled connections. A later request opens new ones."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

    def _attempt(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        request: Mapping[str, Any],
        repeatable: bool,
        deadline: Deadline,
        take: Optional[Callable[[requests.Response], bytes]],
    ) -> Union[HttpAnswer, _Failure]:
        options = self._options
        url = self._endpoint.http_url(path, extra_query=options.extra_query)
        proxy = proxy_for(url, options.proxy)
        if proxy:
            need_socks_proxy(proxy)
        who = self._endpoint.credentials(
            url,
            extra_headers=options.extra_headers,
            safety_identifier=options.safety_identifier,
            insecure=options.insecure,
            proxy=proxy,
        )
        what = f"{method} {urlsplit(url).path} on {urlsplit(url).netloc}"
        logger.debug("> %s", what)
        try:
            with limit_reading_until(deadline):
                response = self._requests().request(
                    method,
                    url,
                    # Packed answers save nothing here, and may unpack to anything.
                    headers={"Accept-Encoding": "identity", **headers, **who.headers},
                    timeout=self._timeouts(deadline),
                    allow_redirects=False,
                    stream=True,
                    proxies={"http": proxy, "https": proxy} if proxy else {},
                    verify=_http_verification(options.ssl_context),
                    **request,
                )
                logger.debug("< %s: HTTP %s", what, response.status_code)
                body = take(response) if take else read_limited_body(response.raw)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as exc:
            return _no_http_answer(what, exc, repeatable)
        except TooLarge as exc:
            return _Failure(
                error=RestError(f"{what}: {exc}", status=response.status_code),
                again=False,
            )
        answer = HttpAnswer(
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=body,
        )
        if 200 <= answer.status < 300:
            return answer
        return _refused_http_request(what, answer, who, repeatable)

    def _timeouts(self, deadline: Deadline) -> tuple[float, float]:
        left = deadline.remaining()
        left = LONGEST_SILENCE if left is None else max(left, 0.001)
        return min(self._options.connect_timeout or left, left), left

    def _requests(self) -> requests.Session:
        with self._lock:
            pool = self._pool
            if pool is None or self._process != os.getpid():
                pool = self._pool = _new_http_pool(self._options.ssl_context)
                self._process = os.getpid()
            # A signal handler may close it by now: it opens its sockets anew.
            return pool


class _HttpAdapter(HTTPAdapter):
    """
    Reads answers within the deadline of their request.

    Args:
        context: the caller's TLS settings, used as they are; None takes the usual.
    """

    def __init__(self, context: Optional[ssl.SSLContext] = None) -> None:
        self._context = context
        self._tls: dict[str, Any] = {} if context is None else {"ssl_context": context}
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Make the pools of direct connections."""
        super().init_poolmanager(*args, **{**options, **self._tls})
        limit_answers(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> ProxyManager:
        """Make the pools of connections through a proxy."""
        known = proxy in self.proxy_manager
        manager: ProxyManager = super().proxy_manager_for(proxy, **self._tls, **options)
        if not known:
            limit_answers(manager)
        return manager

    def cert_verify(self, *args: object) -> None:
        """Add no other authorities to the caller's."""
        if self._context is None:
            super().cert_verify(*args)  # type: ignore[no-untyped-call]


def _new_http_pool(context: Optional[ssl.SSLContext]) -> requests.Session:
    pool = requests.Session()
    # Neither ~/.netrc may replace our key, nor a cookie tie requests together;
    # proxies and authorities of the environment are looked up by our own rules.
    pool.trust_env = False
    # No redirect is followed; but where one would lead is decoded, and may be no text.
    setattr(pool, "get_redirect_target", _http_redirect)
    pool.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    pool.mount("http://", _HttpAdapter())
    pool.mount("https://", _HttpAdapter(context))
    return pool


def _http_redirect(response: object) -> None:
    """Where a redirect leads that nobody follows."""


def _http_verification(context: Optional[ssl.SSLContext]) -> Union[bool, str]:
    if context is not None:
        return context.verify_mode != ssl.CERT_NONE
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        bundle = os.environ.get(name)
        if bundle:
            return bundle
    return True


def _http_body(
    json: object,
    text: Optional[tuple[str, str]],
    form: Optional[Mapping[str, tuple[str, str]]],
) -> dict[str, Any]:
    if text is not None:
        content, kind = text
        return {"data": content.encode(), "headers": {"Content-Type": kind}}
    if form is not None:
        parts = {
            name: (None, part.encode(), kind) for name, (part, kind) in form.items()
        }
        return {"files": parts}
    if json is UNSET:
        return {}
    return {
        "data": jsontext.dumps(json),
        "headers": {"Content-Type": "application/json"},
    }


def _no_http_answer(
    what: str,
    exc: Union[requests.RequestException, urllib3.exceptions.HTTPError],
    repeatable: bool,
) -> _Failure:
    beneath = (
        _beneath_http_error(exc) if isinstance(exc, requests.RequestException) else exc
    )
    theirs = isinstance(beneath, urllib3.exceptions.InvalidHeader)
    if isinstance(exc, (requests.exceptions.InvalidURL, ValueError)) and not theirs:
        raise ConfigurationError(f"{what}: {redact(str(exc))}") from None
    unseen = isinstance(beneath, _NEVER_CONNECTED)
    permanent = isinstance(exc, requests.exceptions.SSLError)
    # The text of requests' own exception holds the URL, query and all.
    words = redact(str(beneath)) if beneath is not None else type(exc).__name__
    if unseen:
        message = f"{what}: cannot connect: {words}"
    elif permanent:
        message = f"{what}: no encrypted connection: {words}"
    elif repeatable:
        message = f"{what}: no answer: {words}"
    else:
        message = f"{what}: no answer, and it may have been done: {words}"
    again = not permanent and (unseen or repeatable)
    return _Failure(
        error=RestError(message, retryable=again), again=again, cause=beneath
    )


def _beneath_http_error(exc: BaseException) -> Optional[BaseException]:
    """The exception of urllib3 or of the system that requests has wrapped."""
    inner: Any = exc.args[0] if exc.args else None
    reason = getattr(inner, "reason", None)
    if isinstance(reason, BaseException):
        inner = reason
    return inner if isinstance(inner, BaseException) else None


def _refused_http_request(
    what: str, answer: HttpAnswer, who: Credentials, repeatable: bool
) -> _Failure:
    code, words = http_error_in_body(answer.body)
    request_id = next(
        (
            redact(answer.headers[name])[:_LONGEST_ID]
            for name in _REQUEST_ID_HEADERS
            if name in answer.headers
        ),
        None,
    )
    message = f"{what}: HTTP {answer.status}"
    if words:
        message += f", {words}"
    if code:
        message += f" [{code}]"
    if answer.status in (401, 403):
        message += f" ({who.advice})"
    elif 300 <= answer.status < 400:
        message += "; redirects are not followed, use the new address itself"
    if request_id:
        message += f" (request id {request_id})"
    wait = http_retry_after(answer.headers, time.time())
    retryable = (
        answer.status in RETRYABLE_STATUSES
        and code not in _HOPELESS
        and answer.headers.get("x-should-retry") != "false"
    )
    error = RestError(
        message,
        status=answer.status,
        code=code,
        request_id=request_id,
        retryable=retryable,
        retry_after=wait,
    )
    again = retryable and (repeatable or answer.status in REFUSED_UNSEEN)
    return _Failure(error=error, again=again, wait=wait)
