"""Segments of a GPT-Live session against the vendor's own grouping."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from realtime_sync.state.live.fragments import Fragment
from realtime_sync.state.live.segments import LOSSLESS, Policy, segments

pytest.importorskip("openai.lib.live")

from openai.lib.live._transcript_state import TranscriptState  # noqa: E402
from openai.lib.live._types import (  # noqa: E402
    TranscriptGrouperOptions,
    TranscriptSegment,
)
from openai.types.live import (  # noqa: E402
    InputTranscriptDeltaEvent,
    OutputTranscriptDeltaEvent,
)

Row = tuple[int, str, int, int, str]
"""When it came, who said it (u or a), from, to, and what."""

CASES: dict[str, list[Row]] = {
    "the user ends after the assistant began": [
        (1313, "u", 600, 800, "May"),
        (2115, "u", 1400, 1600, " check"),
        (3202, "u", 2400, 2600, " seat"),
        (3202, "a", 2400, 2600, "It seems"),
        (3394, "u", 2600, 2800, " is"),
        (3394, "a", 2600, 2800, " the"),
        (3606, "u", 2800, 3000, "?"),
        (3608, "a", 2800, 3000, " seat"),
        (3996, "a", 3200, 3400, " 4C."),
    ],
    "agreement is left out": [
        (0, "u", 0, 400, "Then we"),
        (500, "a", 400, 600, "mhm"),
        (900, "u", 600, 1200, " went home"),
    ],
    "barge-in": [
        (0, "a", 0, 1000, "Un, deux, trois,"),
        (1100, "u", 1000, 1200, "Stop"),
        (1300, "a", 1200, 1400, " quatre"),
    ],
    "silence": [(0, "a", 0, 400, "Hello"), (3000, "a", 3000, 3200, "Anyone")],
    "agreement alone": [(0, "u", 0, 400, "So"), (900, "a", 1000, 1200, "Okay.")],
    "agreement in two pieces": [
        (0, "u", 0, 400, "So"),
        (900, "a", 1000, 1200, "uh"),
        (1100, "a", 1200, 1400, "-huh"),
        (4000, "u", 4000, 4200, "yes"),
    ],
    "both begin at once": [
        (0, "u", 0, 200, "Well"),
        (20, "a", 0, 200, "So"),
        (300, "u", 200, 400, " then"),
    ],
    "the clock begins anew": [
        (0, "u", 600, 800, "One"),
        (100, "a", 900, 1000, "Two"),
        (200, "u", 0, 200, "Three"),
    ],
    "an answer at once": [
        (0, "a", 0, 400, "Ready?"),
        (100, "u", 400, 600, "Yes"),
        (200, "a", 600, 800, "yeah"),
        (300, "u", 800, 1000, " go"),
    ],
}


def ours(
    rows: list[Row], *, timed: bool = False, **options: Any
) -> list[tuple[Any, ...]]:
    """What we make of rows, as plain values."""
    said = [
        Fragment(
            speaker="user" if who == "u" else "assistant",
            text=text,
            start_ms=start,
            end_ms=end,
            received_ms=at if timed else None,
        )
        for at, who, start, end, text in rows
    ]
    return [
        (each.closed, each.speaker, each.text, each.start_ms, each.end_ms)
        for each in segments(said, **options)
    ]


def theirs(
    rows: list[Row], *, ticking: bool = False, finished: bool = True, **options: Any
) -> list[tuple[Any, ...]]:
    """What the vendor's grouping makes of them, with or without its clock."""
    clock = [0.0]
    state = TranscriptState(TranscriptGrouperOptions(**options), lambda: clock[0])
    updates: list[Any] = []
    for number, (at, who, start, end, text) in enumerate(rows):
        while ticking and (wait := state.delay()) is not None:
            if clock[0] + wait > at:
                break
            clock[0] += wait
            updates += state.tick()
        clock[0] = float(at) if ticking else 0.0
        cls: Any = (
            InputTranscriptDeltaEvent if who == "u" else OutputTranscriptDeltaEvent
        )
        kind = "input" if who == "u" else "output"
        event = cls(
            type=f"session.{kind}_transcript.delta",
            event_id=f"e{number}",
            delta=text,
            start_ms=start,
            end_ms=end,
        )
        updates += state.push(event) or ()
    for _ in range(20 if ticking else 0):
        if (wait := state.delay()) is None:
            break
        clock[0] += wait
        updates += state.tick()
    if finished:
        updates += state.finish("session_closed")
    return [
        (
            each.reason,
            each.segment.speaker,
            each.segment.text,
            each.segment.start_ms,
            each.segment.end_ms,
        )
        for each in updates
        if not isinstance(each, TranscriptSegment)
    ]


