"""What may be a handler, and what it is called with."""

from __future__ import annotations

import contextvars
import functools
import threading
from types import SimpleNamespace
from typing import Any, Callable
from unittest.mock import Mock

import pytest

from realtime_sync import events
from realtime_sync.dispatch.router import Router
from realtime_sync.dispatch.subscription import (
    subscription_call_style,
    subscription_handler_name,
)
from tests.scripted_session import ScriptedSession


class Callee:
    """Callable objects and methods of several shapes."""

    def one(self, event: Any) -> None:
        """Take the event."""

    def two(self, event: Any, context: Any) -> None:
        """Take the event and the context."""

    async def later(self, event: Any) -> None:
        """Be a coroutine function."""

    def __call__(self, event: Any, ctx: Any) -> None:
        """Take the event and the context."""


class AsyncCallee:
    """A callable object whose call is a coroutine."""

    async def __call__(self, event: Any) -> None:
        """Be a coroutine function."""


def two_with_default(event: Any, extra: int = 1) -> None:
    """Take the event; the rest is the handler's own business."""


def ctx_behind_default(event: Any, extra: int = 1, ctx: Any = None) -> None:
    """Take the context by name."""


def keyword_ctx(event: Any, *, ctx: Any) -> None:
    """Take the context by name only."""


def catches_all(*args: Any, **kwargs: Any) -> None:
    """Take anything."""


async def coroutine(event: Any) -> None:
    """Be a coroutine function."""


async def async_generator(event: Any) -> Any:
    """Be an asynchronous generator function."""
    yield event


def generator(event: Any) -> Any:
    """Be a generator function."""
    yield event


@pytest.mark.parametrize(
    ("handler", "style"),
    [
        (lambda event: None, "event"),
        (lambda event, anything: None, "positional"),
        (lambda event, ctx=None: None, "positional"),
        (two_with_default, "event"),
        (ctx_behind_default, "keyword"),
        (keyword_ctx, "keyword"),
        (catches_all, "event"),
        (Callee().one, "event"),
        (Callee().two, "positional"),
        (Callee(), "positional"),
        (print, "event"),
        ([].append, "event"),
        (functools.partial(two_with_default, extra=2), "event"),
        (functools.partial(lambda a, event, ctx: None, 1), "positional"),
        (Mock(), "event"),
        (list, "event"),
    ],
)
def test_the_signature_says_how_a_handler_is_called(
    handler: Callable[..., Any], style: str
) -> None:
    """With the event, and with the context if it asks for one."""
    assert style == subscription_call_style(handler)


@pytest.mark.parametrize(
    "handler",
    [
        lambda: None,
        lambda a, b, c: None,
        lambda ctx: None,
        lambda *, event: None,
        lambda event, *, other: None,
        7,
        "response.done",
    ],
)
def test_what_cannot_take_an_event_is_refused(handler: Any) -> None:
    """At the decorator, not at the first delivery."""
    with pytest.raises(TypeError):
        subscription_call_style(handler)


@pytest.mark.parametrize(
    "handler",
    [
        coroutine,
        async_generator,
        Callee().later,
        AsyncCallee(),
        functools.partial(coroutine),
        generator,
    ],
)
def test_what_would_not_run_when_called_is_refused(handler: Any) -> None:
    """Coroutine functions and generators run nothing when they are called."""
    with pytest.raises(TypeError, match="coroutine|yield"):
        subscription_call_style(handler)


def test_handlers_have_names_for_logs() -> None:
    """Module and qualified name, also of what is wrapped."""
    here = __name__

    assert f"{here}.coroutine" == subscription_handler_name(
        functools.partial(coroutine)
    )
    assert f"{here}.Callee.one" == subscription_handler_name(Callee().one)
    assert "Mock" in subscription_handler_name(Mock())


@pytest.mark.parametrize("handler_kind", ["positional", "keyword"])
def test_the_context_belongs_to_the_subscription(handler_kind: str) -> None:
    """``ctx.subscription`` is the registration that the call is made for."""
    seen = []
    with ScriptedSession() as scripted:
        if handler_kind == "positional":
            sub = scripted.router.on("error", lambda event, ctx: seen.append(ctx))
        else:
            sub = scripted.router.on("error", lambda event, *, ctx: seen.append(ctx))
        scripted.router.on("error", lambda event, ctx: None)
        scripted.deliver("error")

    assert sub is seen[0].subscription
    assert scripted.session is seen[0].session


