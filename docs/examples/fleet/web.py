"""
The web page of a fleet: it takes the service's webhooks and shows who talks.

``OPENAI_WEBHOOK_SECRET`` says that a webhook is the service's. What shows and ends
calls is for your own people: leave it to a proxy to ask who they are.
"""

from __future__ import annotations

from typing import Any

from attrs import asdict
from calls import fleet
from flask import Flask, request

from realtime_sync import errors, webhooks

web = app = Flask(__name__)

CONFIG = {"type": "realtime", "model": "gpt-realtime-2.1"}


@web.post("/webhook")
def webhook() -> tuple[str, int]:
    """Have a worker accept the call. It may come twice: the call is the same."""
    try:
        event = webhooks.unwrap(request.get_data(), request.headers)
    except errors.WebhookRejected:
        return "", 400
    if isinstance(event, webhooks.RealtimeCallIncoming):
        # Nobody waits longer than that for somebody to answer.
        fleet.start(call_id=event.data.call_id, accept=CONFIG, expires=30)
    return "", 200


@web.get("/calls")
def calls() -> Any:
    """Which worker has which call."""
    return {"calls": [asdict(row) for row in fleet.calls()]}


@web.post("/calls/<call_id>/say")
def say(call_id: str) -> Any:
    """Have the model say something in a call."""
    fleet.call(call_id).say(request.get_json()["text"])
    return {"said": True}


@web.delete("/calls/<call_id>")
def hang_up(call_id: str) -> Any:
    """End a call."""
    return {"ended": fleet.hang_up(call_id)}


if __name__ == "__main__":
    web.run(port=0, threaded=True)
