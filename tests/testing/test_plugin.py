"""The fixtures, in test runs of their own."""

from __future__ import annotations

# An inner run forgets what it has imported: what can be imported but once, and what
# others still have of this package, is here before it.
import numpy  # noqa: F401
import pytest
import soxr  # noqa: F401

import realtime_sync.evaluation
import realtime_sync.protocol.events  # noqa: F401
import realtime_sync.testing.scenario
import realtime_sync.tools  # noqa: F401

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
    pytest.mark.caller(gain=-3.0, patience=20.0),
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


def test_a_caller_talks_with_a_session_of_gpt_live(pytester: pytest.Pytester) -> None:
    """A marker names the model, and nothing else is different; no thread is left."""
    result = run(
        pytester,
        """
from realtime_sync import audio, live

@pytest.mark.realtime_server(agent=["Good evening."])
@pytest.mark.realtime_session(model="gpt-live-1")
def test_failure(caller, realtime_session):
    assert isinstance(realtime_session, live.LiveSession)
    caller.say(audio.tone(400, 0.3), text="hello")
    assert caller.hang_up().says("good morning")
""",
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*says('good morning'): FAILED*",
            "*the call*",
            "turn 1 at*",
            "*said: hello*",
            "*answer: Good evening.*",
        ]
    )


REPEATED = """
runs = []

@pytest.fixture(scope="module")
def shared():
    runs.append("shared")
    yield
    runs.append("gone")

@pytest.fixture
def own():
    runs.append("own")
    yield
    runs.append("end")
"""


def test_a_test_is_repeated_with_fixtures_of_its_own(
    pytester: pytest.Pytester,
) -> None:
    """Those of the module are made once, and everything is counted as one test."""
    result = run(
        pytester,
        REPEATED + """
@pytest.mark.realtime_repeat(times=5, pass_rate=0.8)
def test_often(shared, own):
    assert 2 != runs.count("own")

def test_afterwards(shared):
    assert ["shared", *5 * ["own", "end"]] == runs

@pytest.mark.realtime_repeat(times=2)
@pytest.mark.parametrize("place", [1, 2])
def test_each_parameter(place, own):
    assert place
""",
    )

    result.assert_outcomes(passed=4)


def test_too_few_runs_that_pass_are_a_failure_that_shows_them(
    pytester: pytest.Pytester,
) -> None:
    """The first failure in full, of the others the last line and what they printed."""
    result = run(
        pytester,
        REPEATED + """
@pytest.mark.realtime_repeat(times=5, pass_rate=0.8)
def test_seldom(own):
    count = runs.count("own")
    print(f"this is run {count}")
    assert count not in (2, 4), f"run {count} is wrong"

@pytest.mark.realtime_repeat(times=2)
def test_breaks_in_teardown(broken):
    pass

@pytest.fixture
def broken():
    yield
    raise ValueError("not put away")
""",
    )

    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "*AssertionError: run 2 is wrong",
            "this is run 2",
            "3 of 5 runs passed, 0.8 of them must",
            "run 2 failed: AssertionError: run 2 is wrong",
            "run 4 failed: AssertionError: run 4 is wrong",
            "*run 4: Captured stdout call*",
            "this is run 4",
            "*ValueError: not put away",
            "0 of 2 runs passed, 1 of them must",
        ]
    )


def test_runs_that_are_skipped_do_not_count(pytester: pytest.Pytester) -> None:
    """All of them are a skipped test, some of them are left out of the share."""
    result = run(
        pytester,
        REPEATED + """
@pytest.mark.realtime_repeat(times=3)
def test_never(shared, own):
    pytest.skip("no server")

@pytest.mark.realtime_repeat(times=4, pass_rate=0.5)
def test_sometimes(own):
    if runs.count("own") % 2:
        pytest.skip("not now")
    assert runs.count("own") == 6
""",
    )

    result.assert_outcomes(passed=1, skipped=1)


def test_what_cannot_be_repeated_is_told_before_anything_runs(
    pytester: pytest.Pytester,
) -> None:
    """With the test, and what is wrong with its marker."""
    for said, told in (
        ("times=0", "times is 1 or more, not 0"),
        ("times=True", "times is a whole number, not True"),
        ("times=2, pass_rate=80", "pass_rate is above 0, to 1, not 80"),
        ("times=2, rate=0.8", "*unexpected keyword argument 'rate'"),
        ("2", "*positional argument*"),
        ("", "*missing*'times'"),
    ):
        result = run(
            pytester,
            f"""
@pytest.mark.realtime_repeat({said})
def test_it():
    assert False
""",
        )

        assert pytest.ExitCode.USAGE_ERROR == result.ret
        result.stderr.fnmatch_lines([f"*::test_it: the marker realtime_repeat*{told}"])


def test_calls_of_repeated_tests_are_shown_of_each_run_that_fails(
    pytester: pytest.Pytester,
) -> None:
    """And JUnit's report says how many have passed."""
    pytester.makeini("[pytest]\njunit_family = xunit1\n")
    pytester.makepyfile("""
import pytest
from realtime_sync import audio

CONFIG = {"audio": {"input": {"turn_detection": None}}}

@pytest.mark.realtime_server(agent=["Yes."])
@pytest.mark.realtime_session(config=CONFIG)
@pytest.mark.realtime_repeat(times=2)
def test_call(caller):
    caller.say(audio.tone(400, 0.3), text="hello")
    assert caller.hang_up().says("good morning")
""")
    result = pytester.runpytest_inprocess(
        "-p", "realtime_sync.testing.plugin", "--junitxml=calls.xml"
    )

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*the call*", "*run 2: the call*", "*said: hello*"])
    assert 'value="0 of 2 runs passed"' in (pytester.path / "calls.xml").read_text()


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
