"""The input buffer and voice activity detection, to the millisecond."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from realtime_sync.server.agents import Scripted
from realtime_sync.server.engine.activity import EnergyActivity, ScriptedActivity
from realtime_sync.server.engine.sound import (
    PCM,
    PCMA,
    PCMU,
    compress_sound,
    expand_sound,
    from_native_sound,
    resample_sound,
    sound_samples,
    to_native_sound,
)

from .sounds import b64, loud, silence
from .talking import Talk, error, only, types


def talk_of(*spans: tuple[int, int], **detection: Any) -> Talk:
    """A session that hears speech exactly in those spans."""
    agent = Scripted(["x"], activity=lambda: ScriptedActivity(spans))
    talk = Talk(agent)
    settings = {"type": "server_vad", "create_response": False, **detection}
    talk.update(audio={"input": {"turn_detection": settings}})
    return talk


def test_a_turn_has_padding_before_and_silence_after_it() -> None:
    """Times count audio written, padding and silence included."""
    talk = talk_of((1000, 2000), prefix_padding_ms=300, silence_duration_ms=500)
    frames = talk.hear(silence(4000))

    assert 700 == only(frames, "input_audio_buffer.speech_started")["audio_start_ms"]
    assert 2500 == only(frames, "input_audio_buffer.speech_stopped")["audio_end_ms"]
    assert 1800 == talk.engine.truth()["items"][0]["audio_ms"]


def test_padding_does_not_begin_before_the_stream() -> None:
    """Speech from the first moment begins at zero."""
    frames = talk_of((0, 500)).hear(silence(600))

    assert 0 == only(frames, "input_audio_buffer.speech_started")["audio_start_ms"]


@pytest.mark.parametrize("size", [2, 999, 4800, 48_000])
def test_it_does_not_matter_how_the_audio_is_cut(size: int) -> None:
    """Two bytes or a second at a time."""
    talk = talk_of((500, 900))
    pcm = silence(1500)
    frames = [
        frame
        for at in range(0, len(pcm), size)
        for frame in talk.engine.receive(
            {"type": "input_audio_buffer.append", "audio": b64(pcm[at : at + size])},
            talk.now,
        )
    ]

    assert 200 == only(frames, "input_audio_buffer.speech_started")["audio_start_ms"]
    assert 1100 == only(frames, "input_audio_buffer.speech_stopped")["audio_end_ms"]


def test_a_pause_shorter_than_the_silence_does_not_end_a_turn() -> None:
    """Two words, one turn."""
    talk = talk_of((500, 900), (1200, 1600), silence_duration_ms=400)
    frames = talk.hear(silence(3000))

    assert 1 == types(frames).count("input_audio_buffer.speech_started")
    assert 2000 == only(frames, "input_audio_buffer.speech_stopped")["audio_end_ms"]


def test_two_turns_in_one_append() -> None:
    """Each gets its item; the second follows the first."""
    talk = talk_of((500, 900), (2000, 2500))
    frames = talk.hear(silence(4000))
    committed = [f for f in frames if f["type"] == "input_audio_buffer.committed"]

    assert committed[0]["item_id"] == committed[1]["previous_item_id"]
    assert [900, 1000] == [i["audio_ms"] for i in talk.engine.truth()["items"]]


def test_a_click_is_not_speech() -> None:
    """Shorter than 40 ms."""
    assert [] == talk_of((500, 520)).hear(silence(1500))


def test_the_threshold_is_obeyed() -> None:
    """The same sound is speech for one session and not for the other."""

    def heard(threshold: float) -> list[str]:
        talk = Talk()
        settings = {"type": "server_vad", "threshold": threshold}
        talk.update(audio={"input": {"turn_detection": settings}})
        return types(talk.hear(loud(500)))

    assert ["input_audio_buffer.speech_started"] == heard(0.5)
    assert [] == heard(0.99)


@pytest.mark.parametrize(("eagerness", "pause"), [("high", 500), ("low", 2000)])
def test_semantic_vad_waits_by_eagerness(eagerness: str, pause: int) -> None:
    """The same events."""
    agent = Scripted(["x"], activity=lambda: ScriptedActivity([(500, 900)]))
    talk = Talk(agent)
    settings = {"type": "semantic_vad", "eagerness": eagerness}
    talk.update(audio={"input": {"turn_detection": settings}})
    frames = talk.hear(silence(4000))

    stopped = only(frames, "input_audio_buffer.speech_stopped")
    assert 900 + pause == stopped["audio_end_ms"]


def test_clearing_forgets_the_turn() -> None:
    """Cleared, and what comes next counts on from there."""
    talk = talk_of((500, 900), (1500, 2000))
    talk.hear(silence(700))
    cleared = talk.send("input_audio_buffer.clear")
    too_short = talk.send("input_audio_buffer.commit")
    frames = talk.hear(silence(2000))

    assert ["input_audio_buffer.cleared"] == types(cleared)
    assert "input_audio_buffer_commit_empty" == error(too_short)["code"]
    assert 700 == only(frames[:1], frames[0]["type"])["audio_start_ms"]


def test_switching_detection_off_keeps_the_audio() -> None:
    """What was said so far can be committed by hand."""
    talk = talk_of((500, 5000))
    talk.hear(silence(1000))
    talk.update(audio={"input": {"turn_detection": None}})
    talk.hear(silence(500))
    talk.send("input_audio_buffer.commit")

    assert 1300 == talk.engine.truth()["items"][0]["audio_ms"]


def test_the_buffer_is_bounded() -> None:
    """The oldest audio goes; times stay right."""
    talk = Talk(options={"max_buffer_ms": 1000})
    talk.update(audio={"input": {"turn_detection": None}})
    talk.hear(silence(5000))
    buffer = talk.engine.input_audio.buffer

    assert (1000, 4000, 5000) == (buffer.ms, buffer.starts_ms, buffer.ends_ms)


@pytest.mark.parametrize(("name", "rate"), [("audio/pcmu", 8), ("audio/pcma", 8)])
def test_telephone_formats_count_8_bytes_a_millisecond(name: str, rate: int) -> None:
    """In both directions."""
    talk = Talk(script=["one two"])
    form = {"format": {"type": name}}
    talk.update(audio={"input": {**form, "turn_detection": None}, "output": {**form}})
    talk.send("input_audio_buffer.append", audio=b64(b"\x55" * 8 * 250))
    talk.send("input_audio_buffer.commit")
    frames = talk.answer()
    audio = b"".join(
        base64.b64decode(f["delta"])
        for f in frames
        if f["type"] == "response.output_audio.delta"
    )

    assert 250 == talk.engine.truth()["items"][0]["audio_ms"]
    assert 7 * 60 * rate == len(audio)


def test_speech_is_found_in_telephone_audio() -> None:
    """The detector hears it at its own rate."""
    talk = Talk()
    talk.update(audio={"input": {"format": {"type": "audio/pcmu"}}})
    audio = from_native_sound(silence(300) + loud(500) + silence(400), PCMU)
    frames = talk.send("input_audio_buffer.append", audio=b64(audio))

    assert "input_audio_buffer.speech_stopped" in types(frames)


def test_a_change_of_format_converts_what_is_buffered() -> None:
    """Milliseconds stay what they were."""
    talk = Talk()
    talk.update(audio={"input": {"turn_detection": None}})
    talk.hear(loud(300))
    talk.update(audio={"input": {"format": {"type": "audio/pcma"}}})

    assert 300 == round(talk.engine.input_audio.buffer.ms)
    assert 300 == round(talk.engine.input_audio.buffer.ends_ms)


def test_ears_that_fail_give_a_failed_transcription() -> None:
    """The item stays, the response comes."""

    class Deaf:
        def transcribe(self, pcm: bytes, rate: int) -> str:
            raise RuntimeError("no recognizer")

    talk = Talk(Scripted(["x"], recognizer=Deaf()))
    talk.update(audio={"input": {"transcription": {"model": "whisper-1"}}})
    frames = talk.hear(loud(500) + silence(500))
    name = "conversation.item.input_audio_transcription.failed"
    failed = only(frames, name)

    assert "no recognizer" in failed["error"]["message"]
    assert "response.done" in types(frames)


def test_speech_without_words_has_an_empty_transcript() -> None:
    """completed, but no delta."""

    class Mumble:
        def transcribe(self, pcm: bytes, rate: int) -> str:
            return ""

    talk = Talk(Scripted(["x"], recognizer=Mumble()))
    talk.update(audio={"input": {"transcription": {"model": "whisper-1"}}})
    names = types(talk.hear(loud(500) + silence(500)))
    prefix = "conversation.item.input_audio_transcription."

    assert prefix + "completed" in names
    assert prefix + "delta" not in names


def test_the_agent_reads_what_its_ears_heard() -> None:
    """Whether or not the client asked for transcripts."""
    seen: list[str] = []
    talk = Talk(script=lambda prompt: seen.append(prompt.text))
    talk.hear(loud(500) + silence(500))

    assert [words for words in seen if words.endswith("ms of audio")]


# -- sound -----------------------------------------------------------------------


@pytest.mark.parametrize("form", [PCMU, PCMA])
def test_g711_codes_survive_a_round_trip(form: Any) -> None:
    """Every code means a sample that is coded as itself, zero aside."""
    codes = bytes(range(256))
    again = expand_sound(compress_sound(expand_sound(codes, form), form), form)

    assert expand_sound(codes, form) == again


@pytest.mark.parametrize(
    ("form", "code", "sample"),
    [
        (PCMU, 0xFF, 0),
        (PCMU, 0x80, 32124),
        (PCMU, 0x00, -32124),
        (PCMA, 0xD5, 8),
        (PCMA, 0xAA, 32256),
        (PCMA, 0x2A, -32256),
    ],
)
def test_g711_as_the_itu_has_it(form: Any, code: int, sample: int) -> None:
    """Values of the recommendation's tables."""
    assert [sample] == list(sound_samples(expand_sound(bytes([code]), form)))


