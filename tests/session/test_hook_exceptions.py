"""
Whatever class user code raises, in whatever hook: the right one hears of it.

A hook that a session cannot go on without ends it with that error; the raise of any
other is told, and the session goes on. No wait outlasts it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from realtime_sync import ReconnectPolicy, Router, Threads, connect, errors
from realtime_sync.server import Server, serve
from realtime_sync.server.agents.base import Call

LONG = 10.0


class Own(BaseException):
    """A class that nobody else catches."""


RAISED = [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), Own("mine"), OSError()]
each = pytest.mark.parametrize("raised", RAISED, ids=lambda exc: type(exc).__name__)


@pytest.fixture
def server() -> Iterator[Server]:
    """A server with an agent that calls a tool when it is told to."""

    def agent(prompt: Any) -> Any:
        last = prompt.items[-1] if prompt.items else {}
        wants = last.get("type") == "message" and "tool" in str(last.get("content"))
        return Call("break_it", {}) if wants else "done"

    with serve(agent=agent) as running:
        yield running


class Raiser:
    """Raises when it is called, once it is armed."""

    def __init__(self, raised: BaseException, result: Any = None) -> None:
        self.raised = raised
        self.result = result
        self.armed = False
        self.called = 0

    def __call__(self, *arguments: Any) -> Any:
        if not self.armed:
            return self.result
        self.called += 1
        raise self.raised


def opened(server: Server, **options: Any) -> Any:
    """A session that answers in text."""
    options = {"router": Router(), "timeout": LONG, **options}
    config = {"output_modalities": ["text"]}
    return connect("m", base_url=server.url, config=config, **options)


def goes_on(session: Any) -> None:
    """The next question is answered, and the end is a clean one."""
    assert "done" == session.ask("still there?").text
    assert session.close().complete


# -- hooks that a session cannot go on without -----------------------------------


def reconnecting(**policy: Any) -> ReconnectPolicy:
    """A policy that waits for nothing."""
    return ReconnectPolicy(base=0.0, **policy)


KEY_OR_HOOK: dict[str, Callable[[Raiser], dict[str, Any]]] = {
    "api_key": lambda raiser: {"api_key": raiser, "reconnect": reconnecting()},
    "hook": lambda raiser: {"reconnect": reconnecting(hook=raiser)},
    "api_key, shared": lambda raiser: {
        "api_key": raiser,
        "reconnect": reconnecting(),
        "threads": Threads(workers=1, dialers=1),
    },
    "hook, shared": lambda raiser: {
        "reconnect": reconnecting(hook=raiser),
        "threads": Threads(workers=1, dialers=1),
    },
    "hook, manual": lambda raiser: {
        "reconnect": reconnecting(hook=raiser),
        "dispatch": "manual",
    },
}


@pytest.mark.parametrize("raised", RAISED[:4], ids=lambda exc: type(exc).__name__)
@pytest.mark.parametrize("where", KEY_OR_HOOK)
def test_what_a_reconnect_needs_and_raises_ends_the_session_with_it(
    server: Server, where: str, raised: BaseException
) -> None:
    """Every wait is over, and each knows why."""
    raiser = Raiser(raised, result="sk-test-key" if "key" in where else None)
    options = KEY_OR_HOOK[where](raiser)
    session = opened(server, **options)
    raiser.armed = True
    server.sessions[-1].drop()
    with pytest.raises(errors.ConnectionLost) as caught:
        session.run_forever()
    with pytest.raises(errors.ConnectionLost):
        session.wait_for("session.updated")
    session.close()
    if "threads" in options:
        options["threads"].close(LONG)

    assert 1 == raiser.called
    assert raised in (caught.value.__cause__, caught.value.__context__)


@each
def test_a_key_that_cannot_be_had_is_told_to_who_connects(
    server: Server, raised: BaseException
) -> None:
    """In the caller's thread, as it was raised."""
    raiser = Raiser(raised)
    raiser.armed = True
    with pytest.raises(type(raised)):
        opened(server, api_key=raiser)

    assert [] == server.sessions


@each
def test_a_transport_that_cannot_be_made_is_told_to_who_connects(
    raised: BaseException,
) -> None:
    """And leaves no thread."""
    raiser = Raiser(raised)
    raiser.armed = True
    with pytest.raises(type(raised)):
        connect("m", transport=raiser, router=Router())


# -- hooks whose failure is told, and no more ------------------------------------


@contextmanager
def told(session: Any) -> Iterator[list[Any]]:
    """The failures that are told meanwhile; one must come."""
    failures: list[Any] = []
    heard = threading.Event()

    def note(event: Any) -> None:
        failures.append(event.error)
        heard.set()

    subscription = session.on("handler.failed", note)
    yield failures
    assert heard.wait(LONG)
    subscription.cancel()


