"""A conversation on a new connection, to servers with habits."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any, Optional

import pytest
from attrs import field, frozen

import realtime_sync.session.restorer
from realtime_sync import ReconnectPolicy, Router, Session, SessionConfig, connect
from realtime_sync.deadline import Deadline
from realtime_sync.errors import WaitTimeout
from realtime_sync.protocol.events import SessionUpdate
from realtime_sync.session.resources import new_item_id
from realtime_sync.session.restorer import LONGEST, Restorer
from realtime_sync.state.restore import plan_items
from realtime_sync.state.saved_items import saved_items
from tests.rawserver import Peer, RawServer

LONG = 10.0
WORDS = ("one", "two", "three", "four")


@frozen(kw_only=True)
class Habits:
    """
    What a server does otherwise.

    Attributes:
        predecessors: what it says of them: their name, null, "" or nothing.
        own_ids: it gives ids of its own, and knows no others.
        silent: every how many items it says nothing of one; 0 for never.
        configured: it acknowledges configurations.
        part: what it calls a part of text.
        refuses: words of which it wants no item.
    """

    predecessors: str = "named"
    own_ids: bool = False
    silent: int = 0
    configured: bool = True
    part: str = "input_text"
    refuses: tuple[str, ...] = ()


@frozen
class Habitual:
    """A server that keeps items, with habits; it drops a connection when asked."""

    habits: Habits
    beta: bool
    kept: list[list[str]] = field(factory=list)
    heard: list[list[Any]] = field(factory=list)
    numbers: Iterator[int] = field(factory=itertools.count)

    def __call__(self, peer: Peer) -> None:
        """Serve one connection."""
        peer.greet()
        words: list[str] = []
        ids: list[str] = []
        self.kept.append(words)
        self.heard.append([])
        while True:
            command = peer.hear()
            self.heard[-1].append(command)
            if command["type"] == "input_audio_buffer.clear":
                return
            if command["type"] == "session.update" and self.habits.configured:
                peer.oblige(command)
            if command["type"] == "conversation.item.create":
                self._create(peer, command, words, ids)

    def _create(
        self, peer: Peer, command: Any, words: list[str], ids: list[str]
    ) -> None:
        item, previous = command["item"], command.get("previous_item_id")
        unwanted = item["content"][0]["text"] in self.habits.refuses
        if unwanted or previous not in (None, "root", *ids):
            error = {"code": "invalid_value", "message": "no such item"}
            peer.say(
                {"type": "error", "error": {**error, "event_id": command["event_id"]}}
            )
            return
        number = next(self.numbers)
        item_id = f"theirs_{number}" if self.habits.own_ids else item["id"]
        at = 0 if previous == "root" else len(ids)
        at = ids.index(previous) + 1 if previous in ids else at
        before = ids[at - 1] if at else None
        ids.insert(at, item_id)
        words.insert(at, item["content"][0]["text"])
        if self.habits.silent and len(ids) % self.habits.silent == 0:
            return
        parts = [{**part, "type": self.habits.part} for part in item["content"]]
        told = {**item, "id": item_id, "content": parts, "status": "in_progress"}
        name = "conversation.item.created" if self.beta else "conversation.item.added"
        told_where = {
            "named": {"previous_item_id": before},
            "null": {"previous_item_id": None},
            "empty": {"previous_item_id": ""},
            "absent": {},
        }[self.habits.predecessors]
        peer.say({"type": name, "item": told, **told_where})


def opened(server: RawServer, beta: bool, **options: Any) -> Session:
    """A session that reconnects at once."""
    return connect(
        "m",
        base_url=server.url,
        dialect="beta" if beta else "ga",
        router=Router(),
        reconnect=ReconnectPolicy(base=0.001, cap=0.002),
        close_timeout=2.0,
        **options,
    )


def lose(session: Session) -> Any:
    """Have the connection dropped; the report of what became of it."""
    with session.expect("connection.restored") as restored:
        session.input_audio_buffer.clear()
    return restored.result(LONG).report


def say(session: Session, words: tuple[str, ...]) -> None:
    """Put messages into the conversation."""
    for word in words:
        session.conversation.add_message(word)


def texts(session: Session) -> list[Optional[str]]:
    """What the mirror has of it."""
    return [item.text for item in session.conversation.items]


EVERY = [
    Habits(),
    Habits(predecessors="null"),
    Habits(predecessors="empty"),
    Habits(predecessors="absent"),
    Habits(own_ids=True),
    Habits(own_ids=True, predecessors="null", part="audio"),
    Habits(configured=False),
    Habits(configured=False, own_ids=True),
]


def created(script: Habitual) -> list[Any]:
    """The items that the last connection was sent."""
    return [c for c in script.heard[-1] if c["type"] == "conversation.item.create"]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for what does not come."""
    monkeypatch.setattr(realtime_sync.session.restorer, "_PATIENCE", 0.6)


