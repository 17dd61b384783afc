"""
pytest fixtures; pytest finds them by itself once the package is installed.

Nothing here, and nothing imported at the top, loads the client or the server: the
fixtures do, when a test first asks for one.

.. versionadded:: 0.1
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn, Optional

import pytest

from .repeated_tests import repeats_of, run_repeated

if TYPE_CHECKING:
    from .. import Session
    from ..evaluation import Caller
    from ..server import Server
    from .memory_transport import MemoryTransport
    from .scenario import Scenario

MODEL = "gpt-realtime-2.1"
KEY = "key-for-the-local-server"
_GRACE = 5.0
_TIMEOUT = 10.0
_AT_ONCE = 0.5


def pytest_configure(config: pytest.Config) -> None:
    """Make the markers known."""
    for line in (
        "realtime_server(**arguments): what realtime_server is started with, as for "
        "realtime_sync.server.serve",
        "realtime_session(**arguments): what realtime_session and memory_session are "
        "opened with, as for realtime_sync.connect",
        "caller(**arguments): what caller is made with, as for "
        "realtime_sync.evaluation.Caller",
        "realtime_repeat(times, pass_rate=1.0): run the test so often, with fixtures "
        "of its own each time; so large a share of the runs must pass",
    ):
        config.addinivalue_line("markers", line)


def pytest_itemcollected(item: pytest.Item) -> None:
    """A marker that says what cannot be is told before anything runs."""
    repeats_of(item)


def pytest_runtest_protocol(
    item: pytest.Item, nextitem: Optional[pytest.Item]
) -> Optional[bool]:
    """Tests with the marker ``realtime_repeat`` run here, all others as ever."""
    repeats = repeats_of(item)
    if repeats is None:
        return None
    run_repeated(item, nextitem, repeats)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """A test whose scenario was not kept to fails by itself, not in its teardown."""
    yield
    scenario = getattr(item, "funcargs", {}).get("realtime_scenario")
    if scenario is not None:
        scenario.verify()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that fails shows the turns of its call."""
    report = yield
    caller = getattr(item, "funcargs", {}).get("caller")
    if caller is not None and report.when == "call" and report.failed:
        with suppress(Exception):
            # What the test was about has failed already; this must not hide it.
            report.sections.append(("the call", str(caller.hang_up())))
    return report


@pytest.fixture
def realtime_scenario() -> Scenario:
    """
    A `realtime_sync.testing.Scenario`, verified at the end of the test.

    In a test that asks for it, it takes the place of the agent of the other
    fixtures.
    """
    from .scenario import Scenario

    return Scenario()


@pytest.fixture
def realtime_server(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Server]:
    """
    The local server, on a free port of this machine; it echoes.

    The environment names it (``OPENAI_BASE_URL``), so that a program that knows
    nothing of the test connects to it. A marker says otherwise how it is::

        @pytest.mark.realtime_server(agent=["Lima."], faults=["drop_after:9"])
    """
    from ..server import serve

    arguments = _marker_arguments_for_fixture(request, "realtime_server")
    arguments.setdefault("agent", _agent_for_fixture(request))
    with serve(**arguments) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        yield server


@pytest.fixture
def realtime_session(
    request: pytest.FixtureRequest, realtime_server: Server
) -> Iterator[Session]:
    """
    An open session with `realtime_server`.

    It is closed at the end, and the test fails if that leaves a thread. A marker
    gives other arguments to `realtime_sync.connect`::

        @pytest.mark.realtime_session(config={"instructions": "Be brief."})
    """
    from .. import connect

    arguments = _marker_arguments_for_fixture(request, "realtime_session")
    arguments = {"model": MODEL, "api_key": KEY, "timeout": _TIMEOUT, **arguments}
    before = set(threading.enumerate())
    session = connect(base_url=realtime_server.url, **arguments)
    yield session
    session.close()
    left = _threads_left_by_test(session.name, before)
    if left:
        _fail_fixture(f"the session left threads behind: {', '.join(left)}")


