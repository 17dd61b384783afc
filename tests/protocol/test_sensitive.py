"""What is secret in frames, and every place where a frame comes out."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from realtime_sync import Session, connect, jupyter, report
from realtime_sync.cli.main import main
from realtime_sync.protocol import sensitive
from realtime_sync.protocol.events import ResponseCreate, SessionUpdate
from realtime_sync.protocol.sensitive import HIDDEN
from realtime_sync.testing import MemoryTransport, frames

SECRET = "Xq7-Plain-Looking-Value"

ECHOES: dict[str, dict[str, Any]] = {
    "at the top": {"api_key": SECRET},
    "in camel case": {"apiKey": SECRET},
    "without the word key": {"auth": {"bearer": SECRET, "jwt": SECRET}},
    "of a header": {"vendor": {"X-Api-Key": SECRET}},
    "beside what it opens": {"upstream": [{"llm": {"access_token": SECRET}}]},
    "in a list": {"extra": {"api_keys": [SECRET, {"eu": SECRET}]}},
    "in an object": {"api_key": {"type": "static", "material": SECRET}},
    "in a tool": {
        "tools": [
            {
                "type": "mcp",
                "server_label": "maps",
                "server_url": f"https://user:{SECRET}@maps.invalid/?api_key={SECRET}",
                "authorization": SECRET,
                "headers": {"X-Anything": SECRET},
            }
        ]
    },
    "in a tool of a vendor": {
        "tools": [{"type": "web_search", "config": {"Password": SECRET}}]
    },
    "as a pair": {"environment": [{"name": "SEARCH_API_KEY", "value": SECRET}]},
    "of a short life": {"client_secret": {"value": SECRET, "expires_at": 5}},
    "in the sound": {"audio": {"output": {"voice_token": SECRET}}},
}
"""What servers say back of a session's configuration."""


@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
def test_an_echoed_secret_comes_out_nowhere(
    echo: dict[str, Any],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whoever gets a log, a recording, a report or a notebook has no key."""
    transport = MemoryTransport(on_send=frames.acknowledged)
    shown: list[str] = []
    caplog.set_level(logging.DEBUG, logger="realtime_sync")
    frame = {"type": "session.updated", "session": {"type": "realtime", **echo}}
    with connect(transport=transport, dispatch="inline", timeout=1) as session:
        session.on("session.updated", lambda event: shown.append(repr(event)))
        with session.record(tmp_path / "live.jsonl"):
            transport.feed(frame)
        with session.record(tmp_path / "late.jsonl"):
            transport.feed(frame)
        shown += outputs_of(session)
    for name in ("live.jsonl", "late.jsonl"):
        shown.append((tmp_path / name).read_text(encoding="utf-8"))
    foreign = tmp_path / "foreign.jsonl"
    foreign.write_text(json.dumps({"t": 0, "dir": "in", "frame": frame}) + "\n")
    for path in (tmp_path / "live.jsonl", foreign):
        shown.append(report.html(path))
        assert 0 == main(["tail", str(path), "--json"])
        assert 0 == main(["tail", str(path)])
    shown += [capsys.readouterr().out, caplog.text]

    assert "session.updated" in caplog.text
    assert [] == [text for text in shown if not text or SECRET in text]


def outputs_of(session: Session) -> list[str]:
    """What a session, and its mirror, say of themselves."""
    snapshot = session.snapshot
    return [
        repr(session),
        repr(snapshot),
        repr(snapshot.session),
        json.dumps(snapshot.to_dict()),
        report.html(session),
        jupyter.html_of("session", session),
        jupyter.html_of("snapshot", snapshot),
    ]


@pytest.mark.parametrize(
    "name",
    [
        "api_key",
        "apiKey",
        "api-key",
        "X-API-Key",
        "Authorization",
        "Proxy-Authorization",
        "secret",
        "client_secret",
        "token",
        "access_token",
        "refreshToken",
        "password",
        "Ocp-Apim-Subscription-Key",
    ],
)
def test_names_of_secrets_are_known_in_every_spelling(name: str) -> None:
    """Vendors spell them as their languages do; a line is looked into for each."""
    frame = {"a": [{"b": {name: "hush"}}]}

    assert {"a": [{"b": {name: HIDDEN}}]} == sensitive.hidden_sensitive(frame)
    assert {"a": [{"b": {}}]} == sensitive.sensitive_left_out(frame)
    assert sensitive.may_hold_sensitive(json.dumps(frame).encode())


@pytest.mark.parametrize(
    "frame",
    [
        {"usage": {"input_tokens": 3, "token_details": {"cached_tokens": 1}}},
        {"max_output_tokens": "inf", "prompt_cache_key": "a", "tokens": ["b"]},
        {"logprobs": [{"token": "Hi", "logprob": -0.1, "bytes": [72, 105]}]},
        {"parameters": {"properties": {"password": {"const": "a word"}}}},
        {"rate_limits": [{"name": "tokens", "limit": 5, "value": "all"}]},
        {"api_key": None, "token": "", "secret": False},
        {"server_url": "https://maps.invalid/?model=m&call_id=c"},
    ],
)
def test_what_only_sounds_like_a_secret_stays(frame: dict[str, Any]) -> None:
    """Tokens that are counted or spoken, and descriptions of parameters."""
    assert frame == sensitive.hidden_sensitive(frame)
    assert frame == sensitive.sensitive_left_out(frame)


def test_a_frame_for_people_has_neither_secrets_nor_sound() -> None:
    """The wire log, the timeline of a report and the debugger show the same."""
    frame = {"type": "input_audio_buffer.append", "audio": "AAAA", "token": "hush"}

    shown = {"audio": "<3 bytes>", "token": HIDDEN}
    assert {**frame, **shown} == sensitive.shown_frame(frame)


def test_commands_hide_in_their_repr_what_a_mapping_holds() -> None:
    """A failing handle, and a traceback, show the command."""
    given = {"api_key": SECRET}
    commands = [
        SessionUpdate(session=given),
        SessionUpdate(session={}, extra=given),
        ResponseCreate(response={"metadata": given}),
    ]

    assert [] == [each for each in commands if SECRET in repr(each)]
    assert all(HIDDEN in repr(each) for each in commands)


def test_what_was_given_is_not_changed() -> None:
    """The event that a handler has keeps what the server said."""
    frame = {"session": {"api_key": "hush"}}
    sensitive.hidden_sensitive(frame)

    assert {"session": {"api_key": "hush"}} == frame
