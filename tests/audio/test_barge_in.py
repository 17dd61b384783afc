"""Barge-in, against the local server with a paced sink."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from realtime_sync import Session, audio, connect
from realtime_sync.errors import ConfigurationError
from realtime_sync.server import Call, Say, Server, serve
from realtime_sync.testing import ManualClock, MemoryTransport, frames

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
    with audio.Player(ear) as player, player.attach(session, barge_in=True):
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

    assert [heard] == told
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
        response = session.snapshot.response("resp_1")
        assert response is not None
        first = response.items[0]
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


# -- servers that are not quite the service -----------------------------------


def memory(**options: Any) -> tuple[MemoryTransport, Session]:
    """A session whose server is the test."""
    transport = MemoryTransport()
    session = connect("m", transport=transport, dispatch="inline", **options)
    return transport, session


def delta(data: bytes = bytes(4800), **ids: Any) -> dict[str, Any]:
    """100 ms of sound, with the ids that are given and no others."""
    sound = base64.b64encode(data).decode()
    return {"type": "response.output_audio.delta", "delta": sound, **ids}


def begins(response_id: str | None) -> dict[str, Any]:
    """The begin of a response, with or without its name."""
    response: dict[str, Any] = {"object": "realtime.response", "status": "in_progress"}
    if response_id is not None:
        response["id"] = response_id
    return {"type": "response.created", "response": response}


STARTED = {
    "type": "input_audio_buffer.speech_started",
    "audio_start_ms": 0,
    "item_id": "u1",
}


@pytest.mark.parametrize("absent", [{}, {"item_id": "", "response_id": None}])
@pytest.mark.parametrize("name", ["r2", None])
def test_sound_without_ids_is_heard_again_after_an_interruption(
    absent: dict[str, Any], name: str | None
) -> None:
    """An absent id is no id; the begin of a response is the border."""
    transport, session = memory()
    with session, audio.Player() as player, player.attach(session):
        transport.feed(delta(**absent), STARTED, delta(**absent))
        muted = player.queued_ms
        transport.feed(begins(name), delta(**absent))
        again = player.queued_ms

    assert (0.0, 100.0) == (muted, again)


def test_what_is_over_mutes_nothing_that_comes_after_it() -> None:
    """The order tells as well, where no begin is said."""
    transport, session = memory()
    with session, audio.Player() as player, player.attach(session):
        done = {"type": "response.done", "response": {"status": "completed"}}
        transport.feed(delta(), done, STARTED, delta())

        assert 100.0 == player.queued_ms


SAID = {"type": "response.output_audio.done"}


@pytest.mark.parametrize(
    "first, late, following",
    [
        ([delta()], [delta(), SAID], [delta()]),
        ([begins(None), delta()], [delta(), SAID], [delta()]),
        ([delta(item_id="a")], [delta(item_id="a")], [delta(item_id="b")]),
        ([delta(response_id="r")], [delta(response_id="r")], [delta(response_id="s")]),
        ([delta(item_id=0, response_id=7)], [delta(item_id=0), SAID], [delta()]),
    ],
)
def test_any_border_will_do(first: Any, late: Any, following: Any) -> None:
    """What came before it stays muted, round after round; what follows is heard."""
    transport, session = memory()
    with session, audio.Player() as player, player.attach(session):
        # A name that was interrupted stays so.
        for _ in range(1 if late[-1] is not SAID else 3):
            transport.feed(*first, STARTED, *late)
            muted = player.queued_ms
            transport.feed(*following)

            assert (0.0, 100.0) == (muted, player.queued_ms)
            transport.feed(STARTED, SAID, begins(None))


def test_a_name_that_the_mirror_has_made_up_is_not_sent() -> None:
    """A server that names nothing refuses it, and goes on talking."""
    transport, session = memory()
    with session, audio.Player() as player, player.attach(session):
        transport.feed(delta(), STARTED)
        (sent,) = transport.take()

    assert "response.cancel" == sent["type"]
    assert "response_id" not in sent


@pytest.mark.parametrize("rate", [0, -1, "16000", 10**12, None, 16_000.5, True])
def test_a_rate_that_no_sound_has_says_nothing(rate: Any) -> None:
    """The usual one is what such a server means, and the sound is played."""
    transport, session = memory()
    form = {"type": "audio/pcm", "rate": rate}
    told = {"type": "realtime", "audio": {"output": {"format": form}}}
    with session, audio.Player() as player, player.attach(session):
        transport.feed({"type": "session.updated", "session": told})
        transport.feed(delta(item_id="a", response_id="r"))

        assert 100.0 == player.queued_ms
        (item,) = session.snapshot.response("r").output  # type: ignore[union-attr]
        assert 100 == item.content[0].audio_ms


def test_sound_without_ids_belongs_to_the_response_that_runs() -> None:
    """Its late pieces stay muted, the next response's are heard."""
    transport, session = memory()
    with session, audio.Player() as player, player.attach(session):
        transport.feed(begins("r1"), delta())
        player.interrupt()
        transport.feed(delta(), STARTED, delta())
        muted = player.queued_ms
        transport.feed(begins("r2"), delta())

        assert (0.0, 100.0) == (muted, player.queued_ms)


