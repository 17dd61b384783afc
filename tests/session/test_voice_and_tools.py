"""
Voice and tools together, on the local voice server: interrupt, act.

``pytest -s`` shows the figures; bounds in milliseconds hold under ``deep``.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy
import pytest

from realtime_sync import Session, audio, connect
from realtime_sync.server import Call, Say, Server, serve
from realtime_sync.server.agents.base import Prompt
from realtime_sync.server.agents.voice import VoiceAgent
from realtime_sync.server.voice import default_synthesizer
from realtime_sync.tools import ToolCall

STORY = "tell me a story"
OUTPUT = "function_call_output"
BYTES_PER_MS = 48


class TwoItems(VoiceAgent):
    """Says a sentence, calls a function, and tells a story: two spoken items."""

    def reply(self, prompt: Prompt) -> Any:
        """One response with a message, a call and a message."""
        return [Say("Of course."), Call("note", {}), super().reply(prompt)]


class Calls(VoiceAgent):
    """Calls a function when asked by text to, else talks as `VoiceAgent` does."""

    def reply(self, prompt: Prompt) -> Any:
        """A call for "act", what it was answered, or conversation."""
        last = prompt.last or {}
        if last.get("type") == OUTPUT:
            return "It is done."
        if prompt.text == "act":
            return Call("act", {})
        return super().reply(prompt)


@pytest.fixture(scope="module")
def interjection() -> bytes:
    """What the user says in between."""
    return default_synthesizer().speak("What is the capital of France?")


@pytest.fixture(scope="module")
def voices() -> Any:
    """The agents; their models are loaded once."""
    return SimpleNamespace(plain=VoiceAgent(), two=TwoItems(), calls=Calls())


class Ear:
    """A sink that counts what it consumed, and notes when."""

    def __init__(self) -> None:
        self.size = 0
        self.last = 0.0
        self.changed = threading.Condition()

    def __call__(self, block: bytes) -> None:
        """Consume a block."""
        with self.changed:
            self.size += len(block)
            self.last = time.monotonic()
            self.changed.notify_all()

    @property
    def ms(self) -> float:
        """Milliseconds consumed."""
        with self.changed:
            return self.size / BYTES_PER_MS

    def wait(self, ms: float) -> None:
        """Wait until so much was consumed."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.size / BYTES_PER_MS >= ms, 30)


def interrupted(voice: VoiceAgent, interjection: bytes, *, second: bool) -> Any:
    """One spoken answer, interrupted by speech while a handler is blocked."""
    release = threading.Event()
    arrived: list[float] = []
    with serve(agent=voice, pace=8.0) as server:
        with connect("any", base_url=server.url) as session:
            session.on(
                "input_audio_buffer.speech_started",
                lambda event: arrived.append(time.monotonic()),
                inline=True,
            )
            session.on("response.audio.delta", lambda event: release.wait(30))
            ear = Ear()
            with audio.Player(ear) as player, player.attach(session):
                session.conversation.add_message(STORY)
                session.response.create()
                first = length_of_first(session) if second else 0.0
                ear.wait(first + 300)
                with session.expect("conversation.item.truncated") as cut:
                    session.input_audio_buffer.append(interjection)
                truncated = cut.result(20)
                consumed = ear.ms - first
                # The last block sounds for 20 ms after it came.
                silent = max(ear.last + 0.020 - arrived[0], 0.0)
            items = [i for i in session.snapshot.items if i.role == "assistant"]
            release.set()
    return SimpleNamespace(
        silent=silent * 1e3,
        off=abs(consumed - truncated.audio_end_ms),
        place=[item.id for item in items].index(truncated.item_id),
        cut=[item.truncated for item in items],
    )


def length_of_first(session: Session) -> float:
    """Milliseconds of the first spoken item, once the second has begun."""
    while True:
        snapshot = session.snapshot
        spoken = [i for i in snapshot.items if i.role == "assistant" and i.content]
        if len(spoken) > 1 and spoken[0].closed:
            return float(spoken[0].content[0].audio_ms)
        session.wait_changed(snapshot.version, timeout=20)


@pytest.mark.parametrize("rounds", [2, pytest.param(60, marks=pytest.mark.deep)])
@pytest.mark.parametrize("second", [False, True], ids=["one item", "two items"])
@pytest.mark.timeout(900)
def test_speech_silences_an_answer_and_cuts_it_where_it_was_heard(
    voices: Any, interjection: bytes, rounds: int, second: bool
) -> None:
    """From the wire to silence, and from the account to the ear."""
    voice = voices.two if second else voices.plain
    runs = [interrupted(voice, interjection, second=second) for _ in range(rounds)]
    p99 = float(numpy.percentile([run.silent for run in runs], 99))
    off = max(run.off for run in runs)
    print(
        f"{rounds} interruptions: silent p99 {p99:.1f} ms, "
        f"truncated within {off:.1f} ms of what was consumed"
    )

    assert {int(second)} == {run.place for run in runs}
    assert all(run.cut == ([False, True] if second else [True]) for run in runs)
    if rounds > 2:
        assert p99 <= 30
        assert off <= 20


