"""The scores of a run as one HTML page that loads nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import Optional

from .. import report
from ..errors import ConfigurationError
from ..report import (
    Content,
    Markup,
    Story,
    document,
    element,
    player,
)
from ..telemetry import Spread
from .both_sides import both_sides
from .call_record import CallRecord
from .call_turns import CallTurn
from .comparison import Change, Comparison
from .score import Score
from .words import same_words

COLUMNS = (
    ("turns", "turns", ""),
    ("first_audio_p50_ms", "first audio p50", "ms"),
    ("first_audio_p95_ms", "p95", "ms"),
    ("stop_ms", "stop", "ms"),
    ("longest_silence_ms", "silence", "ms"),
    ("talk_over_ms", "talk-over", "ms"),
    ("wer", "WER", "%"),
)
"""Figures of the table of calls: name, heading, unit."""

MOST_ROWS = 2000
"""Calls in the table; a page with more of them can hardly be opened."""

LEGEND = (("user", "caller"), ("server", "agent"), ("cut-key", "interrupted"))


def page(
    calls: Sequence[tuple[Score, Optional[CallRecord]]],
    comparison: Optional[Comparison],
    *,
    title: str,
    most: int,
) -> str:
    """
    The text of the page.

    Args:
        calls: scores, each with its record if that is here and not in a file.
        comparison: with an earlier run.
        title: of the page.
        most: calls that are shown with their turns and sound, failed ones first.
    """
    scores = [score for score, _ in calls]
    failed = [score for score in scores if not score.passed]
    # The sort is stable: failed ones first, else as they were given.
    in_order = sorted(calls, key=lambda call: call[0].passed)
    shown = in_order[:most]
    remarks = []
    if len(scores) > len(shown):
        remarks.append(f"{len(shown)} of {len(scores)} calls are shown turn by turn.")
    if len(scores) > MOST_ROWS:
        remarks.append(f"The table has the first {MOST_ROWS:,} calls only.")
    body = [
        element("h1", title),
        element("dl", _score_page_facts(scores, failed), class_="rs-facts"),
        [element("p", text, class_="rs-soft") for text in remarks],
        _score_page_section("Gates", _score_page_gates(scores)),
        _score_page_section("Since the run before", _score_page_comparison(comparison)),
        _score_page_section(
            "Calls", _score_page_calls([score for score, _ in in_order[:MOST_ROWS]])
        ),
        [
            _score_page_call(score, record or _record_for_score_page(score))
            for score, record in shown
        ],
    ]
    sheet = files(__package__).joinpath("style.css").read_text(encoding="utf-8")
    return document(title, body, rules=sheet)


def _score_page_section(title: str, content: Content) -> Optional[Markup]:
    return element("section", element("h2", title), content) if content else None


def _score_page_facts(scores: Sequence[Score], failed: Sequence[Score]) -> Content:
    passed = len(scores) - len(failed)
    share = f" ({passed / len(scores):.0%})" if scores else ""
    seconds = sum(score.figures.get("seconds") or 0 for score in scores)
    pairs = (
        ("calls", f"{len(scores):,}"),
        ("passed", f"{passed:,}{share}"),
        ("failed", f"{len(failed):,}"),
        ("of speech and silence", f"{seconds / 60:.1f} min"),
    )
    return [
        element("div", element("dt", name), element("dd", value))
        for name, value in pairs
    ]


def _score_page_gates(scores: Sequence[Score]) -> Content:
    names = dict.fromkeys(name for score in scores for name in score.verdicts)
    rows = []
    for name in names:
        verdicts = [s.verdicts[name] for s in scores if name in s.verdicts]
        fallen = sum(not verdict for verdict in verdicts)
        spread = Spread.of([v.value for v in verdicts if v.value is not None])
        unit = next((v.unit for v in verdicts if v.unit), "")
        rows.append(
            element(
                "tr",
                element("th", name, class_="rs-words"),
                element("td", _score_page_chip(not fallen)),
                element("td", f"{len(verdicts) - fallen} of {len(verdicts)}"),
                [
                    element("td", _score_page_figure(value, unit))
                    for value in (spread.p50, spread.p95, spread.longest)
                ],
            )
        )
    heads = ("gate", "", "passed", "p50", "p95", "highest")
    return _score_page_table(heads, rows) if rows else ""


def _score_page_comparison(comparison: Optional[Comparison]) -> Content:
    if comparison is None:
        return ""
    rows = [
        element(
            "tr",
            element("th", each.call, class_="rs-words"),
            element("td", each.what, class_="rs-words"),
            [
                element("td", _score_page_figure(value, _score_page_unit(each)))
                for value in (each.before, each.after, each.spread)
            ],
            element(
                "td",
                _score_page_chip(each.better, "better" if each.better else "worse"),
            ),
        )
        for each in (*comparison.worse, *comparison.better)
    ]
    told = [f"{name} is not called any more." for name in comparison.missing]
    told += [f"{name} is new." for name in comparison.added]
    if not rows:
        told.append("No figure moved by more than its spread.")
    heads = ("call", "what", "before", "after", "spread", "")
    return [
        _score_page_table(heads, rows) if rows else "",
        [element("p", text, class_="rs-soft") for text in told],
    ]


def _score_page_unit(change: Change) -> str:
    if change.is_share:
        return "%"
    return {name: unit for name, _, unit in COLUMNS}.get(change.what, "")


def _score_page_calls(scores: Sequence[Score]) -> Content:
    rows = [
        element(
            "tr",
            element("th", score.name, class_="rs-words"),
            element("td", _score_page_chip(score.passed)),
            [
                element("td", _score_page_figure(score.figures.get(name), unit))
                for name, _, unit in COLUMNS
            ],
            element(
                "td", score.error or ", ".join(score.fallen), class_="rs-words ev-fell"
            ),
        )
        for score in scores
    ]
    heads = ("call", "", *(head for _, head, _ in COLUMNS), "fell")
    return _score_page_table(heads, rows) if rows else ""


def _score_page_table(heads: Iterable[str], rows: Sequence[Markup]) -> Markup:
    words = ("call", "gate", "what", "fell", "turn", "caller", "agent")
    head = [
        element("th", each, class_="rs-words" if each in words else None)
        for each in heads
    ]
    return element(
        "div",
        element(
            "table", element("thead", element("tr", head)), element("tbody", list(rows))
        ),
        class_="rs-scroll",
    )


def _score_page_call(score: Score, record: Optional[CallRecord]) -> Markup:
    fallen = [each for each in score.verdicts.values() if not each]
    turns = {number for verdict in fallen for number in verdict.turns}
    content: list[Content] = [
        element("p", score.error, class_="ev-why") if score.error else "",
        [element("p", str(each).split("\n")[0], class_="ev-why") for each in fallen],
        [
            element("p", reason, class_="ev-reason")
            for each in fallen
            if not each.turns
            for reason in each.reasons
        ],
    ]
    if record is not None:
        content += _score_page_sound(record)
        content.append(_score_page_turns(record, turns))
        content.append(
            [
                element("p", f"{each.kind}: {each.text}", class_="ev-reason")
                for each in record.problems
            ]
        )
    return element(
        "section",
        element("h2", score.name, " ", _score_page_chip(score.passed)),
        content,
        class_="ev-call",
    )


def _record_for_score_page(score: Score) -> Optional[CallRecord]:
    if not score.path or score.error:
        return None
    try:
        return CallRecord.load(score.path, name=score.name)
    except (OSError, ConfigurationError):
        # It was there when it was scored; the figures stand without it.
        return None


def _score_page_sound(record: CallRecord) -> list[Content]:
    stretches = [*record.user.stretches, *record.agent.stretches]
    if stretches and not any(any(each.data) for each in stretches):
        # Its length is known, and its place; there is nothing to be seen or played.
        return [element("p", report.NO_SOUND, class_="rs-soft")]
    story = Story(
        title=record.name,
        seconds=record.seconds,
        user=record.user,
        server=record.agent,
        marks=list(record.interruptions),
    )
    drawing = report.waveform(story)
    if not drawing:
        return []
    legend = [
        element("span", element("i", class_=f"rs-{kind}"), f" {about}")
        for kind, about in LEGEND
    ]
    found: list[Content] = [
        element("div", drawing, class_="rs-scroll"),
        element("p", legend, class_="rs-legend"),
    ]
    audio = both_sides(record)
    if audio is not None:
        found.append(element("p", player(audio)))
    return found


def _score_page_turns(record: CallRecord, marked: set[int]) -> Markup:
    rows = [
        element(
            "tr",
            element("th", turn.number),
            element("td", _score_page_caller(turn), class_="rs-words"),
            element("td", _score_page_agent(turn), class_="rs-words"),
            element("td", _score_page_figure(turn.first_audio_ms, "ms")),
            element("td", _score_page_figure(turn.stop_ms, "ms")),
            class_="ev-marked" if turn.number in marked else None,
        )
        for turn in record.turns
    ]
    return _score_page_table(("turn", "caller", "agent", "first audio", "stop"), rows)


def _score_page_caller(turn: CallTurn) -> Content:
    if not turn.by_caller:
        return element("small", "(nothing yet)")
    words: list[Content] = [turn.said or turn.understood or "(no transcript)"]
    if turn.said and not same_words(turn.said, turn.understood):
        words.append(element("small", " understood: ", turn.understood or "(nothing)"))
    return words


def _score_page_agent(turn: CallTurn) -> Content:
    words: list[Content] = [
        element("code", str(tool), class_="ev-tool") for tool in turn.tools
    ]
    answer, heard = turn.answer, turn.heard
    if not answer and not turn.tools:
        return [*words, element("small", "(silence)")]
    words.append(heard)
    if answer.startswith(heard) and answer != heard:
        words.append(element("del", answer[len(heard) :]))
    if turn.cut:
        words.append(element("small", f" cut: {turn.cut}"))
    return words


def _score_page_figure(value: Optional[float], unit: str) -> str:
    if value is None:
        return "–"
    if unit == "%":
        return f"{value * 100:.1f} %"
    if unit == "ms":
        return f"{value:,.0f} ms"
    return f"{value:g}"


def _score_page_chip(good: bool, text: str = "") -> Markup:
    word = text or ("passed" if good else "failed")
    return element("span", word, class_="ev-chip ev-good" if good else "ev-chip ev-bad")
