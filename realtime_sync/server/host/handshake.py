"""
Who may come in, and to what: path, key, model and dialect of a new connection.
"""

from __future__ import annotations

import hmac
import re
from typing import Any, Mapping, Optional, Sequence
from urllib.parse import parse_qs, unquote, urlsplit

import attrs

from ..engine.beta_frames import unknown_to_beta_version
from ..engine.refusal import Refusal, refusal_choices
from .calls import HostedCalls
from .origin import AllowedOrigins, RequestOrigin, origin_refusal
from .secrets import EphemeralSecrets, digest_of_secret

_VOICE_LIVE_PATH = "/voice-live/realtime"
_AZURE_PATH = "/openai/realtime"
_BETA_PATHS = frozenset({_AZURE_PATH, _VOICE_LIVE_PATH})
"""Azure's, which speak the beta without being asked to."""
_REALTIME_PATHS = _BETA_PATHS | {"/v1/realtime", "/realtime", "/openai/v1/realtime"}
_TRANSLATION_PATHS = frozenset({"/v1/realtime/translations", "/realtime/translations"})
_LIVE_PATH = re.compile(
    r"(?:/v1|/openai/v1)?/live/sessions(?:/(?P<id>[^/]+)/(?P<how>attach|fork))?"
)
"""GPT-Live's, a protocol of its own: the model is named in the first frame."""
_KEY_PROTOCOL = "openai-insecure-api-key."
_BETA_PROTOCOL = "openai-beta.realtime-v1"
_INTENTS = ("realtime", "transcription")
_NOT_REALTIME = ("gpt-live-", "whisper-1")
DEFAULT_MODEL = "gpt-realtime-2.1"
UNAUTHORIZED, BAD_REQUEST = 3000, 4000
"""Close codes after an ``error``: a bad key, a bad request."""


class AdmissionRefused(Exception):
    """
    The connection is refused.

    Attributes:
        refusal: the error to tell.
        close_code: sent after it; None to answer the HTTP request instead.
        status: the HTTP status in that case.
        live: whether it is told as GPT-Live tells errors.
    """

    def __init__(
        self, refusal: Refusal, *, close_code: Optional[int] = None, status: int = 400
    ) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal
        self.close_code = close_code
        self.status = status
        self.live = False

    @property
    def reason(self) -> str:
        """The reason of the close frame: type and code of the error."""
        return f"{self.refusal.type}.{self.refusal.code or ''}".rstrip(".")[:123]


@attrs.frozen(kw_only=True)
class HandshakeRequest:
    """A request for a WebSocket, as far as it matters here."""

    path: str
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    protocols: Sequence[str]

    @classmethod
    def of(cls, target: str, headers: Mapping[str, str]) -> HandshakeRequest:
        """Read a request line's target and its headers (names in lower case)."""
        url = urlsplit(target)
        offered = headers.get("sec-websocket-protocol", "")
        return cls(
            path=url.path.rstrip("/"),
            query=parse_qs(url.query, keep_blank_values=True),
            headers=headers,
            protocols=[name.strip() for name in offered.split(",") if name.strip()],
        )

    def first(self, name: str) -> Optional[str]:
        """Return the first value of a query field."""
        values = self.query.get(name)
        return values[0] if values else None

    @property
    def key(self) -> Optional[str]:
        """The key, from wherever clients put it."""
        scheme, _, value = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and value.strip():
            return value.strip()
        for name in self.protocols:
            if name.startswith(_KEY_PROTOCOL):
                return name[len(_KEY_PROTOCOL) :]
        return self.headers.get("api-key") or self.headers.get("x-api-key")

    @property
    def api_version(self) -> Optional[str]:
        """The dated version of the beta, where the URL is one of Azure OpenAI."""
        return self.first("api-version") if self.path == _AZURE_PATH else None

    @property
    def is_live(self) -> bool:
        """Whether the client speaks GPT-Live."""
        return _LIVE_PATH.fullmatch(self.path) is not None

    @property
    def wants_beta(self) -> bool:
        """Whether the client asks for the beta dialect."""
        return (
            "realtime=v1" in self.headers.get("openai-beta", "")
            or _BETA_PROTOCOL in self.protocols
            or self.path in _BETA_PATHS
        )


