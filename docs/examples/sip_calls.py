"""
Answer SIP calls: the service rings by a webhook, and carries the sound itself.

Install and run it, and enter ``https://your-host/webhook`` as a webhook for
``realtime.call.incoming`` with the service::

    python -m pip install . flask
    flask --app sip_calls run --with-threads

``OPENAI_API_KEY`` and ``OPENAI_WEBHOOK_SECRET`` say who you are. What is said on each
call is written to the log.
"""

from __future__ import annotations

import threading

from flask import Flask, request

from realtime_sync import RealtimeClient, errors, webhooks

app = Flask(__name__)
client = RealtimeClient()
taken: set[str] = set()

CONFIG = {"model": "gpt-realtime-2.1", "instructions": "You answer the telephone."}


@app.post("/webhook")
def webhook() -> tuple[str, int]:
    """Accept the call and follow it in a thread; answer the service at once."""
    try:
        event = webhooks.unwrap(request.get_data(), request.headers)
    except errors.WebhookRejected:
        return "", 400
    # The service may tell of one call several times.
    if isinstance(event, webhooks.RealtimeCallIncoming) and event.id not in taken:
        taken.add(event.id)
        call_id = event.data.call_id
        client.calls.accept(call_id, CONFIG)
        threading.Thread(target=follow, args=(call_id,), name=call_id).start()
    return "", 200


def follow(call_id: str) -> None:
    """Greet the caller, then listen until somebody hangs up."""
    try:
        with client.connect(call_id=call_id) as session:
            session.response.create(instructions="Greet the caller.")
            for event in session.events("response.done", timeout=None):
                app.logger.warning("%s: %s", call_id, said(event.response))
    except errors.ConnectionClosed as error:
        app.logger.warning("%s has ended: %s", call_id, error)


def said(response: object) -> str:
    """What a response said, in words."""
    return " ".join(
        part.transcript or part.text or ""
        for item in getattr(response, "output", ())
        for part in getattr(item, "content", ())
    )
