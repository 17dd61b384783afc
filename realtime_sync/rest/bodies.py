"""
Bodies of REST requests and answers, beyond what sessions have anyway.

What a client sends is checked when it is built; what a server answers is read
as leniently as an event: a field that does not fit is `UNSET`, and ``problems``
says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, Union

from attrs import evolve, field, fields_dict, frozen

from ..errors import ConfigurationError
from ..protocol.codec import Codec, to_mapping
from ..protocol.fields import MaybeInt, MaybeText, checked, required, secret
from ..protocol.lenient_structure import salvage_leniently
from ..protocol.sessions import (
    Expiry,
    RealtimeSession,
    SessionConfig,
    TranscriptionConfig,
    TranscriptionSession,
    TranslationConfig,
    TranslationSession,
)
from ..protocol.structure import Misfit, structure_hook_for
from ..types import UNSET, JsonObject, OrUnset, Unset

T = TypeVar("T")

Expires = Union[int, Expiry, Mapping[str, Any], Unset]
"""How long a key is good for: seconds, or the whole object."""

Configuration = Union[
    SessionConfig, TranscriptionConfig, TranslationConfig, Mapping[str, Any], Unset
]
"""A session's configuration: an object, or a mapping in either spelling."""

_KINDS: dict[type, str] = {
    SessionConfig: "realtime",
    TranscriptionConfig: "transcription",
    TranslationConfig: "translation",
}


@frozen(kw_only=True, slots=False)
class ClientSecretCreated:
    """
    A short-lived key, and the session that it stands for.

    Attributes:
        value: the key, to be used as ``connect(api_key=...)`` or handed to a
            browser. Secret: not in the repr.
        expires_at: when it stops opening sessions, in seconds since the epoch.
        session: the whole configuration, as the server completed it.
        raw: the decoded answer; holds the key.
        problems: what did not fit, one line each.
    """

    value: OrUnset[str] = secret(required=True)
    expires_at: OrUnset[int] = required()
    session: OrUnset[Union[RealtimeSession, TranscriptionSession]] = required()
    raw: Mapping[str, Any] = field(factory=dict, eq=False, repr=False)
    problems: tuple[str, ...] = field(default=(), eq=False, repr=False)


@frozen(kw_only=True, slots=False)
class TranslationClientSecretCreated:
    """
    A short-lived key for a translation session.

    Attributes:
        value: the key. Secret: not in the repr.
        expires_at: when it stops opening sessions, in seconds since the epoch.
        session: the whole configuration, as the server completed it.
        raw: the decoded answer; holds the key.
        problems: what did not fit, one line each.
    """

    value: OrUnset[str] = secret(required=True)
    expires_at: OrUnset[int] = required()
    session: OrUnset[TranslationSession] = required()
    raw: Mapping[str, Any] = field(factory=dict, eq=False, repr=False)
    problems: tuple[str, ...] = field(default=(), eq=False, repr=False)


@frozen(kw_only=True)
class CallCreated:
    """
    A WebRTC call that the server has taken up.

    Attributes:
        sdp: the SDP answer, for the caller's peer connection.
        call_id: for the sideband, ``connect(call_id=...)``, and for
            ``calls.hangup``; None if the server did not say it.
    """

    sdp: str
    call_id: Union[str, None] = None


@frozen(kw_only=True, slots=False, field_transformer=checked)
class ClientSecretRequest:
    """What ``client_secrets.create`` sends."""

    session: Union[SessionConfig, TranscriptionConfig, Unset] = UNSET
    expires_after: Union[Expiry, Unset] = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class TranslationClientSecretRequest:
    """What ``translations.client_secrets.create`` sends."""

    session: TranslationConfig
    expires_after: Union[Expiry, Unset] = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class CallRequest:
    """What ``calls.create`` sends, as parts of a form."""

    sdp: str
    session: Union[SessionConfig, Unset] = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class CallRejectRequest:
    """
    What ``calls.reject`` sends.

    Attributes:
        status_code: SIP status for the caller; the server's default is 603.
    """

    status_code: Union[int, Unset] = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class CallReferRequest:
    """
    What ``calls.refer`` sends.

    Attributes:
        target_uri: ``tel:`` or ``sip:`` URI of whom the caller is handed to.
    """

    target_uri: str


@frozen(kw_only=True, slots=False)
class SipHeader:
    """One header of a SIP INVITE; what it says is the caller's word only."""

    name: OrUnset[str] = required()
    value: OrUnset[str] = required()


@frozen(kw_only=True, slots=False)
class IncomingCall:
    """
    A call that waits to be accepted or rejected.

    Attributes:
        call_id: for `Calls.accept` and `Calls.reject`.
        sip_headers: of the INVITE, in order, repeated ones included; without
            those that carry credentials. Not to be trusted.
        sip_media_security: ``"srtp"`` or ``"rtp"``, if it is known.
    """

    call_id: OrUnset[str] = required()
    sip_headers: OrUnset[tuple[SipHeader, ...]] = required()
    sip_media_security: MaybeText = UNSET

    def header(self, name: str) -> Union[str, None]:
        """The first SIP header of that name, in whatever case; or None."""
        return header_of_body(self.sip_headers, name)


