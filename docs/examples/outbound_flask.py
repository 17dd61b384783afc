"""
Calls placed on Flask: whoever is called by Twilio talks to the model.

Install and run it, and ask for a call::

    python -m pip install . flask simple-websocket
    flask --app outbound_flask run --with-threads
    curl -H "Authorization: Bearer $DIAL_TOKEN" -d to=+14155550123 \\
        https://your-host/dial

It takes ``TWILIO_ACCOUNT_SID``, ``TWILIO_AUTH_TOKEN``, ``TWILIO_NUMBER``, which is
shown to who is called, ``DESK_NUMBER``, where people are handed on to, and
``DIAL_TOKEN``: a page that lets strangers dial is expensive. The model is that of
``OPENAI_API_KEY``, or of the server that ``OPENAI_BASE_URL`` names.
"""

from __future__ import annotations

import hmac
import os

from flask import Flask, abort, request
from simple_websocket import ConnectionClosed, Server

from realtime_sync import RealtimeClient, call_control
from realtime_sync.audio.telephony import TWILIO, CallBridge

app = Flask(__name__)
client = RealtimeClient()
account = call_control.TwilioAccount(
    account_sid=os.environ["TWILIO_ACCOUNT_SID"],
    auth_token=os.environ["TWILIO_AUTH_TOKEN"],
)
CALLER, DESK = os.environ["TWILIO_NUMBER"], os.environ["DESK_NUMBER"]
DIAL_TOKEN = f"Bearer {os.environ['DIAL_TOKEN']}"

CONFIG = {
    "instructions": "You call to remind somebody of an appointment. Be brief. Say "
    "goodbye before you end the call, and ask before you hand it on.",
}


@app.post("/dial")
def dial() -> dict[str, str]:
    """Place a call; Twilio connects it to the WebSocket below once it is answered."""
    if not hmac.compare_digest(request.headers.get("Authorization", ""), DIAL_TOKEN):
        abort(401)
    call_id = call_control.dial(
        account,
        request.form["to"],
        caller=CALLER,
        stream_url=f"wss://{request.host}/call",
    )
    return {"call_id": call_id}


@app.route("/call", websocket=True)
def call() -> str:
    """One call, from its first message to its last."""
    socket = Server.accept(request.environ)
    try:
        with client.connect("gpt-realtime-2.1", config=CONFIG) as session:

            def greet() -> None:
                session.response.create(instructions="Say who calls, and why.")

            with CallBridge(
                session, TWILIO, send=socket.send, on_start=greet
            ) as bridge:

                @session.tool
                def end_call() -> str:
                    """End the call, once goodbye was said."""
                    bridge.wait_heard(10)
                    call_control.hang_up(account, bridge.call_id or "")
                    return "The call has ended."

                @session.tool
                def hand_on() -> str:
                    """Hand the call on to a person."""
                    bridge.wait_heard(10)
                    call_control.transfer(account, bridge.call_id or "", DESK)
                    return "Somebody takes the call now."

                while not bridge.ended.is_set():
                    bridge.receive(socket.receive())
    except ConnectionClosed:
        app.logger.info("the call is over")
    finally:
        if socket.connected:
            socket.close()
    return ""
