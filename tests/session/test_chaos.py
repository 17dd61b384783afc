"""
A conversation that is cut everywhere survives everywhere.

Each case runs one conversation of some two hundred events against the local
server, which breaks the first connection at a given place; the session
reconnects and goes on.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from realtime_sync import ReconnectPolicy, Session, connect
from realtime_sync.errors import CommandRejected, ConnectionClosed, WaitTimeout
from realtime_sync.server import Server, serve
from realtime_sync.server.agents.base import Call, Prompt
from realtime_sync.server.host.fault_injector import Fault

pytestmark = pytest.mark.usefixtures("arrangement")

EVENTS = 200
TURNS = 12


def model(prompt: Prompt) -> Any:
    """Call a tool now and then, else say something short."""
    last = prompt.items[-1]
    if last["type"] == "function_call_output":
        return f"It is {last['output']}."
    text = last["content"][0].get("text", "")
    if text.endswith("3"):
        return Call("lookup", {"turn": text})
    return f"Answer to {text}, in a few words."


def converse(session: Session) -> None:
    """Twelve turns: questions, a call, a deletion, an insertion at the head."""
    for turn in range(TURNS):
        tried(lambda: ask(session, f"question {turn}"))
        if turn % 4 == 2:
            items = session.conversation.items
            if len(items) > 3:
                tried(lambda: delete(session, items[1].id))
        if turn % 5 == 1:
            tried(lambda: put_first(session, f"note {turn}"))


def ask(session: Session, text: str) -> None:
    """A question, and the output of the call if there is one."""
    reply = session.ask(text, timeout=5, output_modalities=["text"])
    for call in reply.tool_calls:
        session.conversation.item.create(
            {"type": "function_call_output", "call_id": call.call_id, "output": "7"}
        ).acknowledged(5)
        session.response.create(output_modalities=["text"]).result(5)


def delete(session: Session, item_id: str) -> None:
    """Take an item out."""
    session.conversation.item.delete(item_id).acknowledged(5)


def put_first(session: Session, text: str) -> None:
    """Put a system message at the head."""
    item = session.conversation.item
    item.create(system(text), previous_item_id="root").acknowledged(5)


def system(text: str) -> dict[str, Any]:
    """A system message."""
    part = {"type": "input_text", "text": text}
    return {"type": "message", "role": "system", "content": [part]}


def tried(action: Any) -> None:
    """Do something that the cut may spoil; it must end, and say why."""
    try:
        action()
    except (ConnectionClosed, CommandRejected):
        pass
    except WaitTimeout as exc:  # pragma: no cover
        raise AssertionError(f"a waiter was not answered: {exc}") from exc


class Witness:
    """What the session said of its losses, as they happened."""

    def __init__(self, session: Session) -> None:
        self.before: list[tuple[str, ...]] = []
        self.reports: list[Any] = []
        self.restored = threading.Event()
        session.on("connection.lost", self.lost, inline=True)
        session.on("connection.restored", self.back, inline=True)

    def lost(self, event: Any, ctx: Any) -> None:
        """Note which items had been confirmed."""
        self.before.append(tuple(i.id for i in ctx.snapshot.items))

    def back(self, event: Any, ctx: Any) -> None:
        """Note the report."""
        self.reports.append((event.report, tuple(i.id for i in ctx.snapshot.items)))
        self.restored.set()


def run_cut(server: Server, fault: str) -> None:
    """One conversation with one cut, and everything that must hold after it."""
    server.faults = [Fault.parse(fault)]
    first = len(server.sessions)

    def heal(attempt: Any) -> None:
        server.faults = []

    policy = ReconnectPolicy(base=0.001, cap=0.002, attempts=5, hook=heal)
    session = connect("m", base_url=server.url, reconnect=policy, timeout=10)
    witness = Witness(session)
    try:
        converse(session)
        tried(lambda: put_first(session, "the loss may be noticed only here"))
        if witness.before:
            assert witness.restored.wait(5)
        compare_mirror(session, server)
    finally:
        report = session.close()

    assert report.complete
    for confirmed, (told, after) in zip(witness.before, witness.reports):
        missing = [i for i in confirmed if i not in after]
        assert all(i in told.dropped for i in missing), (fault, missing)
        kept = [i for i in confirmed if i in after]
        assert kept == [i for i in after if i in confirmed], fault
    ids = [
        frame["event_id"]
        for each in server.sessions[first:]
        for frame in each.received
        if "event_id" in frame
    ]
    assert len(ids) == len(set(ids)), fault


def compare_mirror(session: Session, server: Server) -> None:
    """The mirror holds what the server holds."""
    session.conversation.item.create(system("the end")).acknowledged(5)
    server.wait_idle(5)
    truth = server.sessions[-1].engine.truth()["items"]
    mirror = session.conversation.items

    assert [i["id"] for i in truth] == [i.id for i in mirror]
    assert [i["text"] or i["transcript"] or "" for i in truth] == [
        i.text for i in mirror
    ]


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of its own for each case."""
    with serve(agent=model) as running:
        yield running


def test_the_conversation_has_two_hundred_events(server: Server) -> None:
    """Otherwise the cuts below would miss."""
    server.faults = []
    with connect("m", base_url=server.url) as session:
        converse(session)

        assert session.stats.events >= EVENTS


@pytest.mark.parametrize("number", range(2, EVENTS, 10))
def test_cut_after_an_event(server: Server, number: int) -> None:
    """The connection drops between two events."""
    run_cut(server, f"drop_after:{number}")


@pytest.mark.deep
@pytest.mark.parametrize("number", range(2, EVENTS))
def test_cut_after_every_event(server: Server, number: int) -> None:
    """The same at every event boundary."""
    run_cut(server, f"drop_after:{number}")


def places(count: int, seed: int) -> list[str]:
    """Random bytes of random frames."""
    rng = random.Random(seed)
    return [
        f"cut:{rng.randrange(2, EVENTS)}:{rng.randrange(1, 400)}" for _ in range(count)
    ]


@pytest.mark.shared
@pytest.mark.parametrize("fault", places(30, 1))
def test_cut_inside_a_frame(server: Server, fault: str) -> None:
    """The connection drops in the middle of a frame."""
    run_cut(server, fault)


@pytest.mark.deep
@pytest.mark.parametrize("fault", places(300, 2))
def test_cut_inside_many_frames(server: Server, fault: str) -> None:
    """The same at three hundred places."""
    run_cut(server, fault)
