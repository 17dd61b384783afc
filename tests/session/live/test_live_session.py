"""Live sessions: opened, spoken through, waited on, closed."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_sync import RealtimeClient, Session, errors
from realtime_sync.protocol.live.counterparts import IN_LIVE, IN_REALTIME
from realtime_sync.session.live import LiveConfig, LiveSession, Responses, events
from realtime_sync.testing import MemoryTransport
from realtime_sync.transport.endpoint import Endpoint

from .live_session import SESSION, LiveServer, closed, delegated, live_session, said

PCM = b"\0\1" * 480
RESOURCES = {"conversation", "input_audio_buffer", "output_audio_buffer", "response"}


def test_session_starts_with_the_model_in_the_first_command() -> None:
    """Never in the address; and what is not given is not sent."""
    config = LiveConfig(instructions="Be brief.", voice="marin", store=True)
    with live_session(config=config) as (session, server):
        assert "live_u0_1" == session.id
        assert "active" == session.snapshot.state

    [start] = server.sent("session.start")
    assert {
        "model": "gpt-live-1",
        "instructions": "Be brief.",
        "audio": {"output": {"voice": "marin"}},
        "delegation": {"type": "client"},
        "store": True,
    } == start["session"]


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({}, "/v1/live/sessions"),
        (
            {"call_id": "live_u0/1"},
            "/v1/live/sessions/live_u0%2F1/attach?graceful_close=true",
        ),
        ({"fork_of": "live_u0_1"}, "/v1/live/sessions/live_u0_1/fork"),
    ],
)
def test_route_has_the_id_and_never_the_model(
    options: dict[str, str], path: str
) -> None:
    """An id is opaque, so that it is encoded whole."""
    for base in ("https://api.openai.com/v1", "wss://api.openai.com/v1/live/sessions"):
        url = Endpoint.openai(base).websocket_url(
            model="gpt-live-1", session_type="live", **options
        )

        assert f"wss://api.openai.com{path}" == url


def test_azure_says_its_deployment_in_the_first_command() -> None:
    """Its route is that of the service, below the resource."""
    endpoint = Endpoint.azure("res", "voice")

    assert "wss://res.openai.azure.com/openai/v1/live/sessions" == (
        endpoint.websocket_url(session_type="live")
    )
    server = LiveServer()
    client = RealtimeClient(endpoint=endpoint, api_key="k")
    session: Any = client.session(
        session_type="live", transport=server.transport, dispatch="inline"
    )
    with session:
        assert "voice" == server.sent("session.start")[0]["session"]["model"]


def test_refusal_to_start_is_raised_at_once() -> None:
    """The service says so without naming the command, and closes later."""
    error = {"type": "invalid_request_error", "code": None, "message": "Too long."}
    server = LiveServer(lambda frame: {"type": "error", "error": error})

    with pytest.raises(errors.ConnectFailed, match="Too long"):
        with live_session(server):
            pass


def test_server_of_realtime_alone_ends_in_words() -> None:
    """It greets, and knows nothing of what it is then sent."""
    transport = MemoryTransport()
    client = RealtimeClient(base_url="ws://127.0.0.1:9", api_key="k")

    with pytest.raises(errors.WaitTimeout, match="GPT-Live"):
        client.connect(
            "gpt-live-1", transport=transport, connect_timeout=0.05, dispatch="inline"
        )


@pytest.mark.parametrize("echoes", [True, False])
def test_acknowledgements_find_their_commands(echoes: bool) -> None:
    """By the id, and where a server leaves it out the oldest of its kind."""
    with live_session(LiveServer(echoes=echoes)) as (session, server):
        assert session.input_audio.mute().acknowledged().type.endswith(".muted")
        assert session.snapshot.audio.muted
        assert session.input_audio.unmute().acknowledged().type.endswith(".unmuted")
        server.silent.add("session.thinking.append")
        first, second = session.note("one"), session.note("two")
        told = {"client_event_id": second.event_id} if echoes else {}
        times = {"start_ms": 0, "end_ms": 200}
        server.feed({"type": "session.thinking.appended", **times, **told})

        assert (not echoes, echoes) == (first.done(), second.done())


def test_error_fails_its_own_command_and_no_other() -> None:
    """One without an id is the service's own trouble: the session goes on."""
    server = LiveServer()
    server.silent |= {"session.thinking.append"}
    with live_session(server) as (session, server):
        handle = session.note("VIP")
        inner = {"type": "server_error", "code": None, "message": "handoff incomplete"}
        server.feed({"type": "error", "error": inner})
        server.feed({"type": "error", "error": "plain words"})

        assert not handle.done()

        named = {**inner, "client_event_id": handle.event_id}
        server.feed({"type": "error", "error": named})

        with pytest.raises(errors.CommandRejected, match="handoff") as caught:
            handle.acknowledged()
        assert handle.event_id == caught.value.event_id
        assert session.is_open


