"""One spoken turn, its times, and the table of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from attrs import define, field

from .screen import ScreenTable

if TYPE_CHECKING:
    from ..dispatch.notices import TurnFinished


@define
class TurnLatency:
    """
    What one person said and what came back.

    Attributes:
        item_id: id of the user's item.
        heard: when the transcript of the user came, or was refused, in seconds of
            a monotonic clock; None as long as it did not.
        done: when the answer was complete, likewise.
        times: how long it took, as the session says.
        said: what the user said.
        answer: what was answered.
        audio: the spoken answer, bytes in the session's output format.
        status: final status of the response.
        problem: why it was not completed, in the server's words.
    """

    item_id: str
    heard: float | None = None
    done: float | None = None
    times: TurnFinished | None = None
    said: str | None = None
    answer: str = ""
    audio: bytearray = field(factory=bytearray)
    response_id: str | None = None
    status: str | None = None
    problem: str | None = None

    @property
    def heard_ms(self) -> float | None:
        """Milliseconds from the end of speech until the transcript came."""
        done_ms = getattr(self.times, "done_ms", None)
        if self.heard is None or self.done is None or done_ms is None:
            return None
        return float(done_ms) + (self.heard - self.done) * 1000

    def after_ms(self, name: str) -> float | None:
        """Milliseconds from the end of speech, None for what did not happen."""
        if name == "heard_ms":
            return self.heard_ms
        found: float | None = getattr(self.times, name, None)
        return found

    def to_dict(self) -> dict[str, Any]:
        """What was said and how long it took, as JSON-able values."""
        return {
            "said": self.said,
            "answer": self.answer,
            "status": self.status,
            "problem": self.problem,
            **{name: self.after_ms(name) for _, name in COLUMNS},
        }


COLUMNS = (
    ("turn found", "found_ms"),
    ("transcript", "heard_ms"),
    ("first audio", "first_audio_ms"),
    ("done", "done_ms"),
)
"""What is measured, from the end of speech."""


def latency_table(turns: Sequence[TurnLatency]) -> ScreenTable:
    """The latencies of all turns as a table."""
    return ScreenTable(
        title="milliseconds from end of speech",
        columns=[("turn", "right"), *((title, "right") for title, _ in COLUMNS)],
        rows=[
            [str(number), *(_latency_ms(turn.after_ms(name)) for _, name in COLUMNS)]
            for number, turn in enumerate(turns, start=1)
        ],
    )


def _latency_ms(took: float | None) -> str:
    return "-" if took is None else f"{took:.0f}"
