"""Brokers, workers and a local server for the tests of the fleet."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple, Optional, TypeVar
from urllib.parse import parse_qs

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect as connect_to

from realtime_sync.contrib.celery import Fleet
from realtime_sync.server import Prompt, Say, Server, serve
from tests.program import Program

Row = TypeVar("Row")

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
START = 20.0
"""Seconds in which a process must be ready, on a machine that is busy."""


def answer(prompt: Prompt) -> Say:
    """Say again what was asked, so that it can be heard as well."""
    return Say(prompt.text or "Hello.", audio=bytes(24_000))


@pytest.fixture
def model() -> Iterator[Server]:
    """The local server."""
    with serve(agent=answer) as server:
        yield server


class Redis:
    """A Redis of the test's own: loopback, a port that was free, nothing on disk."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as found:
            self.port: int = found.getsockname()[1]
        self._folder = folder
        self._process: Optional[subprocess.Popen[bytes]] = None
        self.start()

    @property
    def url(self) -> str:
        """For broker and backend."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Run it, and wait until it answers."""
        command = ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port)]
        command += ["--save", "", "--appendonly", "no", "--dir", str(self._folder)]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        ends = time.monotonic() + START
        while time.monotonic() < ends:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1.0).close()
                return
            except OSError:
                threading.Event().wait(0.02)
        raise AssertionError("redis-server does not answer")

    def stop(self) -> None:
        """End it, with everything that it has."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(START)


class Broker:
    """Where the messages go, as the environment of a process says it."""

    def __init__(self, folder: Path, redis: Optional[Redis]) -> None:
        self.redis = redis
        self.environment = {"FLEET_FOLDER": str(folder)}
        if redis is not None:
            self.environment["FLEET_BROKER"] = redis.url


@contextmanager
def new_broker(folder: Path) -> Iterator[Broker]:
    """Redis where it is installed, a folder where it is not."""
    if shutil.which("redis-server") is None:
        yield Broker(folder, None)
        return
    redis = Redis(folder)
    try:
        yield Broker(folder, redis)
    finally:
        redis.stop()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker of the test's own."""
    with new_broker(tmp_path) as found:
        yield found


def worker_of(
    broker: Broker, url: str, number: int = 0, options: Mapping[str, object] = {}
) -> Program:
    """A worker that is being started."""
    environment = {
        **os.environ,
        "OPENAI_BASE_URL": url,
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(HERE))),
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "default",
        **broker.environment,
        **{f"FLEET_{key.upper()}": str(value) for key, value in options.items()},
    }
    name = f"w{number}@test"
    command = [sys.executable, "-m", "celery", "--app", "program", "worker"]
    command += ["--queues", "calls", "--hostname", name, "--loglevel", "INFO"]
    command += ["--without-mingle", "--without-gossip", "--without-heartbeat"]
    return Program(
        command,
        HERE,
        environment,
        patience=START,
        name=name,
        sign=f"({name} ready)",
    )


@contextmanager
def loaded(broker: Broker) -> Iterator[Fleet]:
    """The program's fleet, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in broker.environment.items():
            patch.setenv(name, value)
        spec = importlib.util.spec_from_file_location("program", HERE / "program.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    fleet: Fleet = module.fleet
    yield fleet
    fleet.app.close()


def looked(look: Callable[[], list[Row]], count: int) -> list[Row]:
    """
    What a look at the workers finds, once it finds so much.

    One that is busy does not answer in time, and is not seen that time.
    """
    ends = time.monotonic() + START
    while True:
        found = look()
        if len(found) == count:
            return found
        assert time.monotonic() < ends, found


Start = Callable[..., Program]


@pytest.fixture
def start_worker(model: Server) -> Iterator[Start]:
    """Starts workers; those that are left are killed."""
    workers: list[Program] = []

    def start(broker: Broker, **options: object) -> Program:
        url = str(options.pop("model_url", model.url))
        workers.append(worker_of(broker, url, len(workers), options))
        return workers[-1]

    yield start
    for worker in workers:
        worker.kill()


@pytest.fixture
def load() -> Iterator[Callable[[Broker], Fleet]]:
    """Gives the program's fleet, in this process."""
    with ExitStack() as stack:
        yield lambda broker: stack.enter_context(loaded(broker))


TWILIO_BEGIN: list[dict[str, object]] = [
    {"event": "connected", "protocol": "Call", "version": "1.0.0"},
    {
        "event": "start",
        "sequenceNumber": "1",
        "streamSid": "MZ1",
        "start": {
            "accountSid": "AC1",
            "streamSid": "MZ1",
            "callSid": "CA1",
            "tracks": ["inbound"],
            "mediaFormat": {
                "encoding": "audio/x-mulaw",
                "sampleRate": 8000,
                "channels": 1,
            },
            "customParameters": {},
        },
    },
]
"""What Twilio says first."""


class Carrier(ThreadingHTTPServer):
    """Takes orders to dial as Twilio does, and then brings the sound."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Orders)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.orders: list[str] = []
        self.streams: list[threading.Thread] = []
        self._thread = threading.Thread(target=self.serve_forever, name="carrier")
        self._thread.start()

    def stop(self) -> None:
        """Take no more orders."""
        self.shutdown()
        self._thread.join(START)
        self.server_close()


class Orders(BaseHTTPRequestHandler):
    """One order."""

    server: Carrier

    def do_POST(self) -> None:
        """Dial, and connect once they answer."""
        size = int(self.headers["Content-Length"])
        order = parse_qs(self.rfile.read(size).decode())
        self.server.orders.append(order["To"][0])
        url = re.findall(r'Stream url="([^"]+)"', order["Twiml"][0])[0]
        stream = threading.Thread(target=bring, args=(url,), name="carrier stream")
        stream.start()
        self.server.streams.append(stream)
        answer = json.dumps({"sid": "CA1"}).encode()
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def bring(url: str) -> None:
    """The sound of a call, until the worker ends it."""
    with connect_to(url) as carrier:
        for message in TWILIO_BEGIN:
            carrier.send(json.dumps(message))
        try:
            while True:
                carrier.recv(START)
        except ConnectionClosed:
            return


class Running(NamedTuple):
    """A worker that tests share, and what it needs."""

    model: Server
    worker: Program
    fleet: Fleet
    carrier: Carrier


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A worker that has no calls, for tests that leave it without any."""
    with ExitStack() as stack:
        model = stack.enter_context(serve(agent=answer, workers=1))
        broker = stack.enter_context(new_broker(tmp_path_factory.mktemp("fleet")))
        carrier = Carrier()
        stack.callback(carrier.stop)
        worker = worker_of(broker, model.url, 0, {"carrier": carrier.url})
        stack.callback(worker.kill)
        fleet = stack.enter_context(loaded(broker))
        worker.ready()
        # The server's threads are there from now on, and are not one test's.
        warm = {"do": "ask", "question": "Is anybody there?"}
        fleet.start(metadata=warm).result(START)
        yield Running(model, worker, fleet, carrier)
