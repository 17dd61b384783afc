"""What was asked for and is not answered yet: named later, given up, refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from realtime_sync import Audio, RealtimeClient, Session, audio, connect
from realtime_sync.errors import (
    CommandRejected,
    ConfigurationError,
    DialectMismatch,
    WaitTimeout,
)
from realtime_sync.server import serve
from realtime_sync.testing import MemoryTransport
from tests.rawserver import Peer, RawServer

ANSWER = b"\x01\x02" * 2400


def begin(peer: Peer, response_id: str, command: Any) -> None:
    """Say that a response has begun."""
    metadata = command["response"].get("metadata")
    said = {"id": response_id, "status": "in_progress", "metadata": metadata}
    peer.say({"type": "response.created", "response": said})


def end(peer: Peer, response_id: str, status: str) -> None:
    """Say that a response is over."""
    said = {"id": response_id, "status": status, "output": []}
    peer.say({"type": "response.done", "response": said})


def test_interrupting_what_has_no_name_yet_cancels_and_mutes_it() -> None:
    """The program changed its mind before the server had begun."""
    played: list[bytes] = []

    def script(peer: Peer) -> None:
        peer.greet()
        command = peer.hear_until("response.create")
        peer.hear_until("input_audio_buffer.clear")
        begin(peer, "resp_1", command)
        delta = {"response_id": "resp_1", "item_id": "item_1", "delta": "AAAA"}
        peer.say({"type": "response.output_audio.delta", **delta})
        cancelled.append(peer.hear_until("response.cancel"))
        end(peer, "resp_1", "cancelled")
        peer.answer_close()

    cancelled: list[Any] = []
    with RawServer(script) as server, connect("m", base_url=server.url) as session:
        with audio.Player(played.append) as player, player.attach(session) as attached:
            handle = session.response.create()
            attached.interrupt()
            session.input_audio_buffer.clear()
            reply = handle.result(timeout=5, check=False)

    assert "resp_1" == cancelled[0]["response_id"]
    assert "cancelled" == reply.status
    assert b"" == b"".join(played).strip(b"\0")


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("conversation", ["auto", "none"])
def test_a_question_out_of_time_is_cancelled(named: bool, conversation: str) -> None:
    """Nobody waits for the answer, and the next question would wait behind it."""

    def script(peer: Peer) -> None:
        peer.greet()
        command = peer.hear_until("response.create")
        if named:
            begin(peer, "resp_1", command)
        else:
            peer.hear_until("input_audio_buffer.clear")
            begin(peer, "resp_1", command)
        cancelled.append(peer.hear_until("response.cancel"))
        end(peer, "resp_1", "cancelled")
        peer.answer_close()

    cancelled: list[Any] = []
    with RawServer(script) as server:
        with connect("m", base_url=server.url) as session:
            with session.expect("response.done") as done:
                with pytest.raises(WaitTimeout):
                    session.ask("one", timeout=0.2, conversation=conversation)
                session.input_audio_buffer.clear()
            done.result(timeout=5)

    assert ["resp_1"] == [command["response_id"] for command in cancelled]


def test_a_question_out_of_time_is_left_alone_if_asked() -> None:
    """Somebody else may want the answer."""
    heard: list[str] = []

    def script(peer: Peer) -> None:
        peer.greet()
        begin(peer, "resp_1", peer.hear_until("response.create"))
        heard.append(peer.hear()["type"])
        end(peer, "resp_1", "completed")
        peer.answer_close()

    with RawServer(script) as server, connect("m", base_url=server.url) as session:
        with session.expect("response.done") as done:
            with pytest.raises(WaitTimeout):
                session.ask("one", timeout=0.2, on_timeout="leave")
            session.input_audio_buffer.clear()
        done.result(timeout=5)

    assert ["input_audio_buffer.clear"] == heard


def test_a_word_that_is_none_is_refused_before_anything_is_sent() -> None:
    """A misspelt choice must not be taken for the default."""
    with serve(agent=["Yes."]) as server:
        with connect("gpt-realtime-2.1", base_url=server.url) as session:
            with pytest.raises(ValueError, match="on_timeout"):
                session.ask("one", on_timeout="forget")  # type: ignore[arg-type]


def test_a_question_is_a_file(tmp_path: Path) -> None:
    """What was recorded need not be decoded by hand."""
    sent: list[Any] = []
    path = Audio(ANSWER).save(tmp_path / "question.wav")
    with serve(agent=["Yes."]) as server:
        with connect("gpt-realtime-2.1", base_url=server.url) as session:
            session.on("client.conversation.item.create", sent.append)
            reply = session.ask(path, timeout=5)

    assert "Yes." == reply.text
    assert [ANSWER] == [command.item.content[0].audio for command in sent]


@pytest.mark.parametrize("name", ["missing.wav", "question.txt"])
def test_a_question_that_is_no_sound_is_refused_at_the_line(
    name: str, tmp_path: Path
) -> None:
    """Nothing is sent."""
    (tmp_path / "question.txt").write_text("Is this audio?")
    with serve(agent=["Yes."]) as server:
        with connect("gpt-realtime-2.1", base_url=server.url) as session:
            with pytest.raises((OSError, ConfigurationError)):
                session.ask(tmp_path / name, timeout=5)

            assert () == session.snapshot.items


@pytest.mark.parametrize(
    "config",
    [
        None,
        {"audio": {"input": {"transcription": {"language": "en"}}}},
        {"input_audio_transcription": {"language": "en"}},
        {"audio": {"input": {"turn_detection": None}}},
    ],
)
def test_the_model_of_a_transcription_session_is_its_inputs(config: Any) -> None:
    """The URL of such a session has no place for it, and it was dropped."""
    with serve(agent="echo") as server:
        with connect(
            "gpt-4o-transcribe",
            base_url=server.url,
            session_type="transcription",
            config=config,
        ) as session:
            transcription = session.config.audio.input.transcription

    assert "gpt-4o-transcribe" == transcription.model


@pytest.mark.parametrize("dialect", ["ga", "beta"])
@pytest.mark.parametrize(
    "config",
    [
        {"audio": {"output": {"voice": "marin"}}},
        {"audio": {"output": {"format": {"type": "audio/pcmu"}, "speed": 1.1}}},
        {"voice": "marin"},
        {"output_audio_format": "g711_ulaw"},
    ],
    ids=["voice", "format and speed", "flat voice", "flat format"],
)
def test_how_a_transcription_session_is_to_speak_is_refused(
    config: Any, dialect: Any
) -> None:
    """At the first configuration and at a later one, before anything is sent."""
    options: Any = {"session_type": "transcription", "dialect": dialect}
    with pytest.raises(ConfigurationError, match="no use for audio.output"):
        connect("m", transport=MemoryTransport(), config=config, **options)
    transport = MemoryTransport()
    with connect("m", transport=transport, dispatch="inline", **options) as session:
        transport.take()
        with pytest.raises(ConfigurationError, match="no use for audio.output"):
            session.update(**config)
        session.update(audio={"input": {"noise_reduction": None}, "output": None})

        assert 1 == len(transport.take())


@pytest.mark.parametrize(
    ("dialect", "config", "refused"),
    [
        ("ga", {"output_modalities": ["text"]}, True),
        ("ga", {"modalities": ["text"]}, True),
        ("ga", {"output_modalities": None}, False),
        ("beta", {"modalities": ["text"]}, False),
    ],
)
def test_modalities_of_a_transcription_session_are_the_betas(
    dialect: Any, config: Any, refused: bool
) -> None:
    """Elsewhere the whole configuration would be refused by the server."""
    transport = MemoryTransport()
    options: Any = {"session_type": "transcription", "dialect": dialect}
    with connect("m", transport=transport, dispatch="inline", **options) as session:
        transport.take()
        if refused:
            with pytest.raises(ConfigurationError, match="output_modalities"):
                session.update(**config)
        else:
            session.update(**config)

        assert (0 if refused else 1) == len(transport.take())


def test_two_models_of_a_transcription_session_are_refused() -> None:
    """One of them would have been dropped silently."""
    with serve(agent="echo") as server:
        with pytest.raises(ConfigurationError, match="whisper-1"):
            connect(
                "gpt-4o-transcribe",
                base_url=server.url,
                session_type="transcription",
                config={"audio": {"input": {"transcription": {"model": "whisper-1"}}}},
            )


@pytest.mark.parametrize("kind", ["transcription", "translation"])
def test_tools_are_refused_where_nothing_calls_them(kind: Any) -> None:
    """An argument that a session cannot use is a mistake of the caller."""
    with pytest.raises(ConfigurationError, match="tools="):
        RealtimeClient(api_key="x").session("m", session_type=kind, tools=[print])


def refusing(error: dict[str, Any]) -> Any:
    """A script that refuses the configuration."""

    def script(peer: Peer) -> None:
        peer.greet()
        command = peer.hear_until("session.update")
        refusal = {"event_id": command["event_id"], **error}
        peer.say({"type": "error", "error": refusal})
        peer.answer_close()

    return script


UNKNOWN = "unknown_parameter"


@pytest.mark.parametrize(
    ("dialect", "error", "other"),
    [
        ("ga", {"message": "Unknown parameter: 'session.type'."}, "beta"),
        ("ga", {"code": UNKNOWN, "param": "session.audio", "message": "No."}, "beta"),
        (
            "ga",
            {"message": "Unknown parameter: 'session.output_modalities'."},
            "beta",
        ),
        ("beta", {"message": "Unknown or invalid event: session.update"}, "ga"),
        (
            "beta",
            {"message": "Missing required parameter: 'session.type'."},
            "ga",
        ),
        ("beta", {"code": UNKNOWN, "param": "session.modalities", "message": ""}, "ga"),
    ],
)
def test_a_refused_dialect_is_named(dialect: Any, error: Any, other: str) -> None:
    """The remedy is a word, and the error says it."""
    with RawServer(refusing(error)) as server:
        with pytest.raises(DialectMismatch, match=f'dialect="{other}"'):
            connect(
                "m",
                base_url=server.url,
                dialect=dialect,
                config={"instructions": "Be brief."},
            )


REMEDIES = [
    ("ga", "Unknown parameter: 'session.type'.", "beta"),
    ("ga", "Unknown parameter: 'session.audio'.", "beta"),
    ("ga", "Unknown parameter: session.max_output_tokens.", "beta"),
    ("ga", "Unknown parameter: 'response.output_modalities'.", "beta"),
    ("ga", "Invalid value: 'output_text'. Supported values are: 'text'.", "beta"),
    ("beta", "Missing required parameter: 'session.type'.", "ga"),
    ("beta", "Unknown parameter: 'session.input_audio_format'.", "ga"),
    ("beta", "Unknown parameter: 'session.temperature'.", "ga"),
    ("beta", "Unknown parameter: 'response.modalities'.", "ga"),
    ("beta", "Invalid value: 'text'. Supported values are: 'output_text'.", "ga"),
]


@pytest.mark.parametrize("dialect, words, other", REMEDIES)
def test_a_refused_command_of_an_open_session_names_the_dialect(
    dialect: Any, words: str, other: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The first change may come long after the session was opened, unawaited."""

    def script(peer: Peer) -> None:
        peer.greet()
        for _ in range(2):
            command = peer.hear_until("session.update")
            refusal = {"event_id": command["event_id"], "message": words}
            peer.say({"type": "error", "error": refusal})
        peer.answer_close()

    with RawServer(script) as server:
        with connect("m", base_url=server.url, dialect=dialect) as session:
            with session.expect("error") as told:
                session.update(instructions="Be brief.")
            told.result(5)
            with pytest.raises(CommandRejected, match=f'dialect="{other}"'):
                session.update(instructions="Be brief.").acknowledged(5)

    assert f'dialect="{other}"' in caplog.messages[0]