@attrs.frozen(kw_only=True)
class Admission:
    """
    What a connection is admitted to.

    Attributes:
        dialect, session_type, model, config, call_id: what the client asked for.
        unsaid: events that the version it asked for does not have.
        attach, fork: the session of GPT-Live that it joins, or goes on from.
        graceful: whether a connection that joined one is closed with a handshake.
    """

    dialect: str
    session_type: str
    model: str
    config: Optional[Mapping[str, Any]] = None
    call_id: Optional[str] = None
    unsaid: frozenset[str] = frozenset()
    attach: Optional[str] = None
    fork: Optional[str] = None
    graceful: bool = False


@attrs.frozen(kw_only=True)
class HandshakeGate:
    """
    The rules of admission.

    Attributes:
        dialects: ``both``, ``ga`` or ``beta``.
        keys: keys that are accepted; None accepts every key, and none at all.
        models: models that are served; None serves every name.
        secrets: the ephemeral keys that this server has given out.
        calls: the calls there are.
        refuse_early: refuse with an HTTP status instead of a WebSocket error.
        allowed: the hosts and origins that are served beside loopback.
    """

    dialects: str
    keys: Optional[frozenset[str]]
    models: Optional[frozenset[str]]
    secrets: EphemeralSecrets
    calls: HostedCalls
    refuse_early: bool = False
    allowed: AllowedOrigins = AllowedOrigins()

    def check_caller(self, caller: RequestOrigin) -> None:
        """
        Refuse pages of other sites, before anything else is looked at.

        Raises:
            AdmissionRefused: the request's host or origin is foreign.
        """
        refused = origin_refusal(caller, self.allowed)
        if refused is not None:
            raise AdmissionRefused(Refusal(refused, code="forbidden"), status=403)

    def admit(self, knock: HandshakeRequest, now: float) -> Admission:
        """
        Decide about a connection.

        Raises:
            AdmissionRefused: it is refused.
        """
        live = _LIVE_PATH.fullmatch(knock.path)
        if live is None and knock.path not in _REALTIME_PATHS | _TRANSLATION_PATHS:
            refusal = Refusal(f"Invalid URL (GET {knock.path})", code="unknown_url")
            raise AdmissionRefused(refusal, status=404)
        try:
            if live is not None:
                return self._admit_live(knock, live, now)
            return self._admit(knock, now)
        except AdmissionRefused as refused:
            if self.refuse_early:
                refused.close_code = None
            raise

    def check_key(self, key: Optional[str], now: float) -> Optional[Mapping[str, Any]]:
        """
        Check a key; returns the session that an ephemeral one stands for.

        Raises:
            AdmissionRefused: it is missing, unknown or expired.
        """
        if key is not None and key.startswith("ek_"):
            session = self.secrets.session(key, now)
            if session is not None:
                return session
        elif self.keys is None or self._is_known(key):
            return None
        if key is None:
            refusal = Refusal("Missing bearer or basic authentication in header")
        else:
            shown = key[:3] + "***" if len(key) > 8 else "***"
            refusal = Refusal(
                f"Incorrect API key provided: {shown}.", code="invalid_api_key"
            )
        raise AdmissionRefused(refusal, close_code=UNAUTHORIZED, status=401)

    def _is_known(self, key: Optional[str]) -> bool:
        """Compare with every key, so that the time it takes tells nothing."""
        given = digest_of_secret(key or "")
        equal = [
            hmac.compare_digest(given, digest_of_secret(each))
            for each in self.keys or ()
        ]
        return key is not None and any(equal)

    def _admit(self, knock: HandshakeRequest, now: float) -> Admission:
        granted = self.check_key(knock.key, now)
        dialect = self._dialect(knock)
        intended = _session_type_of_handshake(knock.first("intent"))
        if knock.path in _TRANSLATION_PATHS:
            session_type = "translation"
        elif granted is not None:
            session_type = granted.get("type", "realtime")
        else:
            session_type = intended
        call_id = knock.first("call_id")
        if call_id is not None:
            granted = self._called(call_id)
        model = self._model(knock, session_type, granted, call_id)
        return Admission(
            dialect=dialect,
            session_type=session_type,
            model=model,
            config=granted,
            call_id=call_id,
            unsaid=unknown_to_beta_version(knock.api_version),
        )

    def _admit_live(
        self, knock: HandshakeRequest, path: "re.Match[str]", now: float
    ) -> Admission:
        if self.check_key(knock.key, now) is not None:
            raise _bad_handshake("Sessions of GPT-Live have no ephemeral keys.")
        session_id = path["id"] and unquote(path["id"])
        return Admission(
            dialect="ga",
            session_type="live",
            model="",
            attach=session_id if path["how"] == "attach" else None,
            fork=session_id if path["how"] == "fork" else None,
            graceful=knock.first("graceful_close") in ("true", "1"),
        )

    def _called(self, call_id: str) -> Mapping[str, Any]:
        """The session of an active call."""
        call = self.calls.find(call_id)
        if call is None or call.status != "active" or call.session is None:
            raise _bad_handshake(
                f"No active call with id '{call_id}' was found.", "call_not_found"
            )
        return call.session

    def _dialect(self, knock: HandshakeRequest) -> str:
        if self.dialects == "beta":
            return "beta"
        if not knock.wants_beta:
            return "ga"
        if self.dialects == "both":
            return "beta"
        raise _bad_handshake(
            "The Realtime Beta API is no longer supported. Please use /v1/realtime "
            "for the GA API.",
            "beta_api_shape_disabled",
        )

    def _model(
        self,
        knock: HandshakeRequest,
        session_type: str,
        granted: Optional[Mapping[str, Any]],
        call_id: Optional[str],
    ) -> str:
        model = knock.first("model") or knock.first("deployment")
        if session_type == "transcription":
            if model is not None:
                raise _bad_handshake(
                    "You must not provide a model parameter for transcription "
                    "sessions",
                    "invalid_model",
                )
            return ""
        model = model or (granted or {}).get("model")
        if not model:
            if call_id:
                return DEFAULT_MODEL
            raise _bad_handshake("You must provide a model parameter.", "missing_model")
        unsupported = self.models is not None and model not in self.models
        if unsupported or "transcribe" in model or model.startswith(_NOT_REALTIME):
            raise _bad_handshake(
                f'Model "{model}" is not supported in realtime mode.', "invalid_model"
            )
        return model


