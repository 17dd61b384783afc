"""A board of running calls: a page that follows them, and figures for Prometheus."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, Union

from attrs import asdict

from ..telemetry import METRICS_TYPE, CallRow, ProcessCalls, metrics_text
from ..transport.logs import area_logger
from .host import Answer, Asked, WebHost

_log = area_logger("realtime_sync.web")

FRESH: Final = 0.1
"""Seconds for which rows that were read are told to whoever else asks."""


class Calls(Protocol):
    """
    Where a board has its calls from; called from many threads.

    What has a ``transcript(call_id)`` too, as `realtime_sync.telemetry.Rows` has it,
    shows what is said.
    """

    def rows(self) -> Sequence[CallRow]:
        """The calls as they are now."""

    def hang_up(self, call_id: str) -> object:
        """End a call; False when there is none of that id."""


class Board:
    """
    Shows the calls of this process, or of any other source, on a page of a host.

    The page asks for what has changed, so nothing is read while no page is open and
    nobody scrapes; a page in the background asks for nothing.

    Args:
        host: serves it.
        sources: where the calls come from; by default this process.
        path: of the page. The figures for Prometheus are at ``metrics`` below it, for
            whoever has the token, in the address or as ``Authorization: Bearer``.
        clock: seconds, monotonic.

    Attributes:
        url: the address of the page, with the token that opens it.
        metrics_url: the address of the figures.
    """

    def __init__(
        self,
        host: WebHost,
        *sources: Calls,
        path: str = "/board",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._process = ProcessCalls()
        self._sources: tuple[Calls, ...] = sources or (self._process,)
        self._clock = clock
        # Guards what was read last, whether it is read now, and which change each row
        # had last. Not held while sources are asked: those of a fleet take a second.
        self._lock = threading.Lock()
        self._reading = False
        self._read_at = clock()
        self._failed: list[Calls] = []
        self._change = self._ordered = 0
        self._order: list[str] = []
        self._rows: dict[str, tuple[int, CallRow, Calls]] = {}
        host.page(path, "board.html")
        host.route(f"{path}/rows", self._told_rows)
        host.route(f"{path}/transcript", self._told_transcript)
        host.route(f"{path}/hang-up", self._hung_up)
        host.route(f"{path}/metrics", self._metrics)
        self.url = host.url(path)
        self.metrics_url = host.url(f"{path}/metrics")

    def __repr__(self) -> str:
        return f"<Board of {len(self._order)} calls>"

    def close(self) -> None:
        """Watch the sessions of this process no more."""
        self._process.close()

    def changes(self, since: int) -> dict[str, Any]:
        """
        What has changed since an earlier answer, as JSON values.

        Args:
            since: ``change`` of that answer; 0 for everything.

        Returns:
            ``change``, the ``rows`` that are new or otherwise, ``order``, the ids of
            all rows, if one has come or gone, else None; how many sources ``failed``
            when they were last asked, whose rows stay as they were; and the ``age``
            of all of it in seconds, more than a few where a source does not answer.
        """
        self._refresh()
        with self._lock:
            told = [row for at, row, _ in self._rows.values() if at > since]
            order = self._order if self._ordered > since or not since else None
            return {
                "change": self._change,
                "order": order,
                "rows": [asdict(row) for row in told],
                "failed": len(self._failed),
                "age": max(0.0, self._clock() - self._read_at),
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

    def _source(self, call_id: str) -> Union[Calls, None]:
        with self._lock:
            known = self._rows.get(call_id)
        return None if known is None else known[2]

    def _refresh(self) -> None:
        """Ask the sources, once for all pages that ask in a moment."""
        with self._lock:
            fresh = self._change and self._clock() - self._read_at < FRESH
            if self._reading or fresh:
                return
            self._reading = True
            known, before = list(self._rows.values()), self._failed
        found: list[tuple[CallRow, Calls]] = []
        failed: list[Calls] = []
        try:
            for source in self._sources:
                try:
                    found += [(row, source) for row in source.rows()]
                except Exception as exc:
                    # A broker that is away: the other sources have calls, too.
                    if source not in before:
                        _log.warning("! %r gives no calls: %s", source, exc)
                    found += [(row, of) for _, row, of in known if of is source]
                    failed.append(source)
            with self._lock:
                self._compare(found)
                self._failed, self._read_at = failed, self._clock()
        finally:
            with self._lock:
                self._reading = False

    def _compare(self, found: Sequence[tuple[CallRow, Calls]]) -> None:
        """Give each row that is otherwise than it was the number of this change."""
        assert self._lock.locked()
        self._change += 1
        rows: dict[str, tuple[int, CallRow, Calls]] = {}
        for row, source in found:
            at, known, _ = self._rows.get(row.id, (0, None, None))
            # How long it takes is no change: a page counts seconds itself.
            rows[row.id] = (at if known == row else self._change), row, source
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
