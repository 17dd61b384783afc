"""
A Flask service: a question over HTTP, a conversation of its own, an answer.

Run it with Flask's own server, or with gunicorn (see ``gunicorn_conf.py``)::

    python -m pip install . flask gunicorn
    flask --app flask_service run
    gunicorn --config gunicorn_conf.py flask_service:app
"""

from __future__ import annotations

from typing import Any

from blinker import signal
from flask import Flask, request, request_finished

from realtime_sync import RealtimeClient, Router, Session, errors, events

app = Flask(__name__)

# One client for the process: it holds the key and the defaults, and no connection.
client = RealtimeClient(connect_timeout=5, timeout=20, close_timeout=2)

# The handlers of this service; sessions of other parts of the program have others.
router = Router("questions")

# A signal of the service, for those of its parts that know nothing of models.
answered = signal("answered")


@router.on("response.done")
def announce(event: events.ResponseDone, ctx: Any) -> None:
    """Pass on what a response has cost. Runs in the session's dispatcher thread."""
    answered.send(app, session=ctx.session.name, usage=event.response.usage)


@answered.connect
def bill(sender: Flask, *, session: str, usage: Any) -> None:
    """A receiver of our own signal."""
    app.logger.info("%s took %s tokens", session, usage.total_tokens)


@request_finished.connect_via(app)
def note(sender: Flask, response: Any, **extra: Any) -> None:
    """A receiver of one of Flask's signals, which are blinker's as well."""
    app.logger.info("%s %s", request.path, response.status)


def hear_of_trouble(session: Session, *, event: Any, **extra: Any) -> None:
    """A plain blinker receiver, on a signal of one session."""
    app.logger.warning("%s: %s", session.name, event.error.message)


@app.post("/ask")
def ask() -> Any:
    """Answer ``{"question": ...}``. The view waits, as it would for a database."""
    try:
        with client.connect("gpt-realtime-2.1", router=router) as session:
            session.signal("error").connect(hear_of_trouble)
            reply = session.ask(request.json["question"])
    except errors.WaitTimeout:
        return {"error": "no answer in time"}, 504
    except (errors.ConnectFailed, errors.ConnectionClosed) as error:
        return {"error": str(error)}, 502
    return {"answer": reply.text}


if __name__ == "__main__":
    app.run(port=0, threaded=True)
