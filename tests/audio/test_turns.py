"""Players of sessions that share threads: on those threads, or on one of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from realtime_sync import Session, Threads, audio, connect
from realtime_sync.dispatch import workers as pools
from realtime_sync.errors import WouldDeadlock
from realtime_sync.server import serve
from realtime_sync.testing import MemoryTransport
from tests.stress.sequenced_server import wait_until

LONG = 10.0
BLOCK = 20 * 48
"""Bytes of one block."""


class Line:
    """
    A sink that may be held up, and that notices when it is called twice at once.

    Attributes:
        blocks: what it was given.
        names: of the threads that gave it something.
        overlaps: calls that came while another was under way.
        inside: set when a call has come.
        free: cleared, it holds up whoever calls.
    """

    def __init__(self) -> None:
        self.blocks: list[bytes] = []
        self.names: set[str] = set()
        self.overlaps = 0
        self.inside, self.free = threading.Event(), threading.Event()
        self.free.set()
        self._calls = threading.Lock()

    def __call__(self, block: bytes) -> None:
        """Take a block."""
        if not self._calls.acquire(blocking=False):
            self.overlaps += 1
            return
        try:
            self.names.add(threading.current_thread().name)
            self.inside.set()
            assert self.free.wait(LONG)
            self.blocks.append(block)
        finally:
            self._calls.release()

    def clear(self) -> None:
        """Take the order to clear; a call like any other."""
        self(b"clear")

    @property
    def sound(self) -> bytes:
        """All that was played."""
        return b"".join(self.blocks)

    def stop(self) -> None:
        """Hold up the call that comes next."""
        self.inside.clear()
        self.free.clear()


@pytest.fixture
def session(threads: Threads) -> Session:
    """A session that uses them, without a server."""
    return connect("m", transport=MemoryTransport(), threads=threads)


@pytest.fixture
def join(session: Session) -> Iterator[Callable[..., audio.Player]]:
    """Makes players that the session's threads call; all are closed."""
    with ExitStack() as stack:

        def player(line: Line, **options: object) -> audio.Player:
            made = audio.Player(line, name="turns", **options)  # type: ignore[arg-type]
            made.attach(session)
            return stack.enter_context(made)

        yield player


def own() -> list[threading.Thread]:
    """The threads that players have to themselves."""
    return [each for each in threading.enumerate() if each.name == "realtime-turns"]


def sounds(count: int) -> list[bytes]:
    """So many sounds of three blocks that are easily told from each other."""
    return [bytes([number + 1]) * 3 * BLOCK for number in range(count)]


def recorded_and_played(sessions: int, players: int, folder: Path) -> int:
    """
    Recorded sessions of which some play an answer to its end.

    Returns:
        The most threads of the library that there were.
    """
    most = 0

    def look() -> None:
        nonlocal most
        names = [thread.name for thread in threading.enumerate()]
        assert "realtime-turns" not in names
        most = max(most, sum(name.startswith("realtime-sync") for name in names))

    everybody = ExitStack()
    with serve(agent=lambda prompt: "hello") as server, everybody, Threads() as threads:
        opened = [
            connect("m", base_url=server.url, threads=threads) for _ in range(sessions)
        ]
        for number, each in enumerate(opened):
            each.record(folder / f"{number}.jsonl")
        lines = [Line() for _ in range(players)]
        playing = [
            everybody.enter_context(audio.Player(line, name="turns")) for line in lines
        ]
        ends = []
        for player, each in zip(playing, opened):
            player.attach(each)
            each.conversation.add_message("Say hello")
            ends.append(each.response.create())
        for end in ends:
            end.result(60)
            look()
        for player in playing:
            assert "heard" == player.wait_heard(60)
            look()

        assert all(line.sound for line in lines)
        assert [0] * players == [line.overlaps for line in lines]
        for player in playing:
            (part,) = player.ledger.parts()
            assert part.received_ms == part.heard_ms
    for number in range(sessions):
        assert "recording.ended" in (folder / f"{number}.jsonl").read_text()
    print(f"\n{sessions} recorded sessions, {players} players: {most} threads")
    return most


@pytest.mark.parametrize(
    ("sessions", "players"), [(50, 6), pytest.param(500, 60, marks=pytest.mark.deep)]
)
def test_recorded_sessions_and_players_share_a_few_threads(
    sessions: int, players: int, tmp_path: Path
) -> None:
    """Where sixty players and five hundred recordings had a thread each."""
    assert recorded_and_played(sessions, players, tmp_path) <= 24


def test_each_sink_gets_all_in_order_and_one_call_at_a_time(
    join: Callable[..., audio.Player],
) -> None:
    """Twenty players on at most four threads."""
    lines = [Line() for _ in range(20)]
    players = [join(line) for line in lines]
    for player, sound in zip(players, sounds(20)):
        player.play(sound[:1000], item_id="a")
        player.play(sound[1000:], item_id="a")
    for player in players:
        assert player.wait_idle(LONG)
    names = set().union(*(line.names for line in lines))

    assert sounds(20) == [line.sound for line in lines]
    assert [0] * 20 == [line.overlaps for line in lines]
    assert 1 <= len(names) <= 4
    assert all(name.startswith("realtime-sync shared player") for name in names)
    assert [] == own()


