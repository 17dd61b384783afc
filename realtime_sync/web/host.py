"""
A small server of pages: HTML, style, JavaScript, answers, WebSockets, by path.

Port, request, TLS, ``Host`` and ``Origin`` are the local server's code.
"""

from __future__ import annotations

import html
import json
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import Any, Union
from urllib.parse import urlencode, urlsplit

from attrs import frozen
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request, Response

from ..errors import ConfigurationError
from ..server.host.listener import CALLER, HostListener, ListenerHandler
from ..server.host.websocket import HostWebSocket
from ..transport.logs import area_logger
from .access import Access
from .channel import Channel, Serve
from .functions import check_page_function
from .static_files import static_text

_log = area_logger("realtime_sync.web")

LARGEST_MESSAGE = 1 << 20
"""Bytes of a message from a page; one with more is refused and the page let go."""
MOST_CHANNELS = 64
"""WebSockets at once; one more is refused."""
_LARGEST_BODY = 64 << 10
_FLUSH_SECONDS = 1.0
_STATIC = "/static/"
_STATIC_NAME = re.compile(r"[a-z0-9_-]+\.(?:js|css)")
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}


@frozen(kw_only=True)
class Answer:
    """
    What a request is answered with.

    Attributes:
        body: text, bytes, or blocks of bytes that are made while they are sent.
        media_type: of the body.
        status: of HTTP.
        filename: has a browser save the body under that name.
    """

    body: Union[str, bytes, Iterable[bytes]]
    media_type: str = "text/plain; charset=utf-8"
    status: int = 200
    filename: str | None = None

    @classmethod
    def json(cls, value: Mapping[str, Any]) -> Answer:
        """JSON as browsers read it: what is no figure there (NaN) becomes null."""
        try:
            body = json.dumps(value, default=str, allow_nan=False)
        except ValueError:
            loose = json.dumps(value, default=str)
            body = json.dumps(json.loads(loose, parse_constant=lambda name: None))
        return cls(body=body, media_type="application/json")


@frozen(kw_only=True)
class Asked:
    """
    A request that was let in.

    Attributes:
        method: ``GET`` or ``POST``.
        query: the first value of each field of the URL's query.
        body: what came with it, at most 64 KiB.
    """

    method: str
    query: dict[str, str]
    body: bytes = b""

    def number(self, name: str) -> int:
        """A field of the query as a number; 0 where it is none, or absurdly long."""
        given = self.query.get(name, "")
        return int(given) if given.isdecimal() and len(given) < 12 else 0


Route = Callable[[Asked], Answer]
"""Answers a request; called in the thread of its connection."""


