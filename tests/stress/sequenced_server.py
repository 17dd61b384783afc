"""What the tests under stress share: servers over TLS or not, and a look at threads."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, Optional

from realtime_sync import RealtimeClient, Router, Session
from tests.certificates import tls_pair
from tests.rawserver import Peer, RawServer

LONG = 20.0
"""Seconds after which a test gives up."""

Script = Callable[[Peer], None]


class Place:
    """
    A server that follows scripts, one for each connection, the last for the rest.

    Args:
        scripts: see `RawServer`. TLS is up when one is called, unless it has an
            attribute ``bare``.
        secure: speak TLS.
    """

    def __init__(self, *scripts: Script, secure: bool = False) -> None:
        self._scripts = scripts
        self._tls: Optional[ssl.SSLContext] = None
        self._trust: Optional[ssl.SSLContext] = None
        if secure:
            self._tls, self._trust = tls_pair()
        self._count = 0
        self.server = RawServer(self._run)
        scheme = "wss" if secure else "ws"
        self.url = f"{scheme}://127.0.0.1:{self.server.port}/v1"

    def __enter__(self) -> Place:
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.server.__exit__(*exc_info)

    @property
    def connections(self) -> int:
        """How many have come."""
        return self._count

    def open(self, **options: Any) -> Session:
        """A session with no handlers but its own."""
        return self.session(**options).open()

    def session(self, **options: Any) -> Session:
        """One that is not open yet."""
        client = RealtimeClient(base_url=self.url, api_key="key-for-tests")
        return client.session("m", router=Router(), ssl_context=self._trust, **options)

    def _run(self, peer: Peer) -> None:
        script = self._scripts[min(self._count, len(self._scripts) - 1)]
        self._count += 1
        if self._tls is not None and not hasattr(script, "bare"):
            peer.sock = self._tls.wrap_socket(peer.sock, server_side=True)
            try:
                script(peer)
            finally:
                peer.sock.close()
        else:
            script(peer)


def library_threads() -> list[str]:
    """Names of the library's threads that run, but for those that sessions share."""
    shared = shared_threads()
    names = [thread.name for thread in threading.enumerate()]
    mine = [name for name in names if name.startswith("realtime-sync")]
    return [name for name in mine if name not in shared]


def shared_threads() -> list[str]:
    """Names of the threads that run and that sessions share."""
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith("realtime-sync shared ")]


def wait_until(holds: Callable[[], Any], what: str, seconds: float = LONG) -> None:
    """Look again and again until something holds."""
    pause, ends = threading.Event(), monotonic() + seconds
    while not holds():
        assert monotonic() < ends, f"{what} did not come about"
        pause.wait(0.002)


def memory_bytes() -> Optional[int]:
    """Resident memory of this process; None where that is not told."""
    try:
        with open("/proc/self/statm", encoding="ascii") as told:
            return int(told.read().split()[1]) * 4096
    except OSError:
        return None


CALM = 0.005
"""Seconds by which a process with nothing else to do may be late."""


def p99_of_seconds(late: Mapping[int, list[float]], idle: float) -> float:
    """
    By how much 99 of 100 were late at most.

    Where a machine is busy with something else, that of the median second: what it
    costs to wait for others' work is not the library's.

    Args:
        late: how much each was late, by the second in which it came.
        idle: seconds by which a process with nothing to do was late meanwhile.
    """
    if idle <= CALM:
        return percentile([each for some in late.values() for each in some], 0.99)
    return percentile([percentile(some, 0.99) for some in late.values()], 0.5)


def percentile(values: list[float], share: float) -> float:
    """The value below which a share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
