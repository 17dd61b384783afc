"""The report as one HTML page that needs nothing else."""

from __future__ import annotations

from importlib.resources import files
from typing import Optional

from .. import Audio
from ..state.latency import Turn
from ..telemetry import Tokens
from .latency import latency_bars, latency_table
from .markup import Content, Markup, element, joined_markup
from .mp3 import mp3_for_report
from .timeline import Entry, Problem, Story, Utterance
from .timeline_builder import timeline_json
from .waveform import waveform

POLICY = "default-src 'none'; style-src 'unsafe-inline'; media-src data:"
"""What the page may load: nothing but itself."""

MOST_AUDIO = 64 << 20
"""Bytes of audio that a report holds by default."""

ROLES = {"user": "you", "assistant": "server", "system": "system", "tool": "tool"}
ARROWS = {"in": "◂", "out": "▸", "note": "·"}


def report_page(story: Story, *, max_audio: int = MOST_AUDIO) -> str:
    """
    The whole page.

    Args:
        story: what to tell.
        max_audio: bytes of audio to put in; players beyond it are left out.
    """
    return document(story.title, body_of(story, max_audio=max_audio))


def document(title: str, body: Content, *, rules: str = "") -> str:
    """
    A page that may load nothing from anywhere.

    Args:
        title: of the page.
        body: what stands on it.
        rules: of a style sheet, besides those of `style`; trusted text.
    """
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", style(), Markup(rules)),
    )
    main = element("body", element("main", body), class_="rs rs-page")
    return f'<!DOCTYPE html>\n<html lang="en">{head}{main}</html>\n'


def style() -> Markup:
    """The style sheet, for elements of the class ``rs`` only."""
    sheet = files(__package__).joinpath("style.css").read_text(encoding="utf-8")
    return Markup(sheet)


def body_of(story: Story, *, max_audio: int = MOST_AUDIO) -> Markup:
    """What stands on the page, without a page around it."""
    drawing = waveform(story)
    audio_left = _PageAllowance(max_audio)
    lines = [_page_line(each, audio_left) for each in story.utterances]
    remarks = list(story.remarks)
    if audio_left.refused:
        remarks.append(
            f"{audio_left.refused} recordings are left out, to keep the page small."
        )
    return joined_markup(
        [
            element("h1", story.title),
            _page_facts(story.facts),
            [element("p", text, class_="rs-soft") for text in remarks],
            _page_section("What went wrong", _page_problems(story.problems)),
            _page_section("Both sides", _page_sides(drawing, story)),
            _page_section("How long it took", _page_latency(story.turns)),
            _page_section(
                "What was said",
                element("div", lines, class_="rs-said") if lines else "",
            ),
            _page_section("Tokens", _page_tokens(story.tokens)),
            _page_section("Events", _page_log(story.entries)),
        ]
    )


class _PageAllowance:
    """Bytes that may still be put in."""

    def __init__(self, size: int) -> None:
        self._left = size
        self.refused = 0

    def takes(self, size: int) -> bool:
        """Whether there is room, which is then taken."""
        if size > self._left:
            self.refused += 1
            return False
        self._left -= size
        return True


def _page_section(title: str, content: Content) -> Optional[Markup]:
    inside = joined_markup(content)
    return element("section", element("h2", title), inside) if inside else None


def _page_facts(facts: list[tuple[str, str]]) -> Markup:
    pairs = [
        element("div", element("dt", name), element("dd", value))
        for name, value in facts
    ]
    return element("dl", pairs, class_="rs-facts")


def _page_sides(drawing: Markup, story: Story) -> Content:
    if not drawing:
        return ""
    keys = [("user", "you"), ("server", "server"), ("turn-key", "answering")]
    keys.append(("first-key", "first output"))
    if story.marks:
        keys.append(("cut-key", "interrupted"))
    legend = [
        element("span", element("i", class_=f"rs-{kind}"), f" {about}")
        for kind, about in keys
    ]
    return [
        element("div", drawing, class_="rs-scroll"),
        element("p", legend, class_="rs-legend"),
    ]


def _page_latency(turns: list[Turn]) -> Content:
    if not turns:
        return ""
    return [
        element(
            "p",
            "Milliseconds from the end of the user's turn; at the right, until the "
            "first output.",
            class_="rs-soft",
        ),
        latency_bars(turns),
        element("div", latency_table(turns), class_="rs-scroll"),
    ]


