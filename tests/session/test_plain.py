"""
Without the modules of the ``speed`` extra everything works, only slower.

``tox -e plain`` runs the whole suite without them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

CONVERSATION = """
import sys
sys.modules["orjson"] = sys.modules["pybase64"] = None

import json
from realtime_sync import connect
from realtime_sync.protocol import base64_audio, jsontext
from realtime_sync.server import serve

assert base64_audio.pybase64 is None
assert jsontext.loads is jsontext.standard_loads
heard = []
with serve(agent="echo") as server, connect("m", base_url=server.url) as session:
    session.on("response.output_audio.delta", lambda event: heard.append(event.delta))
    session.input_audio_buffer.append(bytes(range(256)) * 40)
    session.input_audio_buffer.clear().acknowledged()
    reply = session.ask("\\u00e9 \\U0001f600", timeout=20)
    session.response.create(output_modalities=["audio"]).result(timeout=20)
    session.flush()
assert all(isinstance(each, bytes) for each in heard)
print(json.dumps([reply.text, len(b"".join(heard)) > 9600]))
"""


def test_a_session_needs_no_module_of_the_speed_extra() -> None:
    """Text and audio go both ways with the standard library's JSON and base64."""
    done = subprocess.run(
        [sys.executable, "-c", CONVERSATION],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert ("", 0) == (done.stderr, done.returncode)
    assert ["\u00e9 \U0001f600", True] == json.loads(done.stdout)