@pytest.mark.parametrize("beta", [False, True])
@pytest.mark.parametrize("habits", EVERY, ids=repr)
def test_a_conversation_comes_back_in_order(habits: Habits, beta: bool) -> None:
    """Twice, on the server and in the mirror, whatever the server's habits."""
    script = Habitual(habits, beta)
    with RawServer(script) as server, opened(server, beta) as session:
        say(session, WORDS)
        for _ in range(2):
            report = lose(session)
            assert list(WORDS) == script.kept[-1]
            assert list(WORDS) == texts(session)
            assert (4, (), {}) == (
                len(report.restored),
                report.unconfirmed,
                dict(report.dropped),
            )
            assert habits.own_ids == bool(report.changed)
            # What the server was caught at is known before the next connection: no
            # item is refused, and sent again, because it names one by another id.
            assert habits.own_ids == ("own_ids" in session.snapshot.habits)
            assert 4 == len(created(script))


@pytest.mark.parametrize("beta", [False, True])
@pytest.mark.parametrize("silent", [1, 2, 3])
def test_what_the_server_says_nothing_of_fails_no_restore(
    silent: int, beta: bool
) -> None:
    """It is unconfirmed, and goes to the next connection as well, in its place."""
    talkative, quiet = Habits(), Habits(silent=silent)
    first, rest = Habitual(talkative, beta), Habitual(quiet, beta)
    connections = itertools.count()

    def script(peer: Peer) -> None:
        (first if next(connections) == 0 else rest)(peer)

    with RawServer(script) as server, opened(server, beta) as session:
        say(session, WORDS)
        for _ in range(3):
            report = lose(session)
            assert 4 // silent == len(report.unconfirmed)
            assert list(WORDS) == rest.kept[-1]
            assert set(report.unconfirmed).isdisjoint(report.restored)
        say(session, ("five",))
        lose(session)

        assert [*WORDS, "five"][: len(rest.kept[-1])] == rest.kept[-1]


def test_a_loss_during_a_restore_goes_on_from_the_same_conversation() -> None:
    """Nothing that was acknowledged before it is lost, nothing is there twice."""
    served = Habitual(Habits(), False)
    connections = itertools.count()

    def script(peer: Peer) -> None:
        if next(connections) != 1:
            served(peer)
            return
        peer.greet()
        for _ in range(3):  # the configuration and two of the items
            peer.hear()

    with RawServer(script) as server, opened(server, False) as session:
        say(session, WORDS)
        report = lose(session)

        assert 4 == len(report.restored)
        assert list(WORDS) == served.kept[-1] == texts(session)


def test_nothing_is_sent_twice_over_one_connection() -> None:
    """Unless it was refused, and then at another place."""
    script = Habitual(Habits(own_ids=True), False)
    with RawServer(script) as server, opened(server, False) as session:
        say(session, WORDS)
        lose(session)

    sent = [
        json.dumps((c["item"]["content"], c.get("previous_item_id")))
        for c in created(script)
    ]
    assert len(set(sent)) == len(sent)


@pytest.mark.parametrize("own_ids", [False, True])
def test_what_is_refused_takes_nothing_with_it(own_ids: bool) -> None:
    """The items behind it find their places, however many they are."""
    script = Habitual(Habits(own_ids=own_ids, refuses=("two", "four")), False)
    talkative = Habitual(Habits(), False)
    connections = itertools.count()

    def served(peer: Peer) -> None:
        (talkative if next(connections) == 0 else script)(peer)

    words = (*WORDS, "five", "six", "seven")
    with RawServer(served) as server, opened(server, False) as session:
        say(session, words)
        report = lose(session)

        left = [word for word in words if word not in ("two", "four")]
        assert left == script.kept[-1] == texts(session)
        assert 2 == len(report.dropped)
        assert 5 == len(report.restored)


class Unanswered:
    """The handle of a command that nothing is said of."""

    def __init__(self, command: Any, waited: list[float]) -> None:
        self.command = command
        self._waited = waited

    def acknowledged(self, timeout: float) -> None:
        """Wait in vain."""
        self._waited.append(timeout)
        raise WaitTimeout("nothing came")


def test_the_time_for_answers_is_bounded_however_many_items_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server that says nothing of anything costs seconds, not seconds an item."""
    monkeypatch.undo()
    waited: list[float] = []
    items = saved_items([{"role": "user", "content": "Hi"}] * 500, new_item_id)
    plan = plan_items(items)

    def send(command: Any) -> Any:
        return Unanswered(command, waited)

    restorer = Restorer(send, Deadline(LONGEST))
    restorer.configure(SessionUpdate(session=SessionConfig()), plan.report)
    report = restorer.create(plan)

    assert 500 == len(report.unconfirmed)
    assert sum(waited) < LONGEST


def test_a_server_that_greets_late_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The time for a restore begins behind the greeting, whose time is another."""
    monkeypatch.setattr(realtime_sync.session.restorer, "LONGEST", 0.0)
    script = Habitual(Habits(), False)
    with RawServer(script) as server, opened(server, False) as session:
        say(session, WORDS)
        report = lose(session)

        assert 4 == len(report.restored) + len(report.unconfirmed)
