"""
Ctrl-C at every place of a call: the session goes on or ends, nothing else is raised.

`tox -m deep` tries all places, the default suite a tenth.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Optional

import pytest

from realtime_sync import Router, Threads, connect
from realtime_sync.errors import RealtimeError, WaitTimeout
from realtime_sync.testing import MemoryTransport
from tests.rawserver import GREETING, Gone, Peer
from tests.stress.sequenced_server import Place
from tests.strike import LIBRARY, Strike

LONG, SOON = 10.0, 3.0


def item_events(number: int, command: Any) -> Iterator[dict[str, Any]]:
    """An item as the server lists it."""
    item = {"status": "completed", "id": f"i{number}", **command["item"]}
    for kind in ("added", "done"):
        yield {
            "type": f"conversation.item.{kind}",
            "item": item,
            "previous_item_id": None,
        }


def response_events(number: int, command: Any) -> Iterator[dict[str, Any]]:
    """A response of one message."""
    metadata = command.get("response", {}).get("metadata")
    response = {"id": f"r{number}", "conversation_id": "c", "metadata": metadata}
    part = {"type": "output_text", "text": "hi"}
    message = {"id": f"a{number}", "type": "message", "role": "assistant"}
    output = [{**message, "status": "completed", "content": [part]}]
    yield {
        "type": "response.created",
        "response": {**response, "status": "in_progress", "output": []},
    }
    yield {
        "type": "response.done",
        "response": {**response, "status": "completed", "output": output},
    }


def updated(number: int, command: Any) -> Iterator[dict[str, Any]]:
    """The configuration as it is now."""
    session = {**GREETING["session"], **command["session"]}
    yield {"type": "session.updated", "session": session}


def said_later(number: int, command: Any) -> Iterator[dict[str, Any]]:
    """Something that comes when the caller sleeps."""
    threading.Event().wait(0.002)
    yield {"type": "rate_limits.updated", "rate_limits": []}


ANSWERS: dict[str, Callable[[int, Any], Iterator[dict[str, Any]]]] = {
    "session.update": updated,
    "conversation.item.create": item_events,
    "response.create": response_events,
    "vendor.later": said_later,
}


def answer(peer: Peer) -> None:
    """Answer what is asked, as quickly as can be."""
    peer.greet()
    number = 0
    try:
        while True:
            number += 1
            command = peer.hear()
            for event in ANSWERS.get(command["type"], lambda *none: iter(()))(
                number, command
            ):
                peer.say({"event_id": f"e{number}", **event})
    except Gone:
        pass


def expect(session: Any) -> None:
    """An expectation around what brings it about."""
    with session.expect("session.updated") as got:
        session.update(instructions="x")
    got.result(LONG)


def wait_for(session: Any) -> None:
    """A wait for what comes a little later."""
    session.send({"type": "vendor.later"})
    session.wait_for("rate_limits.updated", timeout=LONG)


def ignore(event: Any) -> None:
    """A handler; one that an interrupt has left behind is called as any other."""


CALLS: dict[str, Callable[[Any], Any]] = {
    "update": lambda session: session.update(instructions="x"),
    "acknowledged": lambda session: session.update(instructions="x").acknowledged(LONG),
    "append": lambda session: session.input_audio_buffer.append(bytes(960)),
    "expect": expect,
    "wait_for": wait_for,
    "ask": lambda session: session.ask("hello", timeout=LONG),
    "send": lambda session: session.send({"type": "vendor.any"}),
    "on": lambda session: session.on("session.updated", ignore).cancel(),
    "flush": lambda session: session.flush(LONG),
    "events": lambda session: session.events("error").close(),
    "close": lambda session: session.close(),
}


MODES: dict[str, dict[str, Any]] = {
    "thread": {},
    "manual": {"dispatch": "manual"},
    "shared": {"threads": 1},
    "secure": {"secure": True},
}
"""Who runs handlers, and whether the stream is TLS."""

AFRESH = ("close", "on")
"""Calls after which something is left that the next one would find."""


@contextmanager
def opener(
    *, secure: bool = False, threads: int = 0, **options: Any
) -> Iterator[Callable[[], Any]]:
    """What opens sessions on a server that answers."""
    shared = Threads(workers=threads) if threads else None
    with Place(answer, secure=secure) as server:
        yield lambda: server.open(
            close_timeout=2.0, timeout=LONG, threads=shared, **options
        )
    if shared is not None:
        assert shared.close()


def struck_everywhere(
    call: str, mode: str, every: int, unraisable: list[Any]
) -> tuple[int, list[str]]:
    """
    Interrupt a call at every so manieth place.

    Returns:
        How many places were struck, and what was wrong, with the place.
    """
    wrong: list[str] = []
    place, struck = 1, 0

    with opener(**MODES[mode]) as opened:
        session = opened()
        while True:
            strike, lost = Strike(place), len(unraisable)
            outcome: Optional[BaseException] = None
            try:
                with strike:
                    CALLS[call](session)
            except BaseException as exc:
                outcome = exc
            if strike.where is None:
                assert outcome is None
                break
            struck += 1
            # The interpreter cannot raise in what it calls when it frees an object.
            swallowed = len(unraisable) > lost
            if not isinstance(outcome, KeyboardInterrupt) and not swallowed:
                wrong.append(f"{outcome!r}: {strike.where}")
            try:
                if call != "close":
                    session.update(instructions="again").acknowledged(SOON)
                    session.flush(SOON)
                if call in AFRESH:
                    session.close()
            except Exception as exc:
                wrong.append(f"then {exc!r}: {strike.where}")
            if call in AFRESH:
                if not session.closed:
                    wrong.append(f"it never ended: {strike.where}")
                session = opened()
            place += every
        session.close()
    return struck, wrong


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the interpreter could not raise."""
    found: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", found.append)
    return found


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("call", CALLS)
def test_an_interrupt_at_a_tenth_of_the_places_harms_nothing(
    call: str, mode: str, unraisable: list[Any]
) -> None:
    """The next command is acknowledged, or the session is over."""
    if (call, mode) == ("close", "manual"):
        every = 40  # What is struck while it empties the queue waits for its time.
    else:
        every = 10
    struck, wrong = struck_everywhere(call, mode, every, unraisable)

    assert [] == wrong
    assert struck > 2


