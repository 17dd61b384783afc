"""`on`, `once`, `off`: registering handlers."""

from __future__ import annotations

import contextvars
import functools
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from realtime_sync import events
from realtime_sync.dispatch.router import Router
from realtime_sync.errors import ConfigurationError
from tests.scripted_session import ScriptedSession

DELTA = {"type": "response.output_audio.delta", "item_id": "i", "delta": "AAAA"}


class Log(list):  # type: ignore[type-arg]
    """Handlers that note their name."""

    def handler(self, name: str) -> Any:
        """A new handler."""
        return lambda event: self.append(name)


def test_the_decorator_gives_the_function_back_and_stacks() -> None:
    """The function stays what it was, however many events it handles."""
    router = Router()

    @router.on("response.done")
    @router.on("error")
    def handler(event: Any) -> str:
        return "called"

    assert "called" == handler(None)
    assert ["error", "response.done"] == [sub.key for sub in router.handlers()]


def test_the_call_form_gives_a_subscription() -> None:
    """By which it can be cancelled."""
    router, log = Router(), Log()
    sub = router.on("error", log.handler("1"))
    sub.cancel()

    assert () == router.handlers()


def test_handlers_run_in_the_order_of_registration() -> None:
    """Across exact names, prefixes, ``"*"`` and classes."""
    log = Log()
    with ScriptedSession() as scripted:
        scripted.router.on("*", log.handler("1"))
        scripted.router.on("response.output_audio.delta", log.handler("2"))
        scripted.router.on("response.*", log.handler("3"))
        scripted.router.on(events.ResponseAudioDelta, log.handler("4"))
        scripted.router.on("response.audio.delta", log.handler("5"))
        scripted.router.on("*", log.handler("6"))
        scripted.deliver(DELTA)

    assert ["1", "2", "3", "4", "5", "6"] == log


def test_handlers_of_several_routers_run_in_the_order_of_registration() -> None:
    """A session's own handlers are not before or behind the others."""
    shared, own, log = Router(), Router(), Log()
    with ScriptedSession(routers=(shared, own)) as scripted:
        own.on("error", log.handler("1"))
        shared.on("error", log.handler("2"))
        own.on("error", log.handler("3"))
        scripted.deliver("error")

    assert ["1", "2", "3"] == log


@pytest.mark.parametrize("wire", ["response.audio.delta", DELTA["type"]])
@pytest.mark.parametrize("written", ["response.audio.delta", DELTA["type"]])
def test_either_spelling_is_the_same_subscription(written: str, wire: str) -> None:
    """Whichever the server uses, and whichever the handler was written with."""
    log = Log()
    with ScriptedSession() as scripted:
        scripted.router.on(written, log.handler("1"))
        scripted.deliver({**DELTA, "type": wire})

    assert ["1"] == log


def test_a_prefix_matches_either_spelling() -> None:
    """``response.audio.*`` gets what GA calls ``response.output_audio.*``."""
    log = Log()
    with ScriptedSession() as scripted:
        scripted.router.on("response.audio.*", log.handler("beta"))
        scripted.router.on("response.output_audio.*", log.handler("ga"))
        scripted.deliver(DELTA)
        scripted.deliver("response.done")

    assert ["beta", "ga"] == log


def test_everything_means_every_server_event_once() -> None:
    """Not what we send, and not what the library reports."""
    from realtime_sync.dispatch.notices import ConnectionOpened

    seen: list[Any] = []
    with ScriptedSession() as scripted:
        scripted.router.on("*", lambda event: seen.append(event.type))
        scripted.deliver(DELTA)
        scripted.deliver(ConnectionOpened())
        scripted.deliver(events.ResponseCreate())
        scripted.deliver("vendor.thing")

    assert [DELTA["type"], "vendor.thing"] == seen


def test_what_we_send_is_asked_for_by_prefix() -> None:
    """By name, by pattern, or by class."""
    log = Log()
    with ScriptedSession() as scripted:
        scripted.router.on("client.response.create", log.handler("name"))
        scripted.router.on("client.*", log.handler("pattern"))
        scripted.router.on(events.ResponseCreate, log.handler("class"))
        scripted.router.on("response.*", log.handler("wrong"))
        scripted.deliver(events.ResponseCreate())

    assert ["name", "pattern", "class"] == log


