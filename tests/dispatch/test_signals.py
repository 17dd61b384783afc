"""blinker's signals with order, strong references and cached routes."""

from __future__ import annotations

import gc
from typing import Any

import blinker
import pytest

from realtime_sync.dispatch.names import names_of
from realtime_sync.dispatch.notices import NOTICE_PREFIXES
from realtime_sync.dispatch.router import Router
from realtime_sync.dispatch.signals import UNKNOWN_MARK, EventSignal, SignalBoard


class Listener:
    """A receiver that notes its name."""

    def __init__(self, name: str, log: list[str], *, inline: bool = False) -> None:
        self.label, self.log, self.inline = name, log, inline

    def __call__(self, sender: Any, *, event: Any, ctx: Any) -> None:
        self.log.append(self.label)


def board(sender: Any = "session") -> SignalBoard:
    """An empty board."""
    return SignalBoard(lambda: sender, names_of, NOTICE_PREFIXES)


def labels(route: Any) -> tuple[list[str], list[str]]:
    """The names of a route's receivers."""
    return [r.label for r in route.inline], [r.label for r in route.queued]


def test_receivers_are_called_in_the_order_of_registration() -> None:
    """Across the exact name, prefixes and ``"*"``."""
    signals, log = board(), []  # type: ignore[var-annotated]
    for name, key in (
        ("1", "*"),
        ("2", "response.done"),
        ("3", "response.*"),
        ("4", "response.done"),
        ("5", "*"),
    ):
        signals.signal(key).connect(Listener(name, log))

    assert ([], ["1", "2", "3", "4", "5"]) == labels(signals.route("response.done"))
    assert ([], ["1", "5"]) == labels(signals.route("error"))


def test_inline_receivers_are_apart() -> None:
    """They run on the reader, before anything is queued."""
    signals = board()
    signals.signal("error").connect(Listener("queued", []))
    signals.signal("error").connect(Listener("inline", [], inline=True))

    assert (["inline"], ["queued"]) == labels(signals.route("error"))


def test_a_route_is_computed_once_until_receivers_change() -> None:
    """A delta costs one look-up."""
    signals = board()
    signals.signal("error").connect(Listener("1", []))
    first = signals.route("error")
    second = signals.route("error")
    signals.signal("*").connect(Listener("2", []))

    assert first is second
    assert ([], ["1", "2"]) == labels(signals.route("error"))


def test_a_disconnected_receiver_is_gone_from_the_next_route() -> None:
    """And disconnecting it again is harmless."""
    signals = board()
    one, two = Listener("1", []), Listener("2", [])
    signal = signals.signal("error")
    signal.connect(one)
    signal.connect(two)
    signals.route("error")
    signal.disconnect(one)
    signal.disconnect(one)

    assert ([], ["2"]) == labels(signals.route("error"))


def test_receivers_are_held_strongly() -> None:
    """A closure that nobody else holds goes on working."""
    signals = board()
    signals.signal("error").connect(Listener("1", []))
    gc.collect()

    assert ([], ["1"]) == labels(signals.route("error"))


def test_a_weak_receiver_is_forgotten_when_it_is_collected() -> None:
    """Who asks blinker for weakness gets it."""
    signals = board()
    one = Listener("1", [])
    signals.signal("error").connect(one, weak=True)
    before = labels(signals.route("error"))
    del one
    gc.collect()

    assert ([], ["1"]) == before
    assert ([], []) == labels(signals.route("error"))


def test_a_receiver_for_another_sender_is_not_called() -> None:
    """blinker's senders work; ours is the session."""
    signals = board("session")
    signals.signal("error").connect(Listener("mine", []), sender="session")
    signals.signal("error").connect(Listener("other", []), sender="other")

    assert ([], ["mine"]) == labels(signals.route("error"))


def test_connecting_twice_calls_once_and_keeps_the_place() -> None:
    """As with blinker itself."""
    signals = board()
    one, two = Listener("1", []), Listener("2", [])
    signal = signals.signal("error")
    for receiver in (one, two, one):
        signal.connect(receiver)

    assert ([], ["1", "2"]) == labels(signals.route("error"))


def test_connecting_anew_takes_a_place_at_the_end() -> None:
    """A receiver that left and came back is the last one."""
    signals = board()
    one, two = Listener("1", []), Listener("2", [])
    signal = signals.signal("error")
    signal.connect(one)
    signal.connect(two)
    signal.disconnect(one)
    signal.connect(one)

    assert ([], ["2", "1"]) == labels(signals.route("error"))


def test_it_is_a_real_blinker_signal() -> None:
    """`send`, `connected_to` and `receivers` are blinker's own."""
    signal = board().signal("error")
    log: list[str] = []
    with signal.connected_to(Listener("1", log)):
        signal.send("session", event=None, ctx=None)
    signal.send("session", event=None, ctx=None)

    assert isinstance(signal, EventSignal)
    assert isinstance(signal, blinker.Signal)
    assert ["1"] == log


@pytest.mark.parametrize(
    ("pattern", "key", "wanted"),
    [
        ("*", "error", True),
        ("*", UNKNOWN_MARK + "vendor.thing", True),
        ("*", UNKNOWN_MARK, True),
        ("*", "connection.lost", False),
        ("*", "client.response.create", False),
        ("*", "handler.failed", False),
        ("connection.*", "connection.lost", True),
        ("client.*", "client.response.create", True),
        ("client.response.*", "client.response.create", True),
        ("response.*", "client.response.create", False),
        ("response.*", "response.done", True),
        ("response.*", "responses.done", False),
        ("response.audio.*", "response.output_audio.delta", True),
        ("response.output_audio.*", "response.output_audio.delta", True),
        ("conversation.item.cre*", "conversation.item.added", True),
        ("response.done", "response.done", True),
        ("vendor.thing", UNKNOWN_MARK + "vendor.thing", True),
        ("(unknown)", UNKNOWN_MARK + "vendor.thing", True),
        ("(unknown)", "error", False),
        ("response.done", UNKNOWN_MARK, False),
    ],
)
def test_which_keys_get_which_events(pattern: str, key: str, wanted: bool) -> None:
    """Exact names, prefixes in either spelling, everything, the unknown."""
    signals = board()
    signals.signal(pattern).connect(Listener("1", []))

    assert wanted == bool(signals.route(key).queued)


def test_endless_new_event_types_do_not_fill_the_cache() -> None:
    """A server that makes names up costs time, not memory."""
    signals = board()
    signals.signal("*").connect(Listener("1", []))
    for number in range(3000):
        signals.route(f"{UNKNOWN_MARK}vendor.{number}")

    assert len(signals.routes) <= 1024


def test_the_queue_keeps_a_snapshot_only_for_handlers_that_look_at_it() -> None:
    """A handler of the event alone must not make the queue hold the mirror."""
    router = Router()
    board = SignalBoard(object, lambda name: (name,), ("client.",))
    router.attach(board)
    router.on("response.done", lambda event: None)
    plain = board.route("response.done").keeps_snapshot
    router.on("response.done", lambda event, ctx: None)

    assert plain is False
    assert board.route("response.done").keeps_snapshot is True
