"""Barge-in, against the local server with a paced sink."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from realtime_sync import Session, audio, connect
from realtime_sync.server import Call, Say, Server, serve
from realtime_sync.testing import MemoryTransport, frames

LONG = "a long answer " * 20
"""Hummed at 60 ms per character: 16.8 seconds."""

VAD = {"type": "server_vad", "silence_duration_ms": 200}


class Ear:
    """A sink that counts what it was given and notes when."""

    def __init__(self) -> None:
        self.bytes = 0
        self.last = 0.0
        self.changed = threading.Condition()

    def __call__(self, block: bytes) -> None:
        """Hear a block."""
        with self.changed:
            self.bytes += len(block)
            self.last = time.monotonic()
            self.changed.notify_all()

    @property
    def ms(self) -> float:
        """Milliseconds heard."""
        with self.changed:
            return self.bytes / 48

    def wait(self, ms: float) -> None:
        """Wait until so much was heard."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.bytes / 48 >= ms, 20)


@pytest.fixture
def ear() -> Ear:
    """Who listens."""
    return Ear()


@pytest.fixture
def opened() -> Iterator[Callable[..., Session]]:
    """Open sessions with a server and an agent of one's own; all are closed."""
    everything: list[Any] = []

    def open_session(
        agent: Any, *, detection: Any = VAD, pace: float | None = None, **options: Any
    ) -> Session:
        server: Server = serve(agent=agent, pace=pace)
        everything.append(server)
        session = connect(
            "any",
            base_url=server.url,
            config={"audio": {"input": {"turn_detection": detection}}},
            **options,
        )
        everything.append(session)
        return session

    yield open_session
    for each in reversed(everything):
        each.close()


def say(*texts: Any) -> Callable[[Any], Any]:
    """An agent that gives one of these answers to each question, in order."""
    left = list(texts)
    return lambda prompt: left.pop(0) if left else None


def barge_in(session: Session) -> Any:
    """Speak, and wait until the server has heard it."""
    with session.expect("input_audio_buffer.speech_started") as started:
        session.input_audio_buffer.append(audio.tone(440, 0.3, level=-6))
    return started.result(10)


def settled(session: Session, condition: Callable[[Any], Any]) -> Any:
    """The first snapshot for which a condition holds."""
    deadline = time.monotonic() + 10
    while True:
        snapshot = session.snapshot
        if condition(snapshot):
            return snapshot
        session.wait_changed(snapshot.version, timeout=deadline - time.monotonic())


def answers(snapshot: Any) -> list[Any]:
    """The messages of the assistant."""
    return [item for item in snapshot.items if item.role == "assistant"]


@pytest.mark.parametrize("dialect", ["ga", "beta"])
@pytest.mark.parametrize("pace", [None, 2.0], ids=["generated", "generating"])
def test_an_answer_is_truncated_where_it_was_last_heard(
    opened: Callable[..., Session], ear: Ear, dialect: str, pace: float | None
) -> None:
    """Whether the response is long complete or still running, in both dialects."""
    session = opened(say(LONG), pace=pace, dialect=dialect)
    with audio.Player(ear) as player, player.attach(session) as attached:
        session.conversation.add_message("Tell me")
        session.response.create()
        ear.wait(300)
        barge_in(session)
        snapshot = settled(session, lambda snap: answers(snap)[0].truncated)
        heard = ear.ms
    (answer,) = answers(snapshot)

    assert abs(heard - answer.heard_ms) <= 20
    assert 1 == attached.interruptions
    assert len(answer.heard) < len(answer.said)
    assert LONG.startswith(answer.heard)
    assert [] == [a for a in snapshot.anomalies if a.event_type == "error"]


def test_it_is_silent_while_a_handler_sleeps(
    opened: Callable[..., Session], ear: Ear
) -> None:
    """The interruption overtakes handlers that block, and audio that is queued."""
    session = opened(say(LONG), pace=2.0)
    blocked, release = threading.Event(), threading.Event()

    @session.on("response.output_audio.delta")
    def slow(event: Any) -> None:
        blocked.set()
        release.wait(20)

    with audio.Player(ear) as player, player.attach(session):
        session.conversation.add_message("Tell me")
        session.response.create()
        ear.wait(200)
        assert blocked.wait(10)
        barge_in(session)
        settled(session, lambda snap: answers(snap)[0].truncated)
        silent_at = ear.ms
        quiet = player.wait_idle(10)
        release.set()

    assert quiet
    assert silent_at == ear.ms


def test_a_second_item_is_cut_and_the_first_left_alone(
    opened: Callable[..., Session], ear: Ear
) -> None:
    """Two answers in a row, interrupted in the second."""
    session = opened(say("Hello", LONG))
    with audio.Player(ear) as player, player.attach(session):
        for _ in range(2):
            session.conversation.add_message("Tell me")
            session.response.create().result()
        ear.wait(300 + 200)
        barge_in(session)
        snapshot = settled(session, lambda snap: answers(snap)[1].truncated)
        heard = ear.ms
    first, second = answers(snapshot)

    assert not first.truncated
    assert abs(heard - 300 - second.heard_ms) <= 20