@pytest.fixture
def caller(request: pytest.FixtureRequest) -> Iterator[Caller]:
    """
    A `realtime_sync.evaluation.Caller` of `realtime_session`.

    Needs the extra ``evaluation``. The markers say how it sounds, and what it calls::

        @pytest.mark.realtime_server(agent="voice")
        @pytest.mark.caller(voice="deep", noise=-45.0)
        def test_capital(caller):
            caller.say("What is the capital of Peru?")
            caller.hang_up().require(says("Lima"), first_audio_ms(p95=2000))

    A test that fails shows the turns of the call.
    """
    from ..evaluation import Caller

    session = request.getfixturevalue("realtime_session")
    with Caller(session, **_marker_arguments_for_fixture(request, "caller")) as caller:
        yield caller


@pytest.fixture
def memory_transport(request: pytest.FixtureRequest) -> MemoryTransport:
    """
    The `realtime_sync.testing.MemoryTransport` of `memory_session`.

    Behind it is what the marker ``realtime_server`` names as the agent, or
    `realtime_scenario`, or an echo.
    """
    from ..server import ManualClock, open_engine
    from .memory_transport import MemoryTransport

    arguments = _marker_arguments_for_fixture(request, "realtime_server")
    unfit = set(arguments) - {"agent", "seed", "mcp", "clock"}
    if unfit:
        _fail_fixture(
            f"there is no server in memory to take {', '.join(sorted(unfit))}"
        )
    clock = arguments.pop("clock", None) or ManualClock()
    wanted = _marker_arguments_for_fixture(request, "realtime_session")
    spoken = {
        name: wanted[name] for name in ("dialect", "session_type") if name in wanted
    }
    agent = arguments.pop("agent", None) or _agent_for_fixture(request)
    if not hasattr(agent, "engine"):
        agent = open_engine(agent, now=clock.now(), **spoken, **arguments)
    return MemoryTransport(agent, clock=clock, **spoken)


@pytest.fixture
def memory_session(
    request: pytest.FixtureRequest, memory_transport: MemoryTransport
) -> Iterator[Session]:
    """
    An open session without a socket and without threads.

    Whatever a call brings about has happened when it returns. The test feeds frames
    to, and looks at, `memory_transport`.
    """
    from .. import connect

    arguments = _marker_arguments_for_fixture(request, "realtime_session")
    arguments = {"dispatch": "inline", "timeout": _AT_ONCE, **arguments}
    session = connect(transport=memory_transport, **arguments)
    yield session
    session.close()


def _marker_arguments_for_fixture(
    request: pytest.FixtureRequest, name: str
) -> dict[str, Any]:
    """What the markers say, the one nearest to the test above the others."""
    arguments: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers(name))):
        if marker.args:
            _fail_fixture(f"the marker {name} takes keyword arguments only")
        arguments.update(marker.kwargs)
    return arguments


def _fail_fixture(reason: str) -> NoReturn:
    """The reason is enough: where this stands helps nobody."""
    pytest.fail(reason, pytrace=False)


def _agent_for_fixture(request: pytest.FixtureRequest) -> Any:
    if "realtime_scenario" in request.fixturenames:
        return request.getfixturevalue("realtime_scenario")
    return "echo"


def _threads_left_by_test(name: str, before: set[threading.Thread]) -> list[str]:
    """Names of the session's threads that do not end."""
    new = [thread for thread in threading.enumerate() if thread not in before]
    mine = [thread for thread in new if f" {name} " in f"{thread.name} "]
    for thread in mine:
        thread.join(_GRACE)
    return [_place_of_pytest_thread(thread) for thread in mine if thread.is_alive()]


def _place_of_pytest_thread(thread: threading.Thread) -> str:
    frame: Optional[Any] = sys._current_frames().get(thread.ident or 0)
    where = "" if frame is None else f" in {frame.f_code.co_name}"
    return thread.name + where