def test_long_text_goes_in_pieces_that_the_service_takes() -> None:
    """In order, at ends of sentences, and acknowledged as a whole."""
    text = "A sentence of some length. " * 120
    with live_session() as (session, server):
        handle = session.say(text)
        handle.acknowledged()

        sent = [each["content"] for each in server.sent("session.commentary.append")]
        assert len(sent) == len(handle.handles) == 4
        assert text.strip() == " ".join(sent)
        assert all(len(each) <= 1000 and each.endswith(".") for each in sent)
        assert all(
            None is each["delegation_id"]
            for each in server.sent("session.commentary.append")
        )


@pytest.mark.parametrize(
    ("audio", "problem"),
    [
        (b"\0", errors.LocalProtocolError),
        ("text", TypeError),
        (object(), TypeError),
    ],
)
def test_audio_that_is_none_fails_at_the_call(
    audio: Any, problem: type[Exception]
) -> None:
    """Half a sample would shift every one after it."""
    with live_session() as (session, server):
        with pytest.raises(problem):
            session.input_audio.append(audio)

        assert [] == server.sent("session.input_audio.append")


def test_audio_moves_the_clock_of_the_mirror() -> None:
    """Its bytes are what the program has sent, once the next event came."""
    with live_session() as (session, server):
        session.input_audio.append(PCM)
        session.input_audio.append(bytearray(PCM))
        server.feed({"type": "session.output_audio.delta", "delta": "AAAA"})

        assert 2 * len(PCM) == session.snapshot.audio.sent_bytes
        assert 3 == session.snapshot.audio.received_bytes
        ids = [c["event_id"] for c in server.sent("session.input_audio.append")]
        assert 2 == len(set(ids))


def test_update_changes_only_what_may_change() -> None:
    """Everything else fails before it is sent, and says what to do instead."""
    config = LiveConfig(delegation=Responses(model="gpt-5"))
    with live_session(config=config) as (session, server):
        session.update(delegation=Responses(instructions="Short.")).acknowledged()
        for fields in ({"instructions": "x"}, {"voice": "cedar"}, {"tools": []}):
            with pytest.raises(errors.ConfigurationError, match="cannot be changed"):
                session.update(**fields)
        with pytest.raises(errors.ConfigurationError, match="stays 'responses'"):
            session.update(delegation="client")

        [update] = server.sent("session.update")
        inner = {"type": "responses", "responses": {"instructions": "Short."}}
        assert {"delegation": inner} == update["session"]


def test_fixture_is_playing_and_then_played() -> None:
    """Two answers to one command; another one's end is not taken for it."""
    with live_session() as (session, server):
        handle = session.play_fixture(PCM)
        told = {"client_event_id": handle.command.event_id}
        server.feed({"type": "session.output_audio.fixture.playing", **told})
        handle.playing()
        assert session.snapshot.audio.fixture
        other = {"client_event_id": "other"}
        server.feed({"type": "session.output_audio.fixture.played", **other})
        with pytest.raises(errors.WaitTimeout):
            handle.played(timeout=0.01)
        server.feed({"type": "session.output_audio.fixture.played", **told})

        assert handle.played() is not None
        with pytest.raises(errors.LocalProtocolError, match="30 s"):
            session.play_fixture(bytes(31 * 48_000))


