"""Both sides of a conversation as a drawing."""

from __future__ import annotations

from collections.abc import Sequence

from ..state.latency import Turn
from .markup import Markup, element
from .sound import Track, peaks_of_sound
from .timeline import Story

PER_SECOND = 48
NARROWEST, WIDEST = 956, 12_000
HEIGHT = 74
"""Of one side."""
TOP, BOTTOM = 20, 22
LABEL = 18
"""Room for the number of a turn."""
STEPS = (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600)


def waveform(story: Story) -> Markup:
    """
    The waveform of both sides, with turns and interruptions; SVG.

    Empty if the story has no audio.
    """
    if not story.seconds or not (story.user.stretches or story.server.stretches):
        return Markup("")
    width = int(min(WIDEST, max(NARROWEST, story.seconds * PER_SECOND)))
    scale = width / story.seconds
    height = TOP + 2 * HEIGHT + BOTTOM
    return element(
        "svg",
        [_waveform_turn(n, turn, scale) for n, turn in enumerate(story.turns, start=1)],
        _waveform_turn_numbers(story.turns, scale),
        _waveform_side(story.user, story.seconds, width, TOP, "user"),
        _waveform_side(story.server, story.seconds, width, TOP + HEIGHT, "server"),
        [_waveform_mark(at * scale) for at in story.marks],
        _waveform_axis(story.seconds, scale, width, height),
        xmlns="http://www.w3.org/2000/svg",
        class_="rs-wave",
        role="img",
        aria_label="Waveform of the user above and of the server below",
        width=width,
        height=height,
        viewbox=f"0 0 {width} {height}",
    )


def _waveform_side(
    track: Track, seconds: float, width: int, top: int, name: str
) -> Markup:
    middle = top + HEIGHT / 2
    half = HEIGHT / 2 - 5
    columns = width // 2
    found = list(peaks_of_sound(track, seconds, columns))
    loudest = max((max(-low, high) for _, low, high in found), default=0.0)
    # Quiet speech fills the height too; what is nearly silent stays flat.
    gain = half / max(loudest, 0.05)
    strokes = "".join(
        f"M{column * 2 + 1} {middle - max(high * gain, 0.5):.1f}"
        f"V{middle + max(-low * gain, 0.5):.1f}"
        for column, low, high in found
    )
    return element(
        "g",
        element(
            "line", x1=0, x2=width, y1=middle, y2=middle, class_=f"rs-zero rs-{name}"
        ),
        element("path", d=strokes, class_=f"rs-{name}") if strokes else None,
    )


def _waveform_turn(number: int, turn: Turn, scale: float) -> Markup:
    begin = turn.start * scale
    end = max(turn.moments.get("done", turn.start), turn.start) * scale
    first = turn.moments.get("first_audio", turn.moments.get("first_text"))
    reply = None if first is None else first * scale
    return element(
        "g",
        element("title", _about_waveform_turn(number, turn)),
        element(
            "rect",
            x=f"{begin:.1f}",
            y=TOP,
            width=f"{max(1.0, end - begin):.1f}",
            height=2 * HEIGHT,
            class_="rs-turn",
        ),
        (
            None
            if reply is None
            else element(
                "line",
                x1=f"{reply:.1f}",
                x2=f"{reply:.1f}",
                y1=TOP + HEIGHT,
                y2=TOP + 2 * HEIGHT,
                class_="rs-first",
            )
        ),
    )


def _waveform_turn_numbers(turns: Sequence[Turn], scale: float) -> list[Markup]:
    """Which turn is which; turns that begin together share a label."""
    groups: list[tuple[float, list[int]]] = []
    numbered = enumerate(turns, start=1)
    for number, turn in sorted(numbered, key=lambda each: each[1].start):
        x = turn.start * scale
        if groups and x < groups[-1][0] + LABEL:
            groups[-1][1].append(number)
        else:
            groups.append((x, [number]))
    return [
        element(
            "text",
            numbers[0] if len(numbers) == 1 else f"{numbers[0]}–{numbers[-1]}",
            x=f"{x + 3:.1f}",
            y=14,
            class_="rs-label",
        )
        for x, numbers in groups
    ]


def _about_waveform_turn(number: int, turn: Turn) -> str:
    done = turn.after_ms("done")
    took = "" if done is None else f", done after {done:.0f} ms"
    return f"Turn {number}: {turn.status or 'not finished'}{took}"


def _waveform_mark(x: float) -> Markup:
    return element(
        "g",
        element("title", "The user interrupted"),
        element(
            "line",
            x1=f"{x:.1f}",
            x2=f"{x:.1f}",
            y1=TOP - 4,
            y2=TOP + 2 * HEIGHT,
            class_="rs-cut",
        ),
        element("path", d=f"M{x - 4:.1f} {TOP - 10}h8l-4 7z", class_="rs-cut-head"),
    )


def _waveform_axis(
    seconds: float, scale: float, width: int, height: int
) -> list[Markup]:
    step = next((each for each in STEPS if each * scale >= 60), STEPS[-1])
    ticks = []
    for number in range(int(seconds / step) + 1):
        x = number * step * scale
        if x > width - 24 and number:
            break
        ticks.append(
            element(
                "line",
                x1=f"{x:.1f}",
                x2=f"{x:.1f}",
                y1=height - BOTTOM,
                y2=height - BOTTOM + 5,
                class_="rs-tick",
            )
        )
        ticks.append(
            element(
                "text",
                _waveform_clock(number * step),
                x=f"{x + 3:.1f}",
                y=height - 6,
                class_="rs-label",
            )
        )
    return ticks


def _waveform_clock(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:g} s"
    return f"{int(seconds // 60)}:{int(seconds % 60):02d}"
