"""A conversation without a browser: what a page sends, and what it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from realtime_sync import RealtimeClient, Session, audio
from realtime_sync.errors import ConfigurationError
from realtime_sync.server import Server, serve
from realtime_sync.web import Talking
from realtime_sync.web.browser_audio import KEEP, BrowserAudio
from realtime_sync.web.conversation import LONGEST_TEXT, MOST_TYPED

Message = Mapping[str, Any]
BLOCK = audio.tone(440, 0.02)
"""What a microphone hears in 20 ms of somebody who hums."""


class Window:
    """A page that plays at once what it is sent, and reports the marks."""

    def __init__(self, plays: bool = True) -> None:
        self.told: list[Message] = []
        self.sound = 0
        self.plays = plays
        self.talking: Talking | None = None
        self._changed = threading.Condition()

    def send(self, message: Message, sound: bytes = b"") -> None:
        """Be told something."""
        with self._changed:
            self.told.append(message)
            self.sound += len(sound)
            self._changed.notify_all()
        if self.plays and message["kind"] == "mark":
            self.say("played", position=message["position"])

    def say(self, kind: str, sound: bytes = b"", **more: Any) -> None:
        """Do what a person or the browser does."""
        assert self.talking is not None
        self.talking.receive({"kind": kind, **more}, sound)

    def wait(self, kind: str, where: Callable[[Message], Any] = lambda _: True) -> Any:
        """The first message of a kind that fits."""

        def found() -> list[Message]:
            return [m for m in self.told if m.get("kind") == kind and where(m)]

        with self._changed:
            assert self._changed.wait_for(found, 10), (kind, self.told)
            return found()[0]


@contextmanager
def talking(
    agent: Any = lambda prompt: "Hello there.", *, plays: bool = True, **options: Any
) -> Iterator[tuple[Window, Server, list[Session]]]:
    """A window that talks with a server, and the sessions it has opened."""
    sessions: list[Session] = []
    config = options.pop("config", dict(audio.TALK_CONFIG))
    with serve(agent=agent, port=0, faults=options.pop("faults", ())) as server:
        client = RealtimeClient(base_url=server.url)

        def opened() -> Session:
            sessions.append(client.session("m", config=config, **options))
            return sessions[-1].open()

        window = Window(plays)
        window.talking = Talking(opened, window.send, owns=True)
        yield window, server, sessions
        window.talking.close()


def says(role: str, text: str) -> Callable[[Message], bool]:
    """Whether lines hold what a side says."""
    return lambda message: any(
        each["role"] == role and text in each["text"] for each in message["changed"]
    )


def test_typed_words_are_answered_aloud_and_in_words() -> None:
    """With the state on the way, and the latencies of the turn."""
    with talking() as (window, _, sessions):
        window.say("start")
        window.say("say", text="Good day.")
        window.wait("lines", says("user", "Good day."))
        window.wait("lines", says("assistant", "Hello there."))
        turns = window.wait("turns")
        window.wait("mark")
        item = sessions[0].snapshot.items[-1]

        assert sessions[0].is_open
    assert {"found", "first", "done"} == set(turns["turns"][0])
    assert window.sound > 0
    assert item.audio_ms > 0
    assert sessions[0].closed


def test_button_sends_what_is_said_while_it_is_down() -> None:
    """And what was said just before; detection is off until speaking is chosen."""
    with talking() as (window, server, sessions):
        window.say("start", push=True)
        window.wait("state")
        for _ in range(20):
            window.say("microphone", BLOCK)
        window.say("press")
        for _ in range(20):
            window.say("microphone", BLOCK)
        assert window.talking is not None and window.talking.conversation is not None
        blocks = server.sessions[0].received
        wait_for(lambda: kinds(blocks).count("input_audio_buffer.append") >= 20)
        window.say("release")
        window.say("microphone", BLOCK)
        window.wait("lines", says("assistant", "Hello there."))
        while_pushing = detection(sessions[0])
        window.say("push", on=False)
        wait_for(lambda: detection(sessions[0]) == "server_vad")
        sent = kinds(blocks)

    assert while_pushing is None
    assert 1 == sent.count("input_audio_buffer.commit")
    assert 1 == sent.count("response.create")


def wait_for(true: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until something outside of the window is so."""
    pause, left = threading.Event(), int(seconds / 0.02)
    while not true() and left:
        pause.wait(0.02)
        left -= 1
    assert true()


