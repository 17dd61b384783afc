"""One spoken turn, its times, and the table of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import define, field


@define
class Turn:
    """
    What one person said and what came back.

    Times are seconds of one monotonic clock; None for what did not happen.

    Attributes:
        item_id: id of the user's item.
        spoken: when the last sample of speech was sent.
        found: when the server said that the turn was over.
        heard: when the transcript of the user came, or was refused.
        first_audio: when the first audio of the answer came.
        done: when the answer was complete.
        said: what the user said.
        answer: what was answered.
        audio: the spoken answer, bytes in the session's output format.
        status: final status of the response.
        problem: why it was not completed, in the server's words.
    """

    item_id: str
    spoken: float | None = None
    found: float | None = None
    heard: float | None = None
    first_audio: float | None = None
    done: float | None = None
    said: str | None = None
    answer: str = ""
    audio: bytearray = field(factory=bytearray)
    response_id: str | None = None
    status: str | None = None
    problem: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """What was said and how long it took, as JSON-able values."""
        times = {f"{name}_ms": _after(self, name) for _, name in COLUMNS}
        return {
            "said": self.said,
            "answer": self.answer,
            "status": self.status,
            "problem": self.problem,
            **times,
        }


COLUMNS = (
    ("turn found", "found"),
    ("transcript", "heard"),
    ("first audio", "first_audio"),
    ("done", "done"),
)
"""What is measured, from the end of speech."""


def latency_table(turns: Sequence[Turn]) -> str:
    """The latencies of all turns as a table in plain text."""
    lines = [
        "milliseconds from end of speech",
        "turn" + "".join(f"{title:>13}" for title, _ in COLUMNS),
    ]
    for number, turn in enumerate(turns, start=1):
        cells = "".join(f"{_ms(turn, name):>13}" for _, name in COLUMNS)
        lines.append(f"{number:>4}{cells}")
    return "\n".join(lines)


def _ms(turn: Turn, name: str) -> str:
    took = _after(turn, name)
    return "-" if took is None else f"{took:.0f}"


def _after(turn: Turn, name: str) -> float | None:
    """Milliseconds from the end of speech."""
    then: float | None = getattr(turn, name)
    if then is None or turn.spoken is None:
        return None
    return (then - turn.spoken) * 1000
