"""A board of running calls: a page that follows them, and figures for Prometheus."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol, Union, cast

from attrs import asdict, define

from ..errors import ConfigurationError
from ..telemetry import METRICS_TYPE, CallRow, ProcessCalls, metrics_text
from ..transport.logs import area_logger
from .host import Answer, Asked, WebHost

_log = area_logger("realtime_sync.web")

FRESH: Final = 0.1
"""Seconds for which rows that were read are told to whoever else asks."""

PATIENCE: Final = 0.2
"""Seconds that an answer waits for slow sources."""

LONGEST_PATIENCE: Final = 60.0
"""Seconds that it may wait at most: a page asks again before."""

LATE: Final = 3.0
"""Seconds after which the page says that a source has not answered."""


class BoardCalls(Protocol):
    """
    Where a board has its calls from; called from many threads.

    What has a ``transcript(call_id)`` too, as `realtime_sync.telemetry.Rows` has it,
    shows what is said.
    """

    def rows(self) -> Sequence[CallRow]:
        """The calls as they are now."""

    def hang_up(self, call_id: str) -> object:
        """End a call; False when there is none of that id."""


@define(eq=False)
class _Source:
    """
    What a source has said when it was last asked. Guarded by the lock of the board.

    One that has not answered is not asked again, so there is one thread for it.
    """

    calls: BoardCalls
    answered: float
    rows: Sequence[CallRow] = ()
    failed: bool = False
    asked: float | None = None
    thread: threading.Thread | None = None


class Board:
    """
    Shows the calls of this process, or of any other source, on a page of a host.

    The page asks for what has changed, so nothing is read while no page is open and
    nothing scrapes; a page in the background asks for nothing. This process is read in
    the thread of the request; other sources, which may be slow, are asked at the same
    time, each in a thread that ends with its answer.

    Args:
        host: serves it.
        sources: where the calls come from; by default this process.
        path: of the page. The figures for Prometheus are at ``metrics`` below it, for
            whoever has the token, in the address or as ``Authorization: Bearer``.
        patience: seconds that an answer waits for slow sources; what they say later
            is in a later answer.
        clock: seconds, monotonic.

    Attributes:
        url: the address of the page, with the token that opens it.
        metrics_url: the address of the figures.

    Raises:
        ConfigurationError: that is no host, no source or no number of seconds, or
            something is served at the path.
    """

    def __init__(
        self,
        host: WebHost,
        *sources: BoardCalls,
        path: str = "/board",
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        _check_board(host, sources, patience)
        self._process = ProcessCalls()
        self._clock = clock
        self._patience = patience
        self._sources = [
            _Source(each, clock()) for each in (sources or (self._process,))
        ]
        # Guards what the sources have said, whether they are being asked, and which
        # change each row had last; told when one has answered. Not held while sources
        # are asked: those of a fleet take a second.
        self._changed = threading.Condition()
        self._refreshing = False
        self._refreshed_at = clock()
        self._change = self._ordered = 0
        self._order: list[str] = []
        self._rows: dict[str, tuple[int, CallRow, BoardCalls]] = {}
        host.page(path, "board.html")
        host.route(f"{path}/rows", self._told_rows)
        host.route(f"{path}/transcript", self._told_transcript)
        host.route(f"{path}/hang-up", self._hung_up)
        host.route(f"{path}/metrics", self._metrics)
        self.url = host.url(path)
        self.metrics_url = host.url(f"{path}/metrics")

    def __repr__(self) -> str:
        return f"<Board of {len(self._order)} calls>"

    def close(self, timeout: float = 5.0) -> None:
        """
        Watch the sessions of this process no more.

        Args:
            timeout: seconds to wait for sources that are being asked.
        """
        self._process.close()
        ends = time.monotonic() + timeout
        with self._changed:
            asked = [source.thread for source in self._sources if source.thread]
        for thread in asked:
            thread.join(max(0.0, ends - time.monotonic()))

    def changes(self, since: int) -> dict[str, Any]:
        """
        What has changed since an earlier answer, as JSON values.

        Args:
            since: ``change`` of that answer; 0 for everything.

        Returns:
            ``change``, the ``rows`` that are new or otherwise, ``order``, the ids of
            all rows, if one has come or gone, else None; how many sources ``failed``
            when they were last asked, and how many are ``late`` with their answer,
            whose rows stay as they were; and the ``age`` of the oldest answer in
            seconds.
        """
        self._refresh()
        with self._changed:
            now = self._clock()
            late = [
                source
                for source in self._sources
                if source.asked is not None and now - source.asked > LATE
            ]
            told = [row for at, row, _ in self._rows.values() if at > since]
            order = self._order if self._ordered > since or not since else None
            return {
                "change": self._change,
                "order": order,
                "rows": [asdict(row) for row in told],
                "failed": sum(source.failed for source in self._sources),
                "late": len(late),
                "age": max(now - source.answered for source in self._sources),
            }

    def transcript(self, call_id: str) -> list[tuple[str, str]]:
        """Who said what in a call, oldest first; nothing where it is not known."""
        source = self._source(call_id)
        asked: Any = getattr(source, "transcript", None)
        return [] if asked is None else list(asked(call_id))

    def hang_up(self, call_id: str) -> bool:
        """End a call; False when there is none of that id."""
        source = self._source(call_id)
        return source is not None and source.hang_up(call_id) is not False

    def _source(self, call_id: str) -> Union[BoardCalls, None]:
        with self._changed:
            known = self._rows.get(call_id)
        return None if known is None else known[2]

    def _refresh(self) -> None:
        """Ask the sources, once for all pages that ask in a moment."""
        with self._changed:
            now = self._clock()
            fresh = self._change and now - self._refreshed_at < FRESH
            if self._refreshing or fresh:
                return
            self._refreshing = True
            asked = [source for source in self._sources if source.asked is None]
            for source in asked:
                source.asked = now
        try:
            self._ask(asked)
            with self._changed:
                # Who is late already is not waited for: others would be late with it.
                self._changed.wait_for(
                    lambda: all(source.asked is None for source in asked),
                    self._patience,
                )
        finally:
            with self._changed:
                self._compare()
                self._refreshed_at = self._clock()
                # In the same breath: an answer in between would be compared by nobody.
                self._refreshing = False

    def _ask(self, sources: Sequence[_Source]) -> None:
        """Ask all of them at once, this process in this thread."""
        here = []
        for source in sources:
            if isinstance(source.calls, ProcessCalls):
                here.append(source)
                continue
            source.thread = threading.Thread(
                target=self._read, args=(source,), name="realtime-board", daemon=True
            )
            try:
                source.thread.start()
            except RuntimeError:  # There are as many threads as may be.
                here.append(source)
        for source in here:
            self._read(source)

    def _read(self, source: _Source) -> None:
        """Have the rows of a source; those that it had where it fails."""
        rows: Sequence[CallRow] | None = None
        try:
            rows = _checked_board_rows(source.calls.rows())
        except (Exception, SystemExit) as exc:
            # A broker that is away: the other sources have calls, too.
            if not source.failed:
                _log.warning("! %r gives no calls: %s", source.calls, exc)
        finally:
            # Whatever it raises: it would be late for ever, and never asked again.
            with self._changed:
                source.failed = rows is None
                source.rows = source.rows if rows is None else rows
                source.answered, source.asked = self._clock(), None
                if not self._refreshing:
                    # It is late: who asked for it waits no more.
                    self._compare()
                self._changed.notify_all()

    def _compare(self) -> None:
        """Give each row that is otherwise than it was the number of this change."""
        self._change += 1
        rows: dict[str, tuple[int, CallRow, BoardCalls]] = {}
        for source in self._sources:
            for row in source.rows:
                at, known, _ = self._rows.get(row.id, (0, None, None))
                # How long it takes is no change: a page counts seconds itself.
                changed_at = at if known == row else self._change
                rows[row.id] = changed_at, row, source.calls
        if list(rows) != self._order:
            self._order, self._ordered = list(rows), self._change
        self._rows = rows

    # -- answers to the page -------------------------------------------------------

    def _told_rows(self, asked: Asked) -> Answer:
        return Answer.json(self.changes(asked.number("since")))

    def _told_transcript(self, asked: Asked) -> Answer:
        lines = self.transcript(asked.query.get("id", ""))
        return Answer.json(
            {"lines": [{"role": who, "text": text} for who, text in lines]}
        )

    def _hung_up(self, asked: Asked) -> Answer:
        if asked.method != "POST":
            return Answer(body="Hanging up is a POST.", status=405)
        return Answer.json({"found": self.hang_up(asked.query.get("id", ""))})

    def _metrics(self, asked: Asked) -> Answer:
        return Answer(body=metrics_text(self._process), media_type=METRICS_TYPE)


def _check_board(host: object, sources: Sequence[object], patience: object) -> None:
    """Refuse what the page would only show as calls that never come."""
    if not isinstance(host, WebHost):
        raise ConfigurationError(f"a WebHost serves a board, not {type(host).__name__}")
    for source in sources:
        if not all(
            callable(getattr(source, name, None)) for name in ("rows", "hang_up")
        ):
            raise ConfigurationError(
                "a board has its calls from what has rows() and hang_up(call_id), "
                f"which {type(source).__name__} has not"
            )
    number = isinstance(patience, (int, float)) and not isinstance(patience, bool)
    if not number or not 0 <= cast(float, patience) <= LONGEST_PATIENCE:
        raise ConfigurationError(
            f"patience is a number of seconds, 0 to {LONGEST_PATIENCE:g}, "
            f"not {patience!r}"
        )


def _checked_board_rows(given: Iterable[object]) -> tuple[CallRow, ...]:
    """
    The rows of a source.

    Raises:
        TypeError: they are none, and would hide those of the other sources.
    """
    rows = []
    for row in given:
        if not isinstance(row, CallRow) or not isinstance(row.id, str):
            raise TypeError(f"a source gives rows with an id, not {row!r}")
        rows.append(row)
    return tuple(rows)
