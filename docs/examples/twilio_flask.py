"""
A telephone line on Flask: whoever calls the number on Twilio talks to the model.

Install and run it, and have Twilio ask ``POST https://your-host/incoming`` when
a call comes in::

    python -m pip install . flask simple-websocket
    flask --app twilio_flask run --with-threads

Every call takes a thread. The model is that of ``OPENAI_API_KEY``, or of the
server that ``OPENAI_BASE_URL`` names.
"""

from __future__ import annotations

from flask import Flask, Response, request
from simple_websocket import ConnectionClosed, Server

from realtime_sync import RealtimeClient
from realtime_sync.audio.telephony import TwilioBridge

app = Flask(__name__)
client = RealtimeClient()

MU_LAW = {"format": {"type": "audio/pcmu"}}
CONFIG = {
    "instructions": "You answer the telephone. Be brief.",
    "audio": {"input": MU_LAW, "output": MU_LAW},
}


@app.post("/incoming")
def incoming() -> Response:
    """Tell Twilio to connect the call to the WebSocket below."""
    answer = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<Response><Connect><Stream url="wss://{request.host}/call"/></Connect>'
        "</Response>"
    )
    return Response(answer, mimetype="text/xml")


@app.route("/call", websocket=True)
def call() -> str:
    """One call, from its first message to its last."""
    socket = Server.accept(request.environ)
    try:
        with client.connect("gpt-realtime-2.1", config=CONFIG) as session:
            with TwilioBridge(session, send=socket.send) as bridge:
                while not bridge.ended.is_set():
                    bridge.receive(socket.receive())
    except ConnectionClosed:
        app.logger.info("the caller has hung up")
    finally:
        if socket.connected:
            socket.close()
    return ""
