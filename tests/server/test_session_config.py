"""The session's configuration: what is shown, kept, cleared, discarded."""

from __future__ import annotations

from typing import Any

import pytest

from .talking import START, Talk, error, only, types


def shown(talk: Talk, **session: Any) -> dict[str, Any]:
    """Update and return the session that the answer shows."""
    found: dict[str, Any] = only(talk.update(**session), "session.updated")["session"]
    return found


def test_a_session_is_shown_complete_from_the_start() -> None:
    """With the defaults of the live service."""
    session = Talk().opening[0]["session"]

    assert {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 200,
        "idle_timeout_ms": None,
        "create_response": True,
        "interrupt_response": True,
    } == session["audio"]["input"]["turn_detection"]
    assert ("realtime", "realtime.session") == (session["type"], session["object"])
    assert (["audio"], "inf", "alloy") == (
        session["output_modalities"],
        session["max_output_tokens"],
        session["audio"]["output"]["voice"],
    )
    assert START + 3600 == session["expires_at"]
    assert session["id"].startswith("sess_")


def test_a_transcription_session_shows_less() -> None:
    """No model, no output, no answering."""
    session = Talk(session_type="transcription", model="").opening[0]["session"]

    assert {"type", "object", "id", "expires_at", "audio", "include"} == set(session)
    assert {"type", "threshold", "prefix_padding_ms", "silence_duration_ms"} == set(
        session["audio"]["input"]["turn_detection"]
    )


def test_only_what_is_named_is_changed() -> None:
    """Deep inside audio too."""
    talk = Talk()
    before = shown(talk, instructions="Be kind.")
    after = shown(talk, audio={"output": {"voice": "marin"}})

    assert "Be kind." == after["instructions"]
    assert before["audio"]["input"] == after["audio"]["input"]
    assert {**before["audio"]["output"], "voice": "marin"} == after["audio"]["output"]


def test_null_clears() -> None:
    """Turn detection, transcription, noise reduction."""
    talk = Talk()
    heard = {
        "transcription": {"model": "whisper-1"},
        "noise_reduction": {"type": "near_field"},
    }
    shown(talk, audio={"input": heard})
    names = ("turn_detection", "transcription", "noise_reduction")
    cleared = shown(talk, audio={"input": dict.fromkeys(names)})["audio"]["input"]

    assert {name: None for name in names} == {name: cleared[name] for name in names}


def test_what_the_client_left_out_is_filled_in() -> None:
    """Defaults of the kind of turn detection; nulls of a transcription."""
    talk = Talk()
    heard = {
        "turn_detection": {"type": "semantic_vad"},
        "transcription": {"model": "whisper-1"},
    }
    session = shown(talk, audio={"input": heard})["audio"]["input"]

    assert {
        "type": "semantic_vad",
        "eagerness": "auto",
        "create_response": True,
        "interrupt_response": True,
    } == session["turn_detection"]
    assert {"model": "whisper-1", "language": None, "prompt": None} == (
        session["transcription"]
    )


def test_a_refused_update_changes_nothing() -> None:
    """Not even the fields that were right."""
    talk = Talk()
    before = talk.engine.session()
    refused = talk.update(instructions="Be rude.", output_modalities=["video"])

    assert "invalid_value" == error(refused)["code"]
    assert before == talk.engine.session()


def test_the_models_own_name_is_no_change() -> None:
    """Naming it again is accepted."""
    assert "gpt-realtime-2.1" == shown(Talk(), model="gpt-realtime-2.1")["model"]


def test_beta_is_flat_and_has_a_temperature() -> None:
    """And shows what was asked for."""
    talk = Talk(dialect="beta")
    frames = talk.send(
        "session.update",
        session={
            "modalities": ["text"],
            "temperature": 0.7,
            "output_audio_format": "g711_alaw",
            "turn_detection": None,
            "max_response_output_tokens": 100,
        },
    )
    session = only(frames, "session.updated")["session"]

    assert (["text"], 0.7, "g711_alaw", None, 100) == (
        session["modalities"],
        session["temperature"],
        session["output_audio_format"],
        session["turn_detection"],
        session["max_response_output_tokens"],
    )
    assert not {"audio", "type", "truncation", "prompt"} & set(session)


def test_a_response_may_differ_from_its_session() -> None:
    """And shows what holds for it."""
    talk = Talk(script=["x"])
    frames = talk.answer(
        output_modalities=["text"],
        max_output_tokens=10,
        audio={"output": {"voice": "cedar"}},
    )
    response = frames[0]["response"]

    assert (["text"], 10, "cedar") == (
        response["output_modalities"],
        response["max_output_tokens"],
        response["audio"]["output"]["voice"],
    )
    assert "alloy" == talk.engine.session()["audio"]["output"]["voice"]


@pytest.mark.parametrize("dialect", ["ga", "beta"])
def test_every_event_has_an_id_of_its_own(dialect: str) -> None:
    """And ids follow from the random source alone."""
    import random

    def run() -> list[Any]:
        talk = Talk(script=["one two"], dialect=dialect, rng=random.Random(7))
        return [*talk.opening, *talk.say("hello"), *talk.answer()]

    first, second = run(), run()
    ids = [frame["event_id"] for frame in first]

    assert len(ids) == len(set(ids))
    assert first == second
    assert all(len(frame["item"]["id"]) <= 32 for frame in first if "item" in frame)


def test_max_output_tokens_makes_a_response_incomplete() -> None:
    """It stops at the bound, and says why."""
    talk = Talk(script=["word " * 50])
    frames = talk.answer(output_modalities=["text"], max_output_tokens=5)
    response = only(frames, "response.done")["response"]

    assert ("incomplete", "max_output_tokens") == (
        response["status"],
        response["status_details"]["reason"],
    )
    assert 5 <= response["usage"]["output_tokens"] <= 7
    assert "incomplete" == response["output"][0]["status"]


def test_usage_follows_its_rule() -> None:
    """Four characters, 100 ms, 50 ms; what was read before counts as cached."""
    talk = Talk(script=["12345678"])
    talk.update(instructions="x" * 400)
    talk.say("y" * 40)
    first = only(talk.answer(), "response.done")["response"]["usage"]
    second = only(talk.answer(), "response.done")["response"]["usage"]

    assert 100 + 10 == first["input_tokens"]
    assert {"text_tokens": 2, "audio_tokens": 10, "reasoning_tokens": 0} == (
        first["output_token_details"]
    )
    assert first["total_tokens"] == first["input_tokens"] + first["output_tokens"]
    assert 64 == second["input_token_details"]["cached_tokens"]
    assert 10 == second["input_token_details"]["audio_tokens"]


def test_rate_limits_count_down() -> None:
    """By what responses used."""
    talk = Talk(script=["x"], options={"tokens_per_minute": 1000})
    first = only(talk.answer(), "rate_limits.updated")["rate_limits"][0]
    second = only(talk.answer(), "rate_limits.updated")["rate_limits"][0]

    assert ("tokens", 1000) == (first["name"], first["limit"])
    assert second["remaining"] < first["remaining"] < 1000


def test_a_session_expires() -> None:
    """Error, and the engine wants the connection closed."""
    talk = Talk(options={"session_seconds": 60.0})
    frames = talk.later(61)

    assert ["error"] == types(frames)
    assert "session_expired" == error(frames)["code"]
    assert talk.engine.closing is not None
    assert 1001 == talk.engine.closing[0]
    assert [] == talk.later(100)
