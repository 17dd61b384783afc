"""
A telephone line for Asterisk: whoever is connected by AudioSocket talks to the model.

Install and run it, and let the dial plan connect a call::

    python -m pip install ".[audio]"
    python audiosocket_server.py 9092

    exten => 100,1,Answer()
     same => n,AudioSocket(${UUID()},your-host:9092)

Every call takes a thread. AudioSocket encrypts nothing and asks nobody for a
password: let it be reached by Asterisk alone. The model is that of
``OPENAI_API_KEY``, or of the server that ``OPENAI_BASE_URL`` names.
"""

from __future__ import annotations

import socket
import sys
import threading

from realtime_sync import RealtimeClient
from realtime_sync.audio.telephony import AUDIOSOCKET, CallBridge

client = RealtimeClient()

CONFIG = {"instructions": "You answer the telephone. Say goodbye, then end the call."}


def answer(line: socket.socket) -> None:
    """One call, from its UUID to its end."""
    with line, client.connect("gpt-realtime-2.1", config=CONFIG) as session:

        def greet() -> None:
            session.response.create(instructions="Greet the caller.")

        with CallBridge(
            session, AUDIOSOCKET, send=line.sendall, on_start=greet
        ) as bridge:

            @session.tool
            def end_call() -> str:
                """End the call, once goodbye was said."""
                bridge.wait_heard(10)
                bridge.hang_up()
                return "The call has ended."

            try:
                while not bridge.ended.is_set() and (piece := line.recv(4096)):
                    bridge.receive(piece)
            except OSError:
                print("the caller has hung up in the middle of a sentence")


def serve(listener: socket.socket) -> None:
    """Take every call in a thread of its own, until the listener is closed."""
    while True:
        try:
            line, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=answer, args=(line,), name="call").start()


if __name__ == "__main__":
    serve(socket.create_server(("127.0.0.1", int(sys.argv[1]))))