@pytest.fixture
def server(voices: Any) -> Iterator[Server]:
    """A server that speaks, and calls functions."""
    with serve(agent=voices.calls, pace=8.0) as server:
        yield server


@pytest.mark.parametrize(
    "seconds", [None, pytest.param(8.0, marks=pytest.mark.deep)], ids=["event", "8 s"]
)
def test_a_tool_that_runs_delays_nothing(
    server: Server, interjection: bytes, seconds: float | None
) -> None:
    """The user is heard and answered aloud while it runs; then it is answered."""
    began, release, over = threading.Event(), threading.Event(), threading.Event()

    def act(call: ToolCall) -> str:
        """Act, at leisure."""
        began.set()
        release.wait(seconds or 60)
        over.set()
        return json.dumps("done")

    lags: dict[str, list[float]] = {"speech_started": [], "delta": []}
    seen: dict[int, float] = {}
    with connect("any", base_url=server.url, tools=[act]) as session:
        session.tools.remove(act)
        session.tool(act, timeout=90)
        asked: list[Any] = []
        session.on("client.response.create", asked.append)
        for name in ("input_audio_buffer.speech_started", "response.audio.delta"):
            session.on(
                name, lambda e: seen.update({id(e): time.monotonic()}), inline=True
            )

            def note(event: Any, to: str = name.rpartition(".")[2]) -> None:
                lags[to].append(time.monotonic() - seen[id(event)])

            session.on(name, note)
        session.conversation.add_message("act")
        session.response.create()
        assert began.wait(10)
        with session.expect("response.done") as answered:
            session.input_audio_buffer.append(interjection + audio.silence(1.0))
            spoken = answered.result(20).response
        still_running = not over.is_set()
        if seconds is None:
            release.set()
        with session.expect(
            "response.done", where=lambda e: e.response.id != spoken.id
        ) as last:
            last.result(30)
        session.flush()
        snapshot = session.snapshot
        outputs = [i.output for i in snapshot.items if i.type == OUTPUT]
        said = [i.said for i in snapshot.items if i.role == "assistant"]
    worst = {name: max(each) * 1e3 for name, each in lags.items()}
    print(f"while a tool ran: at most {worst} ms from the reader to a handler")

    assert still_running
    assert ["The capital of France is Paris.", "It is done."] == said
    assert ['"done"'] == outputs
    assert 2 == len(asked)
    if seconds:
        assert max(worst.values()) <= 30


def raises() -> None:
    """Fail."""
    raise ValueError("broken")


def never(call: ToolCall) -> None:
    """Take too long."""
    call.abandoned.wait(30)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (Call("raises", "{bad"), "not JSON"),
        (Call("nobody", {}), "no tool called 'nobody'"),
        (Call("raises", {}), "ValueError: broken"),
        (Call("never", {}), "did not answer within 0.05 seconds"),
    ],
    ids=["bad JSON", "unknown tool", "exception", "timeout"],
)
@pytest.mark.parametrize("dialect", ["ga", "beta"])
def test_what_goes_wrong_is_told_once_and_the_session_lives(
    dialect: str, call: Call, words: str
) -> None:
    """One output, one response.create, and a next question that is answered."""
    left = [call]

    def model(prompt: Prompt) -> Any:
        return left.pop() if left else "Well then."

    with serve(agent=model) as server:
        with connect(
            "any", base_url=server.url, dialect=dialect, tools=[raises]
        ) as session:
            session.tool(never, timeout=0.05)
            asked: list[Any] = []
            session.on("client.response.create", asked.append)
            told = session.ask("Go.", timeout=10)
            session.flush()
            follow_ups = len(asked) - 1
            outputs = [i.output for i in session.snapshot.items if i.type == OUTPUT]
            again = session.ask("And now?", timeout=10)

    assert [True] == [words in json.loads(output)["error"] for output in outputs]
    assert 1 == follow_ups
    assert ("Well then.", "Well then.") == (told.text, again.text)


@pytest.mark.parametrize("dialect", ["ga", "beta"])
def test_a_call_of_a_response_that_the_user_interrupts_is_not_run(
    dialect: str,
) -> None:
    """The call was complete, the response was not: told, and not acted upon."""
    ran: list[int] = []

    def act() -> None:
        """Act."""
        ran.append(1)

    def model(prompt: Prompt) -> Any:
        return [Call("act", {}), Say("word " * 99)]

    added = "created" if dialect == "beta" else "added"
    with serve(agent=model, pace=1.0) as server:
        with connect(
            "any", base_url=server.url, dialect=dialect, tools=[act]
        ) as session:
            asked: list[Any] = []
            session.on("client.response.create", asked.append)
            with session.expect("response.audio.delta") as speaking:
                session.conversation.add_message("Act.")
                handle = session.response.create()
                speaking.result(10)
            with session.expect(
                f"conversation.item.{added}",
                where=lambda event: event.item.type == OUTPUT,
            ) as told:
                reply = handle.cancel(10)
                output = told.result(10).item.output
            session.flush()

    assert "cancelled" == reply.status
    assert "cancelled" in json.loads(output)["error"]
    assert [] == ran
    assert 1 == len(asked)
