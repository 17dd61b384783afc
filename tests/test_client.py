"""The ways to a session take the same options."""

from __future__ import annotations

import inspect
import re
from typing import Any

import attrs
import pytest

from realtime_sync import RealtimeClient, connect
from realtime_sync.errors import ConfigurationError
from realtime_sync.server import serve
from realtime_sync.session.options import AskKeywords, SessionKeywords, SessionOptions

OWN = {
    "model",
    "api_key",
    "base_url",
    "endpoint",
    "organization",
    "project",
    "router",
}
"""Arguments of `connect` that are no options of a session."""


def defaults() -> dict[str, Any]:
    """Every option of a session and its default."""
    return {field.name: field.default for field in attrs.fields(SessionOptions)}


def test_connect_names_every_option_with_its_default() -> None:
    """What an editor shows of connect() is what a session does."""
    shown = inspect.signature(connect).parameters

    assert defaults() == {
        name: parameter.default for name, parameter in shown.items() if name not in OWN
    }


def test_options_of_a_client_are_those_of_a_session() -> None:
    """A type checker knows every option of client.connect(), and no other."""
    assert set(defaults()) == set(SessionKeywords.__annotations__)


def test_one_shot_question_takes_every_option_but_the_default_timeout() -> None:
    """The timeout of client.ask() is the one for the answer."""
    assert set(defaults()) - {"timeout"} == set(AskKeywords.__annotations__)


def test_options_are_all_documented_with_connect() -> None:
    """Each argument has a line, there or in the options that it points to."""
    text = f"{inspect.getdoc(connect)}\n{inspect.getdoc(SessionOptions)}"
    silent = [n for n in inspect.signature(connect).parameters if f"{n}: " not in text]

    assert [] == silent


def test_defaults_of_a_client_hold_for_its_sessions() -> None:
    """What is configured once applies to every session, and can be overridden."""
    client = RealtimeClient(base_url="ws://127.0.0.1:9/v1", timeout=7.0, name="one")
    session = client.session("gpt-realtime-2.1", name="two")
    other = client.session("gpt-realtime-2.1")

    assert "two" == session.name
    assert "one" == other.name


@pytest.mark.parametrize("make", [RealtimeClient, connect])
def test_misspelt_option_fails_at_the_callers_line(make: Any) -> None:
    """There is no option that is silently ignored."""
    with pytest.raises(TypeError, match="time_out"):
        make(time_out=3)


@pytest.mark.parametrize("make", [RealtimeClient, connect])
@pytest.mark.parametrize(
    "option, right",
    [
        ("headers", "extra_headers="),
        ("additional_headers", "extra_headers="),
        ("params", "extra_query="),
        ("url", "base_url="),
        ("token", "api_key="),
        ("open_timeout", "connect_timeout="),
        ("voice", "config={'voice'"),
        ("instructions", "config={'instructions'"),
        ("input_audio_format", "config={'input_audio_format'"),
        ("turn_detection", "config={'turn_detection'"),
        ("reconect", "reconnect="),
    ],
)
def test_an_option_of_another_library_is_named_as_it_is_called_here(
    make: Any, option: str, right: str
) -> None:
    """Whoever comes from another one is told the way, not sent to the source."""
    with pytest.raises(TypeError, match=re.escape(f"option {option}=")) as caught:
        make(**{option: {}})

    assert right in str(caught.value)


@pytest.mark.parametrize("option", ["base_url", "api_key", "organization"])
def test_what_belongs_to_a_client_is_not_an_option_of_its_sessions(option: str) -> None:
    """The error says where it goes."""
    client = RealtimeClient(base_url="ws://127.0.0.1:9/v1")
    with pytest.raises(TypeError, match="connect or RealtimeClient"):
        client.session("m", **{option: "x"})  # type: ignore[misc]


def test_one_shot_question_connects_asks_and_closes() -> None:
    """client.ask() leaves nothing open behind it."""
    with serve(agent=["Lima."]) as server:
        client = RealtimeClient(base_url=server.url)
        reply = client.ask("And Peru?", model="gpt-realtime-2.1", timeout=10)
        # The client closes before the server has noticed.
        server.wait_closed(server.sessions[-1])

        assert "Lima." == reply.text
        assert [] == server.open_sessions()


@pytest.mark.parametrize("model", ["gpt-live-transcribe", "gpt-realtime-2.1", "live"])
def test_models_with_names_alike_are_left_alone(model: str) -> None:
    """Transcription has a Realtime model whose name begins the same."""
    client = RealtimeClient(api_key="k", base_url="ws://127.0.0.1:9")

    assert client.session(model) is not None


@pytest.mark.parametrize(
    "name", ["session.started", "session.delegation.created", "client.session.start"]
)
def test_event_of_gpt_live_is_named_as_such(name: str) -> None:
    """A did-you-mean would send the reader the wrong way."""
    client = RealtimeClient(api_key="k", base_url="ws://127.0.0.1:9")

    with pytest.raises(ConfigurationError, match="GPT-Live"):
        client.session("m").on(name)(print)
