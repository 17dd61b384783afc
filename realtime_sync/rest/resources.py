"""
The REST side of a client: ``client.client_secrets``, ``client.calls`` and others.

Every method may be called from any thread, and blocks until the server has
answered; ``timeout`` is in seconds, for all attempts together, and by default
the client's (30 s).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from ..errors import ConfigurationError, RestError
from ..protocol.caller_checks import refuse_output_of_transcription
from ..protocol.codec import to_mapping
from ..protocol.dialects import BETA, lift_server_session
from ..types import UNSET, Timeout, Unset
from .bodies import (
    ClientSecretCreated,
    ClientSecretRequest,
    Configuration,
    Expires,
    TranslationClientSecretCreated,
    TranslationClientSecretRequest,
    body_of_expiry,
    configured_body,
    structured_body,
)
from .calls import TranslationCalls
from .http import HttpAnswer, Rest

Made = TypeVar("Made")
S = TypeVar("S", ClientSecretCreated, TranslationClientSecretCreated)

KINDS_MADE = {
    "realtime": ("/realtime/sessions", "expires_after"),
    "transcription": ("/realtime/transcription_sessions", "expires_at"),
}
"""Kind of session -> the path that makes one, and its field of the key's end."""


class _RestResource:
    """A namespace of requests of one client."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest


class ClientSecrets(_RestResource):
    """Short-lived keys, for browsers and for ``connect(api_key=...)``."""

    def create(
        self,
        *,
        session: Configuration = UNSET,
        expires_after: Expires = UNSET,
        timeout: Timeout = UNSET,
    ) -> ClientSecretCreated:
        """
        Make a short-lived key.

        Repeated after failures: a key too many does no harm.

        Args:
            session: what sessions opened with the key start with; of type
                ``"realtime"`` or ``"transcription"``.
            expires_after: seconds for which the key opens sessions, 10 to
                7200; 600 by default.
            timeout: see `realtime_sync.rest.resources`.

        Raises:
            RestError: the server refused, or there was no answer.
            TypeError: the configuration has no such field.
            ConfigurationError: a transcription session has no use for one.
        """
        config: Any = UNSET
        if session is not UNSET:
            config = configured_body(session, {}, "realtime", "transcription")
            if config.type == "transcription":
                refuse_output_of_transcription(config, modalities=True)
        body = ClientSecretRequest(
            session=config, expires_after=body_of_expiry(expires_after)
        )
        answer = self._rest.request(
            "POST",
            "/realtime/client_secrets",
            json=to_mapping(body),
            repeatable=True,
            timeout=timeout,
        )
        return _secret_resource_with_value(
            structured_body(ClientSecretCreated, *_lifted_resource(answer, inside=True))
        )


class Sessions(Generic[Made]):
    """
    Sessions of one kind made over REST, for their short-lived keys. Beta only.

    Args:
        rest: whose requests these are.
        kind: what they are for, see `KINDS_MADE`.
        made: class of the answer.
    """

    def __init__(self, rest: Rest, kind: str, made: type[Made]) -> None:
        self._rest = rest
        self._kind = kind
        self._made = made

    def create(
        self,
        *,
        session: Configuration = UNSET,
        expires_after: Expires = UNSET,
        timeout: Timeout = UNSET,
        **fields: Any,
    ) -> Made:
        """
        Make a session; its key is ``answer.client_secret.value``.

        Repeated after failures: a session too many does no harm.

        Args:
            session: its configuration, in either spelling.
            expires_after: seconds for which the key opens the session.
            timeout: see `realtime_sync.rest.resources`.
            **fields: the same as `session`, field by field.

        Raises:
            RestError: the server refused, or there was no answer.
            TypeError: the configuration has no such field.
        """
        path, expires = KINDS_MADE[self._kind]
        config = configured_body(session, fields, self._kind)
        body = _beta_body_of_resource(config, expires, expires_after)
        answer = self._rest.request(
            "POST", path, json=body, repeatable=True, timeout=timeout
        )
        return structured_body(self._made, *_lifted_resource(answer))


class TranslationClientSecrets(_RestResource):
    """Short-lived keys for translation sessions."""

    def create(
        self,
        *,
        session: Configuration,
        expires_after: Expires = UNSET,
        timeout: Timeout = UNSET,
    ) -> TranslationClientSecretCreated:
        """
        Make a short-lived key.

        Repeated after failures: a key too many does no harm.

        Args:
            session: what sessions opened with the key start with; must name
                the model.
            expires_after: seconds for which the key opens sessions, 10 to
                7200; 600 by default.
            timeout: see `realtime_sync.rest.resources`.

        Raises:
            RestError: the server refused, or there was no answer.
            ConfigurationError: there is no model.
            TypeError: the configuration has no such field.
        """
        config = configured_body(session, {}, "translation")
        if not getattr(config, "model", None):
            raise ConfigurationError("a translation session needs a model")
        body = TranslationClientSecretRequest(
            session=config, expires_after=body_of_expiry(expires_after)
        )
        answer = self._rest.request(
            "POST",
            "/realtime/translations/client_secrets",
            json=to_mapping(body),
            repeatable=True,
            timeout=timeout,
        )
        decoded = answer.decoded()
        return _secret_resource_with_value(
            structured_body(TranslationClientSecretCreated, decoded, decoded)
        )


class Translations(_RestResource):
    """
    The REST side of translation sessions.

    Attributes:
        client_secrets: short-lived keys.
        calls: WebRTC calls.
    """

    def __init__(self, rest: Rest) -> None:
        super().__init__(rest)
        self.client_secrets = TranslationClientSecrets(rest)
        self.calls = TranslationCalls(rest)


def _beta_body_of_resource(
    config: object, key: str, expires_after: Expires
) -> dict[str, Any]:
    body = BETA.lower_session(to_mapping(config))
    expires = body_of_expiry(expires_after)
    if not isinstance(expires, Unset):
        body["client_secret"] = {key: to_mapping(expires)}
    return body


def _lifted_resource(
    answer: HttpAnswer, *, inside: bool = False
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The answer with its session, or all of it, in the canonical shape; and raw."""
    raw = answer.decoded()
    if not inside:
        return lift_server_session(raw), raw
    session = raw.get("session")
    if not isinstance(session, Mapping):
        return raw, raw
    return {**raw, "session": lift_server_session(session)}, raw


def _secret_resource_with_value(secret: S) -> S:
    """
    Raises:
        RestError: the answer holds no key, so it is of no use.
    """
    if not isinstance(secret.value, str) or not secret.value:
        raise RestError("the server's answer holds no key")
    return secret
