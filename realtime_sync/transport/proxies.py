"""
Which proxy a connection takes, for WebSocket and REST alike.

Proxies of the kinds ``http``, ``socks4``, ``socks4a``, ``socks5`` and
``socks5h`` (the last letter lets the proxy resolve names).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Optional
from urllib.parse import SplitResult, urlsplit

from ..errors import ConfigurationError, install_command
from ..protocol.escape import one_line

_KINDS = frozenset({"http", "socks4", "socks4a", "socks5", "socks5h"})
_DEFAULT_PORTS = {"http": 80}
_SOCKS_PORT = 1080
_VARIABLES = {
    "ws": ("ws", "http", "all"),
    "http": ("http", "all"),
    "wss": ("wss", "https", "all"),
    "https": ("https", "all"),
}
"""Scheme -> variables, without ``_proxy``, in the order of their weight."""


def proxy_for(url: str, given: Optional[str]) -> Optional[str]:
    """
    The proxy for a URL, as a URL with scheme and port.

    Args:
        url: where to connect.
        given: a proxy that is to be used in any case; ``""`` for none; None
            goes by the environment (``https_proxy``, ``all_proxy``,
            ``no_proxy``...), which never applies to this machine.

    Raises:
        ConfigurationError: a proxy of that kind cannot be used.
    """
    if given is not None:
        return _checked_proxy(given) if given else None
    if is_loopback(url):
        return None
    found = _proxy_from_environment(url)
    return _checked_proxy(found) if found else None


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


def need_socks_proxy(proxy: str) -> None:
    """
    Make sure that what a SOCKS proxy needs is installed.

    Args:
        proxy: from `proxy_for`, or its scheme.

    Raises:
        ConfigurationError: it is not; names the extra.
    """
    if proxy.startswith("socks") and find_spec("socks") is None:
        raise ConfigurationError(
            f"a {proxy.partition(':')[0]} proxy needs PySocks: "
            f"{install_command('socks')}"
        )


def split_url_for_proxy(url: str) -> SplitResult:
    """
    Take a URL apart.

    Raises:
        ValueError: its port is no number, or what it has in brackets no address,
            which Python 3.10 does not look at.
    """
    parts = urlsplit(url)
    parts.port  # Raises for what is no number.
    place = parts.netloc.rpartition("@")[2]
    if place.startswith("["):
        ipaddress.IPv6Address(parts.hostname or "")
        behind = place.partition("]")[2]
        if behind and not behind.startswith(":"):
            raise ValueError("only a port may follow an address in brackets")
    return parts


def _checked_proxy(proxy: str) -> str:
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    if one_line(proxy) != proxy or " " in proxy:
        raise ConfigurationError(
            "the proxy's URL holds a space, a line break or another control"
        )
    try:
        parts = split_url_for_proxy(proxy)
        scheme, host, port = parts.scheme.lower(), parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError(
            "the proxy's URL names no proper host and port"
        ) from None
    if scheme not in _KINDS:
        raise ConfigurationError(
            f"a proxy cannot be reached by {scheme}://; use one of "
            f"{', '.join(sorted(_KINDS))} (the connection to the server is "
            "encrypted all the same)"
        )
    if not host:
        raise ConfigurationError("the proxy's URL names no host")
    port = port or _DEFAULT_PORTS.get(scheme, _SOCKS_PORT)
    user = parts.netloc.rpartition("@")[0]
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{user + '@' if user else ''}{shown}:{port}"


def _proxy_from_environment(url: str) -> Optional[str]:
    from urllib import request  # Slow to import, and only needed here.

    parts = urlsplit(url)
    proxies = request.getproxies_environment()
    found = next(filter(None, map(proxies.get, _VARIABLES.get(parts.scheme, ()))), None)
    # Typed as if it were there on some systems only.
    exempt: Callable[[str], Any] = getattr(request, "proxy_bypass_environment")
    return None if exempt(parts.netloc.rpartition("@")[2]) else found