@pytest.mark.parametrize(
    "dialect, words",
    [
        ("ga", "Unknown parameter: 'session.audio.input.seed'."),
        ("ga", "Unknown parameter: 'session.types'."),
        ("ga", "Invalid value: 'loud'. Supported values are: 'output_text'."),
        ("beta", "Unknown parameter: 'session.audio'."),
        ("beta", "Unknown parameter: 'session.voice[0]'."),
        ("xai", "Unknown parameter: 'session.type'."),
    ],
)
def test_a_field_that_both_dialects_have_says_nothing_of_them(
    dialect: Any, words: str
) -> None:
    """A wrong remedy would be worse than none."""

    def script(peer: Peer) -> None:
        peer.greet()
        command = peer.hear_until("session.update")
        refusal = {"event_id": command["event_id"], "message": words}
        peer.say({"type": "error", "error": refusal})
        peer.answer_close()

    with RawServer(script) as server:
        with connect("m", base_url=server.url, dialect=dialect) as session:
            with pytest.raises(CommandRejected) as caught:
                session.update(instructions="Be brief.").acknowledged(5)

    assert words == str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        {"message": "Unknown parameter: 'session.seed'.", "param": "session.seed"},
        {"message": "Invalid value: 'loud'.", "param": "session.audio.output.voice"},
        {"message": "Missing required parameter: 'session.tools[0].name'."},
    ],
)
def test_another_refusal_stays_what_it_is(error: Any) -> None:
    """Only what the dialects differ in says that one of them is wrong."""
    with RawServer(refusing(error)) as server:
        with pytest.raises(CommandRejected):
            connect("m", base_url=server.url, config={"instructions": "Be brief."})