def test_an_unknown_event_comes_under_its_own_name_star_and_class_only() -> None:
    """A handler for a prefix is written for events that have fields."""
    log = Log()
    with ScriptedSession() as scripted:
        scripted.router.on("*", log.handler("star"))
        scripted.router.on("response.*", log.handler("prefix"))
        scripted.router.on("response.vendor", log.handler("name"), unknown=True)
        scripted.router.on(events.UnknownEvent, log.handler("class"))
        scripted.router.on(events.ServerEvent, log.handler("base"))
        scripted.router.on(events.ResponseDone, log.handler("other class"))
        scripted.deliver("response.vendor")

    assert ["star", "name", "class", "base"] == log


def test_a_vendors_prefix_gets_its_unknown_events() -> None:
    """Said with ``unknown=True``."""
    log = Log()
    with ScriptedSession() as scripted:
        scripted.router.on("avatar.*", log.handler("vendor"), unknown=True)
        scripted.router.on("response.*", log.handler("known"), unknown=True)
        scripted.deliver("avatar.moved")
        scripted.deliver("response.vendor")
        scripted.deliver("response.done")

    assert ["vendor", "known", "known"] == log


def test_a_frame_that_is_no_event_comes_under_star_and_class() -> None:
    """It has no name of its own."""
    from tests.scripted_session import GA

    log = Log()
    with ScriptedSession() as scripted:
        scripted.router.on("*", log.handler("star"))
        scripted.router.on("response.*", log.handler("prefix"))
        scripted.router.on(events.UnknownEvent, log.handler("class"))
        scripted.deliver(GA.decode(b"not JSON"))
        scripted.deliver(GA.decode(b"[1, 2]"))

    assert ["star", "class"] * 2 == log


def test_a_misspelt_name_fails_at_the_decorator() -> None:
    """Before the function is even defined."""
    with pytest.raises(ConfigurationError, match="did you mean 'response.done'"):
        Router().on("response.don")


def test_a_wrong_handler_fails_at_the_decorator() -> None:
    """Coroutines, and what takes no argument."""
    router = Router()
    with pytest.raises(TypeError):

        @router.on("error")
        async def later(event: Any) -> None:
            """Never called."""

    with pytest.raises(TypeError):
        router.on("error", lambda: None)

    assert () == router.handlers()


def test_a_mock_can_be_a_handler() -> None:
    """What every test suite does."""
    handler = Mock()
    with ScriptedSession() as scripted:
        scripted.router.on("error", handler)
        scripted.deliver("error")

    handler.assert_called_once()


# -- off ---------------------------------------------------------------------


def test_off_takes_a_handler_an_event_or_both() -> None:
    """It says how many registrations went."""
    router, log = Router(), Log()
    one, two = log.handler("1"), log.handler("2")
    for key in ("error", "response.done", "response.audio.delta"):
        router.on(key, one)
        router.on(key, two)

    assert 1 == router.off("error", one)
    assert 2 == router.off(one)
    assert 1 == router.off("response.output_audio.delta")
    assert 1 == router.off(events.ResponseDone, two)
    assert 0 == router.off("response.done")
    assert ["error"] == [sub.key for sub in router.handlers()]


def test_removing_what_cannot_be_there_is_a_mistake() -> None:
    """A misspelt name would leave its handler in place, and nothing removes all."""
    router = Router()
    router.on("acme.weather", print, unknown=True)

    assert 1 == router.off("acme.weather")
    with pytest.raises(ConfigurationError, match="response.done"):
        router.off("response.doen")
    with pytest.raises(TypeError, match="handler"):
        router.off()


def test_off_finds_bound_methods_and_the_class_of_unknown_events() -> None:
    """A bound method is made anew each time it is looked up."""
    router, log = Router(), Log()
    router.on("error", log.append)
    router.on(events.UnknownEvent, log.handler("1"))

    assert 1 == router.off(log.append)
    assert 1 == router.off(events.UnknownEvent)