def test_keys_are_pressed_over_the_sideband_only() -> None:
    """One command for each key, in order."""
    with live_session() as (session, server):
        with pytest.raises(errors.LocalProtocolError, match="sideband"):
            session.send_dtmf("1")
    with live_session(call_id="live_u0_1") as (session, server):
        handles = session.send_dtmf("1#")
        with pytest.raises(errors.LocalProtocolError, match="keys"):
            session.send_dtmf("1x")
        sent = [each["event"] for each in server.sent("transport.dtmf.send")]
        server.feed({"type": "transport.dtmf.sent", "event": "1"})

        assert ["1", "#"] == sent
        assert [True, False] == [each.done() for each in handles]


def test_attached_session_learns_of_itself_and_starts_nothing() -> None:
    """Late, it is told by the answer to an empty update."""
    with live_session(call_id="live_u0_1") as (session, server):
        assert [] == server.sent("session.start")
        assert [{}] == [each["session"] for each in server.sent("session.update")]
        assert "live_u0_1" == session.id
        session.close()

        assert [] == server.sent("session.close")


def test_close_waits_for_the_final_usage() -> None:
    """The report says what is billed, and that it is final."""
    with live_session() as (session, server):
        report = session.close()

        assert "close_requested" == report.reason
        assert 18.0 == report.seconds
        assert report.confirmed and report.complete
        assert session.close() == report
        [sent] = server.sent("session.close")
        assert sent["event_id"]


def test_end_that_nobody_confirms_is_reported_as_such() -> None:
    """In the time that closing may take."""
    server = LiveServer()
    server.silent.add("session.close")
    with live_session(server, close_timeout=0.1) as (session, server):
        report = session.close()

        assert report.reason is None
        assert not report.confirmed
        assert report.complete


def test_handler_may_close_the_session() -> None:
    """It gets an incomplete report at once; the end comes by itself."""
    with live_session() as (session, server):
        reports = []
        session.on("info", lambda event: reports.append(session.close()))
        server.feed({"type": "info", "code": "c", "message": "m"})
        session.run_forever()

        assert [False] == [each.complete for each in reports]
        assert session.close_report.confirmed


@pytest.mark.parametrize("reason", ["expired", "content", "remote_hangup"])
def test_end_that_the_service_makes_is_reported(reason: str) -> None:
    """Without our having asked for it."""
    with live_session() as (session, server):
        server.feed(closed(reason=reason))
        server.transport.cut(1000)

        assert reason == session.close().reason
        assert session.close_report.confirmed


def test_audio_of_the_model_can_be_had_without_its_silence() -> None:
    """The service sends it all the time."""
    loud, quiet = "/38=" * 1, "AAA="
    with live_session() as (session, server):
        heard = session.output_audio(skip_silence=True)
        every = session.output_audio()
        for piece in (quiet, loud, quiet):
            server.feed({"type": "session.output_audio.delta", "delta": piece})

        assert b"\xff\x7f" == next(heard)
        assert [2, 2, 2] == [len(next(every)) for _ in range(3)]


def test_waits_for_words_and_for_quiet() -> None:
    """A word that was said before is there at once."""
    with live_session() as (session, server):
        server.feed(said("user", "It is", 200), said("user", " Friday", 400))

        assert session.wait_said("it is friday", speaker="user") is session.snapshot
        with pytest.raises(errors.WaitTimeout):
            session.wait_said("friday", timeout=0.01)
        session.wait_quiet(0.01, timeout=1)
        server.feed(delegated("item_1"))
        with pytest.raises(errors.WaitTimeout, match="work is open"):
            session.wait_quiet(0.0, timeout=0.01)


