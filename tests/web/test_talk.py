"""What a page to talk in is given: wrong, it is told to the program that gives it."""

from __future__ import annotations

import ssl
import threading
from typing import Any, cast

import pytest

from realtime_sync import RealtimeClient, errors, live
from realtime_sync.web import WebHost, add_talk, serve

LOCAL = "http://127.0.0.1:9/v1"
FAULTS = (TypeError, errors.RealtimeError)


async def later(session: object) -> None:
    """Would never run."""


def nothing() -> None:
    """Takes no session."""


def pieces(session: object) -> Any:
    """Would run nothing: it is a generator."""
    yield session


def tool(city: str) -> str:
    """The weather of a city."""
    return city


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"config": {"instrctions": "Be brief."}}, "there is no field 'instrctions'"),
        ({"config": {"voice": 5}}, "audio.output.voice: expected text"),
        ({"config": {"audio": []}}, "session.audio: expected AudioConfig"),
        ({"config": {"turn_detection": "server_vad"}}, "turn_detection: expected"),
        ({"config": {"tools": [tool]}}, r"session.tools\[0\]: expected"),
        ({"config": {"type": "transcription"}}, "cannot become a transcription"),
        ({"config": {5: 5}}, "names of fields, not 5"),
        ({"config": []}, "config must be a mapping, not list"),
        ({"config": ""}, "config must be a mapping, not str"),
        ({"config": 0}, "config must be a mapping, not int"),
        ({"config": live.LiveConfig()}, "there is no field 'delegation'"),
        ({"model": "gpt-live-1", "config": {"voice": "a"}}, "no field 'voice'"),
        ({"model": "gpt-live-1", "config": []}, "config must be a LiveConfig"),
        (
            {"model": "gpt-live-1", "config": live.LiveConfig(format="mp3")},
            "format must be one of 'pcm16'",
        ),
        (
            {"model": "gpt-live-1", "config": live.LiveConfig(voice=cast(Any, 5))},
            "audio.output.voice: expected text",
        ),
        ({"model": 5}, "model must be text, not int"),
        ({"on_session": 5}, "5 cannot be called"),
        ({"on_session": nothing}, "is called with a session"),
        ({"on_session": later}, "on_session is a plain function"),
        ({"on_session": pieces}, "on_session is a plain function"),
        ({"port": -1}, "cannot listen on port -1"),
        ({"port": "80"}, "cannot listen on port '80'"),
        ({"token": 12345678}, "the token is text"),
        ({"token": "short"}, "less than 8 characters"),
        ({"tls": True}, "tls is an ssl.SSLContext, not bool"),
        ({"tls": ssl.create_default_context()}, "tls is for clients"),
        ({"allowed_hosts": "app.example"}, "allowed_hosts"),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, str) else "",
)
def test_what_a_page_is_given_wrong_fails_at_the_line(
    given: dict[str, Any], problem: str
) -> None:
    """Not at Start, where somebody else reads it; and no port is open then."""
    before = set(threading.enumerate())
    with pytest.raises(FAULTS, match=problem):
        serve(RealtimeClient(base_url=LOCAL), **given)

    assert [] == [each.name for each in threading.enumerate() if each not in before]


@pytest.mark.parametrize(
    ("defaults", "problem"),
    [
        ({"tools": [5]}, "a tool must be callable"),
        ({"tools": [later]}, "coroutine"),
        ({"config": {"voice": 5}}, "audio.output.voice: expected text"),
        ({"session_type": "transcription"}, "transcribes with"),
        ({"history": 5}, "history is a Snapshot"),
    ],
    ids=["tool", "coroutine", "config", "type", "history"],
)
def test_what_is_wrong_with_a_client_fails_at_the_line_too(
    defaults: dict[str, Any], problem: str
) -> None:
    """Its options are those of the sessions."""
    with pytest.raises(FAULTS, match=problem):
        serve(RealtimeClient(base_url=LOCAL, **defaults))


@pytest.mark.parametrize("client", [None, RealtimeClient, "http://127.0.0.1:9/v1"])
def test_sessions_of_a_page_are_made_by_a_client(client: Any) -> None:
    """A session, or an address, makes none."""
    with pytest.raises(errors.ConfigurationError, match="made by a RealtimeClient"):
        serve(client)


@pytest.mark.parametrize(
    ("url", "problem"),
    [(None, "OPENAI_API_KEY"), ("ftp://127.0.0.1/v1", "ftp")],
    ids=["no key", "scheme"],
)
def test_a_page_that_could_not_connect_is_not_served(
    url: str | None, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who presses Start has no key to give."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(errors.ConfigurationError, match=problem):
        serve(RealtimeClient(base_url=url))


@pytest.mark.parametrize("config", [{"voice": "marin"}, {}, None])
def test_a_page_with_a_right_configuration_is_served(config: Any) -> None:
    """Nobody is connected to before somebody starts."""
    with serve(RealtimeClient(base_url=LOCAL), config=config, tls=None) as page:
        assert "token=" in page.url()


@pytest.mark.parametrize("function", [5, None, tool, later])
def test_sessions_are_given_by_a_function_without_arguments(function: Any) -> None:
    with WebHost() as host:
        with pytest.raises(TypeError, match="open_session is"):
            add_talk(host, function)


@pytest.mark.parametrize("function", [5, nothing, later, pieces])
@pytest.mark.parametrize("door", ["route", "socket"])
def test_a_path_leads_to_a_function_that_can_be_called(
    door: str, function: Any
) -> None:
    """Every request would be a fault of the page's, else, and look like one."""
    with WebHost() as host:
        with pytest.raises(TypeError, match="is called with|is a plain function"):
            getattr(host, door)("/a", function)
        with pytest.raises(errors.ConfigurationError, match="no path of a page"):
            getattr(host, door)(cast(Any, 5), print)
