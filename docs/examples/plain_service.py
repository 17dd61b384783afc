"""
A plain script that holds one long conversation, to be run by systemd.

Whoever asks over HTTP asks in the same conversation, one after the other::

    python -m pip install .
    python plain_service.py 8100
"""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from realtime_sync import ReconnectPolicy, Session, connect, errors

log = logging.getLogger("plain_service")


class Questions(BaseHTTPRequestHandler):
    """``POST /ask`` with ``{"question": ...}``. Every request has a thread."""

    session: Session

    def do_POST(self) -> None:
        """Ask in the conversation; concurrent questions take turns."""
        length = int(self.headers["Content-Length"])
        question = json.loads(self.rfile.read(length))["question"]
        try:
            status, answer = 200, {"answer": self.session.ask(question).text}
        except errors.WaitTimeout:
            status, answer = 504, {"error": "no answer in time"}
        except errors.ConnectionClosed as error:
            status, answer = 502, {"error": str(error)}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log like the rest of the program."""
        log.info(format, *args)


class Server(ThreadingHTTPServer):
    """Waits for its threads when it is closed, so that questions are answered."""

    daemon_threads = False
    request_queue_size = 100


def main(port: int) -> int:
    """Serve until SIGTERM or SIGINT, then finish what is under way and close."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *frame: stop.set())
    session = connect("gpt-realtime-2.1", timeout=20, reconnect=ReconnectPolicy())
    # A session that cannot be replaced any more is a reason to be started again.
    session.on("connection.closed", lambda notice: stop.set())
    session.on("connection.restored", lambda notice: log.info("connection restored"))
    with session, Server(("127.0.0.1", port), Questions) as server:
        Questions.session = session
        thread = threading.Thread(target=server.serve_forever, name="http")
        thread.start()
        log.info("http://127.0.0.1:%s", server.server_port)
        stop.wait()
        server.shutdown()
        thread.join()
        server.server_close()
        lost = session.close_report.error
    return 0 if lost is None else 1


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
