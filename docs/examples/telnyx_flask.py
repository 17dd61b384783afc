"""
A telephone line on Flask: whoever calls the number on Telnyx talks to the model.

Install and run it, and have Telnyx answer a call with media streaming to
``wss://your-host/call``: ``stream_track: "inbound_track"``,
``stream_bidirectional_mode: "rtp"`` and ``stream_bidirectional_codec: "PCMU"``::

    python -m pip install . flask simple-websocket
    flask --app telnyx_flask run --with-threads

Every call takes a thread. The model is that of ``OPENAI_API_KEY``, or of the
server that ``OPENAI_BASE_URL`` names.
"""

from __future__ import annotations

from flask import Flask, request
from simple_websocket import ConnectionClosed, Server

from realtime_sync import RealtimeClient
from realtime_sync.audio.telephony import PCMU, TELNYX, CallBridge

app = Flask(__name__)
client = RealtimeClient()

CONFIG = {"instructions": "You answer the telephone. Be brief."}


@app.route("/call", websocket=True)
def call() -> str:
    """One call, from its first message to its last."""
    socket = Server.accept(request.environ)
    try:
        with client.connect("gpt-realtime-2.1", config=CONFIG) as session:

            def greet() -> None:
                session.response.create(instructions="Greet the caller.")

            with CallBridge(
                session, TELNYX, send=socket.send, on_start=greet, output=PCMU
            ) as bridge:
                while not bridge.ended.is_set():
                    bridge.receive(socket.receive())
    except ConnectionClosed:
        app.logger.info("the caller has hung up")
    finally:
        if socket.connected:
            socket.close()
    return ""