def test_changing_the_rate_keeps_the_duration() -> None:
    """Down by three, up by three, and by three halves."""
    pcm = loud(100)

    assert 800 * 2 == len(resample_sound(pcm, 24_000, 8_000))
    assert 1600 * 2 == len(resample_sound(pcm, 24_000, 16_000))
    assert len(pcm) == len(to_native_sound(from_native_sound(pcm, PCMU), PCMU))
    assert pcm == to_native_sound(from_native_sound(pcm, PCM), PCM)
    assert b"" == resample_sound(b"", 8_000, 24_000)


def test_energy_tells_loud_from_quiet() -> None:
    """At any volume there is a probability."""
    activity = EnergyActivity()
    size = activity.chunk_bytes

    assert activity.probability(loud(20)[:size]) > 0.9
    assert activity.probability(silence(20)[:size]) == 0.0
    activity.reset()


@pytest.mark.parametrize(("model", "deltas"), [("whisper-1", 1), ("gpt-4o-x", 4)])
def test_transcripts_come_whole_or_by_the_word(model: str, deltas: int) -> None:
    """As the model that was asked for does it; together they are the transcript."""
    talk = Talk()
    talk.update(audio={"input": {"transcription": {"model": model}}})
    frames = talk.hear(loud(500) + silence(500))
    prefix = "conversation.item.input_audio_transcription."
    pieces = [f["delta"] for f in frames if f["type"] == prefix + "delta"]

    assert deltas == len(pieces)
    assert only(frames, prefix + "completed")["transcript"] == "".join(pieces)


@pytest.mark.parametrize("size", [1, 333, 961, 4801])
def test_speech_is_found_in_pieces_of_an_odd_length(size: int) -> None:
    """A sample cut in two would turn everything after it to noise."""
    talk = Talk()
    quiet = b"\x20\0" * 2400  # Misread by one byte it is loud.
    pcm = quiet + loud(300) + quiet * 8
    frames = [
        frame
        for at in range(0, len(pcm), size)
        for frame in talk.hear(pcm[at : at + size])
    ]
    speech = [name for name in types(frames) if "speech" in name]
    started = only(frames, "input_audio_buffer.speech_started")

    assert 2 == len(speech)
    # The speech begins 100 ms after the beginning, less the padding.
    assert 0 == started["audio_start_ms"]
