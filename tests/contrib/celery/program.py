"""
An application with a fleet, as workers import it and tests too.

What differs from test to test is in the environment.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Any

from celery import Celery
from celery.bootsteps import StartStopStep
from celery.signals import worker_shutting_down

from realtime_sync import RealtimeClient, Threads, call_control
from realtime_sync.contrib.celery import Call, Fleet, Line, folder_settings, this_call

app = Celery("program")
if "FLEET_BROKER" in os.environ:
    url = os.environ["FLEET_BROKER"]
    app.conf.update(broker_url=url, result_backend=url)
else:
    app.conf.update(folder_settings(os.environ["FLEET_FOLDER"]))
app.conf.update(
    broker_connection_retry_on_startup=True,
    worker_cancel_long_running_tasks_on_connection_loss=False,
)


def make_client() -> RealtimeClient:
    """The worker's client."""
    url = os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    return RealtimeClient(base_url=url, api_key="sk-example", close_timeout=2.0)


def account() -> call_control.TwilioAccount:
    """Who places calls."""
    url = os.environ.get("FLEET_CARRIER", "http://127.0.0.1:9")
    return call_control.TwilioAccount(
        account_sid="AC1", auth_token="none", base_url=url
    )


def quit_now() -> None:
    """As Ctrl-\\ does, and whoever has no patience any more."""
    os.kill(os.getpid(), signal.SIGQUIT)


def quit_in_handler(how: str, **extra: Any) -> None:
    """In the handler of SIGTERM."""
    if how == "Warm":
        quit_now()


class QuitInClose(StartStopStep):
    """When Celery has seen that it is to end, and does not wait for its tasks yet."""

    def close(self, worker: object) -> None:
        """Catches what a handler of signals raises here."""
        quit_now()


QUITS = os.environ.get("FLEET_QUITS")
if QUITS == "before":
    worker_shutting_down.connect(quit_in_handler, weak=False)
if QUITS == "close":
    app.steps["worker"].add(QuitInClose)


def option(name: str, default: float) -> float:
    """A number from the environment."""
    return float(os.environ.get(f"FLEET_{name.upper()}", default))


fleet = Fleet(
    app,
    client=make_client,
    model="gpt-realtime-2.1",
    calls_per_process=int(option("calls", 4)),
    drain_timeout=option("drain", 5.0),
    longest_call=600.0,
    recordings=os.environ.get("FLEET_RECORDINGS"),
    line=Line(patience=10.0, account=account),
    threads=lambda: Threads(workers=8, dialers=8),
)


if QUITS == "after":
    worker_shutting_down.connect(quit_in_handler, weak=False)


@fleet.on("response.done")
def answered(event: Any) -> None:
    """Which call a handler runs for."""
    print(f"answered in {this_call().id}", flush=True)


@fleet.on("response.output_text.delta")
def heard(event: Any) -> None:
    """A handler for what comes most often."""


@fleet.on_call
def answer(call: Call) -> Any:
    """What the call's metadata asks for."""
    what = call.metadata.get("do", "wait")
    print(f"begun {call.id}", flush=True)
    if what == "ask":
        return call.session.ask(call.metadata["question"]).text
    if what == "raise":
        raise ValueError("no such table")
    if what == "exit":
        sys.exit(3)
    if what == "return":
        return call.metadata.get("value")
    if what == "object":
        return object()
    if what == "talk":
        call.session.ask(call.metadata["question"])
        print(f"talked {call.id}", flush=True)
    call.wait()
    if what == "count":
        return call.session.stats.events
    return "waited"


@fleet.on_drain
def leave(call: Call) -> None:
    """Say goodbye, and end those that may be ended."""
    print(f"draining {call.id}", flush=True)
    if QUITS == "drain":
        quit_now()
    if call.metadata.get("leaves"):
        call.hang_up()
    if call.metadata.get("hangs"):
        threading.Event().wait()