def test_a_server_with_one_id_for_everything_is_heard_again() -> None:
    """A begin with a name that was interrupted is a begin."""
    transport, session = memory()
    with session, audio.Player() as player, player.attach(session):
        transport.feed(begins("r"), delta(response_id="r"), STARTED)
        transport.feed(delta(response_id="r"))
        muted = player.queued_ms
        transport.feed(begins("r"), delta(response_id="r"))

        assert (0.0, 100.0) == (muted, player.queued_ms)


@pytest.mark.parametrize(
    "first, second, named",
    [
        ("r1", "r2", True),
        ("r", "r", True),
        (None, None, False),
    ],
)
def test_a_server_with_one_id_for_all_items_is_heard_again(
    first: str | None, second: str | None, named: bool
) -> None:
    """A response that was not interrupted is, whatever its item is called."""
    transport, session = memory()
    with session, audio.Player() as player, player.attach(session):
        heard = []
        for response_id in (first, second, second):
            ids = {"response_id": response_id} if named else {}
            sound = delta(item_id="x", **ids)
            transport.feed(begins(response_id), sound)
            heard.append(player.queued_ms)
            transport.feed(STARTED, sound)
            heard.append(player.queued_ms)

        assert [100.0, 0.0] * 3 == heard


@pytest.mark.parametrize(
    "words, asked, figure",
    [
        ("Audio content of 2.45s is already shorter than 3.1s", 3100, 2450),
        ("audio is already shorter than 2,450 ms", 3100, 2450),
        ("audio of item_2999 is shorter: 2 sec", 3100, 2000),
        ("the audio is shorter, 2450.9msec", 3100, 2450),
    ],
)
def test_the_servers_figure_may_be_in_seconds(
    words: str, asked: int, figure: int
) -> None:
    """Whatever its unit, and whatever else is a number in the words."""
    transport, session = memory()
    sound = audio.tone(440, 4.0)
    with session, audio.Player() as player, player.attach(session):
        transport.feed(*frames.answer(spoken="One.", audio=sound, item_id="a1")({}))
        transport.take()
        player.pull(asked * 48)
        transport.feed(STARTED)
        (sent,) = transport.take()
        transport.feed(refusal(words, sent["event_id"]))
        (again,) = transport.take()

        assert (asked, figure) == (sent["audio_end_ms"], again["audio_end_ms"])


@pytest.mark.parametrize(
    "words",
    [
        "Rate limit exceeded: beyond 60 in a minute, try again in 0.02 s",
        "Item a1 of 41 ms not found",
        "The server is overloaded for 0.01 seconds",
        "audio is shorter",
        "audio is shorter than 60 ms",
    ],
)
def test_a_refusal_without_a_figure_of_the_servers_is_left_alone(words: str) -> None:
    """What is guessed would take from the model what was heard."""
    transport, session = memory()
    with session, audio.Player() as player, player.attach(session):
        sent = cut_in_the_middle(transport, session, player)
        transport.feed(refusal(words, sent["event_id"]))

        assert [] == transport.take()


def cut_in_the_middle(
    transport: MemoryTransport, session: Session, player: audio.Player, ms: int = 60
) -> dict[str, Any]:
    """Interrupt a spoken answer of which so much was heard; the truncation."""
    transport.feed(*frames.answer(spoken="One two three.", item_id="a1")({}))
    transport.take()
    player.pull(ms * 48)
    transport.feed(STARTED)
    (sent,) = transport.take()
    assert "conversation.item.truncate" == sent["type"]
    return sent