class WebHost:
    """
    Serves pages to browsers of this machine until it is closed.

    What a path leads to is said before or after it is opened, from any thread: a
    `page`, a `route`, a `socket`. All of them want the token; so nobody sees
    anything who was not given the URL. Style and JavaScript are the same for
    everybody and want none.

    Args:
        host: address to listen on. Other machines come in only with *tls* and
            *password*.
        port: 0 takes one that is free.
        token, password, tls, allowed_hosts, allowed_origins: see `Access`.

    Raises:
        ConfigurationError: the port cannot be had, or others would come in.

    Attributes:
        port: what it listens on.
        access: who may come in.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str | None = None,
        password: str | None = None,
        tls: ssl.SSLContext | None = None,
        allowed_hosts: Iterable[str] = (),
        allowed_origins: Iterable[str] = (),
    ) -> None:
        self.access = Access(
            host,
            token=token,
            password=password,
            tls=tls,
            allowed_hosts=allowed_hosts,
            allowed_origins=allowed_origins,
        )
        self._routes: dict[str, Route] = {}
        self._sockets: dict[str, Serve] = {}
        # Guards the channels; told when one is gone.
        self._changed = threading.Condition()
        self._channels: set[Channel] = set()
        self._closed = False
        self._listener = HostListener(host, port, self._answer, self._upgrade, tls)
        self.port = self._listener.port
        self._base = f"{'http' if tls is None else 'https'}://" + (
            f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        )

    def __repr__(self) -> str:
        return f"<WebHost {self._base} pages={len(self._channels)}>"

    def __enter__(self) -> WebHost:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def url(self, path: str = "/", **query: str) -> str:
        """The address of a page, with the token that opens it."""
        return f"{self._base}{path}?{urlencode({'token': self.access.token, **query})}"

    def page(self, path: str, name: str) -> None:
        """Serve a file of `static` as a page."""
        text = static_text(name)
        self.route(path, lambda asked: Answer(body=text, media_type=_TYPES[".html"]))

    def route(self, path: str, answer: Route) -> None:
        """
        Have requests for a path answered by a function.

        Raises:
            ConfigurationError: that is no path, or something is served there.
            TypeError: the function does not take what is asked.
        """
        check_page_function("answer", answer, "what is asked")
        self._register(path, self._routes, answer)

    def socket(self, path: str, serve: Serve) -> None:
        """
        Have WebSockets of a path served.

        Raises:
            ConfigurationError: that is no path, or something is served there.
            TypeError: the function does not take a channel.
        """
        check_page_function("serve", serve, "a channel")
        self._register(path, self._sockets, serve)

    def _register(self, path: str, table: dict[str, Any], target: object) -> None:
        text = isinstance(path, str)
        if not text or not path.startswith("/") or path.startswith(_STATIC):
            raise ConfigurationError(f"{path!r} is no path of a page")
        if path in self._routes or path in self._sockets:
            raise ConfigurationError(f"{path} is served already")
        table[path] = target

    def close(self, timeout: float = 5.0) -> None:
        """Close the port, every WebSocket (code 1001) and every thread."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            channels = list(self._channels)
        ends = time.monotonic() + timeout
        self._listener.stop_accepting()
        for channel in channels:
            channel.stop(1001, "the program ends")
        with self._changed:
            self._changed.wait_for(lambda: not self._channels, timeout / 2)
        for thread in self._listener.drop_connections():
            thread.join(max(0.0, ends - time.monotonic()))

    # -- requests --------------------------------------------------------------

    def _answer(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Any:
        """Answer one request; the WSGI application, called from many threads."""
        request = Request(environ)
        request.max_content_length = _LARGEST_BODY
        try:
            answer = self._answered(request, environ)
        except HTTPException as exc:
            answer = _status_told_by_host(exc.code or 500)
        except Exception:
            # Should never run: what went wrong here is nothing to show a page.
            _log.exception("! a request could not be answered")
            answer = _status_told_by_host(500)
        response = Response(
            answer.body, status=answer.status, content_type=answer.media_type
        )
        response.headers.update(_host_headers(environ.get("HTTP_HOST", "")))
        if answer.filename is not None:
            response.headers.set(
                "Content-Disposition", "attachment", filename=answer.filename
            )
        if answer.status in (302, 303):
            response.headers["Location"] = str(answer.body)
        return response(environ, start_response)

    def _answered(self, request: Request, environ: dict[str, Any]) -> Answer:
        refused = self.access.caller_refusal(environ[CALLER])
        if refused is not None:
            return Answer(body=refused, status=403)
        if request.method not in ("GET", "HEAD", "POST"):
            return _status_told_by_host(405)
        path = request.path
        if path.startswith(_STATIC):
            return _static_host_answer(path.removeprefix(_STATIC))
        query = request.query_string.decode("latin-1")
        if not self.access.has_token(query, request.headers.get("Authorization", "")):
            return self._without_token(request)
        route = self._routes.get(path)
        if route is None:
            return _status_told_by_host(404)
        return route(
            Asked(
                method=request.method,
                query={name: request.args[name] for name in request.args},
                body=request.get_data(),
            )
        )

    def _without_token(self, request: Request) -> Answer:
        """Ask for the password, where there is one; else say what is missing."""
        note = ""
        if self.access.asks_password and request.method == "POST":
            right = self.access.guess(request.form.get("password", ""))
            if right:
                # To a path that is served: what a browser takes for another machine's
                # address would have the token sent there.
                path = request.path if request.path in self._routes else "/"
                query = urlencode({"token": self.access.token})
                return Answer(body=f"{path}?{query}", status=303)
            note = "Too many wrong passwords." if right is None else "Wrong password."
        name = "password.html" if self.access.asks_password else "token.html"
        body = static_text(name).replace("{note}", html.escape(note))
        return Answer(body=body, media_type=_TYPES[".html"], status=403)

    # -- WebSockets ------------------------------------------------------------

    def _upgrade(self, handler: ListenerHandler) -> None:
        """Serve a WebSocket request; runs in the thread of its connection."""
        url = urlsplit(handler.path)
        serve = self._sockets.get(url.path)
        refused = self.access.caller_refusal(handler.caller())
        if refused is None and not self.access.has_token(url.query):
            refused = "The token is missing."
        if refused is not None or serve is None:
            _refuse_by_host(handler, 403 if refused is not None else 404)
            return
        try:
            self._serve(handler, serve)
        except OSError as exc:
            _log.info("! a page's connection broke: %s", exc)
        except Exception:
            # Should never run: a bad page must not take anything down with it.
            _log.exception("! a page could not be served")

    def _serve(self, handler: ListenerHandler, serve: Serve) -> None:
        early = handler.early_bytes()
        wire = HostWebSocket(handler.connection, max_size=LARGEST_MESSAGE)
        channel = Channel(wire)
        with self._changed:
            taken = not self._closed and len(self._channels) < MOST_CHANNELS
            if taken:
                self._channels.add(channel)
        try:
            accepted = taken and wire.accept(handler.path, handler.headers.items())
            if not taken:
                wire.socket.settimeout(_FLUSH_SECONDS)
                _refuse_by_host(handler, 503)
            elif not accepted:
                wire.socket.settimeout(_FLUSH_SECONDS)
                wire.write()
            else:
                page = serve(channel)
                try:
                    channel.run(page, early)
                finally:
                    page.close()
        finally:
            channel.release()
            with self._changed:
                self._channels.discard(channel)
                self._changed.notify_all()


def _static_host_answer(name: str) -> Answer:
    if not _STATIC_NAME.fullmatch(name):
        return _status_told_by_host(404)
    try:
        text = static_text(name)
    except FileNotFoundError:
        return _status_told_by_host(404)
    return Answer(body=text, media_type=_TYPES[PurePosixPath(name).suffix])


def _status_told_by_host(status: int) -> Answer:
    return Answer(body=HTTPStatus(status).phrase, status=status)


def _host_headers(host: str) -> dict[str, str]:
    """
    What every answer says to a browser.

    A page loads nothing from anywhere and is shown in nobody's frame; what is said
    in it cannot become code. The host is one that was let in.
    """
    near = host if re.fullmatch(r"[\w.:\[\]-]+", host) else ""
    sockets = f" ws://{near} wss://{near}" if near else ""
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "media-src": "'self' blob: data:",
        "connect-src": f"'self'{sockets}",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{k} {v}" for k, v in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
        "Cache-Control": "no-store",
    }


def _refuse_by_host(handler: ListenerHandler, status: int) -> None:
    """Answer the request for a WebSocket with a status."""
    handler.send_response(status)
    handler.send_header("Content-Length", "0")
    handler.send_header("Connection", "close")
    handler.end_headers()