def test_off_takes_effect_in_sessions_that_are_open() -> None:
    """At once."""
    log = Log()
    handler = log.handler("1")
    with ScriptedSession() as scripted:
        scripted.router.on("error", handler)
        scripted.deliver("error")
        scripted.router.off(handler)
        scripted.deliver("error")

    assert ["1"] == log


# -- class bodies ------------------------------------------------------------


def test_in_a_class_body_on_only_marks() -> None:
    """`add` registers the bound methods, in the order of the class body."""
    router, log = Router(), []  # type: ignore[var-annotated]

    class Assistant:
        def __init__(self, name: str) -> None:
            self.name = name

        @router.on("error")
        def zulu(self, event: Any) -> None:
            log.append(f"{self.name} zulu")

        @router.on("error")
        @router.on("response.done")
        def alpha(self, event: Any, ctx: Any) -> None:
            log.append(f"{self.name} alpha")

        @router.on("error")
        @staticmethod
        def static_outside(event: Any) -> None:
            log.append("outside")

        @staticmethod
        @router.on("error")
        def static_inside(event: Any) -> None:
            log.append("inside")

        @classmethod
        @router.on("error")
        def of_class(cls, event: Any) -> None:
            log.append(cls.__name__)

    before = router.handlers()
    with ScriptedSession(routers=(router,)) as scripted:
        subs = router.add(Assistant("one"))
        scripted.deliver("error")

    assert () == before
    assert 6 == len(subs)
    assert ["one zulu", "one alpha", "outside", "inside", "Assistant"] == log


def test_marks_are_inherited_and_overridden() -> None:
    """A method that overrides a marked one is a handler only if marked too."""
    router, log = Router(), Log()

    class Base:
        @router.on("error")
        def kept(self, event: Any) -> None:
            log.append("base kept")

        @router.on("error")
        def dropped(self, event: Any) -> None:
            log.append("base dropped")

        @router.on("error")
        def replaced(self, event: Any) -> None:
            log.append("base replaced")

    class Derived(Base):
        @router.on("error")
        def replaced(self, event: Any) -> None:
            log.append("derived replaced")

        def dropped(self, event: Any) -> None:
            log.append("derived dropped")

    with ScriptedSession(routers=(router,)) as scripted:
        router.add(Derived())
        scripted.deliver("error")

    assert ["base kept", "derived replaced"] == log


def test_a_wrong_method_fails_in_the_class_body() -> None:
    """Not only when an instance is added."""
    router = Router()
    with pytest.raises(TypeError):

        class NoEvent:
            @router.on("error")
            def method(self) -> None:
                """Cannot take the event."""

    with pytest.raises(TypeError, match="coroutine"):

        class Later:
            @router.on("error")
            async def method(self, event: Any) -> None:
                """Would not run."""


# -- live --------------------------------------------------------------------


def test_a_router_is_live() -> None:
    """What is registered later reaches sessions that use it already."""
    log = Log()
    router = Router()
    with ScriptedSession(routers=(router,)) as one, ScriptedSession(
        routers=(router,)
    ) as two:
        one.deliver("error")
        sub = router.on("error", log.handler("1"))
        one.deliver("error")
        two.deliver("error")
        sub.cancel()
        one.deliver("error")

    assert ["1", "1"] == log


def test_a_router_does_not_keep_sessions_alive() -> None:
    """A service's router outlives thousands of them."""
    import gc

    router = Router()
    with ScriptedSession(routers=(router,)):
        during = len(router._boards)
    gc.collect()

    assert 1 == during
    assert 0 == len(router._boards)


def test_a_handler_may_register_and_remove_handlers() -> None:
    """They count from the next event on."""
    log = Log()
    with ScriptedSession() as scripted:

        def register(event: Any) -> None:
            log.append("register")
            scripted.router.on("error", log.handler("new"))
            scripted.router.off(register)

        scripted.router.on("error", register)
        scripted.deliver("error")
        scripted.deliver("error")

    assert ["register", "new"] == log


