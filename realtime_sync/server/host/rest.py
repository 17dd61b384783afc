"""
The REST side of the server: ephemeral keys, calls, sessions of GPT-Live.
"""

from __future__ import annotations

import json
from typing import Any, Callable, Collection, Mapping, Optional

import attrs
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule, Submount
from werkzeug.wrappers import Request, Response

from ...protocol.dialects import BETA
from ...transport.logs import area_logger
from ..clock import Clock
from ..engine import beta_shapes, ga_shapes, session_shapes
from ..engine.beta_frames import beta_fields
from ..engine.check import integer, text
from ..engine.client_json import decoded_client_json
from ..engine.configuration import EngineConfiguration
from ..engine.ids import Ids
from ..engine.refusal import Refusal, refuse_invalid_json, refuse_missing
from .calls import HostedCall, HostedCalls, sdp_answer_to_call
from .handshake import AdmissionRefused, HandshakeGate, HandshakeRequest
from .listener import CALLER
from .live import LiveSessions
from .live_rest import LiveRest, live_rest_rules
from .origin import origin_body_refusal
from .secrets import DEFAULT_SECONDS

_log = area_logger("realtime_sync.server")
_BODY_LIMIT = 1 << 20
_SECONDS = integer(10, 7200)
_STATUS_CODE = integer(100, 699)
_TEXT = text(minimum=1)
_JSON_ONLY = ("application/json",)
_BODIES: Mapping[str, Collection[str]] = {
    "create_call": ("application/sdp", "multipart/form-data"),
}
"""The media types of an endpoint's body, where that is not JSON."""


def _post_rule_of_rest(path: str, endpoint: str) -> Rule:
    return Rule(path, methods=["POST"], endpoint=endpoint)


_PREFIXES = ("/v1", "", "/openai/v1")
_ENDPOINTS = Map(
    [
        Submount(
            prefix + "/realtime",
            [
                _post_rule_of_rest("/client_secrets", "client_secrets"),
                _post_rule_of_rest(
                    "/translations/client_secrets", "translation_secrets"
                ),
                _post_rule_of_rest("/sessions", "beta_sessions"),
                _post_rule_of_rest(
                    "/transcription_sessions", "beta_transcription_sessions"
                ),
                _post_rule_of_rest("/calls", "create_call"),
                _post_rule_of_rest("/calls/<call_id>/accept", "accept_call"),
                _post_rule_of_rest("/calls/<call_id>/reject", "reject_call"),
                _post_rule_of_rest("/calls/<call_id>/refer", "refer_call"),
                _post_rule_of_rest("/calls/<call_id>/hangup", "hang_up_call"),
            ],
        )
        for prefix in _PREFIXES
    ]
    + [live_rest_rules(prefix) for prefix in _PREFIXES]
)


