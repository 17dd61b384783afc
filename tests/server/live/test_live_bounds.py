"""Nothing that a client sends can grow without an end."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_sync.server import Call, Delegate
from realtime_sync.server.live import appends, backend, decisions, recording, voice

from ..sounds import b64, silence
from .live_talk import RESPONSES, LiveTalk, error, of, only, said, types

QUESTION = {"type": "predicate", "instructions": "Is it?"}
DECISIONS = {"type": "decisions", "decisions": {"model": "m", "questions": [QUESTION]}}


def started(script: Any = None, **session: Any) -> LiveTalk:
    talk = LiveTalk(script=script)
    talk.start(**session)
    return talk


def test_a_recording_that_is_too_long_is_not_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An error says so before the end; the session has ended well all the same."""
    monkeypatch.setattr(recording, "MOST_BYTES", 48 * 1000)
    talk = started(store=True)
    talk.hear(silence(2000))
    frames = talk.send("session.close")

    assert ["error", "session.closed"] == types(frames)
    assert "session_storage_failed" == error(frames)["code"]
    assert "client_event_id" not in error(frames)


def test_rules_fit_into_the_context(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that does not is refused; notes still are taken."""
    monkeypatch.setattr(appends, "CONTEXT_TOKENS", 10)
    talk = started()
    fields = {"content": "word " * 5, "delegation_id": None}
    first = talk.send("session.instructions.append", **fields)
    second = talk.send("session.instructions.append", **fields)
    note = talk.send("session.thinking.append", **fields)

    assert [] == first + note
    assert "context_full" == error(second)["code"]


def test_speech_that_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Words are refused until some have been heard."""
    monkeypatch.setattr(voice, "SPEECH_MS", 1000)
    talk = started()
    fields = {"content": "word " * 20, "delegation_id": None}
    talk.send("session.commentary.append", **fields)
    refused = talk.send("session.commentary.append", **fields)
    heard = talk.hear(silence(8000))
    again = talk.send("session.commentary.append", **fields)

    assert "rate_limit_exceeded" == error(refused)["code"]
    assert 20 == said(heard).count("word")
    assert [] == again


def test_decisions_and_their_items_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An item that is deleted makes room for another."""
    monkeypatch.setattr(decisions, "DECISION_ITEMS", 1)
    monkeypatch.setattr(decisions, "DECISIONS", 1)
    talk = started(delegation=DECISIONS)
    item = {"role": "user", "content": "x"}
    (first,) = talk.send("decision.item.create", item=item)
    second = talk.send("decision.item.create", item=item)
    talk.send("decision.item.delete", item_id=first["item"]["id"])
    third = talk.send("decision.item.create", item=item)
    talk.send("decision.create", event_id="a")
    asked = talk.send("decision.create", event_id="b")
    gone = talk.send("decision.item.delete", item_id=first["item"]["id"])

    assert ["rate_limit_exceeded"] * 2 == [error(f)["code"] for f in (second, asked)]
    assert ["decision.item.created"] == types(third)
    assert "item_id" == error(gone)["param"]


def test_old_calls_and_old_work_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """What names them is refused, as if they had never been."""
    monkeypatch.setattr(backend, "KEPT_CALLS", 1)
    monkeypatch.setattr(voice, "KEPT_CALLS", 1)
    talk = started([[Call("f"), Call("g")]], delegation=RESPONSES)
    one, two = (
        each["item"]["call_id"] for each in of(talk.ask(), "response.output_item.done")
    )
    client = started([Delegate()])
    works = [
        only(client.ask(), "session.delegation.created")["delegation"]["id"]
        for _ in range(2)
    ]
    notes = [
        client.send("session.thinking.append", content="x", delegation_id=work)
        for work in works
    ]

    assert ["error"] == types(talk.output(one))
    assert [] == talk.output(two)
    assert [["error"], []] == [types(note) for note in notes]


def test_audio_that_waits_for_its_time_is_bounded() -> None:
    """With a pace, a client can be far ahead; further is refused."""
    talk = LiveTalk(options={"pace": 1.0, "max_buffer_ms": 1000})
    talk.start()
    ahead = talk.hear(silence(1000))
    refused = talk.send(
        "session.input_audio.append", event_id="a", audio=b64(silence(200))
    )

    assert 1 == len(ahead)
    assert ("rate_limit_exceeded", "a") == (
        error(refused)["code"],
        error(refused)["client_event_id"],
    )


def test_a_fork_may_have_another_backend_but_no_other_owner() -> None:
    """What it does not name is the source's."""
    source = started(store=True, delegation=RESPONSES)
    patch = {"type": "responses", "responses": {"instructions": "New."}}
    fork = LiveTalk(source=source.engine.as_source())
    (frame,) = fork.send("session.start", session={"delegation": patch})
    shown = frame["session"]["delegation"]["responses"]
    other = LiveTalk(source=started(store=True).engine.as_source())
    refused = other.send("session.start", session={"delegation": patch})

    assert ("gpt-5.5", "New.") == (shown["model"], shown["instructions"])
    assert "immutable_field_update" == error(refused)["code"]
