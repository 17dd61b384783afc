"""
A Celery worker that asks a realtime model, and a web page in front of it.

The broker is a folder, so that nothing else has to run; a real one is a matter
of ``BROKER_URL`` and ``RESULT_URL``::

    python -m pip install ".[celery]" flask
    celery --app celery_service worker --concurrency 4
    python celery_service.py
"""

from __future__ import annotations

import os
from typing import Any, Optional

from celery import Celery
from celery.signals import worker_process_shutdown
from flask import Flask, request

from realtime_sync import RealtimeClient, ReconnectPolicy, Session
from realtime_sync.contrib.celery import folder_settings

app = Celery("celery_service")
# A folder as broker loses no message that is still being written, in this way.
app.conf.update(folder_settings(os.environ.get("QUEUE_FOLDER", "queue")))
if "BROKER_URL" in os.environ:
    app.conf.update(
        broker_url=os.environ["BROKER_URL"],
        broker_transport_options={},
        result_backend=os.environ["RESULT_URL"],
    )
app.conf.update(
    broker_connection_retry_on_startup=True,
    # A task that waits for an answer is not to be cut off between the two limits.
    task_soft_time_limit=30,
    task_time_limit=40,
)

# Importing and configuring start no thread and open nothing, so this may be done
# before Celery forks its processes.
client = RealtimeClient(timeout=20, close_timeout=2, reconnect=ReconnectPolicy())
session: Optional[Session] = None


def conversation() -> Session:
    """This process's session: opened by its first task, so after the fork."""
    global session
    if session is None or session.closed:
        session = client.connect("gpt-realtime-2.1", name=f"worker-{os.getpid()}")
    return session


@worker_process_shutdown.connect
def end(**extra: Any) -> None:
    """Close it: Celery's processes end without running Python's exit functions."""
    if session is not None:
        session.close()


@app.task
def answer(question: str) -> str:
    """Answer without leaving a trace in the session that the tasks share."""
    return conversation().ask(question, conversation="none").text


web = Flask(__name__)


@web.post("/ask")
def ask() -> Any:
    """Hand ``{"question": ...}`` to a worker and wait for its answer."""
    pending = answer.delay(request.json["question"])
    return {"answer": pending.get(timeout=60, interval=0.1)}


if __name__ == "__main__":
    web.run(port=0, threaded=True)
