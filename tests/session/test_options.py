"""Every argument of `connect`, checked."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_sync import RealtimeClient, connect
from realtime_sync.errors import ConfigurationError
from realtime_sync.session.options import SessionOptions


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dialect", "gamma"),
        ("session_type", "chat"),
        ("dispatch", "asyncio"),
        ("connect_timeout", 0),
        ("connect_timeout", "10"),
        ("close_timeout", -1),
        ("ping_interval", True),
        ("timeout", -5),
        ("queue_limit", 0),
        ("queue_bytes", -1),
        ("max_frame_size", 0),
        ("response_idle_timeout", 0),
        ("reconnect", True),
        ("transport", 5),
        ("context", {}),
        ("name", 5),
    ],
)
def test_a_wrong_value_is_refused_by_name(name: str, value: Any) -> None:
    """Before anything is opened."""
    with pytest.raises(ConfigurationError, match=name):
        connect("m", base_url="ws://127.0.0.1:1", **{name: value})


def test_an_unknown_option_is_a_type_error() -> None:
    """At the user's line, for sessions and for clients."""
    with pytest.raises(TypeError):
        connect("m", base_url="ws://127.0.0.1:1", time_out=3)
    with pytest.raises(TypeError):
        RealtimeClient(time_out=3)
    with pytest.raises(TypeError, match="model"):
        RealtimeClient(base_url="ws://127.0.0.1:1").session(7)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="router"):
        connect("m", base_url="ws://127.0.0.1:1", router=5)  # type: ignore[arg-type]


def test_none_switches_off_what_can_be_switched_off() -> None:
    """No limit, no check, the endpoint's dialect."""
    options = SessionOptions(
        dialect=None, timeout=None, ping_interval=None, max_frame_size=None
    )

    assert options.timeout is None


def test_no_repr_shows_what_may_be_secret() -> None:
    """Headers, query and proxy may hold keys."""
    options = SessionOptions(
        extra_headers={"X-Key": "secret-1"},
        extra_query={"key": "secret-2"},
        proxy="http://u:secret-3@h:1",
        safety_identifier="secret-4",
    )

    assert "secret" not in repr(options)


def test_a_client_takes_a_url_or_an_endpoint() -> None:
    """Not both."""
    from realtime_sync import Endpoint

    with pytest.raises(ConfigurationError, match="not both"):
        RealtimeClient(base_url="ws://h", endpoint=Endpoint.at("ws://h"))


def test_defaults_of_a_client_hold_for_its_sessions() -> None:
    """Unless a session says otherwise."""
    client = RealtimeClient(base_url="ws://127.0.0.1:1", timeout=7.0, dialect="beta")

    assert "beta" == client.session("m").dialect
    assert 7.0 == client.session("m")._parts.options.timeout
    assert 3.0 == client.session("m", timeout=3.0)._parts.options.timeout


@pytest.mark.parametrize("name", ["close_timeout", "queue_limit", "queue_bytes"])
@pytest.mark.parametrize("value", [None, 0, -1, True, "5", float("nan")])
def test_what_has_to_be_a_number_is_refused_otherwise(name: str, value: Any) -> None:
    """Where it is given, and not when the session is closed."""
    with pytest.raises(ConfigurationError, match=f"{name} must be a positive number"):
        SessionOptions(**{name: value})


@pytest.mark.parametrize("name", ["timeout", "connect_timeout", "ping_interval"])
def test_what_may_have_no_end_takes_none_and_no_nonsense(name: str) -> None:
    """None is no limit; NaN would be compared with every clock in vain."""
    assert getattr(SessionOptions(**{name: None}), name) is None
    with pytest.raises(ConfigurationError, match=f"{name} must be a positive number"):
        SessionOptions(**{name: float("nan")})