@pytest.mark.parametrize(
    "use",
    [
        lambda s: s.response.create(),
        lambda s: s.response.cancel(),
        lambda s: s.conversation.item.create({}),
        lambda s: s.conversation.item.truncate("i", audio_end_ms=1),
        lambda s: s.conversation.add_message("x"),
        lambda s: s.input_audio_buffer.commit(),
        lambda s: s.ask("x"),
        lambda s: s.send({"type": "response.cancel"}),
        lambda s: s.send({"type": "input_audio_buffer.append", "audio": ""}),
    ],
)
def test_verb_of_realtime_raises_and_says_what_to_do(use: Any) -> None:
    """Nothing of it is sent."""
    with live_session() as (session, server):
        before = len(server.transport.sent)
        with pytest.raises(errors.WrongProtocol):
            use(session)

        assert before == len(server.transport.sent)
        assert not hasattr(session, "no_such_thing")


def test_what_only_one_protocol_has_is_explained_in_the_other() -> None:
    """Whatever is added to the one is missed by who changes over."""
    ours, theirs = (
        {name for name in dir(each) if not name.startswith("_")}
        for each in (LiveSession, Session)
    )
    of_realtime = {name for name in theirs - ours if name not in RESOURCES}

    assert of_realtime <= IN_LIVE.keys()
    assert ours - theirs <= IN_REALTIME.keys()


def generates(answer: Any) -> Any:
    """A generator function: calling it runs nothing."""
    yield answer


@pytest.mark.parametrize(
    ("use", "error", "words"),
    [
        (lambda s: s.delegate(generates), TypeError, "plain function"),
        (lambda s: s.delegate(lambda: 1), TypeError, "called with the task"),
        (lambda s: s.delegate(parallel="2")(print), errors.ConfigurationError, "para"),
        (lambda s: s.delegate(timeout="1")(print), errors.ConfigurationError, "time"),
        (lambda s: s.delegate(settle=None)(print), errors.ConfigurationError, "settle"),
        (lambda s: s.decision("q")(5), TypeError, "plain function"),
        (lambda s: s.decision()(generates), TypeError, "plain function"),
        (lambda s: s.decision()(lambda: 1), TypeError, "called with the answer"),
        (lambda s: s.wait_said(5), TypeError, "expected text"),
        (lambda s: s.say(b"x"), TypeError, "expected text"),
        (lambda s: s.play_fixture(b""), errors.LocalProtocolError, "0 bytes"),
        (lambda s: s.play_fixture("x"), TypeError, "not str"),
        (lambda s: s.send_dtmf("1x"), errors.LocalProtocolError, "keys are"),
        (lambda s: s.rotate_after(lambda: False), errors.WrongProtocol, "two hours"),
        (lambda s: s.history_report, errors.WrongProtocol, "LiveConfig"),
    ],
)
def test_mistake_of_the_program_fails_at_its_line(
    use: Any, error: type[Exception], words: str
) -> None:
    """In words, and before anything is sent."""
    with live_session() as (session, server):
        before = len(server.transport.sent)
        with pytest.raises(error, match=words):
            use(session)

        assert before == len(server.transport.sent)


@pytest.mark.parametrize("text", [5, None, b"x"])
def test_backend_is_asked_in_text(text: Any) -> None:
    """What is no text fails before it is sent."""
    config = LiveConfig(delegation=Responses(model="m"))
    with live_session(config=config) as (session, server):
        with pytest.raises(TypeError, match="expected text"):
            session.ask_backend(text)

        assert [] == server.sent("response.item.create")


@pytest.mark.parametrize("verb", ["say", "note", "delegate", "input_audio"])
def test_verb_of_a_live_session_raises_in_one_of_realtime(verb: str) -> None:
    """The other way round."""
    client = RealtimeClient(base_url="ws://127.0.0.1:9", api_key="k")
    session = client.session("gpt-realtime-2.1", transport=MemoryTransport())

    assert isinstance(session, Session)
    with pytest.raises(errors.WrongProtocol, match="session"):
        getattr(session, verb)
    with pytest.raises(errors.WrongProtocol):
        with session:
            session.send({"type": "session.start"})


@pytest.mark.parametrize("name", ["response.done", "input_audio_buffer.speech_started"])
def test_event_of_realtime_fails_at_the_decorator(name: str) -> None:
    """With what to listen for instead; so does waiting for it."""
    with live_session() as (session, server):
        for use in (session.on, session.wait_for, session.expect, session.events):
            with pytest.raises(errors.ConfigurationError, match="live session"):
                use(name)


