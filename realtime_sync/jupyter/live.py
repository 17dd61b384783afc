"""A transcript that grows in the output of its own cell."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Optional

from ..report import element, latency_bars, latency_table
from ..telemetry import Ledger, activity
from .display import DisplayOutput, html
from .html import facts_html, framed_html, transcript_html

if TYPE_CHECKING:
    from .. import Context, Session, Snapshot, live
    from ..dispatch.event_names import EventName

    AnySnapshot = Snapshot | live.LiveSnapshot

OFTEN = 0.1
"""Seconds between two updates while pieces of an answer arrive."""

PIECES: tuple[EventName, ...] = (
    "response.output_text.delta",
    "response.output_audio_transcript.delta",
)
STEPS: tuple[EventName, ...] = (
    "conversation.item.added",
    "conversation.item.deleted",
    "conversation.item.truncated",
    "conversation.item.input_audio_transcription.completed",
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "response.created",
    "response.done",
    "error",
)
NOTICES: tuple[EventName, ...] = (
    "turn.finished",
    "connection.lost",
    "connection.restored",
)

LIVE_PIECES: tuple[EventName, ...] = (
    "session.input_transcript.delta",
    "session.output_transcript.delta",
)
LIVE_STEPS: tuple[EventName, ...] = (
    "session.started",
    "session.delegation.created",
    "session.usage.updated",
    "session.closed",
    "error",
    "delegation.finished",
    "connection.lost",
    "connection.restored",
)
"""The same of sessions of GPT-Live, which have neither items nor turns."""


class LiveTranscript:
    """
    Shows what is said, and what happens at the moment, while it happens.

    Made in a cell, it stays in the output of that cell and is changed there by the
    thread that delivers events. With ``dispatch="manual"``, by whoever pumps.

    Args:
        session: of either protocol, open or not.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        session: Session | live.LiveSession,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._clock = clock
        self._shown = 0.0
        self._last: Optional[float] = None
        self._error = ""
        self._output = DisplayOutput(self._page(session.snapshot))
        is_live = session.session_type == "live"
        pieces = LIVE_PIECES if is_live else PIECES
        steps = LIVE_STEPS if is_live else (*STEPS, *NOTICES)
        self._subscriptions = [
            *(session.on(name, lambda event, ctx: self._piece(ctx)) for name in pieces),
            *(
                session.on(name, lambda event, ctx: self._step(event, ctx))
                for name in steps
            ),
            session.on("connection.closed", lambda event, ctx: self._closed(ctx)),
        ]

    def __repr__(self) -> str:
        return f"<LiveTranscript of {self._session.name!r}>"

    def stop(self) -> None:
        """Leave what is shown as it is."""
        for subscription in self._subscriptions:
            subscription.cancel()

    def _piece(self, ctx: Context) -> None:
        if self._clock() - self._shown >= OFTEN:
            self._show(ctx.snapshot)

    def _step(self, event: Any, ctx: Context) -> None:
        if event.type == "turn.finished":
            first = event.first_audio_ms or event.first_text_ms
            self._last = first if first is not None else self._last
        elif event.type == "error":
            # Some servers say it in plain text.
            self._error = str(getattr(event.error, "message", event.error))
        elif event.type == "connection.lost":
            self._error = "connection lost"
        elif event.type in ("connection.restored", "response.created"):
            self._error = ""
        self._show(ctx.snapshot)

    def _closed(self, ctx: Context) -> None:
        self._show(ctx.snapshot, over=True)
        self.stop()

    def _show(self, snapshot: AnySnapshot, *, over: bool = False) -> None:
        self._shown = self._clock()
        self._output.update(self._page(snapshot, over=over))

    def _page(self, snapshot: AnySnapshot, *, over: bool = False) -> dict[str, Any]:
        state = "closed" if over or self._session.closed else activity(snapshot)
        last = None if self._last is None else f"{self._last:.0f} ms"
        head = facts_html(
            {
                "session": self._session.name,
                "state": state,
                "first output after": last,
            }
        )
        problem = element("p", self._error, class_="rs-soft") if self._error else None
        lines: Any = snapshot.transcript()
        said = [x if isinstance(x, tuple) else (x.role, x.text) for x in lines]
        plain = "\n".join(f"{who}: {text}" for who, text in said)
        return html(
            framed_html(head, problem, transcript_html(snapshot, players=False)), plain
        )


class LiveLatency:
    """
    Shows how long the latest turns took, and is drawn anew when one has ended.

    Made in a cell, it stays in the output of that cell, like `LiveTranscript`.

    Args:
        session: open or not.
        keep: how many turns are shown, the latest.
    """

    def __init__(self, session: Session, *, keep: int = 20) -> None:
        self._session = session
        self._output = DisplayOutput(html(framed_html("no turns yet"), "no turns yet"))
        self.ledger = Ledger(keep=keep, on_turn=lambda turn: self._show())
        self._subscription = self.ledger.watch(session)

    def __repr__(self) -> str:
        return f"<LiveLatency of {self._session.name!r}, {self.ledger.count} turns>"

    def stop(self) -> None:
        """Leave what is shown as it is."""
        self._subscription.cancel()

    def _show(self) -> None:
        turns = self.ledger.turns
        table = element("div", latency_table(turns), class_="rs-scroll")
        plain = f"latency of {len(turns)} turns"
        self._output.update(html(framed_html(latency_bars(turns), table), plain))
