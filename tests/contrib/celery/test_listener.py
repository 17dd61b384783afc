"""Where carriers bring the sound of a worker's calls, when none comes."""

from __future__ import annotations

from contextlib import closing
from threading import Event
from typing import Optional

import pytest

from realtime_sync.contrib.celery import Line, NoAnswer
from realtime_sync.contrib.celery.listener import FleetListener


class Late(Event):
    """Is not set, and says so later than it was asked to, as on a busy machine."""

    def __init__(self) -> None:
        super().__init__()
        self.looks: list[Optional[float]] = []

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Take a fifth of a second."""
        self.looks.append(timeout)
        return super().wait(0.2)


@pytest.mark.parametrize("patience", [-1.0, 0.0, 0.01, 0.19])
def test_patience_is_seconds_and_not_a_number_of_looks(patience: float) -> None:
    """However long each look takes, and no look is longer than what is left."""
    with closing(FleetListener(Line(patience=patience))) as listener:
        stream = listener.expect()
        late = stream.there = Late()

        with pytest.raises(NoAnswer, match="sound of call one") as raised:
            listener.wait_there(stream, "one", Event())

    assert "one" == raised.value.call_id
    assert 1 == len(late.looks)
    assert late.looks[0] is not None
    assert late.looks[0] <= max(0.0, patience)
    assert stream.over.is_set()


def test_call_that_is_over_is_waited_for_no_longer() -> None:
    """Whoever hangs up meanwhile does not wait for the carrier."""
    with closing(FleetListener(Line(patience=60.0))) as listener:
        stream, over = listener.expect(), Event()
        stream.there = late = Late()
        over.set()

        with pytest.raises(NoAnswer):
            listener.wait_there(stream, "one", over)

    assert 1 == len(late.looks)


def test_carrier_that_is_there_already_is_not_too_late() -> None:
    """Even where there is no patience at all."""
    with closing(FleetListener(Line(patience=0.0))) as listener:
        stream = listener.expect()
        stream.there.set()
        listener.wait_there(stream, "one", Event())

    assert not stream.over.is_set()
