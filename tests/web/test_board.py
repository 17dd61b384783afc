"""The board of running calls: what has changed, hanging up, figures to scrape."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from time import process_time
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from realtime_sync import Session, connect, errors
from realtime_sync.telemetry import CallRow, ProcessCalls
from realtime_sync.testing import MemoryTransport, frames
from realtime_sync.web import Board, WebHost

pytestmark = pytest.mark.usefixtures("no_other_sessions")

Start = Callable[..., WebHost]

THREAD = "realtime-board"


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """The time as it is; a look later it is fresh no more."""
        self.now += 1.0
        return self.now


class Other:
    """Calls of somewhere else, such as of other machines."""

    def __init__(self, *rows: CallRow) -> None:
        self.table = {row.id: row for row in rows}
        self.asked = 0

    def rows(self) -> list[CallRow]:
        """As they are in the table."""
        self.asked += 1
        return list(self.table.values())

    def hang_up(self, call_id: str) -> None:
        """Take it out of the table."""
        del self.table[call_id]


@pytest.fixture
def session() -> Iterator[tuple[Session, MemoryTransport]]:
    """A session of this process, without a socket."""
    transport = MemoryTransport(on_send=frames.acknowledged)
    session = connect(transport=transport, dispatch="inline", timeout=0.2, name="shop")
    yield session, transport
    session.close()


def asked(url: str, method: str = "GET") -> tuple[int, str]:
    """Status and text of an answer."""
    try:
        with urlopen(Request(url, method=method), timeout=10) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as exc:
        with exc:
            return exc.code, exc.read().decode()


class Rowless:
    """Hangs up, and has no rows."""

    def hang_up(self, call_id: str) -> None:
        """Nobody."""


@pytest.mark.parametrize(
    "source",
    [None, "calls", [Other()], Rowless(), CallRow(id="1")],
    ids=["none", "name", "list", "no rows", "row"],
)
def test_a_board_has_its_calls_from_what_gives_some(
    start_host: Start, source: Any
) -> None:
    """Else the page says for ever that a source has failed."""
    with pytest.raises(errors.ConfigurationError, match="a board has its calls from"):
        Board(start_host(), Other(), source)


@pytest.mark.parametrize("patience", [-1, float("nan"), float("inf"), "1", True, None])
def test_a_board_waits_for_slow_sources_so_long(
    start_host: Start, patience: Any
) -> None:
    """Every answer waits that long: without a bound, for ever."""
    with pytest.raises(errors.ConfigurationError, match="patience is a number"):
        Board(start_host(), patience=patience)


@pytest.mark.parametrize("host", [None, "127.0.0.1", WebHost])
def test_a_board_is_shown_by_a_host(host: Any) -> None:
    with pytest.raises(errors.ConfigurationError, match="a WebHost serves a board"):
        Board(host)


@pytest.mark.parametrize("path", ["board", "", "/static/board", 5])
def test_a_board_has_a_path_of_a_page(start_host: Start, path: Any) -> None:
    with pytest.raises(errors.ConfigurationError, match="no path of a page"):
        Board(start_host(), path=path)


def test_first_answer_has_every_row_and_the_next_only_what_changed(
    start_host: Start,
) -> None:
    """A page with two hundred calls is not sent two hundred rows again and again."""
    other = Other(*(CallRow(id=str(n), name=f"call {n}") for n in range(200)))
    board = Board(start_host(), other, clock=Clock(), patience=10)
    first = board.changes(0)
    same = board.changes(first["change"])
    other.table["7"] = CallRow(id="7", name="call 7", state="answering")
    other.table["8"] = CallRow(id="8", name="call 8", seconds=99)
    one = board.changes(same["change"])
    del other.table["9"]
    gone = board.changes(one["change"])
    other.table["new"] = CallRow(id="new")
    new = board.changes(gone["change"])
    late = board.changes(first["change"])

    assert 200 == len(first["rows"]) == len(first["order"])
    assert ([], None) == (same["rows"], same["order"])
    assert ["answering"] == [row["state"] for row in one["rows"]]
    assert one["order"] is None  # And more seconds alone are no change.
    assert [] == gone["rows"] and "9" not in gone["order"]
    assert ["new"] == [row["id"] for row in new["rows"]]
    assert {"7", "new"} == {row["id"] for row in late["rows"]}
    assert 200 == len(late["order"])


def test_pages_that_ask_at_the_same_moment_have_the_source_asked_once(
    start_host: Start,
) -> None:
    """Ten open pages cost what one does."""
    other = Other(CallRow(id="1"))
    board = Board(start_host(), other, clock=lambda: 5.0, patience=10)
    answers = [board.changes(0) for _ in range(10)]

    assert 1 == other.asked
    assert 10 == sum(len(each["rows"]) for each in answers)


class Slow(Other):
    """Calls of somewhere that takes its time."""

    def __init__(self, *rows: CallRow) -> None:
        super().__init__(*rows)
        self.inside, self.go_on = threading.Event(), threading.Event()

    def rows(self) -> list[CallRow]:
        """As they are in the table, once it may."""
        self.inside.set()
        self.go_on.wait(10)
        return super().rows()


def test_slow_sources_hold_up_neither_each_other_nor_pages(
    start_host: Start, session: tuple[Session, MemoryTransport]
) -> None:
    """
    Brokers far away are asked at the same time, once however often pages ask, and
    their calls come when they come.
    """
    one, two = Slow(CallRow(id="1")), Slow(CallRow(id="2"))
    host = start_host()
    board = Board(host, one, ProcessCalls(), two, clock=Clock(), patience=0)
    first = board.changes(0)
    inside = one.inside.wait(10) and two.inside.wait(10)
    again = board.changes(0)
    asking = [each.name for each in threading.enumerate() if each.name == THREAD]
    one.go_on.set()
    two.go_on.set()
    board.close()
    asked = one.asked, two.asked
    later = board.changes(0)
    board.close()

    assert inside and [THREAD, THREAD] == asking
    assert ["shop"] == [row["name"] for row in first["rows"]]
    assert first["order"] == again["order"]
    assert (1, 1) == asked
    assert ["1", *first["order"], "2"] == later["order"]


def test_source_that_fails_hides_no_other_and_is_asked_again(
    start_host: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """A broker that was away: its calls stay as they were, the page says so."""

    class Failing(Other):
        away = True

        def rows(self) -> list[CallRow]:
            if self.away:
                raise ConnectionError("away")
            return super().rows()

    failing, other = Failing(CallRow(id="1")), Other(CallRow(id="2"))
    board = Board(start_host(), failing, other, clock=Clock(), patience=10)
    at_first = board.changes(0)
    failing.away = False
    back = board.changes(0)
    failing.away = True
    away = board.changes(0)
    board.changes(0)

    assert (["2"], 1) == (at_first["order"], at_first["failed"])
    assert (["1", "2"], 0) == (back["order"], back["failed"])
    assert (["1", "2"], 1) == (away["order"], away["failed"])
    # A line for each time that it went away, not for each look of a page.
    assert 2 == caplog.text.count("gives no calls")


@pytest.mark.parametrize(
    "rubbish",
    [None, [None], ["1"], [{"id": "1"}], [CallRow(id=["1"])], [CallRow(id=None)], 7],
    ids=str,
)
def test_source_that_gives_rubbish_hides_no_other(
    start_host: Start, rubbish: Any
) -> None:
    """It has failed; the page goes on, and shows the calls of the others."""

    class Rubbish(Other):
        def rows(self) -> list[CallRow]:
            return rubbish  # type: ignore[no-any-return]

    other = Other(CallRow(id="2"))
    board = Board(start_host(), Rubbish(), other, clock=Clock(), patience=10)
    told = [board.changes(0) for _ in range(2)]

    assert [(["2"], 1, 0)] * 2 == [
        (each["order"], each["failed"], each["late"]) for each in told
    ]


def test_source_that_exits_has_failed_and_is_asked_again(start_host: Start) -> None:
    """It would be late for ever otherwise."""

    class Exiting(Other):
        def rows(self) -> list[CallRow]:
            if super().rows() and self.asked == 1:
                raise SystemExit
            return super().rows()

    board = Board(start_host(), Exiting(CallRow(id="1")), clock=Clock(), patience=10)
    at_first, then = board.changes(0), board.changes(0)

    assert ([], 1) == (at_first["order"], at_first["failed"])
    assert (["1"], 0) == (then["order"], then["failed"])


def test_source_that_does_not_answer_is_told_with_the_age_of_its_rows(
    start_host: Start,
) -> None:
    """What is shown is not passed off as the present."""
    now = [100.0]
    slow = Slow(CallRow(id="1"))
    board = Board(start_host(), slow, clock=lambda: now[0], patience=0)
    at_first = board.changes(0)
    now[0] += 7
    meanwhile = board.changes(0)
    slow.go_on.set()
    board.close()
    later = board.changes(0)

    assert ([], 0) == (at_first["order"], at_first["late"])
    assert ([], 1, 7.0) == (meanwhile["order"], meanwhile["late"], meanwhile["age"])
    assert (["1"], 0, 0.0) == (later["order"], later["late"], later["age"])


def test_nobody_is_asked_while_nobody_looks(start_host: Start) -> None:
    """No thread waits for a page that may come."""
    other = Other(CallRow(id="1"))
    board = Board(start_host(), ProcessCalls(), other, clock=Clock(), patience=10)
    unseen = other.asked
    board.changes(0)
    board.close()

    assert (0, 1) == (unseen, other.asked)
    assert THREAD not in [each.name for each in threading.enumerate()]


def test_what_other_machines_say_is_json_for_a_browser(start_host: Start) -> None:
    """No figure, half a character, a number that is none: the page goes on."""
    row = CallRow(id="1", name="\ud800 <b>", p50_ms=float("nan"), billed_seconds=1e999)
    board = Board(start_host(), Other(row), clock=Clock(), patience=10)
    rows = board.url.replace("/board?", "/board/rows?")
    answers = [asked(f"{rows}&since={since}") for since in ("0", "9" * 5000, "-1", "x")]
    told = json.loads(answers[0][1], parse_constant=pytest.fail)["rows"][0]

    assert {200} == {status for status, _ in answers}
    assert ("\ud800 <b>", None, None) == (
        told["name"],
        told["p50_ms"],
        told["billed_seconds"],
    )


def test_page_shows_calls_of_this_process_and_of_others(
    start_host: Start, session: tuple[Session, MemoryTransport]
) -> None:
    """Each is hung up where it came from, and said to be unknown elsewhere."""
    other = Other(CallRow(id="far", name="far", worker="celery@two"))
    board = Board(start_host(), ProcessCalls(), other, clock=Clock(), patience=10)
    rows = {row["name"]: row for row in board.changes(0)["rows"]}
    far, again = board.hang_up("far"), board.hang_up("nobody")
    left = board.changes(0)["order"]
    near = board.hang_up(rows["shop"]["id"])

    assert (True, False) == (far, again)
    assert "far" not in left and rows["shop"]["id"] in left
    assert near and session[0].closed
    assert [] == board.transcript("far")


def test_page_is_served_with_what_it_asks_for(
    start_host: Start, session: tuple[Session, MemoryTransport]
) -> None:
    """Page, rows, transcript, hanging up; by whoever has the token."""
    host = start_host()
    board = Board(host)
    hostile = "<script>alert(1)</script>"
    session[0].conversation.add_message(hostile)
    status, page = asked(board.url)
    _, rows = asked(host.url("/board/rows", since="x"))
    row = next(each for each in json.loads(rows)["rows"] if each["name"] == "shop")
    _, lines = asked(host.url("/board/transcript", id=row["id"]))
    refused, _ = asked(host.url("/board/hang-up", id=row["id"]))
    without, _ = asked(board.url.split("?")[0] + "/rows")
    open_still = session[0].is_open
    _, done = asked(host.url("/board/hang-up", id=row["id"]), "POST")
    board.close()

    assert 200 == status and "<table" in page and "shop" not in page
    assert [{"role": "user", "text": hostile}] == json.loads(lines)["lines"]
    assert (405, 403) == (refused, without) and open_still
    assert {"found": True} == json.loads(done) and session[0].closed


def test_figures_are_scraped_with_the_token(
    start_host: Start, session: tuple[Session, MemoryTransport]
) -> None:
    """As Prometheus sends it: in a header."""
    host = start_host()
    board = Board(host)
    for frame in frames.answer("Hi", response_id="resp_1")({}):
        session[1].feed(frame)
    url = board.metrics_url.split("?")[0]
    bearer = {"Authorization": f"Bearer {host.access.token}"}
    with urlopen(Request(url, headers=bearer), timeout=10) as answer:
        kind, text = answer.headers["Content-Type"], answer.read().decode()
    without, _ = asked(url)
    board.close()

    assert "text/plain; version=0.0.4; charset=utf-8" == kind
    assert 'realtime_sync_sessions{state="waiting"}' in text
    assert 403 == without


def test_session_is_not_touched_while_no_page_asks(
    start_host: Start, session: tuple[Session, MemoryTransport]
) -> None:
    """A board that nobody looks at registers nothing, and leaves nothing behind."""
    before = len(session[0].handlers())
    board = Board(start_host())
    unseen = len(session[0].handlers())
    board.changes(0)
    seen = len(session[0].handlers())
    board.close()

    assert before == unseen == len(session[0].handlers())
    assert seen > before


def cost_of_board(sessions: int, seconds: int, start_host: Start) -> float:
    """
    Seconds of CPU that a board of so many sessions takes for a second of ten updates.

    Every session has had something new said before each update.
    """
    talks: list[tuple[Session, MemoryTransport]] = []
    for number in range(sessions):
        transport = MemoryTransport(on_send=frames.acknowledged)
        options: dict[str, Any] = {"dispatch": "inline", "timeout": 0.2}
        talks.append((connect(transport=transport, **options), transport))
    board = Board(start_host(), clock=Clock(), patience=10)
    answers = list(frames.answer("Hi", response_id="resp_1")({}))
    change, taken = board.changes(0)["change"], 0.0
    for update in range(10 * seconds):
        for _, transport in talks:
            transport.feed(answers[update % len(answers)])
        began = process_time()
        told = board.changes(change)
        json.dumps(told)
        taken += process_time() - began
        change = told["change"]
    for session, _ in talks:
        session.close()
    board.close()
    return taken / seconds


def test_board_of_twenty_sessions_at_ten_updates_a_second_is_told_all_of_them(
    start_host: Start,
) -> None:
    """A tenth of the long figure; what it takes is measured there."""
    assert cost_of_board(20, 1, start_host) > 0


@pytest.mark.alone
@pytest.mark.deep
def test_board_of_two_hundred_sessions_takes_a_small_part_of_a_core(
    start_host: Start,
) -> None:
    """Ten updates a second, each with something new from every session."""
    cost = cost_of_board(200, 3, start_host)
    print(f"200 sessions, 10 updates a second: {cost:.3f} s of CPU a second")

    assert cost < 0.4
