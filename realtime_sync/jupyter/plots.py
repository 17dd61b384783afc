"""Pictures of a session: who spoke when, and how long answers took."""

from __future__ import annotations

from .. import Session
from .. import report as page
from ..report import Story, Told, element, tell
from .html import framed_html
from .named_sessions import story_of


class Picture:
    """Something to look at: a notebook shows it as HTML."""

    def __init__(self, text: str, about: str) -> None:
        self._text = text
        self._about = about

    def __repr__(self) -> str:
        return f"<{self._about}>"

    def _repr_html_(self) -> str:
        return self._text


def waveform(source: Told) -> Picture:
    """
    Both sides of a conversation, with turns and interruptions.

    Args:
        source: a session that `connect` of this module made, or anything that
            `realtime_sync.report.tell` takes.

    Raises:
        ConfigurationError: the session is not recorded, or the file is no recording.
    """
    story = _story_to_plot(source)
    drawing = page.waveform(story)
    shown = element("div", drawing, class_="rs-scroll") if drawing else "no audio yet"
    return Picture(framed_html(shown), f"waveform of {story.title}")


def latency(source: Told) -> Picture:
    """
    How long each turn took, as bars and as a table; see `waveform`.
    """
    story = _story_to_plot(source)
    if not story.turns:
        return Picture(framed_html("no turns yet"), "no turns yet")
    table = element("div", page.latency_table(story.turns), class_="rs-scroll")
    bars = page.latency_bars(story.turns)
    return Picture(framed_html(bars, table), f"latency of {len(story.turns)} turns")


def _story_to_plot(source: Told) -> Story:
    return story_of(source) if isinstance(source, Session) else tell(source)
