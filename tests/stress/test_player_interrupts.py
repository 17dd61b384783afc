"""Signals at every place of a call of a player: it plays on or ends, no wait hangs."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from time import monotonic
from typing import Any, Optional

import pytest

from realtime_sync import Threads, audio, connect
from realtime_sync.audio import turns
from realtime_sync.deadline import Flag
from realtime_sync.testing import MemoryTransport
from tests.strike import LIBRARY, WITH_THREADING, Strike

LONG = 10.0
BLOCK_MS = 2
PIECE = bytes(48 * BLOCK_MS)


class Line:
    """A sink that counts, and tells sound from silence."""

    def __init__(self) -> None:
        self.taken = self.heard = 0
        self.last = b""

    def __call__(self, block: bytes) -> None:
        """Take a block."""
        self.taken += len(block)
        self.heard += len(block) - block.count(0)
        self.last = block


LOUD = bytes([1]) * len(PIECE)


class HandPlayed:
    """
    A player without a thread, called by whoever moves its clock.

    Args:
        refuses: how many calls of the sink raise before one is taken.
        options: of the player.

    Attributes:
        refused: bytes in the calls that raised.
    """

    def __init__(self, refuses: int = 0, **options: Any) -> None:
        self.now, self._refuses, self.refused = 100.0, refuses, 0
        self.line = Line()
        self.player = audio.Player(
            self._sink,
            block_ms=BLOCK_MS,
            thread=False,
            clock=lambda: self.now,
            **options,
        )

    def _sink(self, block: bytes) -> None:
        if self._refuses:
            self._refuses -= 1
            self.refused += len(block)
            raise OSError("the line is busy")
        self.line(block)

    def play_out(self) -> None:
        """Play what there is to its end."""
        while (wait := self.player.run_due()) is not None:
            self.now += wait

    def play_some(self) -> None:
        """Play pieces of two parts, the first of which ends within a block."""
        self.player.play(2 * LOUD + LOUD[:32], item_id="a")
        self.player.play(LOUD, item_id="b")
        for _ in range(3):
            wait = self.player.run_due()
            self.now += wait or 0.0


def marking() -> HandPlayed:
    """A player whose sink is asked to report, and does at once."""
    made = HandPlayed(
        mark=lambda position: made.player.ledger.confirm(position), mark_ms=BLOCK_MS
    )
    return made


BY_HAND: dict[str, Callable[[], HandPlayed]] = {
    "plain": HandPlayed,
    "cleared": lambda: HandPlayed(clear=lambda: None),
    "refused": lambda: HandPlayed(refuses=1),
    "reporting": marking,
    "padded": lambda: HandPlayed(pad=True),
}

HANDLERS: dict[str, Callable[[audio.Player], Any]] = {
    "interrupt": lambda player: player.interrupt(),
    "interrupt and play": lambda player: (
        player.interrupt(),
        player.play(3 * LOUD, item_id="c"),
    ),
    "play": lambda player: player.play(3 * LOUD, item_id="c"),
    "fill": lambda player: (player.fill_with(PIECE), player.fill_with(b"")),
}


Opened = tuple[audio.Player, Line]

FOR_EVER = 1000.0
"""Longer than a test may last."""


@pytest.fixture(autouse=True)
def nothing_else_begins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """
    Strike calls of players alone.

    Not the start of a thread, which comes again after an idle time and which no program
    can make whole, nor what the garbage collector calls, where nothing can be raised.
    """
    monkeypatch.setattr(turns, "_PATIENCE", 10 * LONG)
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@contextmanager
def opener(shared: bool) -> Iterator[Callable[[], Opened]]:
    """What makes players that play, with threads of their own or shared ones."""
    threads = Threads(workers=1) if shared else None
    memory = MemoryTransport()
    with connect("m", transport=memory, threads=threads) as session:

        def opened() -> Opened:
            line = Line()
            player = audio.Player(line, block_ms=BLOCK_MS)
            if shared:
                player.attach(session)
            goes_on(player)
            return player, line

        yield opened
    if threads is not None:
        assert threads.close()


def goes_on(player: audio.Player) -> None:
    """Play something more, to its end."""
    player.resume()
    player.play(PIECE, item_id="b")
    player.end()
    assert player.wait_idle(LONG)
    assert "heard" == player.wait_heard(LONG)


def played(player: audio.Player) -> None:
    """Play something, and wait until it was heard."""
    player.play(PIECE, item_id="a")
    player.end()
    player.wait_heard(LONG)


CALLS: dict[str, Callable[[audio.Player], Any]] = {
    "play": lambda player: player.play(PIECE, item_id="a"),
    "end": lambda player: player.end(),
    "pause": lambda player: player.pause(0.001),
    "resume": lambda player: player.resume(),
    "interrupt": lambda player: player.interrupt(),
    "fill": lambda player: player.fill_with(b""),
    "format": lambda player: player.change_format(player.format),
    "idle": lambda player: player.wait_idle(LONG),
    "heard": played,
    "looks": lambda player: (player.queued_ms, player.paused, player.sounding),
    "parts": lambda player: (player.ledger.parts(), player.ledger.position),
    "close": lambda player: player.close(),
}


@pytest.mark.parametrize("shared", [False, True], ids=["own", "shared"])
@pytest.mark.parametrize("call", CALLS)
def test_an_interrupt_harms_no_player_wherever_it_strikes(
    call: str, shared: bool
) -> None:
    """What is played next is heard, and the account is that of the sink."""
    wrong: list[str] = []
    place = 0
    with opener(shared) as opened:
        player, line = opened()
        while True:
            place += 1
            strike = Strike(place)
            outcome: Optional[BaseException] = None
            try:
                with strike:
                    CALLS[call](player)
            except KeyboardInterrupt as exc:
                outcome = exc
            if strike.where is None:
                break
            if outcome is None:
                wrong.append(f"it was swallowed: {strike.where}")
            if call == "close":
                player.close()
                player, line = opened()
                continue
            goes_on(player)
            if player.ledger.position != line.taken or line.taken % len(PIECE):
                wrong.append(f"{player.ledger.position}, {line.taken}: {strike.where}")
        player.close()

    assert [] == wrong
    assert place > 3


@pytest.mark.parametrize("handler", HANDLERS)
@pytest.mark.parametrize("kind", BY_HAND)
def test_a_signal_handler_interrupts_whoever_plays_by_hand(
    kind: str, handler: str
) -> None:
    """The account is that of the sink, and what is played next is heard."""
    fresh = bytes([2]) * len(PIECE)
    place = 0
    while True:
        place += 1
        made = BY_HAND[kind]()
        player, line = made.player, made.line
        strike = Strike(place, (LIBRARY,), lambda: HANDLERS[handler](player))
        with strike:
            made.play_some()
        queued = player.queued_ms
        made.play_out()
        left = player.queued_ms
        player.play(fresh, item_id="z")
        player.end()
        made.play_out()

        assert queued >= 0 and 0 == left, strike.where
        assert fresh == line.last, strike.where
        assert "heard" == player.wait_heard(LONG), strike.where
        # What the sink was being given when it was interrupted is not taken back.
        assert 0 <= player.ledger.position - line.heard <= made.refused, strike.where
        assert BLOCK_MS == player.ledger.heard_ms("z"), strike.where
        player.close()
        if strike.where is None:
            break

    assert place > 30


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_signal_handler_interrupts_the_callback_of_a_device(handler: str) -> None:
    """What the device gets of it is what the account says."""
    place = 0
    while True:
        place += 1
        now = [100.0]
        player = audio.Player(clock=lambda now=now: now[0])
        strike = Strike(place, (LIBRARY,), lambda: HANDLERS[handler](player))
        with strike:
            player.play(LOUD, item_id="a")
            player.play(LOUD, item_id="b")
            got = player.pull(150)
        assert player.queued_ms >= 0, strike.where
        while player.queued_ms:
            got += player.pull(len(PIECE))
            now[0] += 1.0
        assert got.count(1) == player.ledger.position, strike.where
        now[0] += 1.0
        assert "heard" == player.wait_heard(LONG), strike.where
        player.close()
        if strike.where is None:
            break

    assert place > 30


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", BY_HAND)
def test_a_signal_handler_closes_a_player_that_is_played_by_hand(kind: str) -> None:
    """In the middle of a block that is taken out of the queue."""
    place = 0
    while True:
        place += 1
        made = BY_HAND[kind]()
        strike = Strike(place, (LIBRARY,), made.player.close)
        with strike:
            made.play_some()
        if strike.where is not None:
            made.play_out()
        made.player.close()
        assert 0 == made.player.queued_ms, strike.where
        if strike.where is None:
            break

    assert place > 30


@pytest.mark.timeout(60)
@pytest.mark.parametrize("call", CALLS)
def test_a_signal_handler_closes_a_player_wherever_it_strikes(call: str) -> None:
    """The player's thread may be begun just now, or want a lock of the main thread."""
    # How threads are joined is not ours: a place in there may keep the lock of one.
    within = (LIBRARY,) if call == "close" else WITH_THREADING
    place = 0
    while True:
        place += 1
        player = audio.Player(Line(), block_ms=BLOCK_MS, close_timeout=FOR_EVER)

        def twice(player: audio.Player = player) -> None:
            player.close()
            player.close()

        strike = Strike(place, within, twice)
        with strike:
            CALLS[call](player)
        player.close()
        if strike.where is None:
            break
        assert player.wait_idle(LONG), strike.where

    assert place > 3


@pytest.mark.timeout(60)
def test_a_signal_handler_closes_a_player_whose_account_is_looked_at() -> None:
    """The player's thread may be on its way there, with what the handler wants."""
    on_its_way = Flag()

    def clock() -> float:
        if current_thread() is not main_thread():
            on_its_way.set()
        return monotonic()

    place = 0
    while True:
        place += 1
        player = audio.Player(
            Line(), block_ms=BLOCK_MS, clock=clock, close_timeout=FOR_EVER
        )
        player.play(1000 * PIECE, item_id="a")

        def close(player: audio.Player = player) -> None:
            on_its_way.clear()
            # Where it is kept from beginning there is nothing to wait for.
            on_its_way.wait(0.05)
            player.close()

        strike = Strike(place, (LIBRARY,), close)
        with strike:
            player.ledger.parts()
        player.close()
        if strike.where is None:
            break

    assert place > 3