@pytest.mark.deep
@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("call", CALLS)
def test_an_interrupt_at_every_place_harms_nothing(
    call: str, mode: str, unraisable: list[Any]
) -> None:
    """The same for all of them."""
    struck, wrong = struck_everywhere(call, mode, 1, unraisable)

    assert [] == wrong
    assert struck > 25


def opened_again(mode: str, every: int) -> list[str]:
    """
    Interrupt the opening of a session at every so manieth place, and open another.

    Not while Python starts a thread, which no program can make whole.

    Returns:
        Which places raised something else, left a thread, or kept the next one out.
    """
    wrong: list[str] = []
    place = 1
    with opener(**MODES[mode]) as opened:
        before = set(threading.enumerate())
        while True:
            strike = Strike(place, (LIBRARY,))
            try:
                with strike:
                    session = opened()
                session.close()
            except BaseException as exc:
                if not isinstance(exc, KeyboardInterrupt):
                    wrong.append(f"{exc!r}: {strike.where}")
            if strike.where is None:
                break
            try:
                opened().close()
            except RealtimeError as exc:
                wrong.append(f"then {exc!r}: {strike.where}")
            for thread in set(threading.enumerate()) - before:
                if not thread.name.startswith("realtime-sync shared"):
                    thread.join(1.0)
                    if thread.is_alive():
                        wrong.append(f"{thread.name} is left: {strike.where}")
                        before.add(thread)
            place += every
    assert place > 100
    return wrong


ALL = [pytest.mark.deep, pytest.mark.timeout(900)]
"""What has to be tried at all places, where others are tried at a tenth."""

# A pair of sockets that is made and not yet held is closed by Python, with a warning.
BETWEEN = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


@BETWEEN
@pytest.mark.parametrize("every", [10, pytest.param(1, marks=ALL)])
@pytest.mark.parametrize("mode", MODES)
def test_a_session_whose_opening_is_interrupted_leaves_nothing(
    mode: str, every: int
) -> None:
    """At a tenth of the places, or all; no thread, no session without a holder."""
    assert [] == opened_again(mode, every)


