"""
Where to connect and how to say who you are.

An `Endpoint` is a value; `Endpoint.address` turns it into the URL and headers
of one connection. Facts about vendors are rows in `VENDORS`.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Mapping
from typing import Any, Literal, Optional, Union
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from attrs import evolve, field, frozen

from .errors import ConfigurationError

Key = Union[str, Callable[[], str], None]

AuthStyle = Literal["bearer", "api-key", "none"]


@frozen(kw_only=True)
class Vendor:
    """
    What is known about one vendor's hosts.

    Attributes:
        hosts: host name endings that belong to the vendor.
        key_variable: environment variable that holds its key.
        needs_key: whether connecting without a key is pointless.
    """

    hosts: tuple[str, ...]
    key_variable: str
    needs_key: bool = True


VENDORS: tuple[Vendor, ...] = (
    Vendor(hosts=("api.openai.com",), key_variable="OPENAI_API_KEY"),
    Vendor(
        hosts=("openai.azure.com", "cognitiveservices.azure.com"),
        key_variable="AZURE_OPENAI_API_KEY",
    ),
    Vendor(hosts=("api.x.ai",), key_variable="XAI_API_KEY"),
    Vendor(
        hosts=("dashscope.aliyuncs.com", "dashscope-intl.aliyuncs.com"),
        key_variable="DASHSCOPE_API_KEY",
    ),
)

_OPENAI = "https://api.openai.com/v1"
_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_BETA_HEADER = ("OpenAI-Beta", "realtime=v1")


def _no_secrets(headers: Mapping[str, str]) -> str:
    return repr(sorted(headers))


@frozen(kw_only=True)
class Endpoint:
    """
    A server that speaks the protocol.

    Attributes:
        url: ``http(s)://`` or ``ws(s)://``; for the default path shape the base
            that ``/realtime`` is added to.
        dialect: what the server speaks: ``"ga"`` or ``"beta"``.
        auth: how the key is sent.
        key: the key, a callable asked at every connection, or None to go by
            the environment.
        headers: extra request headers.
        query: extra query parameters.
        model_parameter: name of the query parameter for the model.
        append_path: whether ``/realtime`` belongs behind the path of `url`.
        subprotocol_auth: send the key as a sub-protocol, as browsers must.
    """

    url: str
    dialect: Literal["ga", "beta"] = "ga"
    auth: AuthStyle = "bearer"
    key: Key = field(default=None, repr=False)
    headers: Mapping[str, str] = field(factory=dict, repr=_no_secrets)
    query: Mapping[str, str] = field(factory=dict)
    model_parameter: str = "model"
    append_path: bool = True
    subprotocol_auth: bool = False

    @classmethod
    def openai(cls, base_url: Optional[str] = None, **changes: Any) -> Endpoint:
        """
        OpenAI, or the server that ``OPENAI_BASE_URL`` names.
        """
        url = base_url or os.environ.get("OPENAI_BASE_URL") or _OPENAI
        return cls(url=url, headers=_organization(), **changes)

    @classmethod
    def azure(
        cls,
        resource: Optional[str] = None,
        deployment: Optional[str] = None,
        *,
        preview: bool = False,
        api_version: str = "2025-04-01-preview",
        api_key: Key = None,
        token_provider: Optional[Callable[[], str]] = None,
    ) -> Endpoint:
        """
        Azure OpenAI.

        Args:
            resource: name of the resource or its whole URL; by default
                ``AZURE_OPENAI_ENDPOINT``.
            deployment: name of the deployment, which takes the model's place.
            preview: the old API, which speaks the beta dialect.
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
        if "://" not in resource:
            resource = f"https://{resource}.openai.azure.com"
        base = resource.rstrip("/")
        chosen: dict[str, Any] = {
            "auth": "bearer" if token_provider else "api-key",
            "key": token_provider or api_key,
        }
        if preview:
            query = {"api-version": api_version}
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
    def xai(cls, *, api_key: Key = None) -> Endpoint:
        """
        xAI; the key is by default ``XAI_API_KEY``.
        """
        return cls(url="https://api.x.ai/v1", key=api_key)

    @classmethod
    def dashscope(cls, *, api_key: Key = None, international: bool = True) -> Endpoint:
        """
        Alibaba Model Studio (Qwen-Omni); by default ``DASHSCOPE_API_KEY``.
        """
        host = "dashscope-intl" if international else "dashscope"
        return cls(
            url=f"wss://{host}.aliyuncs.com/api-ws/v1", dialect="beta", key=api_key
        )

    @classmethod
    def at(
        cls,
        url: str,
        *,
        headers: Optional[Mapping[str, str]] = None,
        dialect: Literal["ga", "beta"] = "ga",
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
        extra_query: Optional[Mapping[str, str]] = None,
    ) -> str:
        """
        The URL of one connection.

        A call, a transcription session and a model exclude each other in the
        query (PROTOCOL of the service: ``call_id`` and ``intent`` take no
        model).

        Raises:
            ConfigurationError: the scheme is none that is known.
        """
        parts = urlsplit(self.url)
        scheme = _SCHEMES.get(parts.scheme.lower())
        if scheme is None or not parts.netloc:
            raise ConfigurationError(
                f"{_without_query(self.url)!r} is not a URL with a scheme of "
                "http, https, ws or wss"
            )
        path = parts.path.rstrip("/")
        if self.append_path and not path.endswith("/realtime"):
            path += "/realtime"
        if session_type == "translation" and not path.endswith("/translations"):
            path += "/translations"
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        query.update(self.query)
        query.update(_purpose(self.model_parameter, model, session_type, call_id))
        query.update(extra_query or {})
        return urlunsplit((scheme, parts.netloc, path, urlencode(query), ""))

    def resolve_key(self) -> Optional[str]:
        """
        The key for a connection made now.

        Raises:
            ConfigurationError: a known vendor needs a key and none is there.
        """
        if self.auth == "none":
            return None
        key = self.key() if callable(self.key) else self.key
        if key:
            return key
        vendor = vendor_of(self.url)
        variable = vendor.key_variable if vendor else "OPENAI_API_KEY"
        key = os.environ.get(variable)
        if key and (vendor is not None or _environment_may_send_to(self.url)):
            return key
        if vendor is not None and vendor.needs_key:
            raise ConfigurationError(
                f"no key for {urlsplit(self.url).hostname}: "
                f"pass api_key or set {variable}"
            )
        return None

    def request_headers(
        self,
        key: Optional[str],
        *,
        dialect: str = "ga",
        extra: Optional[Mapping[str, str]] = None,
        safety_identifier: Optional[str] = None,
    ) -> dict[str, str]:
        """
        Headers of one connection, the key included.
        """
        headers: dict[str, str] = {}
        if dialect == "beta":
            headers.update([_BETA_HEADER])
        if key and not self.subprotocol_auth:
            if self.auth == "api-key":
                headers["api-key"] = key
            else:
                headers["Authorization"] = f"Bearer {key}"
        if safety_identifier:
            headers["OpenAI-Safety-Identifier"] = safety_identifier
        headers.update(self.headers)
        headers.update(extra or {})
        return headers

    def subprotocols(self, key: Optional[str], *, dialect: str = "ga") -> list[str]:
        """
        Sub-protocols to offer; empty unless the key travels in one.
        """
        if not self.subprotocol_auth:
            return []
        offered = ["realtime"]
        if key:
            offered.append(f"openai-insecure-api-key.{key}")
        if dialect == "beta":
            offered.append("openai-beta.realtime-v1")
        return offered

    def with_key(self, key: Key) -> Endpoint:
        """
        The same endpoint with another key.
        """
        return evolve(self, key=key)


