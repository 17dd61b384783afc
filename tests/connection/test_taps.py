"""Who is shown the wire; `realtime_sync.connection.taps`."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_sync.connection.taps import Taps
from realtime_sync.protocol.events import UnknownEvent
from realtime_sync.state.snapshot import Snapshot


class Seen:
    """A tap that keeps the numbers of the connections that it was shown."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def received(self, number: int, *rest: Any) -> None:
        self.numbers.append(number)

    def sent(self, number: int, payload: bytes) -> None:
        self.numbers.append(-number)


class Broken(Seen):
    """A tap that raises, whatever it is shown."""

    def received(self, number: int, *rest: Any) -> None:
        raise RuntimeError("broken")

    def sent(self, number: int, payload: bytes) -> None:
        raise RuntimeError("broken")


def show(taps: Taps, way: str) -> None:
    """Show one message that came, or one that goes."""
    if way == "received":
        taps.received(1, b"{}", UnknownEvent(type="vendor.said"), Snapshot(), ())
    else:
        taps.sent(1, b"{}")


@pytest.mark.parametrize("way", ["received", "sent"])
def test_a_tap_that_fails_is_taken_off(
    way: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The reader and whoever sends live, whatever looks over their shoulders."""
    taps = Taps()
    taps.add(Broken())  # type: ignore[arg-type]
    show(taps, way)
    show(taps, way)

    assert not taps.on
    assert 1 == caplog.text.count("taken off")


@pytest.mark.parametrize("way", ["received", "sent"])
def test_a_tap_that_fails_takes_no_other_with_it(way: str) -> None:
    """The one behind it is shown the same message, and the next."""
    taps, seen = Taps(), Seen()
    taps.add(Broken())  # type: ignore[arg-type]
    taps.add(seen)  # type: ignore[arg-type]
    show(taps, way)
    show(taps, way)

    assert taps.on
    assert 2 == len(seen.numbers)
