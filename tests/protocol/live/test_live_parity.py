"""The vocabulary of GPT-Live against the types of the installed ``openai``."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import Any

import pytest

from realtime_sync.protocol.live import decisions, sessions
from realtime_sync.protocol.registry import LIVE_ROWS, class_of, event_class

openai = pytest.importorskip("openai")

from pydantic import BaseModel  # noqa: E402

from tests.protocol.sdk import Comparison, Home, members, wire_type  # noqa: E402

LIVE = "openai.types.live."

UNIONS = (
    ("server", "server_event.ServerEvent"),
    ("server", "connect_server_event.ConnectServerEvent"),
    ("server", "fork_server_event.ForkServerEvent"),
    ("client", "client_event.ClientEvent"),
    ("client", "connect_client_event.ConnectClientEvent"),
    ("client", "fork_client_event.ForkClientEvent"),
)

EXCEPTIONS: dict[str, str] = {
    "*.event_id": "no event can be relied upon to have one",
    "*.delegation_id": "null is what is said most; so it need not be given",
    # Whole numbers by type; fractions are documented, and taken.
    "*TranscriptDeltaEvent.start_ms": "any number",
    "*TranscriptDeltaEvent.end_ms": "any number",
    "*.SessionUsage.active_seconds": "any number",
    "*.SessionUsage.paused_seconds": "any number",
    # One class each for what begins, changes and forks a session.
    "session_config.SessionConfig.model": "absent in a fork",
    "responses_delegation_config.ResponsesDelegationConfig.model": "may change alone",
    "decisions_delegation_config.DecisionsDelegationConfig.model": "the same",
    "decisions_delegation_config.DecisionsDelegationConfig.questions": "the same",
    "*.DelegationResponses.responses": "the same",
    "*.DelegationDecisions.decisions": "the same",
    # One class for an item that is asked for and for one that has its id.
    "*.DecisionStoredUserMessage.id": "absent when it is asked for",
    "*.DecisionStoredDeveloperMessage.id": "the same",
    "*.DecisionStoredSystemMessage.id": "the same",
    "*.DecisionStoredAssistantMessage.id": "the same",
    "decision_item_created_event.ItemFunctionCall.id": "the same",
    "decision_item_created_event.ItemFunctionCallOutput.id": "the same",
    "decision_item_created_event.ItemCustomToolCall.id": "the same",
    "decision_item_created_event.ItemCustomToolCallOutput.id": "the same",
}
"""Where we differ on purpose: type and field, and why."""

OURS: dict[str, str] = {
    "OutputAudioDelta.event_id": "every event may have one",
    "SessionInputAudioAppend.event_id": "every event may have one",
}
"""What we have and their event types have not, and why."""

RAW = (
    "responses_delegation_config.ResponsesDelegationConfig.tools",
    "responses_delegation_config.ResponsesDelegationConfig.tool_choice",
    "responses_delegation_update_config.ResponsesDelegationUpdateConfig.tools",
    "responses_delegation_update_config.ResponsesDelegationUpdateConfig.tool_choice",
    "response_item_create_event.ResponseItemCreateEvent.item",
)
"""Fields of which some kinds, or all, stay mappings: the Responses API's own."""


def load(path: str) -> Any:
    """A name of theirs by its dotted path."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(LIVE + module), name)


def homes() -> dict[Any, Home]:
    """Types that stand under several names, and say too little of themselves."""
    return {
        load("session_config.SessionConfig"): Home((sessions.SessionConfig,)),
        load("fork_session_config.ForkSessionConfig"): Home((sessions.SessionConfig,)),
        load("session_update_config.SessionUpdateConfig"): Home(
            (sessions.SessionUpdateConfig,)
        ),
        load("session_resource.SessionResource"): Home((sessions.Session,)),
        load("initial_item.Developer"): Home((sessions.DeveloperTurn,)),
        load("initial_item.User"): Home((sessions.UserTurn,)),
        load("initial_item.Assistant"): Home((sessions.AssistantTurn,)),
        load("decision_trigger.Decisions"): Home((decisions.TriggeredQuestions,)),
    }


@lru_cache(maxsize=None)
def compared() -> Comparison:
    """Everything that their unions of events reach, beside ours."""
    comparison = Comparison(homes())
    for direction, path in UNIONS:
        for model in members(load(path)):
            cls = event_class(
                wire_type(model), session_type="live", direction=direction
            )
            comparison.compare(model, Home((cls,)))
    return comparison


def excused(at: str, what: str) -> bool:
    """Whether a difference is a documented one."""
    ends = tuple(each[1:] for each in EXCEPTIONS if each.startswith("*"))
    raw = at in RAW and what.startswith("no class for")
    return raw or at in EXCEPTIONS or at.endswith(ends)


def test_every_event_of_theirs_has_a_class_and_the_other_way_round() -> None:
    """Sixteen commands, thirty events; none of theirs, and none of ours, is alone."""
    theirs = {
        (direction, wire_type(model))
        for direction, path in UNIONS
        for model in members(load(path))
    }

    assert {(row.direction, row.name) for row in LIVE_ROWS} == theirs
    assert (16, 30) == tuple(
        sum(direction == each for each, _ in theirs) for direction in UNIONS_SIDES
    )


UNIONS_SIDES = ("client", "server")


def test_every_field_of_theirs_is_ours_with_the_same_requiredness(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Class and type, field and field; what differs on purpose is in a table."""
    comparison = compared()
    missing = sorted(
        f"{at}: {what}"
        for at, what in comparison.differences.items()
        if not excused(at, what)
    )
    with capsys.disabled():
        print(
            f"\nparity of GPT-Live with openai {openai.__version__}: "
            f"{len(comparison.types)} types, {comparison.fields} fields, "
            f"{len(missing)} missing, "
            f"{len(comparison.differences) - len(missing)} on purpose"
        )

    assert [] == missing


def test_every_field_of_ours_is_theirs_or_has_a_reason() -> None:
    """A field that only we have may be a misspelt one."""
    assert set(OURS) == compared().leftovers()


def test_every_documented_exception_is_still_needed() -> None:
    """A table of exceptions must not outlive its reasons."""
    found = set(compared().differences)

    for each in (*EXCEPTIONS, *RAW):
        end = each[1:] if each.startswith("*") else each
        assert any(at.endswith(end) for at in found), each


def test_every_class_of_ours_is_compared() -> None:
    """A row without a counterpart would be an event that nobody sends."""
    classes = {cls for _, home in compared().pairs for cls in home.classes}

    assert set() == {row.class_name for row in LIVE_ROWS} - {
        cls.__name__ for cls in classes
    }
    assert all(issubclass(model, BaseModel) for model in compared().types)
    assert all(class_of(row) in classes for row in LIVE_ROWS)