def check_key_may_travel(url: str, *, explicit: bool, insecure: bool) -> None:
    """
    Refuse to send an explicit key in clear text to another machine.

    Raises:
        ConfigurationError: the URL is ``ws://`` and not loopback.
    """
    parts = urlsplit(url)
    if parts.scheme == "ws" and explicit and not insecure and not is_loopback(url):
        raise ConfigurationError(
            f"the key would go to {parts.hostname} in clear text; "
            "use wss://, or insecure=True if that is really wanted"
        )


def vendor_of(url: str) -> Optional[Vendor]:
    """
    The vendor that a URL's host belongs to, or None.
    """
    host = (urlsplit(url).hostname or "").lower()
    for vendor in VENDORS:
        if any(host == name or host.endswith("." + name) for name in vendor.hosts):
            return vendor
    return None


def is_loopback(url: str) -> bool:
    """
    Whether a URL stays on this machine.
    """
    host = (urlsplit(url).hostname or "").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _environment_may_send_to(url: str) -> bool:
    """
    A key from the environment goes to loopback, or to the host that the
    environment itself names, and nowhere else.
    """
    named = os.environ.get("OPENAI_BASE_URL")
    if named and urlsplit(named).hostname == urlsplit(url).hostname:
        return True
    return is_loopback(url)


def _organization() -> dict[str, str]:
    headers = {
        "OpenAI-Organization": os.environ.get("OPENAI_ORG_ID"),
        "OpenAI-Project": os.environ.get("OPENAI_PROJECT_ID"),
    }
    return {name: value for name, value in headers.items() if value}


def _purpose(
    model_parameter: str,
    model: Optional[str],
    session_type: str,
    call_id: Optional[str],
) -> dict[str, str]:
    if call_id:
        return {"call_id": call_id}
    if session_type == "transcription":
        return {"intent": "transcription"}
    return {model_parameter: model} if model else {}


def _without_query(url: str) -> str:
    return url.partition("?")[0]
