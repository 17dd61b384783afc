"""Which workers are there, as one process sees it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any

import pytest
from celery import Celery

from realtime_sync.contrib.celery import NoAnswer
from realtime_sync.contrib.celery.worker_presence import Presence

from .answered_control import AnsweredControl

WAIT = 3.0


def asked(answer: Callable[[], dict[str, Any]]) -> AnsweredControl:
    """Return the control of an application that has no other."""
    app = Celery("presence", broker="memory://", set_as_current=False)
    return AnsweredControl(app, answer)


def test_what_is_known_is_said_while_the_workers_are_asked() -> None:
    """A command to one worker does not wait for a look at another."""
    known: list[bool] = []
    told: SimpleQueue[bool] = SimpleQueue()

    def tell() -> None:
        told.put(presence.known_gone("b"))

    def answer() -> dict[str, Any]:
        other.start()
        with suppress(Empty):
            known.append(told.get(timeout=WAIT))
        return {"a": {}}

    presence = Presence(asked(answer))
    other = Thread(target=tell, name="presence other", daemon=True)
    gone = presence.is_gone("a")
    other.join(WAIT)

    assert ([False], False) == (known, gone)


def test_one_look_is_good_for_all_who_wait() -> None:
    """Those who come while the workers are asked ask nobody, and have the answer."""
    asking, go_on = Event(), Event()

    def answer() -> dict[str, Any]:
        asking.set()
        go_on.wait(WAIT)
        return {"a": {}, "b": {}}

    control = asked(answer)
    presence = Presence(control)
    with ThreadPoolExecutor(4) as threads:
        looks: list[Future[bool]] = [threads.submit(presence.is_gone, "a")]
        asking.wait(WAIT)
        looks += [threads.submit(presence.is_gone, name) for name in "abb"]
        early = wait_for(looks, 0.05).done
        go_on.set()
        gone = [each.result(WAIT) for each in looks]

    assert ([False] * 4, 1, set()) == (gone, control.count, early)


@pytest.mark.parametrize("failure", [NoAnswer("away"), OSError("no route")])
def test_look_that_fails_makes_nobody_wait_for_it(failure: Exception) -> None:
    """A broker that is away says nothing of workers; nor does what was not foreseen."""

    def answer() -> dict[str, Any]:
        raise failure

    control = asked(answer)
    presence = Presence(control)
    for _ in range(2):
        try:
            gone = presence.is_gone("a")
        except OSError as exc:
            gone = exc is not failure

    assert not gone
    assert not presence.known_gone("a")
    assert (1 if isinstance(failure, NoAnswer) else 2) == control.count