def kinds(frames: Any) -> list[str]:
    """The types of the commands that a server has received."""
    return [str(frame.get("type")) for frame in list(frames)]


def detection(session: Session) -> str | None:
    """The turn detection in force."""
    wire = getattr(getattr(session.config, "audio", None), "input", None)
    return getattr(getattr(wire, "turn_detection", None), "type", None)


def test_interrupt_cuts_the_answer_where_it_was_heard() -> None:
    """By the reports of the browser; the page is told to be silent."""
    story = "Once upon a time there was a lighthouse. " * 12
    with talking(lambda prompt: story) as (window, _, sessions):
        window.say("start")
        window.say("say", text="Tell me a story.")
        window.wait("mark")
        window.say("interrupt")
        window.wait("clear")
        cut = window.wait("lines", lambda m: any(e["unheard"] for e in m["changed"]))
        wait_for(lambda: sessions[0].snapshot.items[-1].truncated)
        item = sessions[0].snapshot.items[-1]

    assert item.heard_ms is not None
    assert 0 < item.heard_ms < item.audio_ms
    assert "cut off" in cut["changed"][-1]["remark"]


def test_browser_that_has_paused_its_sound_is_sent_no_more() -> None:
    """A closed lid: what was not played must not count as heard."""
    with talking(lambda prompt: "word " * 200) as (window, _, __):
        window.say("start")
        window.say("say", text="Good day.")
        window.wait("sound")
        assert window.talking is not None and window.talking.conversation is not None
        player = window.talking.conversation.audio.player
        window.say("running", on=False)
        paused = player.paused
        window.say("running", on=True)

        assert paused
        assert not player.paused


def test_server_that_cannot_be_reached_is_a_sentence() -> None:
    """Where the person looks, not in a log."""

    def opened() -> Session:
        return RealtimeClient(base_url="http://127.0.0.1:1/v1").connect("m")

    window = Window()
    window.talking = Talking(opened, window.send, owns=True)
    window.say("start")
    over = window.wait("over")
    window.talking.close()

    assert "127.0.0.1" in over["text"]