# -- what the session's dialect lacks ----------------------------------------


def test_registering_for_an_event_the_dialect_lacks_warns_once() -> None:
    """For each session and event, at the user's line."""
    with ScriptedSession(dialect="beta") as scripted:
        with pytest.warns(UserWarning, match="no event conversation.item.done") as seen:
            scripted.router.on("conversation.item.done", print)
            scripted.router.on("conversation.item.done", repr)

    assert 1 == len(seen)
    assert __file__ == seen[0].filename


def test_handlers_that_were_there_before_the_session_warn_when_it_opens() -> None:
    """Those of a shared router, for example."""
    router = Router()
    router.on("conversation.item.done", print)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with ScriptedSession(dialect="ga", routers=(router,)):
            pass
    with pytest.warns(UserWarning, match="beta"):
        with ScriptedSession(dialect="beta", routers=(router,)):
            pass


def test_patterns_and_what_the_dialect_has_do_not_warn() -> None:
    """Warnings are errors here."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with ScriptedSession(dialect="beta") as scripted:
            for key in ("*", "conversation.*", "conversation.item.added", "handler.*"):
                scripted.router.on(key, print)


# -- contextvars -------------------------------------------------------------

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id")


def test_a_handler_runs_in_a_copy_of_the_context_of_its_registration() -> None:
    """And what one delivery sets is gone at the next."""
    seen = []

    def handler(event: Any) -> None:
        seen.append(request_id.get("none"))
        request_id.set("changed by the handler")

    router = Router(keeps_context=True)
    with ScriptedSession("thread", routers=(router,)) as scripted:
        token = request_id.set("7")
        router.on("error", handler)
        request_id.reset(token)
        scripted.deliver("error")
        scripted.deliver("error")
        scripted.flush()

    assert ["7", "7"] == seen


def test_an_empty_context_is_a_context() -> None:
    """It does not fall back to that of the session."""
    seen = []
    router = Router(keeps_context=True)
    with ScriptedSession("thread", routers=(router,)) as scripted:
        sessions = contextvars.copy_context()
        sessions.run(request_id.set, "of the session")
        scripted.session.handler_context = sessions
        contextvars.Context().run(
            router.on, "error", lambda event: seen.append(request_id.get("none"))
        )
        scripted.deliver("error")
        scripted.flush()

    assert ["none"] == seen


# -- notebooks ---------------------------------------------------------------


class Notebook:
    """Stands in for IPython: it counts cells."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shell = SimpleNamespace(execution_count=1)
        fake = SimpleNamespace(get_ipython=lambda: self.shell)
        monkeypatch.setitem(sys.modules, "IPython", fake)  # type: ignore[arg-type]

    def run(self, source: str, **names: Any) -> None:
        """Run the source of a cell."""
        self.shell.execution_count += 1
        exec(source, {"__name__": "__main__", **names})


CELL = """
@router.on("error")
def handler(event):
    log.append(version)
"""