def test_a_server_that_does_not_greet_is_named_with_the_way_around() -> None:
    """Relays lose ``session.created`` now and then."""

    def script(peer: Peer) -> None:
        peer.upgrade()
        peer.hold()

    with RawServer(script) as server:
        with pytest.raises(WaitTimeout, match="wait_created=False"):
            connect("m", base_url=server.url, connect_timeout=0.3)


# -- errors of a server that never says whose they are ---------------------------

TROUBLE = {
    "type": "server_error",
    "code": "internal_error",
    "message": "unexpected keyword argument 'format'",
}


def failing(peer: Peer) -> None:
    """A server that breaks in the middle of a response, which never ends."""
    peer.greet()
    begin(peer, "resp_1", peer.hear_until("response.create"))
    delta = {"response_id": "resp_1", "item_id": "item_1", "delta": "Hel"}
    peer.say({"type": "response.output_text.delta", **delta})
    peer.hear_until("input_audio_buffer.clear")
    peer.say({"type": "error", "error": TROUBLE})
    peer.answer_close()


def fail(session: Session) -> None:
    """Have the server break."""
    with session.expect("error") as error:
        session.input_audio_buffer.clear()
    error.result(5)


def text_of(session: Session) -> None:
    """Iterate over an answer."""
    for _ in session.response.create().text_deltas(timeout=1.0):
        fail(session)


