"""The examples of telephony, with a caller who really speaks."""

from __future__ import annotations

import base64
import importlib.util
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
import responses
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from werkzeug.serving import make_server

from realtime_sync import audio, webhooks
from realtime_sync.server import Call, Prompt, Say, serve
from realtime_sync.server.voice import default_synthesizer
from realtime_sync.testing.carrier_lines import TelnyxCarrierLine

EXAMPLES = Path(__file__).parent.parent.parent / "docs" / "examples"
QUESTION = "What is the capital of France?"
BLOCK = 160
"""Bytes of 20 ms of mu-law."""


@pytest.fixture
def voice_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The local voice server, where the examples look for the model."""
    with serve(agent="voice") as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        yield server


def example(name: str) -> Any:
    """Import an example."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def question() -> bytes:
    """The question as a telephone carries it, and the silence after it."""
    spoken = default_synthesizer().speak(QUESTION)
    narrow = audio.convert(spoken, "pcm16", "g711_ulaw")
    return narrow + audio.silence(1.0, "g711_ulaw")


@pytest.fixture(scope="module")
def answer() -> bytes:
    """What the local voice server says to that."""
    spoken = default_synthesizer().speak("The capital of France is Paris.")
    return audio.convert(spoken, "pcm16", "g711_ulaw")


def likeness(sound: bytes, wanted: bytes) -> float:
    """
    How alike two sounds are, 1.0 being the same but for loudness.

    Recognition would be the nicer test, but recognizers are made for more than the
    telephone's 8 kHz.
    """
    ours, theirs = (
        numpy.frombuffer(
            audio.convert(each, "g711_ulaw", "pcm16", to_rate=8000), dtype="<i2"
        ).astype(float)
        for each in (sound, wanted)
    )
    both = numpy.correlate(ours, theirs, mode="full").max()
    return float(both / numpy.sqrt((ours**2).sum() * (theirs**2).sum()))