def test_an_answer_that_waits_to_be_heard_is_deleted(
    opened: Callable[..., Session], ear: Ear
) -> None:
    """Queued behind one that is playing, and never heard."""
    session = opened(say(LONG, LONG))
    with audio.Player(ear) as player, player.attach(session):
        for _ in range(2):
            session.conversation.add_message("Tell me")
            session.response.create().result()
        ear.wait(100)
        before = answers(session.snapshot)
        barge_in(session)
        snapshot = settled(
            session, lambda snap: len(answers(snap)) == 1 and answers(snap)[0].truncated
        )

    assert [before[0].id] == [item.id for item in answers(snapshot)]


def test_audio_of_the_interrupted_response_is_dropped_afterwards(
    opened: Callable[..., Session], ear: Ear
) -> None:
    """A server that does not stop by itself talks on until it is cancelled."""
    detection = {**VAD, "interrupt_response": False, "create_response": False}
    session = opened(say(LONG, "Yes"), pace=2.0, detection=detection)
    with audio.Player(ear) as player, player.attach(session):
        session.conversation.add_message("Tell me")
        handle = session.response.create()
        ear.wait(200)
        barge_in(session)
        reply = handle.result(check=False)
        snapshot = settled(session, lambda snap: answers(snap)[0].truncated)
        heard = ear.ms
        next_one = session.response.create()
        next_one.result()
        ear.wait(heard + 3 * 60)

    assert "cancelled" == reply.status
    assert abs(heard - answers(snapshot)[0].heard_ms) <= 20


def test_an_interruption_by_hand_tells_what_was_heard(
    opened: Callable[..., Session], ear: Ear
) -> None:
    """For a button, a dead line, a new idea."""
    session = opened(say(LONG), pace=2.0, detection=None)
    told: list[Any] = []
    with audio.Player(ear) as player:
        attached = player.attach(session, barge_in=False, on_interrupted=told.append)
        session.conversation.add_message("Tell me")
        session.response.create()
        ear.wait(200)
        heard = attached.interrupt()
        snapshot = settled(session, lambda snap: answers(snap)[0].truncated)
        again = attached.interrupt()
        attached.detach()
        attached.detach()

    assert [heard, again] == told
    assert () == again
    assert int(heard[0].heard_ms) == answers(snapshot)[0].heard_ms
    assert 1 == attached.interruptions


def test_without_barge_in_nothing_is_cut(
    opened: Callable[..., Session], ear: Ear
) -> None:
    """Some loudspeakers announce, and do not converse."""
    session = opened(say("Hello"))
    with audio.Player(ear) as player, player.attach(session, barge_in=False):
        session.conversation.add_message("Tell me")
        session.response.create().result()
        barge_in(session)
        assert player.wait_idle(10)

    assert 300 == ear.ms


def test_a_session_of_a_telephone_is_played_on_a_loudspeaker(
    opened: Callable[..., Session], ear: Ear
) -> None:
    """The player's format may be another than the session's."""
    session = opened(say("Hello", LONG))
    output = {"format": {"type": "audio/pcmu"}}
    session.update(audio={"output": output}).acknowledged()
    with audio.Player(ear) as player, player.attach(session):
        session.conversation.add_message("Tell me")
        session.response.create().result()
        assert player.wait_idle(10)
        whole = ear.ms
        session.conversation.add_message("Tell me more")
        session.response.create().result()
        ear.wait(whole + 200)
        barge_in(session)
        snapshot = settled(session, lambda snap: answers(snap)[-1].truncated)
        heard = ear.ms

    assert 300 == pytest.approx(whole, abs=0.1)
    assert abs(heard - whole - answers(snapshot)[-1].heard_ms) <= 20


def test_a_call_beside_the_answer_is_left_alone(
    opened: Callable[..., Session], ear: Ear
) -> None:
    """Only what is spoken can be interrupted."""
    session = opened(say([Say(LONG), Call("look_up", {"what": "x"})]))
    with audio.Player(ear) as player, player.attach(session):
        session.conversation.add_message("Tell me")
        session.response.create().result()
        ear.wait(200)
        barge_in(session)
        snapshot = settled(session, lambda snap: answers(snap)[0].truncated)

    assert ["look_up"] == [
        item.name for item in snapshot.items if item.type == "function_call"
    ]


def test_an_item_that_begins_after_the_interruption_is_muted_and_deleted() -> None:
    """The server began it before it heard of the cancellation; nobody heard it."""
    transport = MemoryTransport()
    whole = list(
        frames.answer(
            spoken="One.", calls=[("f", {})], status="cancelled", response_id="resp_1"
        )({})
    )
    later = list(frames.answer(spoken="Two.", response_id="resp_1", item_id="late")({}))
    with connect("m", transport=transport, dispatch="inline") as session:
        player = audio.Player()
        attached = player.attach(session)
        transport.feed(*whole[:-1])
        first = session.snapshot.response("resp_1").items[0]
        player.pull(4800)
        attached.interrupt(cancel=True)
        transport.take()
        transport.feed(*later[1:-1])
        queued = player.queued_ms
        before = transport.take()
        done = whole[-1]
        done["response"]["output"] += later[-1]["response"]["output"]
        transport.feed(done)
        after = transport.take()
        transport.feed(*frames.answer(spoken="Three.")({}))

        assert 0.0 == queued
        assert [] == before
        assert [("conversation.item.delete", "late")] == [
            (frame["type"], frame["item_id"]) for frame in after
        ]
        assert first != "late"
        assert player.queued_ms > 0
        assert [] == transport.take()
    player.close()
