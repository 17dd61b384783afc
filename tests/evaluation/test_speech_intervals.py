"""When somebody is to be heard."""

from __future__ import annotations

import sys

import pytest

from realtime_sync import audio
from realtime_sync.evaluation import Interval
from realtime_sync.evaluation.speech_intervals import audible_intervals, join_intervals
from realtime_sync.report import Stretch


def stretch(*parts: bytes, start: float = 1.0, format: str = "pcm16") -> Stretch:
    """Sound without a gap."""
    data = bytearray(b"".join(parts))
    if format != "pcm16":
        narrow = audio.convert(bytes(data), "pcm16", format, to_rate=8000)
        return Stretch(start, bytearray(narrow), format, 8000)
    return Stretch(start, data)


@pytest.mark.parametrize("format", ["pcm16", "g711_ulaw", "g711_alaw"])
@pytest.mark.parametrize("numpy_is_there", [True, False])
def test_speech_is_what_is_loud(
    format: str, numpy_is_there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In every format, with numpy and without: pauses of words are within it."""
    tone, short, long = audio.tone(400, 0.5), audio.silence(0.2), audio.silence(0.6)
    sound = stretch(short, tone, short, tone, long, tone, format=format)
    if not numpy_is_there:
        monkeypatch.setitem(sys.modules, "numpy", None)
    first, second = audible_intervals([sound])

    assert (1.2, 2.4) == pytest.approx((first.start, first.end), abs=0.021)
    assert (3.0, 3.5) == pytest.approx((second.start, second.end), abs=0.021)


def test_what_is_much_quieter_than_the_loudest_is_not_speech() -> None:
    """A hiss under a voice, or all by itself."""
    tone, hiss = audio.tone(400, 0.5, level=-6), audio.tone(900, 0.5, level=-60)

    assert 1 == len(audible_intervals([stretch(hiss, tone, hiss)]))
    assert () == audible_intervals([stretch(hiss)])
    assert () == audible_intervals([])
    assert () == audible_intervals([stretch(b"\0")])


def test_stretches_of_both_ends_are_one_interval_if_they_meet() -> None:
    """Sound that came in pieces is no stammer."""
    tone = audio.tone(400, 0.5)
    sound = [stretch(tone), stretch(tone, start=1.5), stretch(tone, start=3.0)]

    assert [Interval(1.0, 2.0), Interval(3.0, 3.5)] == list(audible_intervals(sound))
    assert 0.5 == Interval(0.0, 1.0).overlap(Interval(0.5, 2.0))
    assert 0.0 == Interval(0.0, 1.0).overlap(Interval(1.0, 2.0))


@pytest.mark.parametrize("numpy_is_there", [True, False])
@pytest.mark.parametrize("sample", [-32_768, -60, 60, 32_767])
def test_one_sample_is_heard_whatever_its_sign(
    sample: int, numpy_is_there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lowest of 16 bit has no positive twin."""
    click = sample.to_bytes(2, "little", signed=True)
    sound = stretch(audio.silence(0.5), click, audio.silence(0.5), b"\0")
    if not numpy_is_there:
        monkeypatch.setitem(sys.modules, "numpy", None)

    assert (Interval(1.5, 1.51),) == audible_intervals([sound])


def test_intervals_of_any_order_are_joined_in_order() -> None:
    """Where a telephone plays late, a stretch may stand before the one it follows."""
    found = [Interval(3.0, 4.0), Interval(0.0, 2.0), Interval(0.5, 1.0)]

    assert (Interval(0.0, 2.0), Interval(3.0, 4.0)) == join_intervals(found, pause=0.5)
    assert (Interval(0.0, 4.0),) == join_intervals(found, pause=1.5)
    assert () == join_intervals([], pause=1.0)