@attrs.define(eq=False)
class HostRest:
    """
    The WSGI application beside the WebSocket. Called from many threads at once.

    Attributes:
        gate: knows keys and hands out ephemeral ones.
        clock: the server's.
        ids: source of session ids.
        calls: the calls there are.
        hung_up: called with the id of a call that a client ended.
        live: the sessions of GPT-Live.
    """

    gate: HandshakeGate
    clock: Clock
    ids: Ids
    calls: HostedCalls
    hung_up: Callable[[str], None]
    live: LiveSessions

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Any:
        """Answer one request."""
        request = Request(environ)
        request.max_content_length = _BODY_LIMIT
        try:
            self.gate.check_caller(environ[CALLER])
            endpoint, arguments = _ENDPOINTS.bind_to_environ(environ).match()
            _check_rest_body(request, _BODIES.get(endpoint, _JSON_ONLY))
            self._check_key(request)
            if endpoint.startswith("live_"):
                live = LiveRest(self.live)
                response = live.answer(endpoint, _rest_json, request, **arguments)
            else:
                response = getattr(self, "_" + endpoint)(request, **arguments)
        except AdmissionRefused as refused:
            response = _rest_error(refused.refusal, refused.status)
        except Refusal as refusal:
            response = _rest_error(refusal, 400)
        except HTTPException as exc:
            unknown = Refusal(f"{exc.name} ({request.method} {request.path})")
            response = _rest_error(unknown, exc.code or 500)
        except Exception:
            # Should never run: what went wrong here is nothing to show a client.
            _log.exception("! a request could not be answered")
            response = _rest_error(Refusal("The server had an error."), 500)
        return response(environ, start_response)

    def _check_key(self, request: Request) -> None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        key = HandshakeRequest.of(request.path, headers).key
        self.gate.check_key(key, self.clock.now())

    # -- ephemeral keys --------------------------------------------------------

    def _client_secrets(self, request: Request) -> Response:
        body = _rest_json(request)
        given = body.get("session", {"type": "realtime"})
        session_shapes.SESSION(given, "session")
        return self._ga_secret(given, body.get("expires_after"))

    def _translation_secrets(self, request: Request) -> Response:
        body = _rest_json(request)
        if "session" not in body:
            raise refuse_missing("session")
        ga_shapes.TRANSLATION_SESSION(body["session"], "session")
        given = {**body["session"], "type": "translation"}
        return self._ga_secret(given, body.get("expires_after"))

    def _ga_secret(self, given: Mapping[str, Any], expires_after: object) -> Response:
        session = self._effective(given)
        value, expires_at = self._secret(given, expires_after)
        return _rest_answer(
            {"value": value, "expires_at": expires_at, "session": session}
        )

    def _beta_sessions(self, request: Request) -> Response:
        body = _rest_json(request)
        beta_shapes.SESSION(body, "")
        return self._beta_secret(body, "realtime", "expires_after")

    def _beta_transcription_sessions(self, request: Request) -> Response:
        body = _rest_json(request)
        beta_shapes.TRANSCRIPTION_SESSION(body, "")
        return self._beta_secret(body, "transcription", "expires_at")

    def _beta_secret(
        self, body: Mapping[str, Any], session_type: str, lifetime: str
    ) -> Response:
        asked = {n: v for n, v in body.items() if n != "client_secret"}
        update = {"type": "session.update", "session": {**asked, "type": session_type}}
        given = BETA.lift_client(update)["session"]
        value, expires_at = self._secret(
            given, (body.get("client_secret") or {}).get(lifetime)
        )
        effective = self._effective(given, "beta")
        created = beta_fields({"type": "session.created", "session": effective})
        said = BETA.lower_server(created)
        session = effective if said is None else said["session"]
        secret = {"value": value, "expires_at": expires_at}
        return _rest_answer({**session, "client_secret": secret})

    def _effective(
        self, given: Mapping[str, Any], dialect: str = "ga"
    ) -> dict[str, Any]:
        """The session that a key stands for, complete."""
        default = "" if given["type"] == "transcription" else "gpt-realtime-2.1"
        config = EngineConfiguration(
            given["type"], str(given.get("model") or default), dialect, given
        )
        return {**config.shown(), "id": self.ids.new("sess"), "expires_at": 0}

    def _secret(
        self, given: Mapping[str, Any], expires_after: object
    ) -> tuple[str, int]:
        now = self.clock.now()
        expires_at = int(now + _rest_secret_lifetime(expires_after))
        return self.gate.secrets.create(given, expires_at, now), expires_at

    # -- calls -----------------------------------------------------------------

    def _create_call(self, request: Request) -> Response:
        offer, session = _rest_offer(request)
        if not offer.strip():
            raise refuse_missing("sdp")
        if session is not None:
            session_shapes.SESSION(session, "session")
            self._effective(session)
        call = self.calls.create(session or {"type": "realtime"}, "active")
        response = Response(
            sdp_answer_to_call(offer), status=201, content_type="application/sdp"
        )
        response.headers["Location"] = f"/v1/realtime/calls/{call.id}"
        return response

    def _accept_call(self, request: Request, call_id: str) -> Response:
        body = _rest_json(request)
        call = self._call(call_id, "ringing")
        session_shapes.SESSION(body, "")
        self._effective(body)
        self.calls.change(call, "active", session=body)
        return Response(status=200)

    def _reject_call(self, request: Request, call_id: str) -> Response:
        code = _rest_json(request).get("status_code", 603)
        _STATUS_CODE(code, "status_code")
        self.calls.change(self._call(call_id, "ringing"), "rejected", detail=code)
        return Response(status=200)

    def _refer_call(self, request: Request, call_id: str) -> Response:
        body = _rest_json(request)
        if "target_uri" not in body:
            raise refuse_missing("target_uri")
        _TEXT(body["target_uri"], "target_uri")
        call = self._call(call_id, "active")
        self.calls.change(call, "referred", detail=body["target_uri"])
        return Response(status=200)

    def _hang_up_call(self, request: Request, call_id: str) -> Response:
        self.calls.change(self._call(call_id), "ended")
        self.hung_up(call_id)
        return Response(status=200)

    def _call(self, call_id: str, status: Optional[str] = None) -> HostedCall:
        call = self.calls.find(call_id)
        if call is None:
            refusal = Refusal(
                f"No call with id '{call_id}' was found.", code="call_not_found"
            )
            raise AdmissionRefused(refusal, status=404)
        if status not in (None, call.status):
            raise Refusal(f"The call is {call.status}, not {status}.")
        return call


def _check_rest_body(request: Request, taken: Collection[str]) -> None:
    chunked = "Transfer-Encoding" in request.headers
    has_body = chunked or bool(request.content_length)
    refused = origin_body_refusal(request.mimetype, has_body, taken)
    if refused is not None:
        raise AdmissionRefused(Refusal(refused, code="forbidden"), status=403)


def _rest_secret_lifetime(expires_after: object) -> int:
    if not isinstance(expires_after, dict):
        return DEFAULT_SECONDS
    seconds = expires_after.get("seconds", DEFAULT_SECONDS)
    _SECONDS(seconds, "expires_after.seconds")
    return int(seconds)


def _rest_offer(request: Request) -> tuple[str, Optional[dict[str, Any]]]:
    """The SDP offer and the session of a request: multipart, or the bare offer."""
    if request.mimetype != "multipart/form-data":
        return request.get_data(as_text=True), None
    fields = {name: value for name, value in request.form.items()}
    for name, upload in request.files.items():
        fields[name] = upload.read().decode("utf-8", "replace")
    if "session" not in fields:
        return fields.get("sdp", ""), None
    return fields.get("sdp", ""), decoded_client_json(fields["session"])


def _rest_json(request: Request) -> Mapping[str, Any]:
    data = request.get_data()
    if not data:
        return {}
    body = decoded_client_json(data)
    if not isinstance(body, dict):
        raise refuse_invalid_json("Expected an object.")
    return body


def _rest_answer(body: Mapping[str, Any]) -> Response:
    return Response(json.dumps(body), mimetype="application/json")


def _rest_error(refusal: Refusal, status: int) -> Response:
    details = refusal.event(None)["error"]
    del details["event_id"]
    body = json.dumps({"error": details})
    return Response(body, status=status, mimetype="application/json")