def header_of_body(
    headers: OrUnset[tuple[SipHeader, ...]], name: str
) -> Union[str, None]:
    """The first of some SIP headers of that name, in whatever case; or None."""
    for each in headers or ():
        if isinstance(each.name, str) and each.name.lower() == name.lower():
            return each.value or ""
    return None


@frozen(kw_only=True, slots=False)
class RealtimeCallIncoming:
    """
    Somebody calls: the webhook ``realtime.call.incoming``.

    Attributes:
        type: ``"realtime.call.incoming"``.
        id: of this event; a repeated delivery has the same.
        created_at: seconds since the epoch.
        data: the call.
        object: ``"event"``.
        raw: the decoded body.
        problems: what did not fit, one line each.
    """

    type: str = "realtime.call.incoming"
    id: OrUnset[str] = required()
    created_at: OrUnset[int] = required()
    data: OrUnset[IncomingCall] = required()
    object: MaybeText = UNSET
    raw: Mapping[str, Any] = field(factory=dict, eq=False, repr=False)
    problems: tuple[str, ...] = field(default=(), eq=False, repr=False)


@frozen(kw_only=True, slots=False)
class LiveSessionRef:
    """A live session, by its id."""

    id: OrUnset[str] = required()


@frozen(kw_only=True, slots=False)
class LiveTransport:
    """
    How a live session is connected.

    Attributes:
        type: ``"webrtc"``.
        sdp: the SDP answer.
    """

    type: OrUnset[str] = required()
    sdp: OrUnset[str] = required()


@frozen(kw_only=True, slots=False)
class LiveCreated:
    """
    A WebRTC session that has been started.

    Attributes:
        session: to attach to.
        transport: holds the SDP answer for the browser.
        raw: the decoded answer.
        problems: what did not fit, one line each.
    """

    session: OrUnset[LiveSessionRef] = required()
    transport: OrUnset[LiveTransport] = required()
    raw: Mapping[str, Any] = field(factory=dict, eq=False, repr=False)
    problems: tuple[str, ...] = field(default=(), eq=False, repr=False)

    @property
    def session_id(self) -> Union[str, None]:
        """The id of the session, None if the server did not say it."""
        return getattr(self.session, "id", None) or None

    @property
    def sdp(self) -> Union[str, None]:
        """The SDP answer, None if the server did not say it."""
        return getattr(self.transport, "sdp", None) or None


@frozen(kw_only=True, slots=False)
class IncomingTransport:
    """
    A call for GPT-Live that waits to be accepted or rejected.

    Attributes:
        session_id: for `LiveSessions.accept` and `LiveSessions.reject`.
        sip_headers: of the INVITE, in order, repeated ones included. Not to be
            trusted.
        sip_media_security: ``"srtp"``, ``"rtp"`` or ``"other"``, if it is known.
        type: ``"sip"``.
    """

    session_id: OrUnset[str] = required()
    sip_headers: OrUnset[tuple[SipHeader, ...]] = required()
    type: OrUnset[str] = required()
    sip_media_security: MaybeText = UNSET

    def header(self, name: str) -> Union[str, None]:
        """The first SIP header of that name, in whatever case; or None."""
        return header_of_body(self.sip_headers, name)


@frozen(kw_only=True, slots=False)
class IncomingLiveCall:
    """
    A call for GPT-Live, as the deprecated webhook tells of it.

    Attributes:
        session_id: for `LiveSessions.accept` and `LiveSessions.reject`.
        sip_headers: of the INVITE, in order, repeated ones included. Not to be
            trusted.
        sip_media_security: ``"srtp"``, ``"rtp"`` or ``"other"``, if it is known.
    """

    session_id: OrUnset[str] = required()
    sip_headers: OrUnset[tuple[SipHeader, ...]] = required()
    sip_media_security: MaybeText = UNSET

    def header(self, name: str) -> Union[str, None]:
        """The first SIP header of that name, in whatever case; or None."""
        return header_of_body(self.sip_headers, name)


@frozen(kw_only=True, slots=False)
class ConnectedTransport:
    """
    A WebRTC session that is there.

    Attributes:
        session_id: to attach to.
        type: ``"webrtc"``.
    """

    session_id: OrUnset[str] = required()
    type: OrUnset[str] = required()


@frozen(kw_only=True, slots=False)
class LiveTransportIncoming:
    """
    Somebody calls: the webhook ``live.transport.incoming``.

    The same call is announced as ``realtime.call.incoming``, with another id; who
    accepts first has it.

    Attributes:
        type: ``"live.transport.incoming"``.
        id: of this event; a repeated delivery has the same.
        created_at: seconds since the epoch.
        data: the call.
        object: ``"event"``.
        raw: the decoded body.
        problems: what did not fit, one line each.
    """

    type: str = "live.transport.incoming"
    id: OrUnset[str] = required()
    created_at: OrUnset[int] = required()
    data: OrUnset[IncomingTransport] = required()
    object: MaybeText = UNSET
    raw: Mapping[str, Any] = field(factory=dict, eq=False, repr=False)
    problems: tuple[str, ...] = field(default=(), eq=False, repr=False)


