"""The fixtures, in test runs of their own."""

from __future__ import annotations

# An inner run forgets what it has imported, and these can be imported but once.
import numpy  # noqa: F401
import pytest
import soxr  # noqa: F401

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def bare(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inner runs load this plugin and no other, installed or not."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeini("[pytest]\naddopts = --strict-markers\n")


def run(pytester: pytest.Pytester, source: str) -> pytest.RunResult:
    """Run a test file with the plugin."""
    pytester.makepyfile(f"import pytest\nfrom realtime_sync import connect\n{source}")
    return pytester.runpytest_inprocess("-p", "realtime_sync.testing.plugin")


def test_server_and_session_are_there(pytester: pytest.Pytester) -> None:
    """An echo answers, without any configuration."""
    result = run(
        pytester,
        """
def test_echo(realtime_server, realtime_session):
    assert "Hello" == realtime_session.ask("Hello").text
    assert 1 == len(realtime_server.sessions)

def test_another(realtime_session):
    assert realtime_session.is_open
""",
    )

    result.assert_outcomes(passed=2)


def test_program_connects_to_the_server_by_its_environment(
    pytester: pytest.Pytester,
) -> None:
    """What is tested need not know that it is; afterwards all is as before."""
    result = run(
        pytester,
        """
import os

def test_program(realtime_server):
    with connect("gpt-realtime") as session:
        assert "Hi" == session.ask("Hi", timeout=5).text

def test_afterwards():
    assert "OPENAI_BASE_URL" not in os.environ
""",
    )

    result.assert_outcomes(passed=2)


def test_markers_configure_server_and_session(pytester: pytest.Pytester) -> None:
    """The one nearest to the test wins, name by name."""
    result = run(
        pytester,
        """
from realtime_sync.errors import ConnectionLost
from realtime_sync.testing import faults

pytestmark = pytest.mark.realtime_server(agent=["Lima."], seed=1)

@pytest.mark.realtime_session(config={"instructions": "Be brief."}, name="mine")
def test_agent(realtime_session):
    assert "Lima." == realtime_session.ask("Capital of Peru?").text
    assert "Be brief." == realtime_session.config.instructions
    assert "mine" == realtime_session.name

@pytest.mark.realtime_server(faults=[faults.drop_after("response.created")])
def test_fault(realtime_session):
    with pytest.raises(ConnectionLost):
        realtime_session.ask("Capital of Peru?")

@pytest.mark.realtime_server(agent=lambda prompt: "Quito.")
def test_nearest(memory_session):
    assert "Quito." == memory_session.ask("Capital of Ecuador?").text

@pytest.mark.realtime_server("echo")
def test_wrong(realtime_server):
    pass

@pytest.mark.realtime_server(port=80)
def test_unfit(memory_session):
    pass
""",
    )

    result.assert_outcomes(passed=3, errors=2)
    result.stdout.fnmatch_lines_random(
        ["*no server in memory to take port*", "*takes keyword arguments only*"],
    )


def test_scenario_takes_the_place_of_the_agent(pytester: pytest.Pytester) -> None:
    """Over a socket and in memory."""
    result = run(
        pytester,
        """
from realtime_sync.testing import frames

def play(scenario, session):
    scenario.allow("conversation.item.create")
    scenario.expect("response.create").reply(frames.answer("Lima."))
    assert "Lima." == session.ask("Capital of Peru?").text

def test_socket(realtime_scenario, realtime_session):
    play(realtime_scenario, realtime_session)

def test_memory(realtime_scenario, memory_session):
    play(realtime_scenario, memory_session)
""",
    )

    result.assert_outcomes(passed=2)


def test_scenario_that_is_not_kept_to_fails_the_test(
    pytester: pytest.Pytester,
) -> None:
    """The test itself fails, with the list, though its own lines all passed."""
    result = run(
        pytester,
        """
def test_leftover(realtime_scenario):
    realtime_scenario.expect("response.create")

def test_miss(realtime_scenario, memory_session):
    memory_session.response.create()

def test_own_failure_comes_first(realtime_scenario):
    realtime_scenario.expect("response.create")
    assert "my own" == "reason"
""",
    )

    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(
        [
            "*1. response.create: came 0 times*",
            "*response.create was not expected*",
            "*nothing at all*",
            "*'my own' == 'reason'*",
        ]
    )


def test_a_caller_speaks_with_the_session_and_shows_its_turns_on_failure(
    pytester: pytest.Pytester,
) -> None:
    """The marker says how it sounds; the report has what was said and heard."""
    result = run(
        pytester,
        """
from realtime_sync import audio

CONFIG = {"audio": {"input": {"turn_detection": None}}}
pytestmark = [
    pytest.mark.realtime_server(agent=["Good evening."]),
    pytest.mark.realtime_session(config=CONFIG),
    pytest.mark.caller(gain=-3.0, patience=4.0),
]

def test_call(caller):
    caller.say(audio.tone(400, 0.3), text="hello")
    call = caller.hang_up()
    assert call.says("good evening")
    assert caller.conditions.gain == -3.0

def test_failure(caller):
    caller.say(audio.tone(400, 0.3), text="hello")
    assert caller.hang_up().says("good morning")
""",
    )

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["*the call*", "turn 1 at*", "*said: hello*", "*answer: Good evening.*"]
    )


def test_memory_session_has_no_thread_and_a_transport(
    pytester: pytest.Pytester,
) -> None:
    """Frames are fed, commands looked at, time is moved."""
    result = run(
        pytester,
        """
import threading

@pytest.mark.realtime_session(dialect="beta")
def test_beta(memory_session, memory_transport):
    memory_session.update(instructions="x").acknowledged()
    assert "type" not in memory_transport.sent[0]["session"]

def test_memory(memory_session, memory_transport):
    heard = []
    memory_session.on("vendor.a", lambda event: heard.append(event.type), unknown=True)
    memory_transport.feed({"type": "vendor.a"})
    memory_session.response.cancel()
    memory_transport.advance(10)
    assert ["vendor.a"] == heard
    assert ["response.cancel"] == [f["type"] for f in memory_transport.sent]
    assert not [t for t in threading.enumerate() if t.name.startswith("realtime-sync")]
""",
    )

    result.assert_outcomes(passed=2)


def test_session_that_leaves_a_thread_fails(pytester: pytest.Pytester) -> None:
    """A handler that never returns is named with the place where it is."""
    result = run(
        pytester,
        """
import threading
from realtime_sync.testing import plugin

plugin._GRACE = 0.1
stop = threading.Event()

@pytest.mark.realtime_session(close_timeout=0.2, name="stubborn")
def test_handler_hangs(realtime_session):
    started = threading.Event()

    @realtime_session.on("response.done")
    def never_returns(event):
        started.set()
        stop.wait(20)

    realtime_session.ask("Hello")
    assert started.wait(5)

def test_after():
    stop.set()
""",
    )

    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(
        ["*left threads behind: realtime-sync stubborn worker*"]
    )


def test_markers_and_fixtures_are_explained(pytester: pytest.Pytester) -> None:
    """``--markers`` and ``--fixtures`` say what there is."""
    plugin = ("-p", "realtime_sync.testing.plugin")
    markers = pytester.runpytest_inprocess(*plugin, "--markers")
    fixtures = pytester.runpytest_inprocess(*plugin, "--fixtures")

    markers.stdout.fnmatch_lines(["@pytest.mark.realtime_server(*"])
    names = ("realtime_scenario", "realtime_server", "realtime_session",
             "memory_transport", "memory_session")  # fmt: skip
    fixtures.stdout.fnmatch_lines_random([f"{name} -- *" for name in names])