def _session_type_of_handshake(intent: Optional[str]) -> str:
    """The type of session that ``?intent=`` asks for."""
    if intent is None:
        return "realtime"
    if intent not in _INTENTS:
        choices = refusal_choices(_INTENTS)
        raise _bad_handshake(
            f"Invalid intent: '{intent}'. Supported intents are: {choices}.",
            "invalid_intent",
        )
    return intent


def _bad_handshake(message: str, code: Optional[str] = None) -> AdmissionRefused:
    return AdmissionRefused(Refusal(message, code=code), close_code=BAD_REQUEST)


_REFUSALS: Mapping[int, tuple[str, Optional[str]]] = {
    401: ("Incorrect API key provided: ***.", "invalid_api_key"),
    403: ("You may not use this.", "forbidden"),
    404: ("There is nothing here.", "not_found"),
    429: ("Rate limit reached.", "rate_limit_exceeded"),
    500: ("The server had an error.", "server_error"),
    503: ("The server is overloaded.", "server_overloaded"),
    UNAUTHORIZED: ("Incorrect API key provided: ***.", "invalid_api_key"),
    BAD_REQUEST: ('Model "x" is not supported in realtime mode.', "invalid_model"),
}


def handshake_refusal(status: int) -> AdmissionRefused:
    """Build the refusal with an HTTP status, or a close code above 1000."""
    message, code = _REFUSALS.get(status, ("Bad request.", None))
    refusal = Refusal(message, code=code)
    if status > 1000:
        return AdmissionRefused(refusal, close_code=status)
    return AdmissionRefused(refusal, status=status)


def handshake_protocol(knock: HandshakeRequest) -> Optional[str]:
    """Return the sub-protocol to answer with: ``realtime``, if it was offered."""
    return "realtime" if "realtime" in knock.protocols else None
