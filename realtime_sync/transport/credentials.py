"""
Which key may go where, and in what shape.

Facts about vendors are rows in `VENDORS`. A key from the environment goes to
its vendor's hosts, to the host that the vendor's base URL variable names, and
to this machine; nowhere else. No key goes to another machine in clear text.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, Optional
from urllib.parse import parse_qsl, urlsplit

from attrs import field, frozen

from ..errors import ConfigurationError
from ..protocol.escape import terminal_text
from .proxies import is_loopback
from .redaction import PLAIN_PARAMETERS, remember_for_redaction

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@frozen(kw_only=True)
class CredentialsVendor:
    """
    What is known about one vendor's hosts.

    Attributes:
        name: as the table of servers has it.
        hosts: host name endings that belong to the vendor.
        key_variable: environment variable that holds its key.
        base_variable: environment variable that names a server which gets the
            vendor's key as well, or None.
        needs_key: whether connecting without a key is pointless.
    """

    name: str
    hosts: tuple[str, ...]
    key_variable: str
    base_variable: Optional[str] = None
    needs_key: bool = True

    def owns(self, url: str) -> bool:
        """Whether a URL's host is the vendor's."""
        host = _host_for_credentials(url)
        return any(host == name or host.endswith("." + name) for name in self.hosts)

    def is_sent_to(self, url: str) -> bool:
        """Whether the environment wants the vendor's key to go to a URL's host."""
        named = os.environ.get(self.base_variable) if self.base_variable else None
        return self.owns(url) or bool(
            named and _host_for_credentials(named) == _host_for_credentials(url)
        )


OPENAI = CredentialsVendor(
    name="OpenAI",
    hosts=("api.openai.com",),
    key_variable="OPENAI_API_KEY",
    base_variable="OPENAI_BASE_URL",
)
VENDORS: tuple[CredentialsVendor, ...] = (
    OPENAI,
    CredentialsVendor(
        name="Azure OpenAI",
        hosts=(
            "openai.azure.com",
            "openai.azure.us",
            "cognitiveservices.azure.com",
            "services.ai.azure.com",
        ),
        key_variable="AZURE_OPENAI_API_KEY",
        base_variable="AZURE_OPENAI_ENDPOINT",
    ),
    CredentialsVendor(
        name="Azure Voice Live",
        hosts=("services.ai.azure.com", "cognitiveservices.azure.com"),
        key_variable="AZURE_VOICELIVE_API_KEY",
        base_variable="AZURE_VOICELIVE_ENDPOINT",
    ),
    CredentialsVendor(name="xAI", hosts=("api.x.ai",), key_variable="XAI_API_KEY"),
    CredentialsVendor(
        name="DashScope, Qwen-Omni",
        hosts=("dashscope.aliyuncs.com", "dashscope-intl.aliyuncs.com"),
        key_variable="DASHSCOPE_API_KEY",
    ),
)

_SECRET_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "api-key", "x-api-key", "cookie"}
)
_SECRET_NAME = re.compile("auth|key|token|secret|cookie|password", re.IGNORECASE)
"""In the name of a header whose value is never shown."""
_SECRET_PARAMETERS = frozenset(
    {"api-key", "api_key", "apikey", "key", "token", "access_token", "authorization"}
)


def header_names_without_credentials(headers: Mapping[str, str]) -> str:
    """Headers as a repr may show them."""
    return repr(sorted(headers))


@frozen(kw_only=True)
class Credentials:
    """
    How one connection or request says who it is.

    Attributes:
        headers: all of its own headers, the key included.
        subprotocols: sub-protocols to offer; empty unless the key is in one.
        sent: whether a key is among them, or in the URL.
        withheld: environment variable with a key that this server does not get.
    """

    headers: Mapping[str, str] = field(repr=header_names_without_credentials)
    subprotocols: tuple[str, ...] = field(default=(), repr=False)
    sent: bool = False
    withheld: Optional[str] = None

    @property
    def advice(self) -> str:
        """What to do when the server refuses them."""
        if self.sent:
            return "check the api_key"
        if self.withheld is None:
            return "no key was sent: pass api_key"
        return (
            f"no key was sent: {self.withheld} does not go to this host, pass api_key"
        )


def vendor_of_credentials(url: str) -> Optional[CredentialsVendor]:
    """
    The vendor that a URL's host belongs to, or None.
    """
    return next((vendor for vendor in VENDORS if vendor.owns(url)), None)


def credentials_variables(url: str) -> list[str]:
    """
    The environment variables whose keys may go to a URL's host.
    """
    return [vendor.key_variable for vendor in VENDORS if vendor.owns(url)]


def credentials_of_environment(
    url: str, variable: Optional[str] = None
) -> Optional[str]:
    """
    The key that the environment has for a server.

    Args:
        url: of the server.
        variable: where to look first, and where the key for a server on this
            machine is.
    """
    for vendor in sorted(VENDORS, key=lambda each: each.key_variable != variable):
        key = os.environ.get(vendor.key_variable)
        if key and vendor.is_sent_to(url):
            return key
    if is_loopback(url):
        return os.environ.get(variable or OPENAI.key_variable) or None
    return None


def withheld_credentials_variable(
    url: str, variable: Optional[str] = None
) -> Optional[str]:
    """
    The environment variable with a key that does not go to this server, if any.
    """
    name = variable or OPENAI.key_variable
    return (
        name
        if os.environ.get(name) and not credentials_of_environment(url, name)
        else None
    )


def checked_credentials_key(key: object) -> str:
    """
    A key as it can be sent.

    Raises:
        ConfigurationError: it is no text, or no header can carry it. The
            message does not hold the key.
    """
    if not isinstance(key, str):
        raise ConfigurationError(f"the key must be text, not {type(key).__name__}")
    key = key.strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigurationError(
            "the key holds characters that no header can carry; "
            "was more read from a file than the key?"
        )
    remember_for_redaction(key)
    return key


def check_headers_for_credentials(headers: Mapping[str, Any]) -> None:
    """
    Refuse headers that would break the request, and remember secret ones.

    Raises:
        ConfigurationError: names the header; its value may be secret.
    """
    for name, value in headers.items():
        if not isinstance(value, str):
            raise ConfigurationError(
                f"header {name!r} must be text, not {type(value).__name__}"
            )
        if not _HEADER_NAME.fullmatch(name):
            raise ConfigurationError(f"header {name!r} has no name of a header")
        try:
            checked_text(f"header {name!r}", value).encode("latin-1")
        except UnicodeEncodeError:
            raise ConfigurationError(
                f"header {name!r} holds characters that no header can carry"
            ) from None
        if _SECRET_NAME.search(name):
            for part in re.split(r"[\s;,]+", value):
                remember_for_redaction(part)
                remember_for_redaction(part.partition("=")[2])


def checked_text(what: str, text: object, *, spaces: bool = True) -> str:
    """
    Text that may stand in a request.

    Args:
        what: is named by the message; the text may be secret.
        text: a header's value, or a part of a URL.
        spaces: whether spaces and tabs may be in it.

    Raises:
        ConfigurationError: it is no text, or holds controls, line breaks or
            halves of surrogate pairs.
    """
    if not isinstance(text, str):
        raise ConfigurationError(f"{what} must be text, not {type(text).__name__}")
    refused = {"\n"} if spaces else {"\n", "\t", " "}
    if terminal_text(text) != text or refused & set(text):
        raise ConfigurationError(
            f"{what} holds a line break or another character that no request can carry"
        )
    return text


def checked_query(query: Optional[Mapping[str, Any]]) -> Mapping[str, Any]:
    """
    Parameters that may stand in a URL; numbers are taken as they are.

    Raises:
        ConfigurationError: names the parameter; its value may be secret.
    """
    for name, value in (query or {}).items():
        checked_text("the name of a query parameter", name)
        checked_text(f"query parameter {name!r}", str(value))
    return query or {}


def holds_credentials(headers: Iterable[str], url: str) -> bool:
    """
    Whether headers (by name) or a URL carry a key of their own.
    """
    parts = urlsplit(url)
    found = False
    for name, value in parse_qsl(parts.query):
        if name not in PLAIN_PARAMETERS:
            remember_for_redaction(value)  # A vendor's may be a key under any name.
        found = found or name.lower() in _SECRET_PARAMETERS
    return found or any(name.lower() in _SECRET_HEADERS for name in headers)


def check_credentials_travel_safely(
    url: str, *, insecure: bool, proxy: Optional[str]
) -> None:
    """
    Refuse to send a key in clear text to another machine.

    Args:
        url: where the key is to go.
        insecure: the caller wants it all the same.
        proxy: on the way there, or None.

    Raises:
        ConfigurationError: the URL is not encrypted, and leaves this machine.
    """
    encrypted = urlsplit(url).scheme in ("wss", "https")
    stays = is_loopback(url) and (proxy is None or is_loopback(proxy))
    if not encrypted and not stays and not insecure:
        raise ConfigurationError(
            f"the key would go to {_host_for_credentials(url)} in clear text; use "
            "wss:// or https://, or insecure=True if that is really wanted"
        )


def merged_headers_with_credentials(
    made: Mapping[str, str], given: Mapping[str, str]
) -> dict[str, str]:
    """Headers of both; of one name, in any case, the last one given."""
    merged: dict[str, tuple[str, str]] = {}
    for name, value in (*made.items(), *given.items()):
        merged[name.lower()] = (name, value)
    return dict(merged.values())


def subprotocols_with_credentials(key: Optional[str], dialect: str) -> tuple[str, ...]:
    """Sub-protocols to offer when the key travels in one."""
    offered = ["realtime"]
    if key:
        offered.append(f"openai-insecure-api-key.{key}")
    if dialect == "beta":
        offered.append("openai-beta.realtime-v1")
    return tuple(offered)


def organization_beside_credentials(url: str) -> dict[str, str]:
    """Who pays, by the environment; told to whom its key would be sent."""
    headers = {
        "OpenAI-Organization": os.environ.get("OPENAI_ORG_ID"),
        "OpenAI-Project": os.environ.get("OPENAI_PROJECT_ID"),
    }
    if not OPENAI.is_sent_to(url):
        return {}
    return {name: value for name, value in headers.items() if value}


def _host_for_credentials(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""  # Of an environment's base URL: it names no host of anybody.
