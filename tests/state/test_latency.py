"""Where speech ends, and the one percentile."""

from __future__ import annotations

import pytest

from realtime_sync import audio
from realtime_sync.state.latency import (
    FLOOR,
    QUIET,
    SpeechEnd,
    Turn,
    peak,
    percentile,
)

LOUD = audio.tone(330, 0.02, level=-6)
SILENT = audio.silence(0.02)


def taken(*blocks: tuple[float, bytes], now: float) -> float:
    """Where speech ended, of blocks and their times."""
    speech = SpeechEnd()
    for at, block in blocks:
        speech.sent(at, block)
    return speech.take(now)


@pytest.mark.parametrize(
    ("percent", "figure"), [(0, 1), (50, 5), (90, 9), (95, 10), (100, 10)]
)
def test_percentile_is_by_nearest_rank(percent: float, figure: float) -> None:
    """It is always one of the figures, whatever their order."""
    assert figure == percentile([10, 1, 9, 2, 8, 3, 7, 4, 6, 5], percent)


@pytest.mark.parametrize(
    ("figures", "percent"), [([], 50), ([1.0], -1), ([1.0], 100.5)]
)
def test_percentile_of_nothing_or_beyond_is_refused(
    figures: list[float], percent: float
) -> None:
    with pytest.raises(ValueError, match="figures"):
        percentile(figures, percent)


def test_speech_ends_with_the_last_loud_block() -> None:
    """The silence that turn detection waits for is latency: people wait for it."""
    blocks = ((1.0, LOUD), (1.02, LOUD), (1.04, SILENT), (1.3, SILENT))

    assert 1.02 == taken(*blocks, now=1.5)


def test_noise_far_below_the_voice_is_not_speech() -> None:
    noise = audio.tone(330, 0.02, level=-50)

    assert 1.0 == taken((1.0, LOUD), (1.2, noise), now=1.5)
    assert 1.2 == taken((1.2, noise), now=1.5)


def test_speech_ends_where_the_server_says_if_nothing_was_sent() -> None:
    """The audio may come over a telephone line, or be silence."""
    assert 1.5 == taken(now=1.5)
    assert 1.5 == taken((1.0, SILENT), now=1.5)


@pytest.mark.parametrize("pieces", [1, 100])
def test_audio_sent_faster_than_it_is_spoken_says_nothing_of_the_end(
    pieces: int,
) -> None:
    """In one piece or in many: the clock of the sender is not the speaker's."""
    blocks = [(1.0 + 0.001 * n, LOUD * (100 // pieces)) for n in range(pieces)]

    assert 9.0 == taken(*blocks, now=9.0)


def test_each_turn_has_an_end_of_its_own() -> None:
    """A second turn without sound of ours does not begin at the first one's end."""
    speech = SpeechEnd()
    speech.sent(1.0, LOUD)

    assert [1.0, 3.0] == [speech.take(2.0), speech.take(3.0)]


@pytest.mark.parametrize("loudest", [60, 8_500, 8_600, 17_000, 17_100, 32_767])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_sample_that_just_reaches_the_limit_is_speech(
    loudest: int, sign: int
) -> None:
    """Looking at upper bytes first finds what looking at all samples would find."""
    for sample in (59, 60, 61, 255, 256, 257, 511, 512, 513, 767, 768, 769, 983, 984):
        block = (sign * sample).to_bytes(2, "little", signed=True)
        voice = loudest.to_bytes(2, "little", signed=True)
        expected = 2.0 if sample >= max(FLOOR, QUIET * loudest) else 1.0

        assert expected == taken((1.0, voice), (2.0, b"\0\0" + block), now=9.0)


@pytest.mark.parametrize(
    ("law", "magnitudes"),
    [
        # 16-bit magnitudes of both signs: 4 x table 2a of G.711, 16 x half of table 1a.
        ("g711_ulaw", {0x80: 32124, 0x00: 32124, 0xA0: 7932, 0xF0: 120, 0x7E: 8}),
        ("g711_alaw", {0xAA: 32256, 0x2A: 32256, 0x80: 5504, 0xC5: 264, 0xD4: 24}),
    ],
)
def test_peaks_of_telephone_audio_are_the_magnitudes_of_its_law(
    law: str, magnitudes: dict[int, int]
) -> None:
    """The loudest code of a block counts, whichever sign it has and wherever it is."""
    quiet = b"\xff" if law == "g711_ulaw" else b"\xd5"
    for code, magnitude in magnitudes.items():
        assert magnitude == peak(quiet + bytes([code]) + quiet, law), hex(code)
    assert peak(b"", law) == peak(quiet, law)


def test_half_a_sample_is_not_heard() -> None:
    assert 258 == peak(b"\x02\x01\x7f")
    assert 0 == peak(b"\x7f")


def test_figures_of_a_turn_count_from_its_start_and_are_whole_microseconds() -> None:
    """Binary fractions of seconds leave no tail of digits in a table or in JSON."""
    turn = Turn(start=0.1, moments={"done": 0.3, "played": 0.05})

    assert [200.0, -50.0, None] == [
        turn.after_ms(name) for name in ("done", "played", "found")
    ]