def events_of(session: Session) -> None:
    """Iterate over events; the error comes while one of them is looked at."""
    stream = session.events("response.output_text.delta", timeout=1.0)
    session.response.create()
    for _ in stream:
        fail(session)


def another(session: Session) -> None:
    """Ask for one more while the first is not over."""
    with session.expect("response.output_text.delta") as begun:
        session.response.create()
    begun.result(5)
    fail(session)
    session.response.create(on_conflict="wait", timeout=0.2)


def whole(session: Session) -> None:
    """Wait for the end of the answer."""
    with session.expect("response.output_text.delta") as begun:
        handle = session.response.create()
    begun.result(5)
    fail(session)
    handle.result(timeout=0.2)


@pytest.mark.parametrize("wait", [text_of, events_of, another, whole])
def test_a_wait_in_vain_names_what_the_server_complained_of(wait: Any) -> None:
    """Whatever is waited for, and wherever the caller was when it came."""
    with RawServer(failing) as server, connect("m", base_url=server.url) as session:
        with pytest.raises(WaitTimeout) as caught:
            wait(session)

    assert TROUBLE["message"] in str(caught.value)
    assert ["internal_error"] == [each.error.code for each in caught.value.errors]


@pytest.mark.parametrize(
    "dialect, error, other",
    [
        ("ga", "Unknown parameter: 'session.type'.", "beta"),
        ("beta", "Unknown or invalid event: session.update", "ga"),
    ],
)
def test_a_wait_in_vain_names_the_remedy(dialect: Any, error: str, other: str) -> None:
    """An error that names no command may still tell what is wrong."""

    def script(peer: Peer) -> None:
        peer.greet()
        peer.hear_until("input_audio_buffer.commit")
        peer.say({"type": "error", "error": {"message": error, "param": "model"}})
        peer.answer_close()

    with RawServer(script) as server:
        with connect("m", base_url=server.url, dialect=dialect) as session:
            with session.expect("error") as complaint:
                commit = session.input_audio_buffer.commit()
            complaint.result(5)
            with pytest.raises(WaitTimeout, match=f'dialect="{other}"'):
                commit.acknowledged(timeout=0.2)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("code", ["engine_overheated", None])
def test_a_question_fails_at_once_with_an_error_that_says_not_whose_it_is(
    late: bool, code: Any
) -> None:
    """Everything that waits is this question's: its item and its answer."""

    def script(peer: Peer) -> None:
        peer.greet()
        item = peer.hear_until("conversation.item.create")["item"]
        if late:
            peer.say({"type": "conversation.item.added", "item": item})
            peer.hear_until("response.create")
        peer.say({"type": "error", "error": {"message": "too hot", "code": code}})
        peer.answer_close()

    with RawServer(script) as server, connect("m", base_url=server.url) as session:
        with pytest.raises(CommandRejected, match="too hot") as caught:
            session.ask("Hello", timeout=20)

    assert code == caught.value.code


def test_what_was_given_up_and_is_over_at_once_is_not_cancelled() -> None:
    """A server that says only the end of a response leaves nothing to cancel."""
    transport = MemoryTransport()
    with connect(transport=transport, dispatch="inline") as session:
        handle = session.response.create()
        session.response.cancel_unnamed()
        transport.feed({"type": "response.done", "response": {"id": "r"}})

        assert "completed" == handle.result(0).status
    assert ["response.create"] == [frame["type"] for frame in transport.sent]
