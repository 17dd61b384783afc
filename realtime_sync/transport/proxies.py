"""
Which proxy a connection takes, for WebSocket and REST alike.

Proxies of the kinds ``http``, ``socks4``, ``socks4a``, ``socks5`` and
``socks5h`` (the last letter lets the proxy resolve names).
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Optional
from urllib.parse import urlsplit

from ..errors import ConfigurationError
from ..protocol.escape import one_line

_KINDS = frozenset({"http", "socks4", "socks4a", "socks5", "socks5h"})
_DEFAULT_PORTS = {"http": 80}
_SOCKS_PORT = 1080
_VARIABLES = {
    "ws": ("ws_proxy", "http_proxy", "all_proxy"),
    "http": ("http_proxy", "all_proxy"),
    "wss": ("wss_proxy", "https_proxy", "all_proxy"),
    "https": ("https_proxy", "all_proxy"),
}


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
        return _normal(given) if given else None
    if is_loopback(url):
        return None
    found = _from_environment(url)
    return _normal(found) if found else None


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


def need_socks(proxy: str, module: str) -> None:
    """
    Make sure that what a SOCKS proxy needs is installed.

    Args:
        proxy: from `proxy_for`.
        module: the library that the protocol in question uses.

    Raises:
        ConfigurationError: it is not; names the extra.
    """
    if proxy.startswith("socks") and find_spec(module) is None:
        raise ConfigurationError(
            f"a {proxy.partition(':')[0]} proxy needs {module}: "
            'pip install "realtime-sync[socks]"'
        )


def _normal(proxy: str) -> str:
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    if one_line(proxy) != proxy or " " in proxy:
        raise ConfigurationError(
            "the proxy's URL holds a space, a line break or another control"
        )
    parts = urlsplit(proxy)
    scheme = parts.scheme.lower()
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if scheme not in _KINDS:
        raise ConfigurationError(
            f"a proxy cannot be reached by {scheme}://; use one of "
            f"{', '.join(sorted(_KINDS))} (the connection to the server is "
            "encrypted all the same)"
        )
    if not host:
        raise ConfigurationError("the proxy's URL names no host, or no proper port")
    port = port or _DEFAULT_PORTS.get(scheme, _SOCKS_PORT)
    user = parts.netloc.rpartition("@")[0]
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{user + '@' if user else ''}{shown}:{port}"


def _from_environment(url: str) -> Optional[str]:
    parts = urlsplit(url)
    for name in _VARIABLES.get(parts.scheme, ()):
        value = os.environ.get(name)
        # A web server turns a client's "Proxy" header into HTTP_PROXY.
        if value is None and not (name == "http_proxy" and _is_cgi()):
            value = os.environ.get(name.upper())
        if value:
            return None if _is_exempt(parts.netloc.rpartition("@")[2]) else value
    return None


def _is_cgi() -> bool:
    return "REQUEST_METHOD" in os.environ


def _is_exempt(host: str) -> bool:
    from urllib import request  # Slow to import, and only needed here.

    # Typed as if it were there on some systems only.
    exempt: Callable[[str], Any] = getattr(request, "proxy_bypass_environment")
    return bool(exempt(host))
