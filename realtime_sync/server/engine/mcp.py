"""
MCP tools: listing them, asking for approval, calling them.

The servers are pretended: their tools are Python functions that were given to the
local server, found by ``server_label``. A label that is not known cannot be listed.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any, Callable, Iterable, Iterator, Mapping, Optional, Union

import attrs

from ..agents.base import Call
from ..agents.tools import McpTool
from .context import EngineContext, EngineJob
from .conversation import ID_PREFIXES, ConversationEntry
from .response import ResponseRun

_CHUNK = 12
Settings = Mapping[str, Any]


@attrs.frozen
class FoundMcpTool:
    """A tool that the session may use, and the session's settings for its server."""

    tool: McpTool
    settings: Settings

    @property
    def label(self) -> str:
        """The server's label."""
        return str(self.settings["server_label"])

    @property
    def needs_approval(self) -> bool:
        """Whether the client must approve each call; the default is that it must."""
        rule = self.settings.get("require_approval") or "always"
        if isinstance(rule, str):
            return rule == "always"
        if "never" in rule and _mcp_rule_matches(rule["never"], self.tool):
            return False
        return "always" not in rule or _mcp_rule_matches(rule["always"], self.tool)

    def described(self) -> dict[str, Any]:
        """Describe the tool for an agent."""
        return {
            "type": "mcp",
            "server_label": self.label,
            "name": self.tool.name,
            "description": self.tool.description,
            "parameters": dict(self.tool.input_schema),
        }


def _mcp_rule_matches(rule: Mapping[str, Any], tool: McpTool) -> bool:
    names = rule.get("tool_names")
    if names is not None and tool.name not in names:
        return False
    return "read_only" not in rule or rule["read_only"] == tool.read_only


