"""The player: pushed by its own thread or shared ones, or pulled by a device."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from realtime_sync import Threads, audio, connect
from realtime_sync.testing import MemoryTransport
from tests.clock import Clock

MS = 48
"""Bytes of one millisecond."""


class Sink:
    """Keeps what it is given, and when; lets a test wait for so many blocks."""

    def __init__(self) -> None:
        self.blocks: list[bytes] = []
        self.times: list[float] = []
        self.cleared: list[float] = []
        self.threads: set[str] = set()
        self.changed = threading.Condition()

    def __call__(self, block: bytes) -> None:
        """Take a block."""
        with self.changed:
            self.blocks.append(block)
            self.times.append(time.monotonic())
            self.threads.add(threading.current_thread().name)
            self.changed.notify_all()

    def clear(self) -> None:
        """Take the order to clear."""
        with self.changed:
            self.cleared.append(time.monotonic())
            self.threads.add(threading.current_thread().name)
            self.changed.notify_all()

    def wait(self, blocks: int = 0, clears: int = 0) -> None:
        """Wait for so many blocks and clears."""
        with self.changed:
            assert self.changed.wait_for(
                lambda: len(self.blocks) >= blocks and len(self.cleared) >= clears, 10
            )

    @property
    def data(self) -> bytes:
        """All that was played."""
        return b"".join(self.blocks)


@pytest.fixture
def sink() -> Sink:
    """Where the audio goes."""
    return Sink()


MakePlayer = Callable[..., audio.Player]


@pytest.fixture(params=["own", "shared"])
def make(request: pytest.FixtureRequest) -> Iterator[MakePlayer]:
    """Makes players, each with a thread of its own or all on shared ones."""
    made: list[audio.Player] = []
    with ExitStack() as stack:
        session = None
        if request.param == "shared":
            threads = stack.enter_context(Threads())
            session = connect("m", transport=MemoryTransport(), threads=threads)
            stack.enter_context(session)

        def player(*args: Any, **options: Any) -> audio.Player:
            made.append(audio.Player(*args, **options))
            if session is not None:
                made[-1].attach(session)
            return made[-1]

        yield player
        for each in made:
            each.close()


@pytest.fixture
def pushing(sink: Sink, make: MakePlayer) -> audio.Player:
    """A player that calls the sink."""
    return make(sink)


def test_a_sink_is_paced_and_gets_everything(sink: Sink, pushing: audio.Player) -> None:
    """Block after block at the speed of sound, the last one as long as it is."""
    sound = audio.tone(440, 0.21)
    start = time.monotonic()
    pushing.play(sound[:5000], item_id="a")
    pushing.play(sound[5000:], item_id="a")
    idle = pushing.wait_idle(10)
    elapsed = time.monotonic() - start

    assert idle
    assert sound == sink.data
    assert [20 * MS] * 10 + [10 * MS] == [len(block) for block in sink.blocks]
    assert 0.205 <= elapsed < 2
    assert 210.0 == pushing.ledger.heard_ms("a")


def test_what_a_sink_was_given_late_is_played_before_it_is_idle(
    make: MakePlayer,
) -> None:
    """A sink that was slow once hears the last block later, and to its end."""
    slow = threading.Event()

    def sink(block: bytes) -> None:
        if len(block) == 20 * MS:
            slow.wait(0.06)

    player = make(sink)
    player.play(audio.silence(0.07), item_id="a")
    idle = player.wait_idle(10)
    heard = player.ledger.heard_ms("a")

    assert idle
    assert 70.0 == heard


def test_a_player_that_was_late_is_idle_when_all_of_it_was_heard() -> None:
    """Also where the last block is shorter than those that were late with it."""
    clock, taken = Clock(), []
    player = audio.Player(taken.append, thread=False, clock=clock)
    player.play(audio.silence(0.11), item_id="a")
    player.end()
    player.run_due()
    clock.now += 0.3
    player.run_due()
    clock.now += 0.011
    player.run_due()
    early = player.wait_idle(0)
    clock.now += 0.01
    player.run_due()

    assert 110 * MS == len(b"".join(taken))
    assert not early
    assert player.wait_idle(0)
    assert 110.0 == player.ledger.heard_ms("a")


@pytest.mark.alone
@pytest.mark.deep
def test_pacing_does_not_drift(sink: Sink, pushing: audio.Player) -> None:
    """Lateness of one block is not added to the next."""
    pushing.play(audio.silence(1.0), item_id="a")
    assert pushing.wait_idle(10)
    span = sink.times[-1] - sink.times[0]

    assert 0.94 < span < 1.02


def test_an_interruption_is_silent_at_once(sink: Sink, pushing: audio.Player) -> None:
    """No block after it; what the sink was given is what was heard."""
    pushing.play(audio.tone(440, 60), item_id="a", response_id="r")
    sink.wait(blocks=5)
    (part,) = pushing.interrupt()
    at_once = len(sink.data)
    quiet = pushing.wait_idle(10)

    assert quiet
    # A call of the sink that had begun may have ended in between.
    assert len(sink.data) - at_once in (0, 20 * MS)
    assert len(sink.data) / MS == pytest.approx(part.heard_ms)
    assert (60_000.0, "a", "r") == (part.received_ms, part.item_id, part.response_id)


def test_playing_goes_on_after_an_interruption(
    sink: Sink, pushing: audio.Player
) -> None:
    """The next answer is played from its beginning."""
    pushing.play(audio.tone(440, 60), item_id="a")
    sink.wait(blocks=2)
    pushing.interrupt()
    before = len(sink.blocks)
    pushing.play(b"\1\0" * 480, item_id="b")
    assert pushing.wait_idle(10)

    assert b"\1\0" * 480 == b"".join(sink.blocks[before:])[-960:]
    assert ["b"] == [part.item_id for part in pushing.ledger.parts()]


def test_a_sink_that_can_be_cleared_is_cleared_by_the_same_thread(sink: Sink) -> None:
    """Its own buffer is dropped; then what was heard is a matter of time."""
    with audio.Player(sink, clear=sink.clear, lead=0.5) as player:
        player.play(audio.tone(440, 60), item_id="a")
        sink.wait(blocks=20)
        (part,) = player.interrupt()
        sink.wait(clears=1)

    assert len(sink.data) / MS >= 400
    assert part.heard_ms < 400
    assert {"realtime-player"} == sink.threads


def test_audio_is_sent_ahead_by_the_lead(sink: Sink, make: MakePlayer) -> None:
    """The way to a telephone is not even; the account is of when it is heard."""
    player = make(sink, lead=10.0)
    player.play(audio.tone(440, 1), item_id="a")
    sink.wait(blocks=50)
    ahead = player.ledger.heard_ms("a")

    assert ahead < 900


def test_a_pause_keeps_what_is_queued(sink: Sink, pushing: audio.Player) -> None:
    """It goes on where it was."""
    sound = audio.tone(440, 0.2)
    pushing.pause()
    pushing.play(sound, item_id="a")
    quiet = not pushing.wait_idle(0.05)
    nothing = sink.data
    paused = pushing.paused
    pushing.resume()
    assert pushing.wait_idle(10)

    assert quiet and paused
    assert b"" == nothing
    assert sound == sink.data


def test_a_sink_that_fails_ends_the_player_and_is_reported(make: MakePlayer) -> None:
    """The error is raised where the player is closed, once."""

    def broken(block: bytes) -> None:
        raise OSError("unplugged")

    player = make(broken, retry_for=0.1)
    player.play(audio.silence(0.1))
    assert player.wait_idle(10)
    player.play(audio.silence(0.1))

    with pytest.raises(OSError, match="unplugged"):
        player.close()
    player.close()


def test_closing_drops_the_rest(sink: Sink, make: MakePlayer) -> None:
    """A player that is closed plays nothing more."""
    player = make(sink)
    player.play(audio.silence(60))
    sink.wait(blocks=1)
    player.close()
    before = len(sink.blocks)
    player.play(audio.silence(1))

    assert before == len(sink.blocks)
    assert 0 == player.queued_ms


def threads(name: str) -> list[threading.Thread]:
    """The threads of that name that run."""
    return [each for each in threading.enumerate() if each.name == name]


def test_an_idle_player_keeps_no_thread(
    sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody need close it; audio, the end of a pause and an order begin another."""
    monkeypatch.setattr("realtime_sync.audio.turns._PATIENCE", 0.001)
    player = audio.Player(sink, clear=sink.clear, block_ms=5, name="idle")

    def ended() -> None:
        for thread in threads("realtime-idle"):
            thread.join(10)

        assert [] == threads("realtime-idle")

    player.play(audio.silence(0.005))
    sink.wait(blocks=1)
    ended()
    player.play(audio.silence(0.005))
    sink.wait(blocks=2)
    player.pause()
    player.play(audio.silence(0.005))
    ended()
    player.resume()
    sink.wait(blocks=3)
    ended()
    player.pause()
    player.play(audio.silence(0.005))
    player.interrupt()
    sink.wait(blocks=3, clears=1)
    ended()


