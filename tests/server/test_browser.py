"""
A real browser on somebody else's page: it gets no session, no key, no answer.

The page is at ``evil.example``, which the browser is told is this machine. The same
page is served once its origin is allowed; so it is the server that refuses, and not the
page that is wrong.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Callable

import pytest

from realtime_sync.server import Server
from tests.browser import CHROMIUM, browser

GUARDS = (
    "LocalNetworkAccessChecks",
    "BlockInsecurePrivateNetworkRequests",
    "PrivateNetworkAccessSendPreflights",
)
PAGE = """<!doctype html><script>
const port = %d, found = {};
const session = host => new Promise(resolve => {
  const socket = new WebSocket(`ws://${host}:${port}/v1/realtime?model=m`);
  socket.onmessage = event => resolve(JSON.parse(event.data).type);
  socket.onerror = socket.onclose = () => resolve("refused");
});
const post = async (host, kind, mode) => {
  try {
    const url = `http://${host}:${port}/v1/realtime/client_secrets`;
    const body = JSON.stringify({session: {type: "realtime"}});
    const headers = {"Content-Type": kind};
    const answer = await fetch(url, {method: "POST", mode, headers, body});
    return `${answer.status} ` + await answer.text();
  } catch (error) { return "refused"; }
};
(async () => {
  for (const host of ["127.0.0.1", "localhost", "evil.example"]) {
    found[`session ${host}`] = await session(host);
    found[`text ${host}`] = await post(host, "text/plain", "no-cors");
    found[`json ${host}`] = await post(host, "application/json", "cors");
  }
  await fetch("/found", {method: "POST", body: JSON.stringify(found)});
})();
</script>"""

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no browser here"),
    pytest.mark.timeout(90),
]


@contextmanager
def page(port: int) -> Iterator[tuple[int, list[Any], threading.Event]]:
    """The page, and what it reports."""
    found: list[Any] = []
    told = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = (PAGE % port).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            found.append(
                json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            )
            self.send_response(204)
            self.end_headers()
            told.set()

        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0})
    thread.start()
    try:
        yield server.server_port, found, told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def visited(server: Server, profile: Path) -> dict[str, str]:
    """What a page of another site gets from a server."""
    flags = (
        # The browser has a guard of its own, which is not what is tested.
        f"--disable-features={','.join(GUARDS)}",
        "--host-resolver-rules=MAP evil.example 127.0.0.1",
    )
    with page(server.port) as (port, found, told):
        with browser(profile, *flags, f"http://evil.example:{port}/"):
            assert told.wait(60), "the page has not reported"
    result: dict[str, str] = found[0]
    return result


def test_a_foreign_page_gets_no_session_and_no_key(
    start: Callable[..., Server], tmp_path: Path
) -> None:
    """By no name of this machine; the last is a name that was led here."""
    server = start()
    found = visited(server, tmp_path / "profile")
    opened = [name for name, got in found.items() if got == "session.created"]

    assert 9 == len(found)
    assert [] == opened
    assert not any("ek_" in got for got in found.values())
    assert {"refused"} == {got for name, got in found.items() if "session" in name}
    assert [] == server.sessions
    assert 0 == len(server._gate.secrets._keys)


def test_the_same_page_is_served_where_it_is_allowed(
    start: Callable[..., Server], tmp_path: Path
) -> None:
    """What was refused above would have worked."""
    server = start(allowed_origins=["evil.example"], allowed_hosts=["evil.example"])
    found = visited(server, tmp_path / "profile")

    assert "session.created" == found["session 127.0.0.1"]
    assert "session.created" == found["session evil.example"]
    assert len(server.sessions) >= 2