def test_once_runs_once_however_many_threads_deliver() -> None:
    """Two sessions that share a router, or an inline and a queued lane."""
    calls = []
    barrier = threading.Barrier(8)
    with ScriptedSession() as scripted:
        sub = scripted.router.once("error", calls.append)

        def call() -> None:
            barrier.wait(5)
            sub(scripted.session, event="event", ctx=None)

        threads = [threading.Thread(target=call) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5)

    assert ["event"] == calls
    assert not sub.active
    assert () == scripted.router.handlers()


def test_once_waits_for_an_event_that_fits() -> None:
    """The predicate decides which one is the first."""
    calls: list[Any] = []
    with ScriptedSession() as scripted:
        scripted.router.once("error", calls.append, where=lambda e: e.event_id == "2")
        for number in "123":
            scripted.deliver({"type": "error", "event_id": number})

    assert ["2"] == [event.event_id for event in calls]


def test_a_predicate_that_raises_is_isolated() -> None:
    """It counts as a failure of the handler, and the next one runs."""
    calls: list[Any] = []
    failures: list[Any] = []
    with ScriptedSession() as scripted:
        scripted.router.on("error", calls.append, where=lambda e: 1 // 0)
        scripted.router.on("error", calls.append)
        scripted.router.on("handler.failed", failures.append)
        scripted.deliver("error")

    assert 1 == len(calls)
    assert [ZeroDivisionError] == [type(failure.error) for failure in failures]


def test_a_subscription_can_be_cancelled_within_its_own_call() -> None:
    """It is not called again; others are."""
    calls: list[str] = []
    with ScriptedSession() as scripted:

        def first(event: Any, ctx: Any) -> None:
            calls.append("first")
            ctx.subscription.cancel()

        scripted.router.on("error", first)
        scripted.router.on("error", lambda event: calls.append("second"))
        scripted.deliver("error")
        scripted.deliver("error")

    assert ["first", "second", "second"] == calls


def test_a_cancelled_subscription_is_skipped_in_the_delivery_under_way() -> None:
    """Cancelling takes effect at once, also for the event being delivered."""
    calls: list[str] = []
    with ScriptedSession() as scripted:
        scripted.router.on("error", lambda event: second.cancel())
        second = scripted.router.on("error", lambda event: calls.append("second"))
        scripted.deliver("error")

    assert [] == calls


def test_a_subscription_is_a_context_manager() -> None:
    """It ends with the block."""
    calls: list[Any] = []
    with ScriptedSession() as scripted:
        with scripted.router.on("error", calls.append) as sub:
            scripted.deliver("error")
        scripted.deliver("error")

    assert 1 == len(calls)
    assert "error" in repr(sub)


word: contextvars.ContextVar[str] = contextvars.ContextVar("word", default="none")


@pytest.mark.parametrize("cancelled", [False, True])
@pytest.mark.parametrize("whose", ["nobody's", "the session's", "the handler's"])
def test_the_short_way_of_a_call_does_what_the_call_does(
    whose: str, cancelled: bool
) -> None:
    """Whether it has been cancelled, and in a copy of which context it runs."""
    seen: list[tuple[str, Any]] = []

    def handler(event: Any) -> None:
        seen.append((word.get(), event))
        word.set("changed")

    router = Router(keeps_context=whose == "the handler's")
    made = contextvars.Context()
    made.run(word.set, whose)
    subscription = made.run(router.on, "error", handler)
    sender = SimpleNamespace(handler_context=made if whose == "the session's" else None)
    if cancelled:
        subscription.cancel()
    for call in (
        lambda: subscription(sender, event="one", ctx=None),
        lambda: subscription.tell(sender, "one"),
    ):
        contextvars.Context().run(call)

    expected = "none" if whose == "nobody's" else whose
    assert subscription.plain
    assert ([] if cancelled else [(expected, "one")] * 2) == seen


@pytest.mark.parametrize(
    ("key", "more"),
    [
        ("error", {"where": bool}),
        ("response.*", {}),
        (events.Error, {}),
    ],
)
def test_the_short_way_is_only_for_handlers_that_want_every_event(
    key: Any, more: dict[str, Any]
) -> None:
    """What has to be looked at first, or called in another way, is called in full."""
    assert not Router().on(key, lambda event: None, **more).plain
    assert not Router().on("error", lambda event, ctx: None).plain
    assert not Router().once("error", lambda event: None).plain
