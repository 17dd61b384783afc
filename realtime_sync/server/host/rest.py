"""
The REST side of the server: ephemeral keys.
"""

from __future__ import annotations

import json
from typing import Any, Callable, Mapping

import attrs
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule, Submount
from werkzeug.wrappers import Request, Response

from ..clock import Clock
from ..engine import session_shapes
from ..engine.check import integer
from ..engine.configuration import Configuration
from ..engine.ids import Ids
from ..engine.refusal import Refusal, invalid_json
from .gate import Gate, Knock, NotAdmitted
from .secrets import DEFAULT_SECONDS

_BODY_LIMIT = 1 << 20
_SECONDS = integer(10, 7200)
_ENDPOINTS = Map(
    [
        Submount(
            prefix,
            [
                Rule(
                    "/realtime/client_secrets",
                    methods=["POST"],
                    endpoint="client_secrets",
                ),
            ],
        )
        for prefix in ("/v1", "/", "/openai/v1")
    ]
)


@attrs.define(eq=False)
class Rest:
    """
    The WSGI application beside the WebSocket. Called from many threads at once.

    Attributes:
        gate: knows keys and hands out ephemeral ones.
        clock: the server's.
        ids: source of session ids.
    """

    gate: Gate
    clock: Clock
    ids: Ids

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Any:
        """Answer one request."""
        request = Request(environ)
        request.max_content_length = _BODY_LIMIT
        try:
            endpoint, arguments = _ENDPOINTS.bind_to_environ(environ).match()
            self._check_key(request)
            response = getattr(self, "_" + endpoint)(request, **arguments)
        except NotAdmitted as refused:
            response = _error(refused.refusal, refused.status)
        except Refusal as refusal:
            response = _error(refusal, 400)
        except HTTPException as exc:
            unknown = Refusal(f"{exc.name} ({request.method} {request.path})")
            response = _error(unknown, exc.code or 500)
        return response(environ, start_response)

    def _check_key(self, request: Request) -> None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        key = Knock.of(request.path, headers).key
        self.gate.check_key(key, self.clock.now())

    def _client_secrets(self, request: Request) -> Response:
        body = _json(request)
        given = body.get("session", {"type": "realtime"})
        session_shapes.SESSION(given, "session")
        now = self.clock.now()
        expires_at = int(now + _lifetime(body.get("expires_after")))
        config = Configuration(given["type"], given.get("model") or "gpt-realtime")
        patch = {name: value for name, value in given.items() if name != "model"}
        config.update(patch, voice_fixed=False)
        value = self.gate.secrets.create(given, expires_at, now)
        session = {**config.shown(), "id": self.ids.new("sess"), "expires_at": 0}
        return _answer({"value": value, "expires_at": expires_at, "session": session})


def _lifetime(expires_after: Any) -> int:
    seconds = (expires_after or {}).get("seconds", DEFAULT_SECONDS)
    _SECONDS(seconds, "expires_after.seconds")
    return int(seconds)


def _json(request: Request) -> Mapping[str, Any]:
    if not request.get_data():
        return {}
    body = request.get_json(force=True, silent=True)
    if not isinstance(body, dict):
        raise invalid_json("Expected an object.")
    return body


def _answer(body: Mapping[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(body), status=status, mimetype="application/json")


def _error(refusal: Refusal, status: int) -> Response:
    details = refusal.event(None)["error"]
    del details["event_id"]
    return _answer({"error": details}, status)
