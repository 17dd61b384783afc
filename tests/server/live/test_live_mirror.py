"""What the server says is what a client's mirror, and openai's grouper, understand."""

from __future__ import annotations

from typing import Any

import pytest
from openai.lib.live import TranscriptGrouper
from openai.types.live import ServerEvent
from pydantic import TypeAdapter

from realtime_sync import events
from realtime_sync.protocol.codec import Codec
from realtime_sync.server import Call, Delegate, Failure
from realtime_sync.state.live.reduce import reduce_live
from realtime_sync.state.live.snapshot import LiveSnapshot

from ..sounds import b64, loud, silence
from .live_talk import QUESTION, RESPONSES, LiveTalk, of

SERVER_EVENT: TypeAdapter[Any] = TypeAdapter(ServerEvent)
CODEC = Codec(session_type="live")


def mirrored(frames: list[dict[str, Any]]) -> LiveSnapshot:
    """The mirror after frames, each of which is known and fits."""
    snapshot = LiveSnapshot()
    for frame in frames:
        event = CODEC.structure(frame)

        assert not isinstance(event, events.UnknownEvent)
        snapshot = reduce_live(snapshot, event)
    return snapshot


def talked(script: Any, **session: Any) -> LiveTalk:
    """A session in which something was asked."""
    talk = LiveTalk(script=script)
    talk.start(**session)
    talk.ask()
    return talk


def test_a_conversation_is_mirrored_word_for_word() -> None:
    """Both sides, with the server's own history as the truth."""
    talk = talked(["Hello there.", "Good bye."])
    talk.ask()
    talk.send("session.close")
    snapshot = mirrored(talk.frames)
    truth = [
        (item["role"], item["content"][0]["transcript"])
        for item in talk.engine.truth()["items"]
    ]

    assert truth == list(snapshot.transcript())
    assert ("closed", "close_requested", ()) == (
        snapshot.state,
        snapshot.close_reason,
        snapshot.anomalies,
    )
    assert talk.engine.truth()["usage"]["seconds"] == snapshot.usage.seconds


def test_work_is_mirrored_as_open_until_its_answer_is_written() -> None:
    """Two calls, two outputs, one text."""
    talk = talked([[Call("f"), Call("g")], "All done."], delegation=RESPONSES)
    asked = mirrored(talk.frames)
    for done in of(talk.frames, "response.output_item.done"):
        talk.output(done["item"]["call_id"])
    talk.send("response.create")
    answered = mirrored(talk.frames)
    (before,), (after,) = asked.delegations.values(), answered.delegations.values()

    assert ["f", "g"] == [call.name for call in before.calls.values()]
    assert "open" == before.state
    assert ("answered", "All done.") == (after.state, after.text)
    assert 2 == len(after.response_ids)
    assert () == answered.anomalies


@pytest.mark.parametrize("code", ["server_error", "content_filter"])
def test_failed_work_is_mirrored_as_failed(code: str) -> None:
    """Its calls are dropped."""

    def script(prompt: Any) -> Any:
        yield Call("f")
        raise Failure("Oops.", code=code)

    snapshot = mirrored(talked(script, delegation=RESPONSES).frames)
    (work,) = snapshot.delegations.values()

    assert "failed" == work.state
    assert {"dropped"} == {call.state for call in work.calls.values()}


def test_the_users_breaking_in_shows_as_the_end_of_the_models_words() -> None:
    """What the mirror has is what the server's history has: no more than was said."""
    talk = LiveTalk(script=["word " * 60, "Yes?"])
    talk.start()
    talk.hear(QUESTION + silence(2000) + loud(900) + silence(3000))
    snapshot = mirrored(talk.frames)
    spoken = [text for who, text in snapshot.transcript() if who == "assistant"]

    assert 60 > spoken[0].count("word") > 5
    assert "Yes?" == spoken[1]


@pytest.mark.parametrize(
    "kind", ["mute", "unmute", "fixture", "thinking", "instructions", "commentary"]
)
def test_every_answer_fits_the_mirror(kind: str) -> None:
    """No anomaly, whatever is acknowledged."""
    talk = talked([Delegate("Hold on.")])
    if kind == "fixture":
        talk.send("session.output_audio.fixture.play", audio=b64(loud(300)))
    elif "mute" in kind:
        talk.send(f"session.input_audio.{kind}")
    else:
        talk.send(f"session.{kind}.append", content="x", delegation_id=None)
    talk.hear(silence(2000))

    assert () == mirrored(talk.frames).anomalies


def test_openais_grouper_takes_every_fragment() -> None:
    """Two turns each, in order, with the words of the server's history."""
    talk = talked(["Hello there, how are you?", "Good bye to you."])
    talk.hear(silence(2000))
    talk.ask()
    talk.send("session.close")
    closed: list[Any] = []
    with_time = TranscriptGrouper()
    with_time.on("segment.closed", lambda event: closed.append(event.segment))
    for frame in talk.frames:
        with_time.push(SERVER_EVENT.validate_python(frame))
    with_time.close()
    truth = [item["content"][0]["transcript"] for item in talk.engine.truth()["items"]]

    assert truth == [segment.text.strip() for segment in closed]
    assert ["user", "assistant"] * 2 == [segment.speaker for segment in closed]