def test_a_cell_that_is_run_again_replaces_its_handler(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three times run, one handler: the last."""
    notebook, log = Notebook(monkeypatch), Log()
    with ScriptedSession() as scripted:
        for version in (1, 2, 3):
            notebook.run(CELL, router=scripted.router, log=log, version=version)
        scripted.deliver("error")

    assert [3] == log


def test_what_one_cell_registers_together_stays_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same function twice in one cell, for one event, is two handlers."""
    notebook, log = Notebook(monkeypatch), Log()
    with ScriptedSession() as scripted:
        for version in (1, 2):
            notebook.run(CELL + CELL, router=scripted.router, log=log, version=version)
        scripted.deliver("error")

    assert [2, 2] == log


def test_lambdas_and_local_functions_are_never_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Their names do not tell them apart."""
    notebook, log = Notebook(monkeypatch), Log()
    cell = """
router.on("error", lambda event: log.append(version))
def make():
    def inner(event):
        log.append(-version)
    return inner
router.on("error", make())
"""
    with ScriptedSession() as scripted:
        for version in (1, 2):
            notebook.run(cell, router=scripted.router, log=log, version=version)
        scripted.deliver("error")

    assert [1, -1, 2, -2] == log


def test_another_event_or_name_is_another_handler(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only the same function for the same event is a re-run."""
    notebook, log = Notebook(monkeypatch), Log()
    with ScriptedSession() as scripted:
        notebook.run(CELL, router=scripted.router, log=log, version=1)
        notebook.run(
            CELL.replace("error", "response.done"),
            router=scripted.router,
            log=log,
            version=2,
        )
        notebook.run(
            CELL.replace("handler", "other"), router=scripted.router, log=log, version=3
        )
        scripted.deliver("error")
        scripted.deliver("response.done")

    assert [1, 3, 2] == log


def test_outside_of_a_notebook_nothing_is_replaced() -> None:
    """A script that registers twice means it."""
    log = Log()
    with ScriptedSession() as scripted:
        for version in (1, 2):
            names = {"router": scripted.router, "log": log, "version": version}
            exec(CELL, {"__name__": "__main__", **names})
        scripted.deliver("error")

    assert [1, 2] == log


def test_a_condition_must_be_callable() -> None:
    """Else it would fail at every event instead of at the user's line."""
    with pytest.raises(TypeError, match="where"):
        Router().on("error", where="item_1")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="where"):
        Router().once("error", print, where=5)  # type: ignore[call-overload]


# -- scripts that a host runs again --------------------------------------------


SCRIPT = """
def on_error(event):
    log.append(version)

class Bot:
    def hear(self, event):
        log.append(-version)

router.on("error", on_error)
router.on("error", Bot().hear)
router.on("error", lambda event: log.append("lambda"))
"""


def ran(path: Path, text: str = SCRIPT, **names: Any) -> None:
    """Run a script as a host does that runs it at every click."""
    names["__name__"] = "__main__"
    exec(compile(text, str(path), "exec"), names)


def test_a_script_that_its_host_runs_again_replaces_its_handlers() -> None:
    """Once for each function, and lambdas every time: nothing tells them apart."""
    log = Log()
    with ScriptedSession() as scripted:
        for version in (1, 2, 3):
            ran(Path("app.py"), router=scripted.router, log=log, version=version)
        scripted.deliver("error")

    assert [3, -3] == [each for each in log if each != "lambda"]
    assert 3 == log.count("lambda")


def test_decorated_handlers_of_a_script_are_replaced_too() -> None:
    """The decorator stands in a module that is loaded once."""
    log = Log()
    text = SCRIPT.replace("def on_error", "@wrapped\ndef on_error")
    with ScriptedSession() as scripted:
        for version in (1, 2):
            names = {"router": scripted.router, "wrapped": wrapped}
            ran(Path("app.py"), text, **names, log=log, version=version)
        scripted.deliver("error")

    assert 1 == log.count(2)
    assert 0 == log.count(1)


def wrapped(function: Any) -> Any:
    """A decorator as there are many."""

    @functools.wraps(function)
    def inner(event: Any) -> Any:
        return function(event)

    return inner


def test_two_scripts_are_not_the_same_and_text_without_a_file_is_never() -> None:
    """Although their functions have the same name."""
    log = Log()
    with ScriptedSession() as scripted:
        names = {"router": scripted.router, "log": log}
        ran(Path("one.py"), version=1, **names)
        ran(Path("two.py"), version=2, **names)
        ran(Path("<string>"), version=3, **names)
        ran(Path("<string>"), version=4, **names)
        scripted.deliver("error")

    assert {1, 2, 3, 4} <= set(log)


def test_a_function_registered_twice_by_one_run_is_called_twice() -> None:
    """Nothing was run again; and what is no function is never replaced."""
    log = Log()
    with ScriptedSession() as scripted:
        for _ in range(2):
            scripted.router.on("error", log.append)
        text = SCRIPT + 'router.on("error", on_error)'
        ran(Path("app.py"), text, router=scripted.router, log=log, version=1)
        scripted.deliver("error")

    assert 2 == log.count(1)
    assert 4 == len([each for each in log if each != 1])
