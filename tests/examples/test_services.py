"""
The examples of services, started as a stranger would and asked over HTTP.

Each is a process of its own, with the local server for a model, and has twenty
conversations at a time. It must end cleanly when it is told to, and leave nothing
behind: no process, no connection, no file beside the examples.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from realtime_sync.server import Server, serve
from tests.program import Program

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "docs" / "examples"
START = 60.0
"""Seconds in which a service must be ready, on a machine that is busy."""

PARALLEL = 20
"""Conversations at a time."""

ADDRESS = r"http://127\.0\.0\.1:(\d+)"
GUNICORN = [sys.executable, "-m", "gunicorn", "--config", "gunicorn_conf.py"]
GUNICORN += ["--chdir", str(EXAMPLES), "--bind", "127.0.0.1:0"]

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="services of Unix: signals, forks, gunicorn"
)


@pytest.fixture
def model() -> Iterator[Server]:
    """The local server, which says again what it is asked."""
    with serve(agent="echo") as server:
        yield server


@pytest.fixture(autouse=True)
def tidy() -> Iterator[None]:
    """Nothing appears beside the examples, which are where a service runs."""
    before = set(os.listdir(EXAMPLES))
    yield

    assert set() == set(os.listdir(EXAMPLES)) - before


@contextmanager
def started(command: list[str], model: Server, **extra: str) -> Iterator[Program]:
    """A service that is running; killed, with its children, if the test fails."""
    environment = {
        **os.environ,
        "OPENAI_BASE_URL": model.url,
        "OPENAI_API_KEY": "sk-example",
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(EXAMPLES))),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "default",
        **extra,
    }
    service = Program(command, EXAMPLES, environment, patience=START)
    try:
        yield service
    finally:
        service.kill()


def ask(port: str, question: str) -> str:
    """The service's answer to a question."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/ask",
        data=json.dumps({"question": question}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=START) as answer:
        return str(json.load(answer)["answer"])


def ask_in_parallel(port: str) -> None:
    """Ask at the same time; every conversation must get its own answer."""
    questions = [f"Question number {number}" for number in range(PARALLEL)]
    with ThreadPoolExecutor(PARALLEL) as pool:
        answers = list(pool.map(lambda question: ask(port, question), questions))

    assert questions == answers


def assert_clean(model: Server, sessions: int) -> None:
    """The model was left by closing, not by dropping, every connection."""
    model.wait_idle()

    assert sessions == len(model.sessions)
    assert [1000] * sessions == [kept.close_code for kept in model.sessions]


def test_flask_answers_over_http(model: Server) -> None:
    """Flask's own server: a thread, a session and an answer for each request."""
    command = [sys.executable, "flask_service.py"]
    with started(command, model) as service:
        ask_in_parallel(service.wait_for(ADDRESS))
        code = service.end(signal.SIGINT)

        assert (0, False) == (code, service.alive), service.text

    assert_clean(model, PARALLEL)


def test_django_answers_over_http(model: Server) -> None:
    """Django's own server, without a database."""
    command = [sys.executable, "django_service.py", "runserver", "127.0.0.1:0"]
    with started([*command, "--noreload"], model) as service:
        ask_in_parallel(service.wait_for(ADDRESS))
        code = service.end(signal.SIGINT)

        assert (0, False) == (code, service.alive), service.text

    assert_clean(model, PARALLEL)


@pytest.mark.parametrize("kind", ["sync", "gthread", "gevent"])
def test_gunicorn_answers_over_http(model: Server, kind: str) -> None:
    """Every kind of worker that gunicorn has without an event loop."""
    if kind == "gevent":
        pytest.importorskip("gevent")
    with started(GUNICORN, model, WORKER_CLASS=kind) as service:
        port = service.wait_for(f"Listening at: {ADDRESS}")
        ask_in_parallel(port)
        code = service.end(signal.SIGTERM)

        assert (0, False) == (code, service.alive), service.text
        assert "Traceback" not in service.text

    assert_clean(model, PARALLEL)


def test_celery_answers_over_http(model: Server, tmp_path: Path) -> None:
    """A prefork worker opens its sessions after the fork and closes them all."""
    place = {"QUEUE_FOLDER": str(tmp_path)}
    worker = [sys.executable, "-m", "celery", "--app", "celery_service", "worker"]
    worker += ["--concurrency", "2", "--pool", "prefork", "--without-mingle"]
    worker += ["--without-gossip", "--without-heartbeat", "--loglevel", "INFO"]
    with ExitStack() as stack:
        celery = stack.enter_context(started(worker, model, **place))
        celery.wait_for(r"(celery@\S+ ready)")
        command = [sys.executable, "celery_service.py"]
        front = stack.enter_context(started(command, model, **place))
        ask_in_parallel(front.wait_for(ADDRESS))
        codes = front.end(signal.SIGINT), celery.end(signal.SIGTERM)

        assert (0, 0) == codes, front.text + celery.text
        assert (False, False) == (front.alive, celery.alive)

    assert_clean(model, 2)


def test_plain_script_answers_in_one_conversation(model: Server) -> None:
    """Threads share a session, and SIGTERM lets it say goodbye."""
    with started([sys.executable, "plain_service.py"], model) as service:
        ask_in_parallel(service.wait_for(ADDRESS))
        code = service.end(signal.SIGTERM)

        assert (0, False) == (code, service.alive), service.text

    assert_clean(model, 1)


def test_plain_script_survives_a_loss(model: Server) -> None:
    """The conversation goes on over another connection."""
    with started([sys.executable, "plain_service.py"], model) as service:
        port = service.wait_for(ADDRESS)
        before = ask(port, "One")
        model.sessions[0].drop()
        service.wait_for("(connection restored)")
        after = ask(port, "Two")
        code = service.end(signal.SIGTERM)

        assert ("One", "Two") == (before, after)
        assert (0, False) == (code, service.alive), service.text


def test_request_under_way_is_answered_before_gunicorn_ends() -> None:
    """SIGTERM lets a conversation finish that has begun."""
    asked, go_on = threading.Event(), threading.Event()

    def slowly(prompt: Any) -> str:
        asked.set()
        assert go_on.wait(START)
        return "At last."

    with serve(agent=slowly) as model, ThreadPoolExecutor(1) as pool:
        with started(GUNICORN, model, WORKER_CLASS="gthread") as service:
            port = service.wait_for(f"Listening at: {ADDRESS}")
            answer = pool.submit(ask, port, "Are you there?")
            assert asked.wait(START), service.text
            service.process.send_signal(signal.SIGTERM)
            service.wait_for("(Handling signal: term)")
            go_on.set()

            assert "At last." == answer.result(START)
            assert 0 == service.process.wait(START)

        assert_clean(model, 1)