def said(each: Utterance, *, small: bool = False) -> Markup:
    """One thing that was said, with a player; see `player`."""
    return _page_line(each, _PageAllowance(MOST_AUDIO), small=small)


def _page_line(said: Utterance, left: _PageAllowance, *, small: bool = False) -> Markup:
    title = ROLES.get(said.role, said.role)
    when = "" if said.at is None else f" · {_page_clock(said.at)}"
    remark = f" · {said.remark}" if said.remark else ""
    unheard = element("del", said.unheard) if said.unheard.strip() else None
    text: Content = said.text or ("" if unheard else "(no transcript)")
    kind = said.role if said.role in ROLES else "system"
    return element(
        "article",
        element("header", f"{title}{when}{remark}"),
        element("div", text, unheard),
        _page_line_player(said, left, small),
        class_=f"rs-line rs-by-{kind}",
    )


def _page_line_player(
    said: Utterance, left: _PageAllowance, small: bool
) -> Optional[Markup]:
    if said.sound is None:
        return None
    data, kind, rate = said.sound
    if not left.takes(len(data)):
        return element("small", "recording left out")
    return player(Audio(data, kind, rate), small=small)


def player(audio: Audio, *, autoplay: bool = False, small: bool = False) -> Markup:
    """
    An element that plays some audio, with the audio in it.

    Args:
        audio: what is played.
        autoplay: begin by itself, where the browser allows it.
        small: compressed if soundfile is installed; else every sample as it is.
    """
    return element(
        "audio",
        controls=True,
        autoplay=autoplay,
        preload="metadata",
        src=audio_url(audio, small=small),
    )


def audio_url(audio: Audio, *, small: bool = False) -> str:
    """Audio as a URL that holds it; see `player`."""
    from base64 import b64encode

    packed = mp3_for_report(audio) if small else None
    kind, data = ("wav", audio.wav()) if packed is None else ("mpeg", packed)
    return f"data:audio/{kind};base64," + b64encode(data).decode("ascii")


def _page_problems(problems: list[Problem]) -> Content:
    if not problems:
        return ""
    lines = [
        element(
            "li",
            element("b", each.kind),
            (
                element("small", f" {_page_clock(each.at)}")
                if each.at is not None
                else None
            ),
            element("br"),
            each.text,
        )
        for each in problems
    ]
    return element("ul", lines, class_="rs-problems")


def _page_tokens(tokens: Tokens) -> Content:
    if not tokens.total and not tokens.input and not tokens.output:
        return ""
    rows = (
        ("text", tokens.input_text, tokens.cached_text, tokens.output_text),
        ("audio", tokens.input_audio, tokens.cached_audio, tokens.output_audio),
        ("image", tokens.input_image, tokens.cached_image, 0),
        ("all", tokens.input, tokens.cached, tokens.output),
    )
    shown = [row for row in rows if any(row[1:]) or row[0] == "all"]
    body = [
        element(
            "tr",
            element("th", row[0], class_="rs-words"),
            [element("td", f"{count:,}") for count in row[1:]],
            class_="rs-sum" if row[0] == "all" else None,
        )
        for row in shown
    ]
    names = ("input", "of it cached", "output")
    head = element("tr", element("th"), [element("th", name) for name in names])
    table = element("table", element("thead", head), element("tbody", body))
    return element("div", table, class_="rs-scroll")


def _page_log(entries: list[Entry]) -> Content:
    if not entries:
        return ""
    return element("div", [_page_log_entry(each) for each in entries], class_="rs-log")


def _page_log_entry(entry: Entry) -> Markup:
    many = f"× {entry.count}" if entry.count > 1 else None
    summary = element(
        "summary",
        element("time", f"{entry.at:.3f}"),
        element(
            "span", ARROWS.get(entry.direction, "·"), class_=f"rs-{entry.direction}"
        ),
        element("span", entry.type, class_="rs-type"),
        element("em", many) if many else None,
    )
    first = "the first of them:\n" if entry.count > 1 else ""
    return element(
        "details", summary, element("pre", first, timeline_json(entry.frame)), name=None
    )


def _page_clock(seconds: Optional[float]) -> str:
    if seconds is None:
        return ""
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"