def test_wrong_configuration_is_a_sentence_too() -> None:
    """What the program has done wrong; its log has the rest."""

    def opened() -> Session:
        raise ConfigurationError("no such thing")

    window = Window()
    window.talking = Talking(opened, window.send, owns=True)
    window.say("start")
    over = window.wait("over")
    window.talking.close()

    assert "no such thing" == over["text"]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError("no such device"), "could not be opened: no such device"),
        (KeyError(), "could not be opened: KeyError"),
        (ValueError("two\nlines \x1b[1m"), "two\\nlines \\x1b[1m"),
        (RuntimeError("key sk-0123456789abcdef is bad"), "key <secret> is bad"),
    ],
    ids=str,
)
def test_error_of_the_program_is_a_sentence_too(
    error: Exception, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Such as of who gives handlers to a session; and the thread ends in order."""

    def opened() -> Session:
        raise error

    window = Window()
    window.talking = Talking(opened, window.send, owns=True)
    window.say("start")
    over = window.wait("over")
    window.talking.close()

    assert text in over["text"]
    assert "a session could not be opened" in caplog.text


def test_half_a_character_is_sent_as_a_mark() -> None:
    """And ends no conversation, nor does what a terminal or a page would obey."""
    with talking() as (window, _, sessions):
        window.say("start")
        window.say("say", text="a\ud800b \u202e <b> \x1b[31m")
        window.wait("lines", says("assistant", "Hello there."))
        said = sessions[0].snapshot.items[0].said

    assert "a?b \u202e <b> \x1b[31m" == said
    assert [] == [each for each in window.told if each["kind"] == "over"]


def test_typed_messages_are_sent_whole_or_refused() -> None:
    """Neither cut, nor heaped up while a server does not take them."""
    go_on = threading.Event()

    def opened() -> Session:
        go_on.wait(10)
        raise ConfigurationError("enough")

    window = Window()
    window.talking = Talking(opened, window.send, owns=True)
    window.say("start")
    window.say("say", text="x" * LONGEST_TEXT)
    window.say("say", text="x" * (LONGEST_TEXT + 1))
    for _ in range(MOST_TYPED + 2):
        window.say("say", text="Good day.")
    problems = [each["text"] for each in window.told if each["kind"] == "problem"]
    go_on.set()
    window.wait("over")
    window.talking.close()

    assert 4 == len(problems)
    assert f"{LONGEST_TEXT:,} characters" in problems[0]
    assert {"Messages come faster than they can be sent: not sent."} == set(
        problems[1:]
    )


def test_who_starts_again_and_again_has_one_session_opened() -> None:
    """A hundred sessions would be dialled, and paid for."""
    go_on, asked = threading.Event(), []

    def opened() -> Session:
        asked.append(1)
        go_on.wait(10)
        raise ConfigurationError("enough")

    window = Window()
    window.talking = Talking(opened, window.send, owns=True)
    for _ in range(100):
        window.say("start")
    over = window.wait("over")
    go_on.set()
    window.talking.close()

    assert [1] == asked
    assert "start again in a moment" in over["text"]


def test_window_that_has_gone_while_opening_takes_nothing_over() -> None:
    """Its session comes late; another window talks in it meanwhile."""
    go_on = threading.Event()
    with talking() as (window, _, sessions):
        window.say("start")
        window.wait("state")

        def late() -> Session:
            go_on.wait(10)
            return sessions[0]

        gone = Window()
        gone.talking = Talking(late, gone.send, owns=False)
        gone.say("start")
        gone.say("stop")
        go_on.set()
        gone.talking.close()
        window.say("say", text="Good day.")
        window.wait("lines", says("assistant", "Hello there."))

    assert [] == [each for each in window.told if each["kind"] == "over"]


def test_session_that_ends_is_told() -> None:
    """By the server, or by the program."""
    with talking() as (window, server, sessions):
        window.say("start")
        window.wait("state")
        server.sessions[0].close(1000, "goodbye")
        over = window.wait("over")

        assert sessions[0].closed
    assert "The session is over: goodbye" == over["text"]


def test_session_whose_hour_is_up_is_told_so() -> None:
    """A person who has talked for so long wants to know that it is not their fault."""
    with talking(faults=["expire:5"]) as (window, _, __):
        window.say("start")
        window.say("say", text="Good day.")
        over = window.wait("over")

    assert "The session is over: the session's time is up" in over["text"]


def test_errors_of_the_server_are_shown_until_it_goes_on() -> None:
    """As text, in one line."""
    with talking() as (window, server, sessions):
        window.say("start")
        window.wait("state")
        # Something that has just ended was interrupted: nobody has to see that.
        sessions[0].send({"type": "response.cancel"})
        sessions[0].send({"type": "conversation.item.delete", "item_id": "none"})
        problem = window.wait("problem")
        window.say("say", text="Good day.")
        window.wait("solved")

    assert "none" in problem["text"]


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"kind": "nothing"},
        {"kind": ["press"]},
        {"kind": "say", "text": 7},
        {"kind": "played", "position": "far"},
        {"kind": "played", "position": 1 << 70},
        {"kind": "press"},
        {"kind": "interrupt"},
        {"kind": "stop"},
    ],
    ids=str,
)
def test_what_is_not_understood_or_not_in_place_does_nothing(message: Message) -> None:
    """Before a conversation and in one; a page may be old, or somebody's own."""
    window = Window()
    window.talking = Talking(lambda: pytest.fail("opened"), window.send, owns=True)
    window.talking.receive(message)
    window.talking.close()

    with talking() as (inside, _, sessions):
        inside.say("start")
        inside.wait("state")
        assert inside.talking is not None
        inside.talking.receive(message, b"\x00")
        inside.say("alive", number=3)

        assert {"kind": "alive", "number": 3} == inside.wait("alive")
    assert [] == window.told


def test_microphone_that_nobody_takes_keeps_the_last_seconds() -> None:
    """Bounded, whatever a page sends at a time, and counted; half a sample is none."""
    told: list[Message] = []
    one = BrowserAudio(lambda message, sound=b"": told.append(message))
    for number in range(100):
        one.receive({"kind": "microphone"}, bytes([number]) * 2881)
        one.receive({"kind": "microphone"}, b"")
    blocks = one.take(0)
    one.close()

    assert KEEP * 24_000 * 2 >= sum(map(len, blocks)) > (KEEP - 0.1) * 24_000 * 2
    assert 100 - len(blocks) == one.dropped
    assert bytes([99]) * 2880 == blocks[-1]