def pumped_again(every: int) -> tuple[int, list[str]]:
    """
    Interrupt a pump at every so manieth place, and pump again.

    Returns:
        How many places were struck, and which of them lost or repeated a delivery.
    """
    wrong: list[str] = []
    place, struck = 1, 0
    memory = MemoryTransport()
    with connect("m", transport=memory, router=Router(), dispatch="manual") as session:
        heard: list[tuple[str, Any]] = []

        def plain(event: Any) -> None:
            heard.append(("plain", event.delta))

        def looking(event: Any, ctx: Any) -> None:
            heard.append(("looking", event.delta))

        def failing(event: Any) -> None:
            heard.append(("failing", event.delta))
            raise ValueError(event.delta)

        handlers: tuple[Callable[..., None], ...] = (plain, looking, failing)
        for handler in handlers:
            session.on("response.output_text.delta", handler)
        names = [handler.__name__ for handler in handlers]
        session.pump()
        while True:
            heard.clear()
            for number in range(3):
                memory.feed(
                    {"type": "response.output_text.delta", "delta": f"{number}"}
                )
            strike = Strike(place)
            try:
                with strike:
                    session.pump()
            except KeyboardInterrupt:
                pass
            if strike.where is None:
                break
            struck += 1
            session.pump()
            wanted = [(name, f"{number}") for number in range(3) for name in names]
            if wanted != heard or session.stats.queued:
                wrong.append(f"{heard}, {session.stats.queued} wait: {strike.where}")
            place += every
    return struck, wrong


def test_a_pump_that_is_interrupted_loses_and_repeats_no_delivery() -> None:
    """Wherever it is struck: each handler is told of each event, once and in order."""
    struck, wrong = pumped_again(1)

    assert [] == wrong
    assert struck > 25


def taken_again(every: int, take: Callable[[Any, Any], list[str]]) -> list[str]:
    """
    Interrupt whoever takes events at every so manieth place, and let him go on.

    Args:
        every: how far the places are apart.
        take: gives what he was given, from the session and what was struck.

    Returns:
        Which places lost or repeated an event.
    """
    wrong: list[str] = []
    place = 1
    memory = MemoryTransport()
    with connect("m", transport=memory, router=Router(), timeout=1.0) as session:
        while True:
            strike = Strike(place)
            heard = take(session, (memory, strike))
            if strike.where is None:
                break
            if heard != ["0", "1", "2"]:
                wrong.append(f"{heard}: {strike.where}")
            place += every
    assert place > 10
    return wrong


def tell(memory: MemoryTransport) -> None:
    """Three events that are wanted, each behind one that is not."""
    for number in range(3):
        for delta in ("no", f"{number}"):
            memory.feed({"type": "response.output_text.delta", "delta": delta})


def wanted(event: Any) -> bool:
    """The predicate of whoever waits."""
    return bool(event.delta != "no")


def from_stream(session: Any, struck: Any) -> list[str]:
    """What a stream gives to who goes on with it."""
    memory, strike = struck
    heard: list[str] = []
    with session.events("response.output_text.delta", where=wanted) as stream:
        tell(memory)
        while len(heard) < 3:
            try:
                with strike:
                    event = next(stream)
                heard.append(event.delta)
            except KeyboardInterrupt:
                pass
            except WaitTimeout:
                break
    return heard


def from_expectations(session: Any, struck: Any) -> list[str]:
    """What expectations give to who asks them again."""
    memory, strike = struck
    heard: list[str] = []
    expected = [
        session.expect(
            "response.output_text.delta", where=lambda e, n=n: e.delta == f"{n}"
        )
        for n in range(3)
    ]
    tell(memory)
    for expectation in expected:
        try:
            with strike:
                expectation.result()
        except KeyboardInterrupt:
            pass
        try:
            heard.append(expectation.result().delta)
        except WaitTimeout:
            break
    return heard


@pytest.mark.parametrize("take", [from_stream, from_expectations])
def test_an_interrupt_loses_and_repeats_no_event_of_who_goes_on(take: Any) -> None:
    """Wherever it is struck, the event stays the next one until it is given."""
    assert [] == taken_again(1, take)
