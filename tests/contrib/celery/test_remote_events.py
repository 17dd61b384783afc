"""Events of a call in another process, where that is refused."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery

from realtime_sync.contrib.celery import (
    CallLost,
    CallOver,
    CommandFailed,
    NoAnswer,
    RemoteEvents,
)


class Refusing:
    """A call that cannot be subscribed to."""

    id = "one"

    def __init__(self, refusal: BaseException) -> None:
        self._refusal = refusal

    def subscribe(self, subscription: str, pattern: str, again: bool) -> bool:
        """Refuse it."""
        raise self._refusal

    def unsubscribe(self, subscription: str) -> None:
        """There is nothing to end."""


@pytest.mark.parametrize(
    "refusal",
    [
        CallOver("it has ended"),
        CallLost("its worker is gone"),
        CommandFailed("no such pattern"),
        NoAnswer("too late"),
        KeyboardInterrupt(),
    ],
    ids=lambda refusal: type(refusal).__name__,
)
def test_subscription_that_is_refused_leaves_no_connection(
    refusal: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was opened for it is closed, however it is refused."""
    app = Celery("refused", broker="memory://", set_as_current=False)
    opened: list[Any] = []
    connect = app.connection_for_read

    def remembered() -> Any:
        opened.append(connect())
        return opened[-1]

    monkeypatch.setattr(app, "connection_for_read", remembered)
    events = RemoteEvents(
        Refusing(refusal), app, "realtime-sync.calls", pattern="*", timeout=1.0
    )
    with pytest.raises(type(refusal)) as raised, events:
        raise AssertionError("it was not refused")

    assert refusal is raised.value
    assert opened
    assert not any(connection.connected for connection in opened)
