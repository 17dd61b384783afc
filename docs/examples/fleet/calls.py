"""
Calls on many machines: what workers run, and what everybody else imports.

The broker is a folder, so that nothing else has to run; a real one is a matter of
``BROKER_URL`` and ``RESULT_URL``::

    python -m pip install ".[celery]" "celery[redis]" flask
    celery --app calls worker --queues calls --hostname a@%h
    flask --app web run
"""

from __future__ import annotations

import os

from celery import Celery

from realtime_sync import RealtimeClient, ReconnectPolicy
from realtime_sync.contrib.celery import Call, Fleet, folder_settings

app = Celery("calls")
if "BROKER_URL" in os.environ:
    app.conf.update(
        broker_url=os.environ["BROKER_URL"], result_backend=os.environ["RESULT_URL"]
    )
else:
    app.conf.update(folder_settings(os.environ.get("QUEUE_FOLDER", "queue")))
app.conf.update(
    broker_connection_retry_on_startup=True,
    # A call that goes on is not to be ended because the broker is away.
    worker_cancel_long_running_tasks_on_connection_loss=False,
)


def make_client() -> RealtimeClient:
    """The client of one worker: made there, not where a call is started."""
    client = RealtimeClient(reconnect=ReconnectPolicy())
    # Without a key a worker ends now, instead of failing call after call.
    client.endpoint.resolve_key()
    return client


fleet = Fleet(
    app,
    client=make_client,
    model="gpt-realtime-2.1",
    calls_per_process=int(os.environ.get("CALLS_PER_PROCESS", 200)),
    drain_timeout=float(os.environ.get("DRAIN_TIMEOUT", 600)),
    recordings=os.environ.get("RECORDINGS"),
)


@fleet.on_call
def answer(call: Call) -> list[list[str]]:
    """Greet the caller, and leave the rest to the model until somebody hangs up."""
    call.session.response.create(instructions="Greet the caller.")
    call.wait()
    return [[line.role, line.text] for line in call.session.snapshot.transcript()]


@fleet.on_drain
def hurry(call: Call) -> None:
    """The machine is wanted for something else: come to an end within the minutes."""
    call.session.response.create(instructions="Come to an end, and say goodbye.")
