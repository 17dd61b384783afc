"""The conversation as other programs want to read it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from .call_ids import with_call_ids
from .items import Item, Part


class Line(NamedTuple):
    """
    One line of a transcript.

    Attributes:
        role: who: ``user``, ``assistant`` or ``system``.
        text: what.
    """

    role: str
    text: str


def transcript_lines(items: Iterable[Item]) -> tuple[Line, ...]:
    """Return one line for every message that has text by now."""
    return tuple(
        Line(item.role or "", text)
        for item in items
        if item.type == "message" and (text := item.heard)
    )


def chat_messages(items: Iterable[Item]) -> list[dict[str, Any]]:
    """
    Return items in the shape of chat completions.

    Calls join the assistant's message right before them, and every output
    follows its call, wherever it stands in the conversation.
    """
    items = with_call_ids(items)
    outputs = {
        item.call_id: item.output or ""
        for item in items
        if item.type == "function_call_output" and item.call_id
    }
    messages: list[dict[str, Any]] = []
    answers: list[dict[str, Any]] = []
    for item in items:
        if item.type == "function_call" and item.call_id in outputs:
            function = {"name": item.name or "", "arguments": item.arguments or ""}
            call = {"id": item.call_id, "type": "function", "function": function}
            _exported_calling_message(messages, bool(answers))["tool_calls"].append(
                call
            )
            output = outputs[item.call_id]
            answer = {"role": "tool", "tool_call_id": item.call_id, "content": output}
            answers.append(answer)
        elif item.type == "message" and (content := _exported_content(item)):
            messages += answers
            answers = []
            messages.append({"role": item.role, "content": content})
    return messages + answers


def _exported_calling_message(
    messages: list[dict[str, Any]], calling: bool
) -> dict[str, Any]:
    """Return the assistant's message that a call belongs to."""
    last = messages[-1] if messages else {}
    if last.get("role") != "assistant":
        last = {"role": "assistant", "content": None}
        messages.append(last)
    if not calling:
        last["tool_calls"] = []
    return last


def _exported_content(item: Item) -> Any:
    if not any(part.image_url for part in item.content):
        return item.heard
    return [each for part in item.content if (each := _exported_part(part))]


def _exported_part(part: Part) -> dict[str, Any]:
    if part.image_url:
        image = {"url": part.image_url}
        if part.detail:
            image["detail"] = part.detail
        return {"type": "image_url", "image_url": image}
    text = part.text or part.heard
    return {"type": "text", "text": text} if text else {}
