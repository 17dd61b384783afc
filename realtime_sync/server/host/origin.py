"""
Which pages of a browser may talk to a server on this machine: none that it has not
been told of.

A browser lets every page send requests here. It names the page in ``Origin``, and in
``Host`` the name that it believes this server has: a foreign one there is a page whose
name was led to this address (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
import re
from typing import Collection, Iterable, Optional, Sequence

import attrs

from ...errors import ConfigurationError

_HOST = r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)"
_NAME = re.compile(_HOST)
_AUTHORITY = re.compile(_HOST + r"(:[0-9]{1,5})?")
_ORIGIN = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<authority>[^/?#@\s]+)")


@attrs.frozen(kw_only=True)
class RequestOrigin:
    """
    What a request says of where it comes from and whom it means.

    Attributes:
        hosts: every ``Host`` header.
        origins: every ``Origin`` header.
        address: the address at which it arrived.
    """

    hosts: Sequence[str]
    origins: Sequence[str]
    address: str


@attrs.frozen(kw_only=True)
class AllowedOrigins:
    """
    The hosts and origins beside loopback, in lower case.

    Attributes:
        hosts: names and addresses without a port.
        origins: hosts, for every scheme and port, or whole origins.
    """

    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls, bound: str, hosts: Iterable[str] = (), origins: Iterable[str] = ()
    ) -> AllowedOrigins:
        """
        Read what a user allows.

        Args:
            bound: the host that the server listens on.
            hosts: names and addresses without a port.
            origins: hosts, or whole origins such as ``https://app.example``.

        Raises:
            ConfigurationError: one of them can never match.
        """
        own = _plain_origin_host(bound)
        named = {
            _check_allowed_origin_host(host)
            for host in _is_listed_origin("allowed_hosts", hosts)
        }
        listed = _is_listed_origin("allowed_origins", origins)
        return cls(
            hosts=frozenset(named if own is None else named | {own}),
            origins=frozenset(_allowed_origin(origin) for origin in listed),
        )


def is_local_host_of_origin(bound: str) -> bool:
    """Whether only this machine reaches a server that listens on a host."""
    host = _plain_origin_host(bound)
    return host is not None and _is_loopback_origin(host)


def origin_refusal(caller: RequestOrigin, allowed: AllowedOrigins) -> Optional[str]:
    """
    Return why a request is refused; None for one that is served.

    ==========  =============================================================
    ``Host``    once; loopback, the address it arrived at, or an allowed host
    ``Origin``  absent (a program), or once: loopback, the same host and port
                as ``Host``, or an allowed origin
    ==========  =============================================================
    """
    if len(caller.hosts) != 1:
        return f"Expected one Host header, got {len(caller.hosts)}."
    authority = caller.hosts[0].strip().lower()
    host = _origin_host(authority, _AUTHORITY)
    own = host is not None and host == _plain_origin_host(caller.address)
    if host is None or not (_is_loopback_origin(host) or own or host in allowed.hosts):
        return "This host is not served here: see allowed_hosts."
    if not caller.origins:
        return None
    origin = caller.origins[0].strip().lower()
    if len(caller.origins) > 1 or not _origin_fits(origin, authority, allowed.origins):
        return "Pages of this origin are not served here: see allowed_origins."
    return None


def origin_body_refusal(
    media_type: str, has_body: bool, taken: Collection[str]
) -> Optional[str]:
    """
    Return why the body of a request that changes something is refused, or None.

    A browser asks first before a page sends JSON to another site, but not before it
    sends text, a form, or bytes without a type.

    Args:
        media_type: without parameters, in lower case; empty if there is none.
        has_body: whether one follows.
        taken: the types that the endpoint takes.
    """
    if media_type in taken or not (media_type or has_body):
        return None
    shown = media_type or "no type"
    return f"The body is {shown}, not {' or '.join(sorted(taken))}."


def _origin_fits(origin: str, authority: str, allowed: Collection[str]) -> bool:
    if origin in allowed:
        return True
    found = _ORIGIN.fullmatch(origin)
    host = _origin_host(found["authority"], _AUTHORITY) if found else None
    if found is None or host is None:
        return False
    web = found["scheme"] in ("http", "https")
    near = _is_loopback_origin(host) or found["authority"] == authority
    return host in allowed or (web and near)


def _origin_host(text: str, pattern: re.Pattern[str]) -> Optional[str]:
    """The host in one spelling, or None: what is not one is never repaired."""
    found = pattern.fullmatch(text)
    if found is None:
        return None
    host = found["host"]
    if not host.startswith("["):
        return host.removesuffix(".") or None
    try:
        return str(ipaddress.IPv6Address(host[1:-1]))
    except ValueError:
        return None


def _plain_origin_host(host: str) -> Optional[str]:
    """A host that has no port, with or without brackets."""
    bare = ":" in host and not host.startswith("[")
    return _origin_host((f"[{host}]" if bare else host).lower(), _NAME)


def _is_loopback_origin(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_listed_origin(name: str, entries: Iterable[str]) -> list[str]:
    listed = [] if isinstance(entries, str) else list(entries)
    if isinstance(entries, str) or not all(isinstance(one, str) for one in listed):
        raise ConfigurationError(f"{name} is a list of texts, not {entries!r}")
    return listed


def _check_allowed_origin_host(text: str) -> str:
    host = _plain_origin_host(text)
    if host is None:
        raise ConfigurationError(
            f"allowed_hosts: {text!r} is no host: give a name or an address, no port"
        )
    return host


def _allowed_origin(text: str) -> str:
    found = _ORIGIN.fullmatch(text.lower())
    if found and _origin_host(found["authority"], _AUTHORITY):
        return text.lower()
    host = _plain_origin_host(text)
    if host is None:
        raise ConfigurationError(
            f"allowed_origins: {text!r} is no origin: give a host, or scheme://host "
            "with a port if it has one, and nothing after it"
        )
    return host
