"""Tools with servers that say a call in one place only."""

from __future__ import annotations

import json

import pytest

from tests.servers.calling import ARGUMENTS, MANNERS, caller
from tests.servers.fake_server import connected


@pytest.mark.parametrize("name", MANNERS)
def test_a_call_is_run_wherever_it_was_said(name: str) -> None:
    """Once, and its output goes back before the next response is asked for."""
    ran = []

    def add(a: int, b: int) -> int:
        """Add two numbers."""
        ran.append((a, b))
        return a + b

    with connected(caller(name), tools=[add]) as (session, performance, seen):
        reply = session.ask("20 and 22?")

    assert [(20, 22)] == ran
    assert "Lima." == reply.text
    assert ["add", ARGUMENTS] == [
        value
        for call in reply.steps[0].tool_calls
        for value in (call.name, call.arguments)
    ]
    sent = [c["item"] for c in performance.heard if "item" in c]
    assert ["message", "function_call_output"] == [item["type"] for item in sent]
    assert ("c1", 42) == (sent[1]["call_id"], json.loads(sent[1]["output"]))
    assert 2 == sum(c["type"] == "response.create" for c in performance.heard)
    seen.check(performance)


@pytest.mark.parametrize("name", MANNERS)
def test_calls_are_given_out_once(name: str) -> None:
    """By the handle, while they come or when the response is over."""
    with connected(caller(name)) as (session, performance, seen):
        handle = session.response.create()
        calls = list(handle.tool_calls())
        reply = handle.result()

    assert [("c1", "add", ARGUMENTS)] == [
        (call.call_id, call.name, call.arguments) for call in calls
    ]
    assert ["c1"] == [call.call_id for call in reply.tool_calls]
