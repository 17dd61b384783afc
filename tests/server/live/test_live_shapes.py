"""What the server takes, held against what openai's types let clients send."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from openai.types.live import (
    client_event_param,
    decisions_delegation_config_param,
    fork_session_config_param,
    media_session_config_param,
    media_session_fork_config_param,
    responses_delegation_config_param,
    session_accept_params,
    session_config_param,
    session_update_config_param,
)
from typing_extensions import get_type_hints

from realtime_sync.server.engine.check import Rule
from realtime_sync.server.engine.refusal import Refusal
from realtime_sync.server.live import shapes

FRAMES = Path(__file__).parents[2] / "frames" / "live" / "client"


def delegating(kind: str) -> Rule:
    """The rule of how a session delegates."""

    def inner(value: Any, where: str) -> None:
        delegation = {"type": kind, kind: value}
        shapes.SESSION({"model": "m", "delegation": delegation}, where)

    return inner


TYPES: list[tuple[str, Rule, Any]] = [
    ("session", shapes.SESSION, session_config_param.SessionConfigParam),
    ("update", shapes.UPDATE, session_update_config_param.SessionUpdateConfigParam),
    ("fork", shapes.FORK, fork_session_config_param.ForkSessionConfigParam),
    (
        "media",
        shapes.MEDIA_SESSION,
        media_session_config_param.MediaSessionConfigParam,
    ),
    (
        "media fork",
        shapes.MEDIA_FORK,
        media_session_fork_config_param.MediaSessionForkConfigParam,
    ),
    ("accepted", shapes.ACCEPTED_SESSION, session_accept_params.Session),
    (
        "responses",
        delegating("responses"),
        responses_delegation_config_param.ResponsesDelegationConfigParam,
    ),
    (
        "decisions",
        delegating("decisions"),
        decisions_delegation_config_param.DecisionsDelegationConfigParam,
    ),
]


@pytest.mark.parametrize(
    ("rule", "typed"), [row[1:] for row in TYPES], ids=[row[0] for row in TYPES]
)
def test_every_field_of_the_types_is_known(rule: Rule, typed: Any) -> None:
    """And a field that they do not have is not."""
    declared = get_type_hints(typed)

    assert declared
    for name in (*declared, "turn_detection"):
        with pytest.raises(Refusal) as refused:
            rule({**_required(declared), name: object()}, "session")

        assert (name not in declared) == (refused.value.code == "unknown_parameter")


def _required(declared: Any) -> dict[str, Any]:
    """The least that such an object must have."""
    question = {"type": "predicate", "instructions": "Is it?"}
    values = {"model": "m", "type": "live", "questions": [question]}
    return {name: value for name, value in values.items() if name in declared}


def test_every_command_of_the_types_is_known() -> None:
    """All of primary connections', and the keys of a telephone."""
    kinds = {
        get_type_hints(variant)["type"].__args__[0]
        for variant in client_event_param.ClientEventParam.__args__
    }

    assert kinds | {"transport.dtmf.send"} == set(shapes.COMMANDS)


@pytest.mark.parametrize("file", sorted(FRAMES.glob("*.json")), ids=lambda f: f.stem)
def test_every_example_of_a_command_is_taken(file: Path) -> None:
    """The frames that the vocabulary is tested with."""
    frame = json.loads(file.read_text(encoding="utf-8"))
    shapes.COMMANDS[frame["type"]](frame, "")