class Caller:
    """
    Twilio at the other end of a WebSocket, with somebody who speaks.

    Marks are returned as soon as they come: this caller hears everything at once.
    """

    def __init__(self, line: ClientConnection) -> None:
        self.line = line
        self.sound = b""
        self.events: list[str] = []
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self.listen, name="caller")
        self.send({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        self.send(
            {
                "event": "start",
                "streamSid": "MZ1",
                "start": {
                    "streamSid": "MZ1",
                    "callSid": "CA1",
                    "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000},
                },
            }
        )
        self.thread.start()

    def send(self, message: dict[str, Any]) -> None:
        """Send a message."""
        self.line.send(json.dumps({"streamSid": "MZ1", **message}))

    def speak(self, sound: bytes) -> None:
        """Speak, in pieces of 20 ms as Twilio sends them."""
        for at in range(0, len(sound), BLOCK):
            payload = base64.b64encode(sound[at : at + BLOCK]).decode()
            media = {"track": "inbound", "payload": payload}
            self.send({"event": "media", "media": media})

    def listen(self) -> None:
        """Hear what comes until the line is closed."""
        try:
            for text in self.line:
                message = json.loads(text)
                if message["event"] == "mark":
                    self.send({"event": "mark", "mark": message["mark"]})
                with self.changed:
                    self.events.append(message["event"])
                    if message["event"] == "media":
                        self.sound += base64.b64decode(message["media"]["payload"])
                    self.changed.notify_all()
        except ConnectionClosed:
            return

    def wait(self, condition: Any) -> None:
        """Wait until something is true of what was heard."""
        with self.changed:
            assert self.changed.wait_for(condition, 20)


def test_a_caller_is_answered_and_may_interrupt(
    voice_server: Any, question: bytes, answer: bytes
) -> None:
    """Over a real WebSocket to the Flask example; an interruption sends ``clear``."""
    pytest.importorskip("simple_websocket")
    app = example("twilio_flask").app
    flask = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=flask.serve_forever, name="flask")
    thread.start()
    twiml = app.test_client().post("/incoming", base_url="http://phone.example").text
    try:
        with connect(f"ws://127.0.0.1:{flask.server_port}/call") as line:
            caller = Caller(line)
            caller.speak(question)
            caller.wait(lambda: len(caller.sound) > len(answer) // 2)
            first = caller.sound
            caller.speak(question[: -8 * 1000])
            caller.wait(lambda: "clear" in caller.events)
            caller.speak(audio.silence(1.0, "g711_ulaw"))
            heard = len(caller.sound)
            caller.wait(lambda: len(caller.sound) >= heard + len(answer) - BLOCK)
            caller.send({"event": "stop", "stop": {"callSid": "CA1"}})
            caller.thread.join(10)
    finally:
        flask.shutdown()
        thread.join()
        flask.server_close()

    assert '<Stream url="wss://phone.example/call"/>' in twiml
    assert likeness(first, answer[: len(first)]) > 0.9
    assert likeness(caller.sound[heard:], answer) > 0.9


def test_a_caller_on_telnyx_is_greeted(monkeypatch: pytest.MonkeyPatch) -> None:
    """In Telnyx's words, over a real WebSocket, before anybody has spoken."""
    pytest.importorskip("simple_websocket")
    telnyx, sound = TelnyxCarrierLine(), b""
    with serve(agent=lambda prompt: "good day") as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        app = example("telnyx_flask").app
        flask = make_server("127.0.0.1", 0, app, threaded=True)
        thread = threading.Thread(target=flask.serve_forever, name="flask")
        thread.start()
        try:
            with connect(f"ws://127.0.0.1:{flask.server_port}/call") as line:
                for message in telnyx.begin():
                    line.send(message)
                while len(sound) < 8 * 400:
                    for asked in telnyx.read(line.recv(20)):
                        sound += asked.sound
                line.send(telnyx.stop())
        finally:
            flask.shutdown()
            thread.join()
            flask.server_close()

    assert audio.level(sound, "g711_ulaw").peak > -30


@pytest.mark.parametrize(
    "tool, form",
    [
        ("end_call", "Status=completed"),
        ("hand_on", "Twiml=%3CResponse%3E%3CDial%3E%3CNumber%3E%2B14155550199"),
    ],
)
def test_a_call_is_placed_and_ended_over_rest(
    monkeypatch: pytest.MonkeyPatch, tool: str, form: str
) -> None:
    """Once the goodbye was heard; who may dial is asked for a token."""
    pytest.importorskip("simple_websocket")
    for name in ("ACCOUNT_SID", "AUTH_TOKEN", "NUMBER"):
        monkeypatch.setenv(f"TWILIO_{name}", "+14155550100")
    monkeypatch.setenv("DESK_NUMBER", "+14155550199")
    monkeypatch.setenv("DIAL_TOKEN", "let-me")
    calls = "https://api.twilio.com/2010-04-01/Accounts/%2B14155550100/Calls"

    def goodbye(prompt: Prompt) -> Any:
        said = [item.get("type") for item in prompt.items]
        return None if "function_call" in said else [Say("goodbye now"), Call(tool)]

    with serve(agent=goodbye) as server, responses.RequestsMock() as twilio:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        app = example("outbound_flask").app
        twilio.add("POST", f"{calls}.json", json={"sid": "CA1"}, status=201)
        web = app.test_client()
        stranger = web.post("/dial", data={"to": "+14155550123"})
        placed = web.post(
            "/dial",
            data={"to": "+14155550123"},
            headers={"Authorization": "Bearer let-me"},
        )
        heard: list[int] = []
        done = threading.Event()

        def ended(request: Any) -> tuple[int, dict[str, str], str]:
            heard.append(len(caller.sound))
            done.set()
            return 200, {}, "{}"

        twilio.add_callback("POST", f"{calls}/CA1.json", ended)
        flask = make_server("127.0.0.1", 0, app, threaded=True)
        thread = threading.Thread(target=flask.serve_forever, name="flask")
        thread.start()
        try:
            with connect(f"ws://127.0.0.1:{flask.server_port}/call") as line:
                caller = Caller(line)
                assert done.wait(20)
                caller.send({"event": "stop", "stop": {"callSid": "CA1"}})
                caller.thread.join(10)
        finally:
            flask.shutdown()
            thread.join()
            flask.server_close()
        sent = str(twilio.calls[-1].request.body)

    assert 401 == stranger.status_code
    assert {"call_id": "CA1"} == placed.get_json()
    assert form in sent
    # The hum of eleven letters, whole, before the call was ended.
    assert heard == [pytest.approx(11 * 60 * 8, abs=BLOCK)]


def test_a_line_of_plain_mu_law_is_answered(
    voice_server: Any, question: bytes, answer: bytes
) -> None:
    """Bytes in, bytes out."""
    module = example("g711_socket")
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=module.serve, args=(listener,), name="line")
    thread.start()
    sound = b""
    with socket.create_connection(listener.getsockname()) as line:
        line.settimeout(20)
        line.sendall(question)
        while len(sound) < len(answer) - BLOCK:
            sound += line.recv(4096)
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(10)

    assert likeness(sound, answer) > 0.9
    assert not thread.is_alive()


def test_a_sip_call_is_accepted_and_followed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A signed webhook, told twice; the call is greeted once and then hung up."""
    monkeypatch.setenv("OPENAI_WEBHOOK_SECRET", "whsec_" + "c2VjcmV0" * 4)
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    spoken = threading.Event()

    def greet(prompt: Any) -> str:
        spoken.set()
        return "Good morning"

    with serve(agent=greet) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        module = example("sip_calls")
        call_id = server.ring()
        body = json.dumps(
            {
                "id": "evt_1",
                "object": "event",
                "type": "realtime.call.incoming",
                "created_at": 1,
                "data": {"call_id": call_id, "sip_headers": []},
            }
        ).encode()
        headers = webhooks.sign(body, webhook_id="wh", timestamp=int(time.time()))
        visitor = module.app.test_client()
        codes = [
            visitor.post("/webhook", data=each, headers=headers).status_code
            for each in (body, body, b"{}")
        ]
        assert spoken.wait(10)
        following = [t for t in threading.enumerate() if t.name == call_id]
        server.wait_for_sessions(1)
        server.wait_idle()
        module.client.calls.hangup(call_id)
        for thread in following:
            thread.join(10)

    assert [200, 200, 400] == codes
    assert 1 == len(following)
    assert f"{call_id}: Good morning" in caplog.text