def refusal(message: str, event_id: str | None) -> dict[str, Any]:
    """An error of the server."""
    error = {
        "type": "invalid_request_error",
        "code": "invalid_value",
        "message": message,
        "param": None,
        "event_id": event_id,
    }
    return {"type": "error", "event_id": "e1", "error": error}


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(
    "words",
    [
        "Audio content of 41ms is already shorter than 60ms",
        "Audio content of 41 ms is already shorter than 60 ms",
        "The audio is shorter (41 milliseconds).",
        "Audio content of 0.041s is already shorter than 0.06s",
        "Audio content of 0.041 seconds is already shorter than 0.060 seconds",
        "audio_end_ms 60 is greater than the length of the audio, 41",
        "Item a99: 60 MS is beyond the end of its audio (41 MS)",
        "audio_end_ms exceeds the duration of the audio: 41.0 < 60.0",
    ],
)
def test_a_truncation_beyond_the_end_is_sent_again_with_the_servers_figure(
    words: str, named: bool
) -> None:
    """Once: what is refused a second time is left alone."""
    transport, session = memory()
    with session, audio.Player() as player, player.attach(session):
        sent = cut_in_the_middle(transport, session, player)
        transport.feed(refusal(words, sent["event_id"] if named else None))
        (again,) = transport.take()
        transport.feed(refusal(words, again["event_id"] if named else None))

        assert (60, 41) == (sent["audio_end_ms"], again["audio_end_ms"])
        assert "a1" == again["item_id"]
        assert [] == transport.take()


@pytest.mark.parametrize("event_id", ["another", None])
def test_an_error_of_something_else_truncates_nothing(event_id: str | None) -> None:
    """Only what says that the sound is shorter is about a truncation."""
    transport, session = memory()
    with session, audio.Player() as player, player.attach(session):
        cut_in_the_middle(transport, session, player)
        transport.feed(refusal("Item a1 of 41 ms not found", event_id))
        transport.feed(refusal("of 41 ms is already shorter", "another"))

        assert [] == transport.take()


@pytest.mark.parametrize("dialect", ["ga", "beta", "xai", "dashscope"])
@pytest.mark.parametrize("kind", ["server_vad", "semantic_vad"])
@pytest.mark.parametrize("word, cut", [(False, False), (True, True), (None, True)])
def test_every_dialect_says_whether_speech_interrupts(
    dialect: str, kind: str, word: bool | None, cut: bool
) -> None:
    """And may say so in the middle of an answer; null and nothing are a yes."""
    transport, session = memory(dialect=dialect)
    detection = {"type": kind, "interrupt_response": word}
    nested = {"type": "realtime", "audio": {"input": {"turn_detection": detection}}}
    flat = {"turn_detection": detection}
    with session, audio.Player() as player, player.attach(session):
        transport.feed(*frames.answer(spoken="One two three.")({}))
        told = nested if dialect == "ga" else flat
        transport.feed({"type": "session.updated", "session": told}, STARTED)

        assert cut is (0.0 == player.queued_ms)


@pytest.mark.parametrize("given, cut", [(None, False), (True, True), (False, False)])
def test_interruptions_follow_the_session_unless_it_is_said_otherwise(
    given: bool | None, cut: bool
) -> None:
    """A session that is not to be interrupted is not, at every "uh-huh"."""
    transport, session = memory()
    detection = {"type": "server_vad", "interrupt_response": False}
    config = {"type": "realtime", "audio": {"input": {"turn_detection": detection}}}
    with session, audio.Player() as player:
        player.attach(session, barge_in=given)
        transport.feed({"type": "session.updated", "session": config})
        transport.feed(*frames.answer(spoken="One two three.")({}), STARTED)

        assert cut is (0.0 == player.queued_ms)


def test_speech_when_nothing_plays_interrupts_nothing() -> None:
    """Nobody is told, and no sink is cleared."""
    transport, session = memory()
    told: list[Any] = []
    with session, audio.Player(print, clear=lambda: told.append("clear")) as player:
        attached = player.attach(session, on_interrupted=told.append)
        transport.feed(STARTED)
        attached.interrupt()

        assert [] == told
        assert 0 == attached.interruptions


def test_an_interruption_by_the_program_cancels_and_one_by_voice_does_not() -> None:
    """Voice detection interrupts on the server too; a program must say it."""
    transport, session = memory()
    config = {"type": "realtime", "audio": {"input": {"turn_detection": VAD}}}
    with session, audio.Player() as player, player.attach(session) as attached:
        transport.feed({"type": "session.updated", "session": config})
        transport.feed(begins("r1"), delta(response_id="r1"), STARTED)
        by_voice = [frame["type"] for frame in transport.take()]
        transport.feed(begins("r2"), delta(response_id="r2"))
        attached.interrupt()
        by_program = [frame["type"] for frame in transport.take()]

    assert "response.cancel" not in by_voice
    assert "response.cancel" in by_program


