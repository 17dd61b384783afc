"""How long each turn took: bars, and the same as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from ..state.latency import Turn
from ..telemetry import Spread
from .markup import Markup, element
from .timeline import MOMENTS

SHOWN = tuple(name for name, _ in MOMENTS if name != "speech_end")
PHASES = (
    ("committed", "found", "end of speech to commit"),
    ("created", "created", "commit to response"),
    ("first", "thinking", "response to first output"),
    ("done", "speaking", "first output to done"),
)
"""The bar of a turn: where a phase ends, its class, and what it is."""

SILENT = (*PHASES[:2], ("done", "thinking", "response to done"))
"""The same of a turn without output, such as a call of a tool."""


def latency_bars(turns: Sequence[Turn]) -> Markup:
    """One bar per turn, on a common scale; HTML without pictures."""
    longest = max((turn.after_ms("done") or 0.0 for turn in turns), default=0.0)
    if longest <= 0:
        return Markup("")
    rows = [_latency_row(n, turn, longest) for n, turn in enumerate(turns, start=1)]
    legend = [
        element("span", element("i", class_=f"rs-{kind}"), f" {about}")
        for _, kind, about in PHASES
    ]
    return element(
        "div",
        element("div", rows, class_="rs-bars"),
        element("p", legend, class_="rs-legend"),
    )


def _latency_row(number: int, turn: Turn, longest: float) -> Markup:
    spans, reached = [], 0.0
    heard = _first_latency(turn)
    for name, kind, about in PHASES if heard is not None else SILENT:
        until = heard if name == "first" else turn.after_ms(name)
        if until is None or until <= reached:
            continue
        spans.append(
            element(
                "span",
                class_=f"rs-{kind}",
                style=f"width:{(until - reached) / longest * 100:.2f}%",
                title=f"{about}: {until - reached:.0f} ms",
            )
        )
        reached = until
    told = f"{heard:.0f} ms" if heard is not None else "no output"
    return element(
        "div",
        element("b", number),
        element("div", spans, class_="rs-bar"),
        element("span", told, class_="rs-told"),
        class_="rs-row",
    )


def _first_latency(turn: Turn) -> Optional[float]:
    found = [turn.after_ms(name) for name in ("first_text", "first_audio")]
    known = [each for each in found if each is not None]
    return min(known) if known else None


def latency_table(turns: Sequence[Turn]) -> Markup:
    """Milliseconds from the end of the user's turn, with p50 and p95."""
    names = [name for name in SHOWN if _latency_figures(turns, name)]
    head = element(
        "tr",
        element("th", "turn"),
        [element("th", label) for name, label in MOMENTS if name in names],
        element("th", "status", class_="rs-words"),
    )
    rows = [
        element(
            "tr",
            element("th", number),
            [element("td", _latency_in_ms(turn.after_ms(name))) for name in names],
            element("td", _latency_status(turn), class_="rs-words"),
        )
        for number, turn in enumerate(turns, start=1)
    ]
    spreads = {name: Spread.of(_latency_figures(turns, name)) for name in names}
    sums = [
        element(
            "tr",
            element("th", label),
            [
                element("td", _latency_in_ms(getattr(spreads[name], label)))
                for name in names
            ],
            element("td"),
            class_="rs-sum",
        )
        for label in ("p50", "p95")
        if len(turns) > 1
    ]
    return element("table", element("thead", head), element("tbody", rows, sums))


def _latency_figures(turns: Sequence[Turn], name: str) -> list[float]:
    return [each for turn in turns if (each := turn.after_ms(name)) is not None]


def _latency_status(turn: Turn) -> str:
    status = turn.status or "not finished"
    return f"{status} (interrupted)" if turn.interrupted else status


def _latency_in_ms(value: Optional[float]) -> str:
    return "–" if value is None else f"{value:,.0f}"