def test_what_found_no_thread_is_played_with_what_comes_next(
    sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process may have no more threads, and have some again; two parts of a block."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with audio.Player(sink) as player:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            with pytest.raises(RuntimeError, match="new thread"):
                player.play(b"\1\0" * 120)
        player.play(b"\2\0" * 120)
        assert player.wait_idle(10)

    assert b"\1\0" * 120 + b"\2\0" * 120 == sink.data


def test_a_player_that_never_played_closes() -> None:
    """There is no thread before there is audio."""
    player = audio.Player(lambda block: None)
    player.play(b"")
    before = threading.active_count()
    player.close()

    assert before == threading.active_count()


def test_a_device_pulls_blocks_filled_up_with_silence() -> None:
    """A device must be given what it asks for."""
    player = audio.Player(format="g711_ulaw")
    player.play(b"abc", item_id="a")
    block = player.pull(5)

    assert b"abc\xff\xff" == block
    assert b"\xff" * 4 == player.pull(4)
    assert player.wait_idle(0)


def test_a_device_that_pulls_tells_when_it_is_heard() -> None:
    """The account follows the device's own latency."""
    clock = Clock()
    player = audio.Player(clock=clock)
    player.play(bytes(100 * MS), item_id="a")
    player.pull(20 * MS, at=clock.now + 0.1)
    clock.now += 0.110
    while_it_sounds = player.ledger.heard_ms("a")
    (part,) = player.interrupt()

    assert 10.0 == pytest.approx(while_it_sounds)
    # The device cannot give it back, so it will be heard.
    assert 20.0 == part.heard_ms


def test_nothing_is_pulled_while_paused() -> None:
    """The device gets silence, the account stands still."""
    clock = Clock()
    player = audio.Player(clock=clock)
    player.play(b"\1" * 960, item_id="a")
    player.pause()
    silent = player.pull(960)
    clock.now += 1
    stood_still = player.ledger.heard_ms("a")
    player.resume()

    assert bytes(960) == silent
    assert 0.0 == stood_still
    assert b"\1" * 960 == player.pull(960)


def test_a_sink_that_reports_is_believed(sink: Sink) -> None:
    """Far away, only the sink knows."""
    player = audio.Player(sink, confirmed=False, clear=sink.clear)
    with player:
        player.play(bytes(60 * MS), item_id="a")
        assert player.wait_idle(10)
        unheard = player.ledger.heard_ms("a")
        player.ledger.confirm(player.ledger.position)

    assert 0.0 == unheard
    assert 60.0 == player.ledger.heard_ms("a")


@pytest.mark.parametrize("data", [b"\0\0", bytearray(2), memoryview(b"\0\0")])
def test_every_bytes_like_object_is_taken(data: Any) -> None:
    """Audio comes in many clothes."""
    player = audio.Player()
    player.play(data)

    assert 2 / MS == player.queued_ms


# -- with a clock of its own, and no thread ------------------------------------


class Far:
    """A player without a thread, and a sink that may refuse or ask for patience."""

    def __init__(self, **options: Any) -> None:
        self.clock = Clock()
        self.sound = bytearray()
        self.sizes: list[int] = []
        self.marks: list[tuple[float, int]] = []
        self.refusals = 0
        self.until = 0.0
        self.told: list[bool] = []
        self.player = audio.Player(
            self.take,
            format="g711_ulaw",
            thread=False,
            clock=self.clock,
            on_failure=lambda exc, again: self.told.append(again),
            **options,
        )

    def take(self, block: bytes) -> None:
        """Take a block, or refuse it."""
        if self.clock.now < self.until:
            self.refusals += 1
            raise OSError("no line")
        self.sound += block
        self.sizes.append(len(block))

    def mark(self, position: int) -> None:
        """Take a mark."""
        self.marks.append((self.clock.now, position))

    def run(self, seconds: float) -> None:
        """Let time pass."""
        for _ in range(round(seconds / 0.005)):
            self.player.run_due()
            self.clock.now += 0.005
        self.player.run_due()


@pytest.mark.parametrize("seconds", [0.001, 1.0, 1.9])
def test_a_sink_that_fails_for_a_while_gets_the_same_sound_again(
    seconds: float,
) -> None:
    """Nothing is lost, and nothing counts as heard before it was taken."""
    far = Far()
    sound = bytes(range(256)) * 10
    far.until = far.clock.now + seconds
    far.player.play(sound, item_id="a")
    far.player.run_due()
    far.clock.now += min(seconds, 0.02)
    unheard = far.player.ledger.heard_ms("a")
    far.run(seconds + 1)

    assert 0.0 == unheard
    assert sound == far.sound
    assert 320.0 == far.player.ledger.heard_ms("a")
    assert [True] == far.told
    assert 1 <= far.refusals < 15
    far.player.close()


def test_a_sink_that_fails_for_ever_ends_the_player() -> None:
    """It is said twice: that it fails, and that the player gives up."""
    far = Far(retry_for=1.0)
    far.until = 1e9
    far.player.play(bytes(1600), item_id="a")
    far.run(3)
    heard = far.player.ledger.heard_ms("a")
    outcome = far.player.wait_heard(1)

    assert [True, False] == far.told
    assert (0.0, "failed") == (heard, outcome)
    assert isinstance(far.player.failure, OSError)
    with pytest.raises(OSError, match="no line"):
        far.player.close()
    far.player.close()


def test_what_was_refused_before_an_interruption_is_not_played_after_it() -> None:
    """The sound that a sink held in its hands was interrupted with the rest."""
    player: list[audio.Player] = []
    taken: list[bytes] = []

    def sink(block: bytes) -> None:
        if not taken:
            taken.append(b"")
            player[0].interrupt()
            raise OSError
        taken.append(block)

    clock = Clock()
    player.append(audio.Player(sink, thread=False, clock=clock))
    player[0].play(b"\1" * 960)
    player[0].run_due()
    player[0].play(b"\2" * 960)
    clock.now += 1
    player[0].run_due()

    assert [b"", b"\2" * 960] == taken


def test_a_block_listener_that_raises_takes_no_sound_with_it(
    sink: Sink, make: MakePlayer
) -> None:
    """The blocks after it are played, and the other listeners hear them."""
    heard: list[bytes] = []

    def fail(block: bytes) -> None:
        raise ValueError("not mine")

    player = make(sink)
    player.add_block_listener(fail)
    player.add_block_listener(heard.append)
    player.play(bytes(60 * MS))
    player.end()

    assert player.wait_idle(10)
    assert sink.blocks == heard
    assert 3 == len(heard)


def test_a_device_hears_whatever_a_block_listener_raises() -> None:
    """The callback of the device is not where that belongs."""
    player = audio.Player()

    def fail(block: bytes) -> None:
        raise ValueError("not mine")

    player.add_block_listener(fail)
    player.play(b"\1" * 20 * MS)

    assert b"\1" * 20 * MS == player.pull(20 * MS)
    player.close()


def test_a_sink_that_leaves_its_thread_is_called_for_the_next_sound(
    make: MakePlayer,
) -> None:
    """Even ``sys.exit`` in a sink does not silence a player for ever."""
    left, came = threading.Event(), threading.Event()

    def leave(block: bytes) -> None:
        if left.is_set():
            came.set()
            return
        left.set()
        raise SystemExit

    player = make(leave)
    player.play(bytes(20 * MS))
    assert left.wait(10)
    for _ in range(500):
        # Until it has left, and sees that there is more.
        player.play(bytes(20 * MS))
        if came.wait(0.02):
            break

    assert came.is_set()


def test_an_on_failure_that_raises_takes_no_sound_with_it() -> None:
    """It is a function of the user's like the sink."""
    far = Far()

    def bad(exc: Exception, retrying: bool) -> None:
        raise RuntimeError

    remove = far.player.add_failure_listener(bad)
    far.until = far.clock.now + 0.1
    far.player.play(bytes(160))
    far.run(1)
    remove()
    remove()

    assert [160] == far.sizes


@pytest.mark.parametrize("piece", [1, 79, 210, 333])
def test_small_pieces_become_whole_blocks_with_few_marks(piece: int) -> None:
    """Every message of a call lasts 20 ms, whatever the server cuts."""
    far: Far = Far(pad=True, mark=lambda position: far.mark(position))
    sound = bytes(range(250)) * 100
    start = far.clock.now
    at = 0
    while at < len(sound):
        far.player.play(sound[at : at + piece], item_id="a")
        at += piece
        while far.clock.now - start < at / 8000:
            far.player.run_due()
            far.clock.now += 0.005
    far.player.end()
    far.run(0.5)
    gaps = [b[1] - a[1] for a, b in zip(far.marks, far.marks[1:])]

    assert {160} == set(far.sizes)
    assert sound == bytes(far.sound[: len(sound)])
    assert b"\xff" * (len(far.sound) - len(sound)) == far.sound[len(sound) :]
    assert {960} == set(gaps[:-1])
    assert len(sound) == far.marks[-1][1]


def test_what_does_not_fill_a_block_is_played_when_nothing_more_comes() -> None:
    """Somebody who plays a bell need not say that it is all."""
    far = Far()
    far.player.play(bytes(100))
    far.run(0.02)
    waiting = list(far.sizes)
    far.run(0.2)

    assert ([], [100]) == (waiting, far.sizes)


def test_the_end_of_an_answer_is_not_waited_for() -> None:
    """Who knows that it is all says so."""
    far = Far()
    far.player.play(bytes(100))
    far.player.end()
    far.player.run_due()

    assert [100] == far.sizes


def test_a_stuck_sink_does_not_hold_up_the_end() -> None:
    """A socket may block for as long as it likes."""
    stuck, release = threading.Event(), threading.Event()

    def sink(block: bytes) -> None:
        stuck.set()
        release.wait(20)

    player = audio.Player(sink, close_timeout=0.05, name="stuck")
    player.play(audio.silence(1))
    assert stuck.wait(10)
    began = time.monotonic()
    player.close()
    took = time.monotonic() - began
    (thread,) = threads("realtime-stuck")
    release.set()
    thread.join(10)

    assert took < 5
    assert not thread.is_alive()


@pytest.mark.parametrize("end", ["heard", "interrupted", "timeout", "failed"])
def test_waiting_tells_how_it_ended(end: str) -> None:
    """Before hanging up one wants to know."""
    player = audio.Player(lambda block: None)
    player.play(audio.silence(0.05 if end == "heard" else 60))
    acts: dict[str, Callable[[], object]] = {
        "interrupted": player.interrupt,
        "failed": player.close,
    }
    act = acts.get(end)
    timer = threading.Timer(0.05, act) if act is not None else None
    if timer is not None:
        timer.start()
    outcome = player.wait_heard(0.05 if end == "timeout" else 10)
    if timer is not None:
        timer.join()
    player.close()

    assert end == outcome


def play_through(player: audio.Player, clock: Clock, seconds: float) -> None:
    """Let time pass, in steps of a block's quarter."""
    for _ in range(round(seconds / 0.005)):
        player.run_due()
        clock.now += 0.005


def test_a_mark_that_was_refused_is_asked_for_again() -> None:
    """Else the end of an answer is never reported, and waited for in vain."""
    clock, refused, asked = Clock(), [True], list[int]()

    def mark(position: int) -> None:
        if refused:
            refused.pop()
            raise OSError("once")
        asked.append(position)
        player.ledger.confirm(position)

    blocks: list[bytes] = []
    player = audio.Player(blocks.append, mark=mark, thread=False, clock=clock)
    player.play(bytes(100 * MS), item_id="a")
    player.end()
    play_through(player, clock, 0.5)

    assert [100 * MS] == asked
    assert "heard" == player.wait_heard(0)


@pytest.mark.parametrize("dropped", ["mark", "sound", "filler"])
def test_a_sink_that_was_not_called_meanwhile_has_not_failed_meanwhile(
    dropped: str,
) -> None:
    """Two hiccups half a minute apart are no failure of half a minute."""
    clock, raising = Clock(), [True]
    told: list[bool] = []

    def hiccup(*_: object) -> None:
        if raising:
            raising.pop()
            raise OSError

    player = audio.Player(
        (lambda block: None) if dropped == "mark" else hiccup,
        mark=hiccup if dropped == "mark" else None,
        thread=False,
        clock=clock,
        on_failure=lambda exc, retrying: told.append(retrying),
    )
    if dropped == "filler":
        player.fill_with(bytes(960))
    else:
        player.play(bytes(960), item_id="a")
        player.end()
    while raising:
        play_through(player, clock, 0.005)
    player.fill_with(b"")
    player.interrupt()
    play_through(player, clock, 30)
    raising.append(True)
    player.play(bytes(960), item_id="b")
    player.end()
    play_through(player, clock, 0.5)

    assert player.failure is None
    assert [True, True] == told


@pytest.mark.parametrize("size", [1, 3, 961, 1919])
def test_half_a_sample_at_the_end_of_a_part_does_not_make_noise_of_the_next(
    size: int,
) -> None:
    """The halves of a part are joined, and those of two parts never."""
    clock, blocks = Clock(), list[bytes]()
    player = audio.Player(blocks.append, thread=False, clock=clock)
    first, second = audio.tone(440, 0.1), audio.tone(660, 0.1)
    odd = first[:-1]
    for at in range(0, len(odd), size):
        player.play(odd[at : at + size], item_id="a")
    player.play(second, item_id="b")
    player.end()
    play_through(player, clock, 0.5)

    assert odd[:-1] + second == b"".join(blocks)
    assert [99.958, 100] == [round(p.heard_ms, 3) for p in player.ledger.parts()]


def test_halves_of_samples_are_kept_for_so_many_parts_only() -> None:
    """A server that invents a part for each byte makes nothing grow."""
    clock, blocks = Clock(), list[bytes]()
    player = audio.Player(blocks.append, thread=False, clock=clock)
    for part in range(40):
        player.play(b"\1", item_id=f"part {part}")
    player.play(b"\2", item_id="part 0")
    player.play(b"\3", item_id="part 39")
    player.end()
    play_through(player, clock, 0.1)

    assert b"\1\3" == b"".join(blocks)