class McpServers:
    """
    The MCP servers that a session knows of.

    Args:
        context: the session.
    """

    def __init__(self, context: EngineContext) -> None:
        self._context = context
        self._listed: dict[str, bool] = {}
        self._waiting: list[Callable[[], None]] = []

    # -- listing ---------------------------------------------------------------

    def configured(self, tools: Iterable[Settings]) -> None:
        """List the tools of every server that is named for the first time."""
        for settings in tools:
            if settings.get("type") == "mcp":
                label = settings["server_label"]
                if label not in self._listed:
                    self._list(label)

    def _list(self, label: str) -> None:
        item_id = self._context.ids.new(ID_PREFIXES["mcp_list_tools"])
        self._listed[label] = False
        self._context.emit("mcp_list_tools.in_progress", item_id=item_id)
        known = self._context.mcp.get(label)
        found: list[McpTool] = []

        def work() -> Iterator[McpTool]:
            if known is None:
                raise LookupError(f"no MCP server is called {label!r}")
            yield from known

        def finish(error: Optional[BaseException]) -> None:
            self._finished(label, item_id, found, error)

        self._context.submit(EngineJob("list " + label, work, found.append, finish))

    def _finished(
        self,
        label: str,
        item_id: str,
        tools: list[McpTool],
        error: Optional[BaseException],
    ) -> None:
        if error is None:
            item = {
                "id": item_id,
                "type": "mcp_list_tools",
                "server_label": label,
                "tools": [tool.listed() for tool in tools],
            }
            self._add(ConversationEntry(item))
            self._context.emit("mcp_list_tools.completed", item_id=item_id)
        else:
            self._context.emit("mcp_list_tools.failed", item_id=item_id)
        self._listed[label] = True
        if all(self._listed.values()):
            waiting, self._waiting = self._waiting, []
            for ready in waiting:
                ready()

    def _add(self, entry: ConversationEntry) -> None:
        conversation = self._context.conversation
        conversation.append(entry)
        for what in ("added", "done"):
            self._context.emit(
                "conversation.item." + what,
                previous_item_id=conversation.predecessor(entry),
                item=entry.wire(),
            )

    def when_listed(self, ready: Callable[[], None]) -> None:
        """Call *ready* as soon as no list is outstanding."""
        if all(self._listed.values()):
            ready()
        else:
            self._waiting.append(ready)

    def usable(self, tools: Iterable[Settings]) -> dict[str, FoundMcpTool]:
        """Return the tools that a response with those settings may call, by name."""
        return {
            tool.name: FoundMcpTool(tool, settings)
            for settings in tools
            if settings.get("type") == "mcp"
            for tool in self._context.mcp.get(settings["server_label"], ())
            if _mcp_tool_is_allowed(settings.get("allowed_tools"), tool)
        }

    # -- calling ---------------------------------------------------------------

    def call(self, run: ResponseRun, found: FoundMcpTool, piece: Call) -> None:
        """Queue a call in a response, or the question whether it is approved."""
        arguments = piece.arguments
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments)
        if found.needs_approval:
            run.queue(partial(self._ask, run, found, arguments))
        else:
            self.perform(run, found, arguments, None)

    def _ask(self, run: ResponseRun, found: FoundMcpTool, arguments: str) -> float:
        run.open_item(self._entry("mcp_approval_request", found, arguments))
        return run.close_item()

    def perform(
        self,
        run: ResponseRun,
        found: FoundMcpTool,
        arguments: str,
        request_id: Optional[str],
    ) -> None:
        """Queue a call, approved or not in need of it."""
        entry = self._entry("mcp_call", found, "")
        entry.item.update(approval_request_id=request_id, output=None, error=None)

        def begin() -> float:
            run.open_item(entry)
            return 0.0

        def argue(part: str) -> float:
            entry.item["arguments"] += part
            kind = "response.mcp_call_arguments.delta"
            self._context.emit(kind, **run.place(entry), delta=part)
            return 0.0

        def start() -> float:
            kind = "response.mcp_call_arguments.done"
            self._context.emit(kind, **run.place(entry), arguments=arguments)
            self._emit("in_progress", run, entry)
            self._start(run, found.tool, entry)
            return 0.0

        run.queue(begin)
        for at in range(0, len(arguments), _CHUNK):
            run.queue(partial(argue, arguments[at : at + _CHUNK]))
        run.queue(start)

    def _start(self, run: ResponseRun, tool: McpTool, entry: ConversationEntry) -> None:
        """Let a worker run the tool; the response waits for it."""
        arguments = entry.item["arguments"]
        outputs: list[str] = []

        def work() -> Iterator[str]:
            output = tool.call(json.loads(arguments or "{}"))
            yield output if isinstance(output, str) else json.dumps(output)

        def finish(error: Optional[BaseException]) -> None:
            if not run.active:
                return
            if error is None:
                entry.item["output"] = "".join(outputs)
            else:
                message = f"{type(error).__name__}: {error}"
                entry.item["error"] = {
                    "type": "tool_execution_error",
                    "message": message,
                }
            self._emit("failed" if error else "completed", run, entry)
            run.close_item()
            run.resume()

        run.pause()
        self._context.submit(
            EngineJob("call " + tool.name, work, outputs.append, finish)
        )

    def _entry(
        self, kind: str, found: FoundMcpTool, arguments: str
    ) -> ConversationEntry:
        return ConversationEntry(
            {
                "id": self._context.ids.new(ID_PREFIXES[kind]),
                "type": kind,
                "server_label": found.label,
                "name": found.tool.name,
                "arguments": arguments,
            }
        )

    def _emit(self, what: str, run: ResponseRun, entry: ConversationEntry) -> None:
        place = run.place(entry)
        del place["response_id"]
        self._context.emit("response.mcp_call." + what, **place)

    # -- approvals -------------------------------------------------------------

    def approved(
        self, usable: Mapping[str, FoundMcpTool]
    ) -> list[tuple[FoundMcpTool, ConversationEntry]]:
        """Return the calls that were approved and have not been made yet."""
        items = [entry for entry in self._context.conversation]
        made = {
            entry.item.get("approval_request_id")
            for entry in items
            if entry.item["type"] == "mcp_call"
        }
        given = {
            entry.item["approval_request_id"]
            for entry in items
            if entry.item["type"] == "mcp_approval_response" and entry.item["approve"]
        }
        return [
            (usable[entry.item["name"]], entry)
            for entry in items
            if entry.item["type"] == "mcp_approval_request"
            and entry.id in given - made
            and entry.item["name"] in usable
        ]


def _mcp_tool_is_allowed(
    allowed: Union[None, list[str], Mapping[str, Any]], tool: McpTool
) -> bool:
    if allowed is None:
        return True
    if isinstance(allowed, list):
        return tool.name in allowed
    return _mcp_rule_matches(allowed, tool)