def test_an_interruption_drops_and_clears_while_the_sink_holds_a_block(
    join: Callable[..., audio.Player],
) -> None:
    """The order to clear comes after the call that is under way."""
    line = Line()
    player = join(line, clear=line.clear)
    line.stop()
    player.play(sounds(1)[0] * 100, item_id="a")
    assert line.inside.wait(LONG)
    player.interrupt()
    line.free.set()
    wait_until(lambda: line.blocks[-1:] == [b"clear"], "the order to clear")

    assert 2 == len(line.blocks)
    assert 0 == line.overlaps
    assert 0.0 == player.queued_ms


def test_closing_waits_for_the_call_that_is_under_way(
    join: Callable[..., audio.Player],
) -> None:
    """What the sink was given it has when `close` returns; nothing comes later."""
    line = Line()
    player = join(line)
    line.stop()
    player.play(sounds(1)[0] * 100)
    assert line.inside.wait(LONG)
    closer = threading.Thread(target=player.close)
    closer.start()
    wait_until(lambda: player.queued_ms == 0.0, "the begin of closing")
    still = closer.is_alive()
    line.free.set()
    closer.join(LONG)

    assert still
    assert not closer.is_alive()
    assert 1 == len(line.blocks)


def test_a_sink_may_close_its_player(join: Callable[..., audio.Player]) -> None:
    """It does not wait for itself."""
    closed = threading.Event()

    def hang_up(block: bytes) -> None:
        player.close()
        closed.set()

    player = join(hang_up)
    player.play(sounds(1)[0])

    assert closed.wait(LONG)
    assert player.wait_idle(LONG)


def test_a_sink_cannot_close_the_threads_that_call_it(
    threads: Threads, join: Callable[..., audio.Player]
) -> None:
    """It would wait for itself, and is told so."""
    told = threading.Event()

    def close_all(block: bytes) -> None:
        with pytest.raises(WouldDeadlock):
            threads.close()
        told.set()

    join(close_all).play(sounds(1)[0])

    assert told.wait(LONG)


def test_what_plays_when_the_threads_are_closed_is_played_to_its_end(
    threads: Threads, join: Callable[..., audio.Player]
) -> None:
    """A player may outlive its session and the threads of that."""
    line = Line()
    player = join(line)
    line.stop()
    player.play(sounds(1)[0], item_id="a")
    assert line.inside.wait(LONG)
    closing = threading.Thread(target=threads.close)
    closing.start()
    # Not before: with the call in the sink, closing cannot end.
    wait_until(own, "a thread of the player's own")
    line.free.set()
    closing.join(LONG)

    assert player.wait_idle(LONG)
    assert sounds(1)[0] == line.sound
    assert 0 == line.overlaps


def test_closed_threads_leave_a_player_its_own(
    threads: Threads, session: Session
) -> None:
    """Attached too late, it plays all the same."""
    line = Line()
    threads.close()
    with audio.Player(line, name="turns") as player, player.attach(session):
        player.play(sounds(1)[0])
        assert player.wait_idle(LONG)

    assert sounds(1)[0] == line.sound
    assert {"realtime-turns"} == line.names


def test_sinks_that_do_not_return_hold_up_no_other(
    join: Callable[..., audio.Player], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not those that wait when all threads are stuck, nor those that come later."""
    monkeypatch.setattr(pools, "_NOTICE_AFTER", 0.02)
    stuck = [Line() for _ in range(4)]
    for line in stuck:
        line.stop()
        join(line).play(sounds(1)[0])
    for line in stuck:
        assert line.inside.wait(LONG)
    for _ in range(2):
        line = Line()
        player = join(line)
        player.play(sounds(1)[0])

        assert player.wait_idle(LONG)
        assert sounds(1)[0] == line.sound
        assert {"realtime-turns"} == line.names
    for line in stuck:
        line.free.set()


def test_a_sink_that_waits_like_a_device_gets_a_thread(
    join: Callable[..., audio.Player],
) -> None:
    """A shared one would be its own for as long as it plays."""
    written = threading.Event()

    def write(block: bytes) -> None:
        # Longer than the block lasts.
        written.wait(0.003)
        names.append(threading.current_thread().name)

    names: list[str] = []
    player = join(write, block_ms=2)
    player.play(sounds(1)[0])
    assert player.wait_idle(LONG)

    assert all(name.startswith("realtime-sync shared") for name in names[:3])
    assert ["realtime-turns"] * (len(names) - 3) == names[3:]
    assert len(names) > 3


def test_a_player_can_be_told_to_have_a_thread(session: Session) -> None:
    """For a device of which it is known that it waits."""
    line = Line()
    with audio.Player(line, thread=True, name="turns") as player:
        player.attach(session)
        player.play(sounds(1)[0])
        assert player.wait_idle(LONG)

    assert {"realtime-turns"} == line.names


def test_a_player_that_has_begun_joins_without_losing_a_block(
    session: Session,
) -> None:
    """The call that is under way ends where it has begun."""
    line = Line()
    line.stop()
    with audio.Player(line, name="turns") as player:
        player.play(sounds(1)[0])
        assert line.inside.wait(LONG)
        player.attach(session)
        line.free.set()
        assert player.wait_idle(LONG)

    assert sounds(1)[0] == line.sound
    assert 0 == line.overlaps
    assert "realtime-turns" in line.names