def test_handlers_hear_live_events_by_name_and_class() -> None:
    """With the snapshot as of the event."""
    with live_session() as (session, server):
        heard = []
        session.on("session.output_transcript.delta", lambda e: heard.append(e.delta))

        @session.on(events.InputTranscriptDelta)
        def note(event: events.InputTranscriptDelta, ctx: Any) -> None:
            heard.append(ctx.snapshot.user.text)
            assert ctx.item is None and ctx.response is None

        server.feed(said("user", "Hi", 0), said("assistant", "Hello", 400))
        server.feed(said("user", " you", 200))

        assert ["Hi", "Hello", "Hi you"] == heard


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        ("gpt-live-1", {"session_type": "realtime"}, "session_type"),
        ("gpt-realtime-2.1", {"session_type": "live"}, "Realtime"),
        ("gpt-live-1", {"wait_created": False}, "wait_created"),
        ("gpt-live-1", {"dialect": "beta"}, "dialect"),
        ("gpt-live-1", {"call_id": "a", "fork_of": "b"}, "not both"),
        ("gpt-realtime-2.1", {"fork_of": "b"}, "fork_of"),
    ],
)
def test_options_that_do_not_fit_fail_at_the_call(
    model: str, options: dict[str, Any], words: str
) -> None:
    """Before anything is opened."""
    client = RealtimeClient(base_url="ws://127.0.0.1:9", api_key="k")

    with pytest.raises(errors.ConfigurationError, match=words):
        client.session(model, **options)


@pytest.mark.parametrize(
    "config", [{"turn_detection": None}, {"tools": []}, {"temperature": 1}]
)
def test_field_that_the_service_would_refuse_fails_at_the_call(
    config: dict[str, Any],
) -> None:
    """Unknown ones end a session before it begins."""
    with pytest.raises(TypeError, match="no field"):
        with live_session(config=config):
            pass


def test_session_without_a_model_or_with_two_is_refused() -> None:
    """The model is required, and says what the session is."""
    with pytest.raises(errors.ConfigurationError, match="names 'other'"):
        with live_session(config={"model": "other"}):
            pass
    client = RealtimeClient(base_url="ws://127.0.0.1:9", api_key="k")
    with pytest.raises(errors.ConfigurationError, match="needs a model"):
        client.connect(session_type="live", transport=MemoryTransport())


def test_client_makes_a_live_session_by_name_or_by_type() -> None:
    """And leaves the transcription model alone, which is called alike."""
    client = RealtimeClient(base_url="ws://127.0.0.1:9", api_key="k")

    assert isinstance(client.session("gpt-live-1.1"), LiveSession)
    assert isinstance(client.session("voice", session_type="live"), LiveSession)
    assert isinstance(client.session("gpt-live-transcribe"), Session)
    assert SESSION["model"] == "gpt-live-1"


def test_memory_transport_stands_for_a_live_server() -> None:
    """By itself it starts, updates and ends a session."""
    transport = MemoryTransport(session_type="live")
    client = RealtimeClient(base_url="ws://127.0.0.1:9", api_key="k")
    session = client.connect("gpt-live-1.1", transport=transport, dispatch="inline")
    session.update(triggers=[]).acknowledged()
    report = session.close()

    assert "gpt-live-1.1" == session.snapshot.session.model
    assert report.confirmed
    assert (1000, "") == transport.closed


def test_text_that_is_to_be_said_is_no_quiet() -> None:
    """The answer to a delegation is spoken a while after the function has returned."""
    server = LiveServer()
    server.silent.add("session.commentary.append")
    with live_session(server) as (session, server):
        handle = session.say("The gate is B12.")
        with pytest.raises(errors.WaitTimeout, match="work is open"):
            session.wait_quiet(0.0, timeout=0.01)
        error = {"type": "invalid_request_error", "code": None, "message": "no"}
        named = {"client_event_id": handle.event_id}
        server.feed({"type": "error", "error": {**error, **named}})

        session.wait_quiet(0.0, timeout=1)
