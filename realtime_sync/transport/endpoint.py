"""
Where to connect and how to say who you are.

An `Endpoint` is a value; its methods give the URL and the headers of one
connection or request. Which key may go where is decided in `credentials`.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Mapping
from typing import Any, Literal, Optional, Union
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from attrs import evolve, field, frozen

from ..errors import ConfigurationError
from ..types import Dialect
from .credentials import (
    OPENAI,
    Credentials,
    check_credentials_travel_safely,
    check_headers_for_credentials,
    checked_credentials_key,
    checked_query,
    checked_text,
    credentials_of_environment,
    credentials_variables,
    header_names_without_credentials,
    holds_credentials,
    merged_headers_with_credentials,
    organization_beside_credentials,
    subprotocols_with_credentials,
    vendor_of_credentials,
    withheld_credentials_variable,
)
from .proxies import split_url_for_proxy
from .redaction import redacted_query, redacted_url, remember_for_redaction

Key = Union[str, Callable[[], str], None]

AuthStyle = Literal["bearer", "api-key", "none"]

_OPENAI = "https://api.openai.com/v1"
_AZURE_PREVIEW = "2025-04-01-preview"
_VOICE_LIVE = "2026-07-15"
_SOCKET_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_HTTP_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_BETA_HEADER = ("OpenAI-Beta", "realtime=v1")


def _check_endpoint_url(endpoint: object, attribute: object, url: str) -> None:
    """Refuse what is no URL where it is given, whoever would parse it first."""
    if not isinstance(url, str):
        raise ConfigurationError(
            f"the server's URL must be text, not {type(url).__name__}"
        )
    try:
        split_url_for_proxy(url)
    except ValueError:
        raise ConfigurationError(
            "the server's URL is malformed: check host and port"
        ) from None


@frozen(kw_only=True)
class Endpoint:
    """
    A server that speaks the protocol.

    Attributes:
        url: ``http(s)://`` or ``ws(s)://``; for the default path shape the base
            that ``/realtime`` is added to.
        dialect: what the server speaks: ``"ga"`` or ``"beta"``, or these with
            a vendor's own wishes: ``"xai"``, ``"dashscope"``.
        auth: how the key is sent.
        key: the key, a callable asked at every connection, or None to go by
            the environment.
        headers: extra request headers.
        query: extra query parameters.
        model_parameter: name of the query parameter for the model.
        append_path: whether ``/realtime`` belongs behind the path of `url`.
        subprotocol_auth: send the key as a sub-protocol, as browsers must.
        key_variable: environment variable with the key for this machine.
    """

    url: str = field(
        repr=lambda url: repr(redacted_url(url)), validator=_check_endpoint_url
    )
    dialect: Dialect = "ga"
    auth: AuthStyle = "bearer"
    key: Key = field(default=None, repr=False)
    headers: Mapping[str, str] = field(
        factory=dict, repr=header_names_without_credentials
    )
    query: Mapping[str, str] = field(
        factory=dict, repr=lambda query: repr(redacted_query(query))
    )
    model_parameter: str = "model"
    append_path: bool = True
    subprotocol_auth: bool = False
    key_variable: Optional[str] = None

    @classmethod
    def openai(cls, base_url: Optional[str] = None, **changes: Any) -> Endpoint:
        """
        OpenAI, or the server that ``OPENAI_BASE_URL`` names.

        Args:
            base_url: another server that speaks as OpenAI does.
            **changes: any attribute of `Endpoint`.
        """
        url = base_url or os.environ.get("OPENAI_BASE_URL") or _OPENAI
        _check_endpoint_url(cls, None, url)
        headers = {**organization_beside_credentials(url), **changes.pop("headers", {})}
        return cls(url=url, headers=headers, **changes)

    @classmethod
    def azure(
        cls,
        resource: Optional[str] = None,
        deployment: Optional[str] = None,
        *,
        preview: Optional[bool] = None,
        api_version: Optional[str] = None,
        api_key: Key = None,
        token_provider: Optional[Callable[[], str]] = None,
    ) -> Endpoint:
        """
        Azure OpenAI.

        Args:
            resource: name of the resource, or a URL in any form that the portal
                shows; by default ``AZURE_OPENAI_ENDPOINT``. What its path and its
                query say (``/openai/v1``, ``deployment``, ``model``,
                ``api-version``) counts where no argument says it.
            deployment: name of the deployment, which takes the model's place.
            preview: the old API, which speaks the beta dialect; also chosen by
                ``api-version`` in the URL.
            api_version: of the preview API.
            api_key: by default ``AZURE_OPENAI_API_KEY``.
            token_provider: gives an Entra token, asked at every connection.

        Raises:
            ConfigurationError: no resource is given anywhere.
        """
        resource = resource or os.environ.get("AZURE_OPENAI_ENDPOINT")
        if not resource:
            raise ConfigurationError(
                "Endpoint.azure() needs a resource, or AZURE_OPENAI_ENDPOINT"
            )
        base, said = _azure_endpoint_parts(resource)
        deployment = deployment or said.get("deployment") or said.get("model")
        version = api_version or said.get("api-version")
        chosen: dict[str, Any] = {
            "auth": "bearer" if token_provider else "api-key",
            "key": token_provider or api_key,
            "key_variable": "AZURE_OPENAI_API_KEY",
        }
        # The GA path takes no version, and an old one takes the place of it.
        dated = (version or "").endswith("-preview")
        if preview or (preview is None and dated):
            query = {"api-version": version or _AZURE_PREVIEW}
            if deployment:
                query["deployment"] = deployment
            return cls(
                url=f"{base}/openai",
                dialect="beta",
                query=query,
                model_parameter="deployment",
                **chosen,
            )
        query = {"model": deployment} if deployment else {}
        return cls(url=f"{base}/openai/v1", query=query, **chosen)

    @classmethod
    def voice_live(
        cls,
        resource: Optional[str] = None,
        *,
        api_version: str = _VOICE_LIVE,
        api_key: Key = None,
        token_provider: Optional[Callable[[], str]] = None,
    ) -> Endpoint:
        """
        Azure Voice Live, which speaks the beta dialect and has events of its own.

        Args:
            resource: name of the resource, or its URL in any form that the portal
                shows; by default ``AZURE_VOICELIVE_ENDPOINT``.
            api_version: of the service.
            api_key: by default ``AZURE_VOICELIVE_API_KEY``.
            token_provider: gives an Entra token, asked at every connection.

        Raises:
            ConfigurationError: no resource is given anywhere.
        """
        resource = resource or os.environ.get("AZURE_VOICELIVE_ENDPOINT")
        if not resource:
            raise ConfigurationError(
                "Endpoint.voice_live() needs a resource, or AZURE_VOICELIVE_ENDPOINT"
            )
        base, said = _azure_endpoint_parts(
            resource, domain="services.ai.azure.com", ahead="voice-live"
        )
        return cls(
            url=f"{base}/voice-live",
            dialect="beta",
            query={"api-version": api_version, **said},
            auth="bearer" if token_provider else "api-key",
            key=token_provider or api_key,
            key_variable="AZURE_VOICELIVE_API_KEY",
        )

    @classmethod
    def xai(cls, *, api_key: Key = None) -> Endpoint:
        """
        xAI.

        Args:
            api_key: by default ``XAI_API_KEY``.
        """
        return cls(
            url="https://api.x.ai/v1",
            dialect="xai",
            key=api_key,
            key_variable="XAI_API_KEY",
        )

    @classmethod
    def dashscope(cls, *, api_key: Key = None, international: bool = True) -> Endpoint:
        """
        Alibaba Model Studio (Qwen-Omni).

        Args:
            api_key: by default ``DASHSCOPE_API_KEY``.
            international: False for the host in mainland China.
        """
        host = "dashscope-intl" if international else "dashscope"
        return cls(
            url=f"wss://{host}.aliyuncs.com/api-ws/v1",
            dialect="dashscope",
            key=api_key,
            key_variable="DASHSCOPE_API_KEY",
        )

    @classmethod
    def at(
        cls,
        url: str,
        *,
        headers: Optional[Mapping[str, str]] = None,
        dialect: Dialect = "ga",
        api_key: Key = None,
        exact: bool = False,
    ) -> Endpoint:
        """
        Any server that speaks the protocol.

        Args:
            url: its base, to which ``/realtime`` is added.
            headers: sent with every connection.
            dialect: what it speaks.
            api_key: None for a server that wants none.
            exact: take `url` as it is and add no path.
        """
        return cls(
            url=url,
            headers=dict(headers or {}),
            dialect=dialect,
            key=api_key,
            append_path=not exact,
        )

    def websocket_url(
        self,
        *,
        model: Optional[str] = None,
        session_type: str = "realtime",
        call_id: Optional[str] = None,
        fork_of: Optional[str] = None,
        extra_query: Optional[Mapping[str, str]] = None,
    ) -> str:
        """
        The URL of one connection.

        A live session has neither model nor call in its query: it is attached to, or
        forked, by its path. In all others a call, a transcription session and a model
        exclude each other: ``call_id`` and ``intent`` take no ``model``.

        Raises:
            ConfigurationError: the scheme is none that is known.
        """
        scheme, host, path, query = self._parts(_SOCKET_SCHEMES)
        if self.append_path:
            path = _endpoint_base_path(path)
            if session_type == "live":
                path += _live_endpoint_path(call_id, fork_of)
            else:
                path += "/realtime"
            if session_type == "translation":
                path += "/translations"
        purpose = _endpoint_query(self.model_parameter, model, session_type, call_id)
        if purpose and self.model_parameter not in purpose:
            query.pop("model", None)
        if session_type == "live":
            query.pop("model", None)
            query.pop(self.model_parameter, None)
        query.update(checked_query(purpose))
        query.update(checked_query(extra_query))
        return urlunsplit((scheme, host, path, urlencode(query), ""))

    def http_url(
        self, path: str, *, extra_query: Optional[Mapping[str, str]] = None
    ) -> str:
        """
        The URL of one REST request.

        Args:
            path: below the base, for example ``/realtime/client_secrets``.
            extra_query: further query parameters.

        Raises:
            ConfigurationError: the scheme is none that is known.
        """
        checked_text("the path of the request", path, spaces=False)
        scheme, host, base, query = self._parts(_HTTP_SCHEMES)
        for name in ("model", self.model_parameter):
            query.pop(name, None)
        query.update(checked_query(extra_query))
        return urlunsplit(
            (scheme, host, _endpoint_base_path(base) + path, urlencode(query), "")
        )

    def resolve_key(self, *, optional: bool = False) -> Optional[str]:
        """
        The key for a connection made now; None if there is none to send.

        Asks a callable key. Goes by the environment if no key was given; an
        empty one means none.

        Args:
            optional: a known vendor may go without, because the request has
                another way to say who it is.

        Raises:
            ConfigurationError: a known vendor needs a key and none is there,
                or no header can carry the key.
        """
        if self.auth == "none":
            return None
        # A provider that has nothing to give must not bring another key in.
        key = (self.key() or "") if callable(self.key) else self.key
        if key is None and not optional:
            key = credentials_of_environment(self.url, self.key_variable)
        if key:
            # Nothing is left of blanks, as of an empty one.
            key = checked_credentials_key(key)
        if key:
            return key
        vendor = vendor_of_credentials(self.url)
        if vendor is not None and vendor.needs_key and not optional:
            other = (
                "; a server that needs none, such as that of `realtime-sync serve`, is "
                f"named by base_url or {vendor.base_variable}"
                if vendor is OPENAI
                else ""
            )
            variables = " or ".join(credentials_variables(self.url))
            raise ConfigurationError(
                f"no key for {urlsplit(self.url).hostname}: "
                f"pass api_key or set {variables}{other}"
            )
        return None

    def credentials(
        self,
        url: str,
        *,
        dialect: str = "ga",
        extra_headers: Optional[Mapping[str, str]] = None,
        safety_identifier: Optional[str] = None,
        insecure: bool = False,
        proxy: Optional[str] = None,
    ) -> Credentials:
        """
        What one connection or request to a URL says about who makes it.

        Headers that the caller gave win over what is made here, however they
        are spelt; if they hold a key, the environment is not asked for one.

        Args:
            url: from `websocket_url` or `http_url`.
            dialect: the beta has a header of its own on WebSockets.
            extra_headers: sent besides those of the endpoint.
            safety_identifier: stable id of the end user.
            insecure: let a key leave this machine in clear text.
            proxy: on the way there, or None.

        Raises:
            ConfigurationError: there is no key where one is needed, it would
                travel in clear text, or a header is malformed.
        """
        socket = urlsplit(url).scheme in ("ws", "wss")
        given = {**self._login(), **self.headers, **(extra_headers or {})}
        check_headers_for_credentials(given)
        own = holds_credentials(given, url)
        key = self.resolve_key(optional=own)
        sent = own or key is not None
        if sent:
            check_credentials_travel_safely(url, insecure=insecure, proxy=proxy)
        made: dict[str, str] = {}
        if dialect == "beta" and socket:
            made.update([_BETA_HEADER])
        in_protocol = socket and self.subprotocol_auth
        if key and not in_protocol:
            made.update([self._key_header(key)])
        if safety_identifier:
            check_headers_for_credentials({"safety_identifier": safety_identifier})
            made["OpenAI-Safety-Identifier"] = safety_identifier
        return Credentials(
            headers=merged_headers_with_credentials(made, given),
            subprotocols=(
                subprotocols_with_credentials(key, dialect) if in_protocol else ()
            ),
            sent=sent,
            withheld=(
                None
                if sent
                else withheld_credentials_variable(self.url, self.key_variable)
            ),
        )

    def with_key(self, key: Key) -> Endpoint:
        """
        The same endpoint with another key.
        """
        return evolve(self, key=key)

    def _key_header(self, key: str) -> tuple[str, str]:
        if self.auth == "api-key":
            return "api-key", key
        return "Authorization", f"Bearer {key}"

    def _login(self) -> dict[str, str]:
        parts = urlsplit(self.url)
        if parts.username is None:
            return {}
        password = unquote(parts.password or "")
        remember_for_redaction(password)
        login = f"{unquote(parts.username)}:{password}".encode()
        return {"Authorization": f"Basic {base64.b64encode(login).decode()}"}

    def _parts(
        self, schemes: Mapping[str, str]
    ) -> tuple[str, str, str, dict[str, str]]:
        """Scheme, host with port, path and query of the base."""
        checked_text("the server's URL", self.url, spaces=False)
        parts = urlsplit(self.url)
        scheme = schemes.get(parts.scheme.lower())
        if scheme is None or not parts.hostname:
            raise ConfigurationError(
                f"{redacted_url(self.url)!r} is not a URL with a scheme of "
                "http, https, ws or wss"
            )
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        query.update(checked_query(self.query))
        host = parts.netloc.rpartition("@")[2]
        return scheme, host, parts.path.rstrip("/"), query


def _azure_endpoint_parts(
    resource: str, *, domain: str = "openai.azure.com", ahead: str = "openai"
) -> tuple[str, dict[str, str]]:
    """
    What comes before ``/openai``, and what path and query of a URL say.

    Args:
        resource: a name, a host, or any URL that the portal shows.
        domain: what a bare name is completed with.
        ahead: the step of the path that the base ends before.
    """
    if "://" not in resource:
        host, slash, rest = resource.partition("/")
        host = host if "." in host or ":" in host else f"{host}.{domain}"
        resource = f"https://{host}{slash}{rest}"
    try:
        scheme, host, path, query, _ = urlsplit(resource)
    except ValueError as exc:
        raise ConfigurationError(f"that is no URL: {redacted_url(resource)}") from exc
    said = dict(parse_qsl(query))
    steps = [step for step in path.split("/") if step]
    small = [step.lower() for step in steps]
    at = small.index(ahead) if ahead in small else len(steps)
    behind = [*small[at + 1 : at + 2], *steps[at + 2 :]]
    if behind[:1] == ["deployments"] and len(behind) > 1:
        said.setdefault("deployment", unquote(behind[1]))
    if behind[:1] == ["v1"]:
        said["api-version"] = "v1"
    elif behind[:1] == ["realtime"] and ahead == "openai":
        said.setdefault("api-version", _AZURE_PREVIEW)
    return urlunsplit((scheme, host, "/".join(["", *steps[:at]]), "", "")), said


def _endpoint_base_path(path: str) -> str:
    """The path that ``/realtime`` is added to, also if it is there already."""
    if path.endswith("/realtime/translations"):
        path = path.removesuffix("/translations")
    for step in ("/realtime", "/live/sessions", "/live"):
        path = path.removesuffix(step)
    return path


def _live_endpoint_path(call_id: Optional[str], fork_of: Optional[str]) -> str:
    """What of a live session is connected to: a new one, one that is, or a fork."""
    if call_id:
        return f"/live/sessions/{quote(call_id, safe='')}/attach"
    if fork_of:
        return f"/live/sessions/{quote(fork_of, safe='')}/fork"
    return "/live/sessions"


def _endpoint_query(
    model_parameter: str,
    model: Optional[str],
    session_type: str,
    call_id: Optional[str],
) -> dict[str, str]:
    if session_type == "live":
        return {"graceful_close": "true"} if call_id else {}
    if call_id:
        return {"call_id": call_id}
    if session_type == "transcription":
        return {"intent": "transcription"}
    return {model_parameter: model} if model else {}
