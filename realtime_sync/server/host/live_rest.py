"""
The REST side of GPT-Live: sessions without a socket of their own.
"""

from __future__ import annotations

import json
from typing import Any, Callable, Mapping, Optional

import attrs
from werkzeug.routing import Rule, RuleFactory, Submount
from werkzeug.wrappers import Request, Response

from ..engine.check import Rule as Shape
from ..engine.check import integer, record, tagged, text
from ..live import shapes
from .calls import sdp_answer_to_call
from .live import LiveSessions

_WEBRTC = tagged(
    "type",
    {
        "webrtc": record(
            {"type": text(), "sdp": text(minimum=1)}, required=("type", "sdp")
        )
    },
)
_REQUIRED = ("session", "transport")
_BODIES: Mapping[str, Shape] = {
    "create": record(
        {"session": shapes.MEDIA_SESSION, "transport": _WEBRTC}, required=_REQUIRED
    ),
    "fork": record(
        {"session": shapes.MEDIA_FORK, "transport": _WEBRTC}, required=("transport",)
    ),
    "accept": record({"session": shapes.ACCEPTED_SESSION}, required=("session",)),
    "reject": record({"status_code": integer(300, 699)}, required=("status_code",)),
    "refer": record({"target_uri": text(minimum=1)}, required=("target_uri",)),
}
"""What the body of an endpoint must look like; those that are not here have none."""


def live_rest_rules(prefix: str) -> RuleFactory:
    """Return the routes below a *prefix* such as ``/v1``."""

    def post(path: str, name: str) -> Rule:
        return Rule(path, methods=["POST"], endpoint="live_" + name)

    return Submount(
        prefix + "/live",
        [
            post("/sessions", "create"),
            *(
                post(f"/sessions/<session_id>/{name}", name)
                for name in ("fork", "accept", "reject", "refer", "hangup")
            ),
            Rule(
                "/sessions/<session_id>/content",
                methods=["GET"],
                endpoint="live_content",
            ),
        ],
    )


@attrs.frozen
class LiveRest:
    """
    Answers requests to the routes of GPT-Live. Called from many threads at once.

    Attributes:
        sessions: the sessions there are.
    """

    sessions: LiveSessions

    def answer(
        self,
        endpoint: str,
        body: Callable[[Request], Mapping[str, Any]],
        request: Request,
        session_id: Optional[str] = None,
    ) -> Response:
        """
        Answer one request.

        Args:
            endpoint: of the route.
            body: decodes the request's JSON.
            request: the request.
            session_id: of its path.

        Raises:
            AdmissionRefused: there is no such session.
            Refusal: the body is wrong, or the session does not allow it.
        """
        name = endpoint.partition("_")[2]
        given: Mapping[str, Any] = {}
        if name in _BODIES:
            given = body(request)
            _BODIES[name](given, "")
        respond: Callable[[Optional[str], Mapping[str, Any]], Response]
        respond = getattr(self, "_" + name)
        return respond(session_id, given)

    def _create(self, session_id: str, given: Mapping[str, Any]) -> Response:
        made = self.sessions.create(given["session"])
        return _live_rest_connected(made, given["transport"])

    def _fork(self, session_id: str, given: Mapping[str, Any]) -> Response:
        made = self.sessions.fork(session_id, given.get("session", {}))
        return _live_rest_connected(made, given["transport"])

    def _accept(self, session_id: str, given: Mapping[str, Any]) -> Response:
        self.sessions.accept(session_id, given["session"])
        return Response(status=200)

    def _reject(self, session_id: str, given: Mapping[str, Any]) -> Response:
        self.sessions.reject(session_id, given["status_code"])
        return Response(status=200)

    def _refer(self, session_id: str, given: Mapping[str, Any]) -> Response:
        self.sessions.refer(session_id)
        return Response(status=200)

    def _hangup(self, session_id: str, given: Mapping[str, Any]) -> Response:
        self.sessions.hang_up(session_id)
        return Response(status=200)

    def _content(self, session_id: str, given: Mapping[str, Any]) -> Response:
        return Response(
            self.sessions.recording(session_id), mimetype="application/binary"
        )


def _live_rest_connected(session_id: str, transport: Mapping[str, Any]) -> Response:
    body = {
        "session": {"id": session_id},
        "transport": {"type": "webrtc", "sdp": sdp_answer_to_call(transport["sdp"])},
    }
    return Response(json.dumps(body), status=201, mimetype="application/json")