def test_a_sink_that_fails_is_told_to_the_handlers_of_the_session() -> None:
    """By its own name, which only who asks for it gets."""
    transport, session = memory()
    told: list[Any] = []
    everything: list[Any] = []

    def broken(block: bytes) -> None:
        raise OSError("unplugged")

    clock = ManualClock()
    player = audio.Player(broken, thread=False, clock=clock.now, retry_for=1)
    with session, player.attach(session):
        session.on("player.failed", told.append)
        session.on("*", everything.append)
        player.play(bytes(960))
        player.run_due()
        clock.advance(2)
        player.run_due()
    with pytest.raises(OSError, match="unplugged"):
        player.close()

    assert [True, False] == [notice.retrying for notice in told]
    assert {"unplugged"} == {str(notice.error) for notice in told}
    assert not any(notice in everything for notice in told)


@pytest.mark.parametrize(
    "dialect, told, half",
    [
        ("ga", {"audio": {"output": {"format": {"type": "audio/pcmu"}}}}, 1),
        ("ga", {"audio": {"output": {"format": "g711_alaw"}}}, 1),
        ("ga", {"audio": {"output": {"format": {"type": "PCM16", "rate": 8000}}}}, 2),
        ("beta", {"output_audio_format": "g711_ulaw"}, 1),
    ],
)
def test_a_response_may_speak_in_another_format_than_its_session(
    dialect: str, told: Any, half: int
) -> None:
    """100 ms of it last 100 ms; the next response speaks as the session does."""
    transport, session = memory(dialect=dialect)
    with session, audio.Player() as player, player.attach(session):
        handle = session.response.create()
        begun = begins("r")
        begun["response"].update(told)
        ids = {"response_id": "r", "item_id": "i"}
        kind = "response.audio.delta" if dialect == "beta" else delta()["type"]
        ended = {"id": "r", "status": "completed", "output": []}
        transport.feed(
            begun,
            {**delta(b"\xff" * 800 * half, **ids), "type": kind},
            {"type": kind.replace("delta", "done"), **ids},
            {"type": "response.done", "response": ended},
        )
        first = player.queued_ms
        transport.feed(begins("s"), delta(response_id="s", item_id="j"))
        reply = handle.result()

        assert (100.0, 200.0) == (first, player.queued_ms)
        assert reply.audio is not None
        assert 0.1 == pytest.approx(reply.audio.seconds)


def spoken_in(**said: Any) -> dict[str, Any]:
    """A session of a server of the beta."""
    return {"type": "session.updated", "session": said}


