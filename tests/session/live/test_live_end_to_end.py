"""Live sessions against the local server, over a socket."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from threading import Barrier, Event
from typing import Any

import pytest

from realtime_sync import RealtimeClient, ReconnectPolicy, Threads, errors, live
from realtime_sync.server import Call, Delegate, Prompt, Say, serve
from realtime_sync.server.host.server import Server
from realtime_sync.server.voice import default_synthesizer

LONG = 20.0


@pytest.fixture
def url() -> Iterator[str]:
    """A local server."""
    with serve(agent="echo") as server:
        yield server.url


def connect(url: str, **options: Any) -> live.LiveSession:
    """An open session."""
    client = RealtimeClient(base_url=url, api_key="k", timeout=LONG)
    return client.connect("gpt-live-1", **options)


def test_silence_keeps_the_clock_running(url: str) -> None:
    """A program that sends nothing is spoken to all the same."""
    with connect(url) as session:
        greeting = session.say("Welcome to the show.").acknowledged()
        snapshot = session.wait_said("welcome")

        assert greeting.end_ms > greeting.start_ms
        assert snapshot.audio.sent_bytes > 0
        assert session.close().confirmed


def test_without_silence_the_clock_stands_still(url: str) -> None:
    """Then nothing is taken up, until audio comes."""
    with connect(url, idle_audio=None) as session:
        handle = session.say("Welcome.")
        with pytest.raises(errors.WaitTimeout):
            handle.acknowledged(0.5)
        session.input_audio.append(bytes(48_000 * 2))

        assert handle.acknowledged().type == "session.commentary.appended"


@pytest.mark.parametrize("format", ["g711_ulaw", "g711_alaw"])
def test_silence_is_of_the_format_of_the_session(url: str, format: str) -> None:
    """A byte of zero is loud in G.711."""
    with connect(url, config=live.LiveConfig(format=format)) as session:
        session.say("Welcome to the show.").acknowledged()
        session.wait_said("welcome")

        # Nobody spoke, and nobody was heard.
        assert "" == session.snapshot.user.text


def test_session_on_shared_threads_keeps_its_clock_too(url: str) -> None:
    """There a loop sees to it, for all of them."""
    with Threads(workers=2) as threads:
        sessions = [connect(url, threads=threads) for _ in range(3)]
        handles = [session.say("Welcome.") for session in sessions]
        for handle in handles:
            handle.acknowledged()
        for session in sessions:
            assert session.close().confirmed


def test_audio_that_the_program_sends_is_heard_in_its_place(url: str) -> None:
    """No silence is mixed into it while it plays."""
    with connect(url) as session:
        session.input_audio.append(bytes(48_000))
        sent = session.snapshot.audio.sent_bytes
        session.wait_for("session.output_audio.delta")

        assert session.snapshot.audio.sent_bytes - sent <= 48_000 + 9_600


def speak(session: live.LiveSession) -> None:
    """Say something that the server takes for speech, and pause."""
    samples = array("h", [9000 if at // 60 % 2 else -9000 for at in range(21_600)])
    session.input_audio.append(bytes(14_400))
    session.input_audio.append(samples)
    session.input_audio.append(bytes(48_000))


def test_delegation_is_answered_by_a_function_that_blocks() -> None:
    """The voice says that it looks, and then what the function found."""
    asked: list[str] = []
    with serve(agent=[[Say("One second."), Delegate()]]) as server:
        with connect(server.url) as session:

            @session.delegate(timeout=LONG)
            def look_up(task: live.Task) -> str:
                asked.append(task.text)
                session.wait_said("one second")
                task.note("still looking").acknowledged()
                return "The gate is B12."

            speak(session)
            snapshot = session.wait_said("the gate is b12")
            session.wait_quiet(0.2)

            [delegation] = session.snapshot.delegations.values()
            assert "answered" == delegation.state
            assert 1 == len(asked)
            assert "" != snapshot.user.text
            kinds = [each.kind for each in session.snapshot.context]
            assert ["thinking", "commentary"] == kinds


def weather(prompt: Prompt) -> Any:
    """Calls two functions at once, and says what both gave."""
    outputs = [
        item["output"]
        for item in prompt.items
        if item["type"] == "function_call_output"
    ]
    if outputs:
        return f"I found {' and '.join(sorted(outputs))}."
    return [
        Call("get_weather", {"city": "Lima"}),
        Call("get_weather", {"city": "Oslo"}),
    ]


def test_two_parallel_calls_are_answered_and_the_backend_goes_on_once() -> None:
    """Each runs once, both at the same time."""
    both = Barrier(2, timeout=LONG)
    cities: list[str] = []
    config = live.LiveConfig(delegation=live.Responses(model="gpt-5.5"))

    def get_weather(city: str) -> str:
        """The weather in a city."""
        cities.append(city)
        both.wait()
        return f"rain in {city}"

    with serve(agent=weather) as server:
        with connect(server.url, config=config, tools=[get_weather]) as session:
            told: list[Any] = []
            session.on("error", told.append)
            speak(session)
            session.wait_said("rain in lima and rain in oslo")
            session.wait_quiet(0.2)

            [delegation] = session.snapshot.delegations.values()
            assert ["Lima", "Oslo"] == sorted(cities)
            assert 2 == len(delegation.response_ids)
            assert ["answered"] * 2 == [c.state for c in delegation.calls.values()]
            session.flush()
            assert [] == told


def test_spoken_question_is_handed_on_and_answered_aloud() -> None:
    """Real speech both ways, and the transcript of both sides."""
    with serve(agent="voice") as server:
        with connect(server.url) as session:

            @session.delegate(settle=0.2)
            def look_up(task: live.Task) -> str:
                assert "weather" in task.text.lower()
                return "It is sunny in Paris."

            heard = session.output_audio(skip_silence=True)
            session.input_audio.append(bytes(14_400))
            session.input_audio.append(
                default_synthesizer().speak("What is the weather in Paris?")
            )
            session.wait_said("it is sunny in paris")

            assert len(next(heard)) > 0
            speakers = [speaker for speaker, _ in session.snapshot.transcript()]
            assert ["user", "assistant"] == speakers[:2]


@pytest.mark.parametrize("echoes", [True, False])
def test_every_command_is_acknowledged(url: str, echoes: bool) -> None:
    """Also by a server that names no command in its answers."""
    query = {} if echoes else {"fault": "no_client_ids"}
    with connect(url, extra_query=query) as session:
        handles = [session.note(f"note {number}") for number in range(3)]
        muted = session.input_audio.mute()
        fixture = session.play_fixture(bytes(9_600))

        assert 3 == len({each.acknowledged().event_id for each in handles})
        assert muted.acknowledged().type.endswith(".muted")
        assert fixture.played() is not None
        assert session.input_audio.unmute().acknowledged() is not None
        named = isinstance(muted.acknowledged().client_event_id, str)
        assert echoes == named


@pytest.mark.parametrize("reason", ["content", "remote_hangup"])
def test_end_that_the_service_makes_is_told(url: str, reason: str) -> None:
    """With its reason, and nothing is renewed."""
    policy = ReconnectPolicy(base=0.01, cap=0.01)
    query = {"fault": f"{reason}:8"}
    with connect(url, extra_query=query, reconnect=policy) as session:
        session.run_forever()

        assert session.close_report.confirmed
        assert reason == session.close_report.reason


@pytest.mark.parametrize("frame", range(1, 12))
def test_cut_at_any_event_fails_every_wait_and_tells_of_no_confirmed_end(
    url: str, frame: int
) -> None:
    """No wait hangs, whatever came before."""
    session = None
    try:
        session = connect(url, extra_query={"fault": f"drop_after:{frame}"})
        handles = [session.say("Hello."), session.note("VIP")]
        for handle in handles:
            handle.acknowledged()
        session.wait_for("session.updated")
    except errors.RealtimeError as exc:
        assert not isinstance(exc, errors.WaitTimeout)
    if session is not None:
        report = session.close()
        assert report.complete
        assert not report.confirmed


@pytest.mark.parametrize(
    "fault",
    [
        "stray_error:4",
        "unknown_event:4",
        "bad_json:4",
        "non_object:4",
        "unknown_fields",
        "null_ids",
        "no_ids",
        "null_fields",
        "no_client_ids",
        "binary",
        "duplicate:session.delegation.created",
        "duplicate:session.commentary.appended",
        "duplicate:session.output_transcript.delta",
        "missing:session.usage.updated",
        "missing:session.thinking.appended",
        "swap:3",
        "late_transcripts",
        "gaps",
    ],
)
def test_odd_server_is_answered_once_all_the_same(fault: str) -> None:
    """What it says beside, twice or not at all ends nothing and doubles nothing."""
    asked: list[str] = []
    with serve(agent=[[Say("One second."), Delegate()]]) as server:
        query = {"fault": fault}
        with connect(server.url, extra_query=query, idle_audio=None) as session:

            @session.delegate
            def look_up(task: live.Task) -> str:
                asked.append(task.id)
                task.note("still looking")
                return "The gate is B12."

            with session.expect("delegation.finished") as over:
                speak(session)
                assert "answered" == over.result(LONG).outcome
            # The session's clock is what it is sent: no need to wait for it.
            session.input_audio.append(bytes(240_000))
            session.wait_said("the gate is b12", timeout=LONG)
            report = session.close()

    assert 1 == len(asked)
    assert report.confirmed


def test_backend_that_fails_with_an_error_alone_is_not_waited_for() -> None:
    """Its delegation has failed, and so has what it called."""
    tools = [{"type": "function", "name": "forecast", "parameters": {}}]
    backend = live.Responses(model="gpt-5.5", tools=tools)
    config = live.LiveConfig(delegation=backend)
    with serve(agent=[Call("forecast", {"city": "Lima"})]) as server:
        query = {"fault": "handoff"}
        with connect(
            server.url, config=config, extra_query=query, idle_audio=None
        ) as session:
            with session.expect("error") as failed:
                speak(session)
                failed.result(LONG)
            session.wait_quiet(0.1, timeout=LONG)

            [work] = session.snapshot.delegations.values()
            assert "failed" == work.state
            assert ["dropped"] == [each.state for each in work.calls.values()]


def test_loss_is_followed_by_another_session() -> None:
    """The server drops the first one."""
    with serve(agent="echo") as server:
        follow_a_loss(server)


def follow_a_loss(server: Server) -> None:
    """Lose a session, and talk on."""
    policy = ReconnectPolicy(base=0.01, cap=0.01)
    restored = Event()
    reports: list[live.LiveRestoreReport] = []
    client = RealtimeClient(base_url=server.url, api_key="k", timeout=LONG)
    session = client.session("gpt-live-1", reconnect=policy)

    @session.on("connection.restored")
    def note(event: Any) -> None:
        reports.append(event.report)
        restored.set()

    with session:
        session.wait_for("session.output_audio.delta")
        first = session.id
        [there] = server.sessions
        there.drop()
        assert restored.wait(LONG)
        session.say("Welcome back.").acknowledged()

        assert [("seed", first)] == [(r.way, r.previous_id) for r in reports]
        assert first != session.id