@pytest.mark.parametrize("rows", CASES.values(), ids=CASES)
@pytest.mark.parametrize("dropping", [True, False])
def test_cases_are_grouped_as_the_vendor_groups_them(
    rows: list[Row], dropping: bool
) -> None:
    """With agreement left out and with it kept, after a long silence at the end."""
    policy = Policy() if dropping else LOSSLESS
    options = {"backchannel_max_duration_ms": policy.backchannel_ms}

    expected = theirs(rows, ticking=True, **options)

    assert expected == ours(
        rows, timed=True, policy=policy, silent_ms=60_000, closed=True
    )


WORDS = ["mhm", "Okay.", "uh", "-huh", " huh", "Right,", " and so", "Then", " 4C", "?"]
WORDS += ["yes", " no", "É", " the", "mm", " hmm"]


def stream(seed: int) -> list[Row]:
    """A random conversation: overlaps, pauses, repeats and clocks set back."""
    random = Random(seed)
    rows: list[Row] = []
    now = 0
    for _ in range(random.randint(1, 30)):
        now += random.choice([0, 0, 200, 200, 200, 400, 600, 1200, 2200, 2600])
        if random.random() < 0.02:
            now = 0
        length = random.choice([200, 200, 200, 400, 1000])
        who = random.choice("ua")
        rows.append((0, who, now, now + length, random.choice(WORDS)))
        if random.random() < 0.2:
            other = "a" if who == "u" else "u"
            rows.append((0, other, now, now + length, random.choice(WORDS)))
    return rows


def check(seed: int) -> None:
    """Both make the same of a stream, under the policy that the seed says."""
    rows = stream(seed)
    policy = (Policy(), LOSSLESS, Policy(agreement=("and so",), isolation_ms=900))[
        seed % 3
    ]

    expected = theirs(
        rows,
        backchannel_max_duration_ms=policy.backchannel_ms,
        backchannel_isolation_ms=policy.isolation_ms,
        additional_acknowledgments=policy.agreement,
    )

    assert expected == ours(rows, policy=policy, closed=True), (seed, rows)


@pytest.mark.parametrize("first", range(0, 200, 50))
def test_random_streams_are_grouped_as_the_vendor_groups_them(first: int) -> None:
    """Two hundred streams here; the deep suite takes two thousand."""
    for seed in range(first, first + 50):
        check(seed)


@pytest.mark.deep
def test_two_thousand_random_streams_are_grouped_alike() -> None:
    """The long figure."""
    for seed in range(2000):
        check(seed)


def test_the_last_segment_is_open_until_something_ends_it() -> None:
    """Reading in the middle of a sentence shows the sentence so far."""
    rows = CASES["silence"][:1]

    assert [(None, "assistant", "Hello", 0, 400)] == ours(rows)
    assert [("inactivity", "assistant", "Hello", 0, 400)] == ours(rows, silent_ms=2000)
    assert [] == ours([])


def test_a_new_epoch_begins_like_a_new_session() -> None:
    """The clock starts again, and what was open is over."""
    first = Fragment(speaker="user", text="One", start_ms=0, end_ms=200)
    second = Fragment(speaker="user", text="Two", start_ms=0, end_ms=200, epoch=1)

    made = segments((first, second))

    assert [("One", 0, "session_closed"), ("Two", 1, None)] == [
        (each.text, each.epoch, each.closed) for each in made
    ]