@pytest.mark.parametrize(
    "dialect, heard, spoken, rates",
    [
        ("dashscope", "pcm16", "pcm24", (16_000, 24_000)),
        ("dashscope", "pcm", "pcm", (16_000, 24_000)),
        ("beta", "pcm16", "pcm16_16000hz", (24_000, 16_000)),
        ("beta", "pcm16", "pcm16-8000hz", (24_000, 8_000)),
        ("beta", "g711_ulaw", "g711_alaw", (8_000, 8_000)),
        ("beta", "MULAW", "audio/x-alaw", (8_000, 8_000)),
        ("beta", "audio/pcm;rate=16000", "pcm_s16le", (16_000, 24_000)),
    ],
)
def test_every_word_for_a_format_is_understood(
    dialect: str, heard: str, spoken: str, rates: tuple[int, int]
) -> None:
    """100 ms of it last 100 ms, whatever the server calls it."""
    transport, session = memory(dialect=dialect)
    with session, audio.Player() as player, player.attach(session):
        transport.feed(spoken_in(input_audio_format=heard, output_audio_format=spoken))
        wire = audio.session_format(session, "output")
        sound = wire.silence * (wire.rate // 10)
        done = {"type": "response.audio.done", "response_id": "r", "item_id": "i"}
        ids = {"response_id": "r", "item_id": "i"}
        transport.feed({**delta(sound, **ids), "type": "response.audio.delta"}, done)

        assert rates == (audio.session_format(session, "input").rate, wire.rate)
        assert 100.0 == pytest.approx(player.queued_ms, abs=2)


@pytest.mark.parametrize(
    "dialect, told, rates",
    [
        ("beta", {"input_audio_sampling_rate": 16_000}, (16_000, 24_000)),
        ("dashscope", {"sample_rate": 8_000}, (8_000, 24_000)),
        ("dashscope", {"sample_rate": "fast"}, (16_000, 24_000)),
    ],
)
def test_a_rate_that_is_said_beside_the_word_counts(
    dialect: str, told: dict[str, Any], rates: tuple[int, int]
) -> None:
    """As Voice Live and Qwen's transcription have it."""
    transport, session = memory(dialect=dialect)
    with session:
        transport.feed(spoken_in(input_audio_format="pcm16", **told))
        sides: list[Any] = ["input", "output"]

        assert rates == tuple(audio.session_format(session, s).rate for s in sides)


@pytest.mark.parametrize("nothing", ["", None])
def test_a_format_that_is_empty_is_none(nothing: Any) -> None:
    """Then it is the usual one."""
    transport, session = memory(dialect="beta")
    with session:
        transport.feed(spoken_in(output_audio_format=nothing))

        assert audio.PCM16 == audio.session_format(session, "output")


@pytest.mark.parametrize("word", ["opus", "ogg/opus", "webm", "pcm32"])
def test_a_format_that_is_not_known_is_refused_by_its_name(word: str) -> None:
    """Where the player is attached, before anybody hears noise."""
    transport, session = memory(dialect="beta")
    with session, audio.Player() as player:
        transport.feed(spoken_in(output_audio_format=word))

        with pytest.raises(ConfigurationError, match=word):
            player.attach(session)


def told_of_sound(session: Session) -> list[str]:
    """What is told of a player and of handlers, as it is told."""
    told: list[str] = []
    session.on("player.failed", lambda event: told.append(str(event.error)))
    session.on("handler.failed", lambda event: told.append(event.handler))
    return told


@pytest.mark.parametrize("word", ["opus", "ogg/opus", "audio/webm", "pcm32"])
def test_a_format_that_comes_too_late_to_be_refused_is_told_once(word: str) -> None:
    """And not at every piece of sound; what can be played again is played."""
    transport, session = memory(dialect="beta")
    with session, audio.Player() as player, player.attach(session):
        told = told_of_sound(session)
        for _ in range(2):
            transport.feed(spoken_in(output_audio_format=word))
            transport.feed(*[delta(item_id="a1", response_id="r1")] * 20)
        unheard = player.queued_ms
        transport.feed(spoken_in(output_audio_format="pcm16"))
        transport.feed(delta(item_id="a2", response_id="r2"))
        heard = player.queued_ms

    assert [0, 100] == [unheard, heard]
    (problem,) = told
    assert word in problem


def test_a_response_in_a_format_that_is_not_known_is_not_played() -> None:
    """Those before and after it are, and another such is not told again."""
    transport, session = memory()
    output = {"audio": {"output": {"format": {"type": "audio/opus"}}}}
    with session, audio.Player() as player, player.attach(session):
        told = told_of_sound(session)
        for number, said in enumerate(({}, output, output, {})):
            response = {"id": f"r{number}", "status": "in_progress", **said}
            transport.feed({"type": "response.created", "response": response})
            transport.feed(delta(item_id=f"a{number}", response_id=f"r{number}"))
        heard = player.queued_ms

    assert 200 == heard
    (problem,) = told
    assert "audio/opus" in problem


def test_a_server_that_names_ever_new_formats_is_told_of_a_few_times() -> None:
    """A server could fill a log with them."""
    transport, session = memory(dialect="beta")
    with session, audio.Player() as player, player.attach(session):
        told = told_of_sound(session)
        for number in range(50):
            transport.feed(spoken_in(output_audio_format=f"odd{number}"), delta())

    assert 8 == len(told)


@pytest.mark.parametrize("rate", ["24000", None, True, -1, 0, 10**18, [], 1.5])
def test_a_rate_that_is_none_is_the_usual_one(rate: Any) -> None:
    """What the server says otherwise of its format holds."""
    transport, session = memory()
    with session, audio.Player() as player, player.attach(session):
        told = told_of_sound(session)
        spoken = {"output": {"format": {"type": "audio/pcm", "rate": rate}}}
        transport.feed({"type": "session.updated", "session": {"audio": spoken}})
        transport.feed(delta(item_id="a1", response_id="r1"))
        heard = player.queued_ms

    assert 100 == heard
    assert [] == told


def test_an_interruption_goes_by_what_the_present_connection_knows() -> None:
    """A truncation of what came back as text is refused: it is created again."""
    transport, session = memory()
    with session, audio.Player() as player, player.attach(session):
        sent = cut_in_the_middle(transport, session, player, 500)
        (item,) = [each for each in session.snapshot.items if each.id == "a1"]
        gone = {"type": "conversation.item.deleted", "item_id": "a1"}
        again = {
            "id": "a1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": item.said}],
        }
        added = {"type": "conversation.item.added", "item": again}
        transport.feed(gone, {**added, "previous_item_id": None})
        transport.take()
        transport.feed(refusal("Only audio can be truncated", sent["event_id"]))
        kinds = [frame["type"] for frame in transport.take()]

    assert ["conversation.item.delete", "conversation.item.create"] == kinds
