"""Fixtures of the tests of pages."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, Callable

import pytest

from realtime_sync.web import WebHost


@pytest.fixture
def start_host() -> Iterator[Callable[..., WebHost]]:
    """Starts hosts; closes them, and lets no thread be left."""
    before = set(threading.enumerate())
    hosts: list[WebHost] = []

    def start_one(**arguments: Any) -> WebHost:
        hosts.append(WebHost(**arguments))
        return hosts[-1]

    yield start_one
    for host in hosts:
        host.close()
    left = [t for t in threading.enumerate() if t not in before and t.is_alive()]

    assert [] == [t.name for t in left if t.name.startswith("realtime-")]