@frozen(kw_only=True, slots=False)
class LiveTransportConnected:
    """
    A WebRTC session has begun: the webhook ``live.transport.connected``.

    Attributes:
        type: ``"live.transport.connected"``.
        id: of this event; a repeated delivery has the same.
        created_at: seconds since the epoch.
        data: the session.
        object: ``"event"``.
        raw: the decoded body.
        problems: what did not fit, one line each.
    """

    type: str = "live.transport.connected"
    id: OrUnset[str] = required()
    created_at: OrUnset[int] = required()
    data: OrUnset[ConnectedTransport] = required()
    object: MaybeText = required()
    raw: Mapping[str, Any] = field(factory=dict, eq=False, repr=False)
    problems: tuple[str, ...] = field(default=(), eq=False, repr=False)


@frozen(kw_only=True, slots=False)
class LiveCallIncoming:
    """
    Somebody calls: the webhook ``live.call.incoming``, which is deprecated.

    Attributes:
        type: ``"live.call.incoming"``.
        id: of this event; a repeated delivery has the same.
        created_at: seconds since the epoch.
        data: the call.
        object: ``"event"``.
        raw: the decoded body.
        problems: what did not fit, one line each.
    """

    type: str = "live.call.incoming"
    id: OrUnset[str] = required()
    created_at: OrUnset[int] = required()
    data: OrUnset[IncomingLiveCall] = required()
    object: MaybeText = UNSET
    raw: Mapping[str, Any] = field(factory=dict, eq=False, repr=False)
    problems: tuple[str, ...] = field(default=(), eq=False, repr=False)


@frozen(kw_only=True, slots=False)
class WebhookEvent:
    """
    A webhook of another kind.

    Attributes:
        type: for example ``"response.completed"``.
        id: of this event; a repeated delivery has the same.
        created_at: seconds since the epoch.
        data: as it came.
        object: ``"event"``.
        raw: the decoded body.
        problems: what did not fit, one line each.
    """

    type: OrUnset[str] = required()
    id: MaybeText = UNSET
    created_at: MaybeInt = UNSET
    data: Any = UNSET
    object: MaybeText = UNSET
    raw: Mapping[str, Any] = field(factory=dict, eq=False, repr=False)
    problems: tuple[str, ...] = field(default=(), eq=False, repr=False)


def structured_body(cls: type[T], body: JsonObject, raw: JsonObject) -> T:
    """
    Read an answer into a class of ours, as far as it fits.

    Args:
        cls: one of the classes above, or a session.
        body: decoded JSON in the canonical shape.
        raw: the same as it came, kept if the class has room for it.
    """
    problems: list[str] = []
    known: Any = cls
    try:
        made = structure_hook_for(cls)(body, cls)
    except Misfit:
        made = salvage_leniently(cls, body, problems)
    if "raw" in fields_dict(known):
        made.__dict__.update(raw=raw, problems=tuple(problems))
    return made  # type: ignore[no-any-return]


def configured_body(
    config: Configuration,
    fields: Mapping[str, Any],
    *kinds: str,
) -> Any:
    """
    A configuration object from whatever a caller gave.

    Args:
        config: an object, a mapping in either dialect's spelling, or nothing.
        fields: the same field by field; they win.
        *kinds: types of session that are possible here, the usual one first.

    Raises:
        TypeError: there is no such field, or a value does not fit.
        ConfigurationError: a session of that type is not possible here.
    """
    if isinstance(config, Unset):
        body: dict[str, Any] = {}
    elif isinstance(config, Mapping) or type(config) in _KINDS:
        body = dict(to_mapping(config))
    else:
        raise TypeError(f"session must be a mapping, not {type(config).__name__}")
    body.update({name: each for name, each in fields.items() if each is not UNSET})
    kind = body.get("type") or _KINDS.get(type(config), kinds[0])
    if kind not in kinds:
        raise ConfigurationError(
            f"the session's type must be {' or '.join(kinds)} here, not {kind!r}"
        )
    if kind == "translation":
        body.pop("type", None)
    else:
        body["type"] = kind
    codec = Codec(session_type=kind)
    command: Any = codec.command(
        {"type": "session.update", "session": body}, strict=True
    )
    return command.session


def body_of_expiry(expires: Expires) -> Union[Expiry, Unset]:
    """
    How long a key is to be good for, as an object.

    Raises:
        TypeError: it is none of seconds, object, mapping.
    """
    if isinstance(expires, Unset):
        return expires
    if isinstance(expires, Mapping):
        expires = Expiry(**expires)
    if isinstance(expires, Expiry):
        # The beta insists on it, and there is but one.
        return evolve(expires, anchor=expires.anchor or "created_at")
    if isinstance(expires, bool) or not isinstance(expires, int):
        raise TypeError(
            f"expires_after must be whole seconds, not {type(expires).__name__}"
        )
    return Expiry(anchor="created_at", seconds=expires)
