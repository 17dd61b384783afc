"""TLS settings for both ends of a loopback connection."""

from __future__ import annotations

import ssl
from functools import lru_cache

import trustme


@lru_cache(maxsize=None)
def authority() -> trustme.CA:
    """An authority that nobody else trusts."""
    return trustme.CA()


@lru_cache(maxsize=None)
def tls_pair() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Settings of a server on 127.0.0.1, and of a client that trusts it."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert("127.0.0.1", "localhost").configure_cert(server)
    client = ssl.create_default_context()
    authority().configure_trust(client)
    return server, client
