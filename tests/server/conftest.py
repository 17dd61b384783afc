"""Fixtures of the server's tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, Callable

import pytest

from realtime_sync.server import Server, serve


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    """Starts servers like `serve`; closes them, and lets no thread be left."""
    before = set(threading.enumerate())
    servers: list[Server] = []

    def start_one(**arguments: Any) -> Server:
        servers.append(serve(**arguments))
        return servers[-1]

    yield start_one
    for server in servers:
        server.close()
    left = [t for t in threading.enumerate() if t not in before and t.is_alive()]
    mine = [t.name for t in left if t.name.startswith("realtime-server")]

    assert [] == mine