HANDLERS: dict[str, Callable[[Any, Raiser], Any]] = {
    "handler": lambda session, raiser: session.on("session.updated", raiser),
    "inline handler": lambda session, raiser: session.on(
        "session.updated", raiser, inline=True
    ),
    "once": lambda session, raiser: session.once("session.updated", raiser),
    "where of a handler": lambda session, raiser: session.on(
        "session.updated", lambda event: None, where=raiser
    ),
    "handler of what is sent": lambda session, raiser: session.on(
        "client.session.update", raiser
    ),
}


@each
@pytest.mark.parametrize("where", HANDLERS)
def test_what_a_handler_raises_is_told_and_the_session_goes_on(
    server: Server, where: str, raised: BaseException
) -> None:
    """The handlers behind it run, and so does the thread."""
    raiser, seen = Raiser(raised), threading.Event()
    raiser.armed = True
    with opened(server) as session:
        HANDLERS[where](session, raiser)
        session.on("session.updated", lambda event: seen.set())
        with told(session) as failures:
            session.update(instructions="x").acknowledged()
            assert seen.wait(LONG)
        session.off(raiser)

        assert raised is failures[0]
        goes_on(session)


@each
def test_what_surrounds_a_delivery_and_raises_is_told(
    server: Server, raised: BaseException
) -> None:
    """The next delivery is surrounded again."""
    raiser = Raiser(raised)

    @contextmanager
    def around() -> Iterator[None]:
        raiser()
        yield

    with Threads(workers=1, around=around) as threads:
        with opened(server, threads=threads) as session:
            failed = threading.Event()
            session.on("handler.failed", lambda event: failed.set(), inline=True)
            session.on("session.updated", lambda event: None)
            raiser.armed = True
            session.update(instructions="x").acknowledged()
            assert failed.wait(LONG)
            raiser.armed = False

            goes_on(session)


@each
@pytest.mark.parametrize("what", ["tool", "approve"])
def test_what_a_tool_raises_goes_to_the_model(
    server: Server, what: str, raised: BaseException
) -> None:
    """It gets an answer, and the session goes on."""
    raiser = Raiser(raised)
    raiser.armed = True

    def break_it() -> str:
        if what == "tool":
            raiser()
        return "fine"

    with opened(server) as session:
        approve = raiser if what == "approve" else None
        session.tool(break_it, **({"approve": approve} if approve else {}))
        reply = session.ask("tool, please")

        assert "done" == reply.text
        assert 1 == raiser.called
        outputs = [i.output for i in session.snapshot.items if i.output is not None]
        assert type(raised).__name__ in str(outputs)
        goes_on(session)


# -- predicates of waits: the caller's own code, in the caller's own thread ------


WAITS: dict[str, Callable[[Any, Raiser], Any]] = {
    "wait_for": lambda session, raiser: session.wait_for(
        "session.updated", where=raiser
    ),
    "expect": lambda session, raiser: expected(session, raiser),
    "events": lambda session, raiser: next(
        iter(session.events("session.updated", where=raiser))
    ),
}


def expected(session: Any, raiser: Raiser) -> Any:
    """Expect what an update of our own brings about."""
    with session.expect("session.updated", where=raiser) as got:
        session.update(instructions="y")
    return got.result(LONG)


@each
@pytest.mark.parametrize("where", WAITS)
def test_what_a_predicate_raises_is_told_to_who_waits(
    server: Server, where: str, raised: BaseException
) -> None:
    """At the line of the wait; what waits elsewhere is not disturbed."""
    raiser = Raiser(raised)
    raiser.armed = True
    with opened(server) as session:
        with session.expect("session.updated") as other:
            timer = threading.Timer(
                0.05, lambda: session.update(instructions="x").acknowledged()
            )
            timer.start()
            with pytest.raises(type(raised)):
                WAITS[where](session, raiser)
            timer.join()

        assert other.result(LONG)
        goes_on(session)


@pytest.mark.parametrize("raised", [OSError("mine"), ValueError(), errors.ToolError()])
def test_an_exception_of_a_reconnect_hook_is_logged_and_the_attempt_made(
    server: Server, raised: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """It was asked for advice, and gave none."""
    raiser, restored = Raiser(raised), threading.Event()
    with opened(server, reconnect=reconnecting(hook=raiser)) as session:
        session.on("connection.restored", lambda event: restored.set())
        raiser.armed = True
        server.sessions[-1].drop()
        assert restored.wait(LONG)

        assert "the reconnect hook failed" in caplog.text
        goes_on(session)
