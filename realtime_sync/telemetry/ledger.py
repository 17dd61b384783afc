"""The ledger: what each answer took, in time and in tokens, and each delegation."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Optional, Union, cast

from attrs import asdict, frozen

from ..state.latency import MOMENTS, Turn, percentile
from .data_frames import data_frame, token_columns
from .live_work import Work, WorkFollower, follow_live_work, live_work_taken
from .tokens import Tokens

if TYPE_CHECKING:
    from pandas import DataFrame

    from .. import Context, Router, Subscription, live
    from ..dispatch.event_names import EventName
    from ..dispatch.notices import TurnFinished
    from .calls import AnySession
    from .live_work import Used

TIMES = tuple(f"{name}_ms" for name in MOMENTS)
"""What is measured, in milliseconds from the end of the user's speech."""


@frozen(kw_only=True)
class Spread:
    """
    How a figure is spread, by the nearest rank.

    Attributes:
        count: how many there are.
        p50, p95, longest: None if there are none.
    """

    count: int = 0
    p50: Optional[float] = None
    p95: Optional[float] = None
    longest: Optional[float] = None

    @classmethod
    def of(cls, figures: Sequence[float]) -> Spread:
        """Sum up some figures."""
        if not figures:
            return cls()
        return cls(
            count=len(figures),
            p50=percentile(figures, 50),
            p95=percentile(figures, 95),
            longest=max(figures),
        )


class Ledger:
    """
    Collects the turns of one session or of many.

    A session of GPT-Live has none: it has an entry for each delegation, whose
    ``item_id`` is that of the delegation and whose times count from when it was handed
    on; and `tokens` has its seconds.

    The totals are of all turns; of the turns themselves, and so of the spreads,
    the latest *keep* are kept. All methods may be called from any thread.

    Args:
        keep: how many turns are kept.
        on_turn: called with every `Turn`, in the thread that delivers events. An
            exception of it is a failure of the handler, logged as any other.
    """

    def __init__(
        self, *, keep: int = 1000, on_turn: Optional[Callable[[Turn], Any]] = None
    ) -> None:
        # Guards the turns and the totals.
        self._lock = threading.Lock()
        self._turns: deque[Turn] = deque(maxlen=keep)
        self._count = 0
        self._tokens = Tokens()
        self._on_turn = on_turn

    def __repr__(self) -> str:
        return f"<Ledger, {self.count} turns, {self.tokens.total} tokens>"

    def watch(self, target: Union[AnySession, Router]) -> Subscription:
        """
        Collect the turns of a session, or of all Realtime sessions of a router.

        Args:
            target: a session or a `Router`. Live sessions are watched one by one.

        Returns:
            The `Subscription`; cancel it to stop.
        """
        if getattr(target, "session_type", None) == "live":
            return self._watch_live(cast("live.LiveSession", target))
        return cast("Router", target).on("turn.finished", self._finished)

    def _watch_live(self, session: live.LiveSession) -> Subscription:
        name, before = session.name, live_work_taken(session.snapshot)
        told = Tokens(seconds=before.seconds)

        def used(event: Used, ctx: Any) -> None:
            nonlocal told
            # The tokens of the backend are those of the delegations.
            now = Tokens(seconds=live_work_taken(ctx.snapshot).seconds)
            with self._lock:
                self._tokens += now - told
                told = now

        follower = WorkFollower(
            ended=lambda work: self.add(_ledger_entry(name, work)), before=before
        )
        told_by: tuple[EventName, ...] = ("session.usage.updated", "session.closed")
        return follow_live_work(
            session, follower.handlers, dict.fromkeys(told_by, used)
        )

    def add(self, turn: Turn) -> None:
        """Enter one turn."""
        with self._lock:
            self._turns.append(turn)
            self._count += 1
            self._tokens += Tokens.of(turn.usage)
        if self._on_turn is not None:
            self._on_turn(turn)

    @property
    def count(self) -> int:
        """How many turns there were."""
        with self._lock:
            return self._count

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The turns that are kept, in their order."""
        with self._lock:
            return tuple(self._turns)

    @property
    def tokens(self) -> Tokens:
        """What all turns took together."""
        with self._lock:
            return self._tokens

    def spread(self, name: str = "first_audio_ms") -> Spread:
        """
        How long it took, over the turns that are kept.

        Args:
            name: one of `TIMES`.

        Raises:
            ValueError: it is none of them.
        """
        if name not in TIMES:
            raise ValueError(f"{name!r} is none of {', '.join(TIMES)}")
        figures = [turn.after_ms(name[: -len("_ms")]) for turn in self.turns]
        return Spread.of([each for each in figures if each is not None])

    def rows(self) -> list[dict[str, Any]]:
        """A flat row for each turn that is kept: names, times, tokens by kind."""
        return [_ledger_row(turn) for turn in self.turns]

    def to_dataframe(self) -> DataFrame:
        """
        The `rows` as a data frame.

        Raises:
            ConfigurationError: pandas is not installed.
        """
        return data_frame(self.rows())

    def to_dict(self) -> dict[str, Any]:
        """The ledger as JSON-able values: count, spreads, tokens, turns."""
        return {
            "count": self.count,
            "spreads": {name: asdict(self.spread(name)) for name in TIMES},
            "tokens": asdict(self.tokens),
            "turns": [_plain_ledger_turn(turn) for turn in self.turns],
        }

    def _finished(self, event: TurnFinished, ctx: Context) -> None:
        times = {name: getattr(event, f"{name}_ms") for name in MOMENTS}
        self.add(
            Turn(
                session=ctx.session.name,
                item_id=event.item_id,
                response_id=event.response_id,
                status=event.status,
                usage=event.usage,
                moments={k: ms / 1000 for k, ms in times.items() if ms is not None},
            )
        )


def _ledger_entry(session: str, work: Work) -> Turn:
    """A delegation as an entry: there is no user's item, and none of our audio."""
    began = work.began
    moments = {"created": work.created, "first_text": work.first, "done": work.ended}
    tokens = work.tokens
    return Turn(
        session=session,
        start=began,
        item_id=work.id,
        response_id=work.response_id,
        status=work.status,
        usage={
            "total_tokens": tokens.total,
            "input_tokens": tokens.input,
            "output_tokens": tokens.output,
        },
        moments={name: at for name, at in moments.items() if at is not None},
    )


def _ledger_row(turn: Turn) -> dict[str, Any]:
    """A turn without anything within anything."""
    return {
        "session": turn.session,
        "item_id": turn.item_id,
        "response_id": turn.response_id,
        "status": turn.status,
        "interrupted": turn.interrupted,
        **{f"{name}_ms": turn.after_ms(name) for name in MOMENTS},
        **token_columns(turn.usage),
    }


def _plain_ledger_turn(turn: Turn) -> dict[str, Any]:
    """A turn as JSON-able values."""
    return {
        "session": turn.session,
        "response_id": turn.response_id,
        "status": turn.status,
        "tokens": asdict(Tokens.of(turn.usage)),
        **{f"{name}_ms": turn.after_ms(name) for name in MOMENTS},
    }
