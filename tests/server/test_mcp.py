"""MCP tools: listed, approved, called; the order of PROTOCOL 4.9."""

from __future__ import annotations

import json
from typing import Any, Mapping

import pytest
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from realtime_sync.server import Call, McpTool, Prompt

from .talking import Talk, only, types

STRICT: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
LISTED = [
    "session.updated",
    "mcp_list_tools.in_progress",
    "conversation.item.added",
    "conversation.item.done",
    "mcp_list_tools.completed",
]
CALLED = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.mcp_call_arguments.delta",
    "response.mcp_call_arguments.done",
    "response.mcp_call.in_progress",
    "response.mcp_call.completed",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]


def roll(arguments: Mapping[str, Any]) -> Any:
    """A tool: as many dice as asked for, all of them loaded."""
    if arguments["dice"] > 9:
        raise ValueError("too many dice")
    return [6] * arguments["dice"]


TOOL = McpTool(name="roll", call=roll, description="Rolls dice.", read_only=True)
OTHER = McpTool(name="other", call=lambda arguments: "")


DICE = {"type": "mcp", "server_label": "dice", "server_url": "http://x"}


def talk_with(script: Any, **settings: Any) -> Talk:
    """A session that was told of an MCP server."""
    talk = Talk(script=script, mcp={"dice": [TOOL, OTHER]})
    talk.update(tools=[{**DICE, **settings}])
    return talk


def test_tools_are_listed_when_a_server_is_named() -> None:
    """An item with the list, once per server."""
    talk = Talk(mcp={"dice": [TOOL, OTHER]})
    frames = talk.update(tools=[DICE])
    listed = only(frames, "conversation.item.done")["item"]
    again = talk.update(tools=[DICE])

    assert LISTED == types(frames)
    assert ["roll", "other"] == [tool["name"] for tool in listed["tools"]]
    assert ["session.updated"] == types(again)


def test_a_server_that_nobody_knows_cannot_be_listed() -> None:
    """failed, and nothing else."""
    frames = Talk().update(tools=[{"type": "mcp", "server_label": "ghost"}])

    assert LISTED[:2] + ["mcp_list_tools.failed"] == types(frames)


def test_a_call_without_approval() -> None:
    """Arguments, in_progress, completed, the item with its output."""
    talk = talk_with([Call("roll", {"dice": 2})], require_approval="never")
    frames = talk.answer()
    item = only(frames, "response.output_item.done")["item"]

    assert CALLED == types(frames)
    assert ("[6, 6]", None) == (item["output"], item["error"])
    for frame in frames:
        STRICT.validate_json(json.dumps(frame), strict=True)


def test_a_call_that_fails() -> None:
    """failed, and the error in the item; the response is completed."""
    talk = talk_with([Call("roll", {"dice": 10})], require_approval="never")
    frames = talk.answer()
    item = only(frames, "response.output_item.done")["item"]

    assert "response.mcp_call.failed" in types(frames)
    assert {
        "type": "tool_execution_error",
        "message": "ValueError: too many dice",
    } == item["error"]
    assert "completed" == only(frames, "response.done")["response"]["status"]


def test_a_call_that_needs_approval() -> None:
    """Asked, approved, made in the next response; then the agent goes on."""

    def agent(prompt: Prompt) -> Any:
        kinds = [item["type"] for item in prompt.items]
        return "Two sixes." if "mcp_call" in kinds else Call("roll", {"dice": 2})

    talk = talk_with(agent)
    asked = talk.answer()
    request = only(asked, "response.done")["response"]["output"][0]
    answer = {
        "type": "mcp_approval_response",
        "id": "mcpa_1",
        "approval_request_id": request["id"],
        "approve": True,
    }
    talk.send("conversation.item.create", item=answer)
    called = talk.answer()
    said = talk.answer(output_modalities=["text"])

    assert "mcp_approval_request" == request["type"]
    assert CALLED == types(called)
    item = only(called, "response.done")["response"]["output"][0]
    assert request["id"] == item["approval_request_id"]
    assert "Two sixes." == only(said, "response.output_text.done")["text"]


def test_a_call_that_is_not_approved_is_not_made() -> None:
    """The agent is asked instead."""
    talk = talk_with([Call("roll", {"dice": 2}), "Then not."])
    request = only(talk.answer(), "response.done")["response"]["output"][0]
    answer = {
        "type": "mcp_approval_response",
        "id": "mcpa_1",
        "approval_request_id": request["id"],
        "approve": False,
    }
    talk.send("conversation.item.create", item=answer)
    frames = talk.answer(output_modalities=["text"])

    assert "Then not." == only(frames, "response.output_text.done")["text"]


@pytest.mark.parametrize(
    ("settings", "asked"),
    [
        ({"require_approval": "always"}, True),
        ({"require_approval": {"never": {"tool_names": ["roll"]}}}, False),
        ({"require_approval": {"always": {"read_only": False}}}, False),
        ({"require_approval": {"always": {"tool_names": ["roll"]}}}, True),
    ],
)
def test_approval_can_be_set_by_tool(settings: Any, asked: bool) -> None:
    """By name or by whether it only reads."""
    talk = talk_with([Call("roll", {"dice": 1})], **settings)
    item = only(talk.answer(), "response.done")["response"]["output"][0]

    assert asked == (item["type"] == "mcp_approval_request")


@pytest.mark.parametrize("allowed", [["other"], {"read_only": False}])
def test_tools_that_are_not_allowed_are_not_offered(allowed: Any) -> None:
    """The agent does not see them."""
    seen: list[Any] = []

    def agent(prompt: Prompt) -> str:
        seen.extend(tool["name"] for tool in prompt.tools)
        return "x"

    talk_with(agent, allowed_tools=allowed).answer()

    assert ["other"] == seen


def test_cancelling_while_a_tool_runs() -> None:
    """The response ends; what the tool says later is not used."""
    talk = talk_with([Call("roll", {"dice": 1})], require_approval="never")
    talk.send_only("response.create")
    (job,) = talk.engine.take_jobs()
    for piece in job.work():
        talk.engine.job_output(job, piece, talk.now)
    (tool_job,) = talk.engine.take_jobs()
    cancelled = talk.send_only("response.cancel")
    late = [
        frame
        for piece in tool_job.work()
        for frame in talk.engine.job_output(tool_job, piece, talk.now)
    ] + talk.engine.job_done(tool_job, None, talk.now)

    assert "response.done" in types(cancelled)
    assert [] == late
