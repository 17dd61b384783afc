"""
A plain socket that carries mu-law: what switchboards and radio gateways speak.

Bytes that come in are the caller's voice, 8,000 a second; bytes that go out, at the
same pace, are the model's. There is nothing else on the line::

    python g711_socket.py 5004

The model is that of ``OPENAI_API_KEY``, or of the server that
``OPENAI_BASE_URL`` names.
"""

from __future__ import annotations

import socket
import sys
import threading

from realtime_sync import RealtimeClient, audio

MU_LAW = {"format": {"type": "audio/pcmu"}}
CONFIG = {"audio": {"input": MU_LAW, "output": MU_LAW}}

client = RealtimeClient()


def converse(line: socket.socket) -> None:
    """Connect one line to the model until the other side hangs up."""
    with line, client.connect("gpt-realtime-2.1", config=CONFIG) as session:
        try:
            with audio.Player(line.sendall, format="g711_ulaw") as player:
                with player.attach(session):
                    while voice := line.recv(1600):
                        session.input_audio_buffer.append(voice)
        except OSError:
            print("the caller has hung up in the middle of a sentence")


def serve(listener: socket.socket) -> None:
    """Take every call in a thread of its own, until the listener is closed."""
    while True:
        try:
            line, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=converse, args=(line,), name="call").start()


if __name__ == "__main__":
    serve(socket.create_server(("127.0.0.1", int(sys.argv[1]))))
