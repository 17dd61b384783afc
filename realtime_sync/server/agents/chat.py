"""
The chat agent: any OpenAI-compatible chat-completions endpoint as the brain.

A local model gets a realtime voice: the recognizer writes down what the user says,
the endpoint answers, the synthesizer speaks the answer sentence by sentence as it
streams in.
"""

from __future__ import annotations

import json
import os
import re
import urllib.error
import urllib.request
from typing import Any, Iterable, Iterator, Mapping, Optional
from urllib.parse import urlsplit

from ...errors import ConfigurationError
from ...protocol.escape import one_line
from ..voice import (
    Recognizer,
    Synthesizer,
    VoiceActivity,
    default_activity,
    default_recognizer,
    default_synthesizer,
)
from .base import Answer, Call, Failure, Piece, Prompt, Say, item_text

_FILTERED = "content_filter"
_MOST_ERROR = 1 << 16
"""Bytes that are read of an answer that is an error."""

_SENTENCE = re.compile(r".+?[.!?…]+[\"')\]]*\s+", re.DOTALL)


class Chat:
    """
    Asks a chat-completions endpoint.

    Args:
        url: base URL such as ``http://127.0.0.1:11434/v1``, or the whole URL of the
            endpoint.
        model: model to ask for; that of the session by default.
        api_key: sent as a bearer token; ``CHAT_API_KEY`` of the environment by
            default, none if that is not set.
        recognizer: writes speech down; that of the ``demo`` extra by default.
        synthesizer: speaks; that of the ``demo`` extra by default.
        timeout: seconds that the endpoint may be silent.

    Raises:
        ConfigurationError: the URL is none of HTTP, or one of the two is not given
            and the ``demo`` extra is not installed.
    """

    def __init__(
        self,
        url: str,
        *,
        model: Optional[str] = None,
        api_key: Optional[str] = None,
        recognizer: Optional[Recognizer] = None,
        synthesizer: Optional[Synthesizer] = None,
        timeout: float = 60.0,
    ) -> None:
        if not _is_url_of_chat(url):
            raise ConfigurationError(
                f"{one_line(repr(url))} is no http:// or https:// URL of an endpoint"
            )
        url = url.rstrip("/")
        ending = "/chat/completions"
        self.url = url if url.endswith(ending) else url + ending
        self.recognizer: Optional[Recognizer] = recognizer or default_recognizer()
        self.synthesizer: Synthesizer = synthesizer or default_synthesizer()
        self._model = model
        self._key = api_key or os.environ.get("CHAT_API_KEY")
        self._timeout = timeout

    def activity(self) -> VoiceActivity:
        """Return a voice activity detector for one session."""
        return default_activity()

    def reply(self, prompt: Prompt) -> Answer:
        """
        Stream the endpoint's answer, sentence by sentence.

        Raises:
            Failure: the endpoint cannot be reached, or answers with an error.
        """
        return self._answer(self._request(prompt))

    def _request(self, prompt: Prompt) -> urllib.request.Request:
        body: dict[str, Any] = {
            "model": self._model or prompt.model,
            "messages": list(chat_agent_messages(prompt)),
            "stream": True,
        }
        tools = [_chat_tool(tool) for tool in prompt.tools]
        if tools:
            body["tools"] = tools
            body["tool_choice"] = _chat_tool_choice(prompt.tool_choice)
        if prompt.temperature is not None:
            body["temperature"] = prompt.temperature
        if prompt.max_output_tokens is not None:
            body["max_tokens"] = prompt.max_output_tokens
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        return urllib.request.Request(
            self.url, data=json.dumps(body).encode(), headers=headers, method="POST"
        )

    def _answer(self, request: urllib.request.Request) -> Iterator[Piece]:
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as response:
                yield from chat_pieces(response)
        except urllib.error.HTTPError as exc:
            with exc:
                body = exc.read(_MOST_ERROR)
            raise _chat_failure(self.url, exc.code, body) from exc
        except OSError as exc:
            raise Failure(f"{self.url} cannot be reached: {exc}") from exc


# -- what is asked ---------------------------------------------------------------


def _is_url_of_chat(url: str) -> bool:
    try:
        parts = urlsplit(url)
        parts.port  # May be none.
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def chat_agent_messages(prompt: Prompt) -> Iterator[dict[str, Any]]:
    """Translate a prompt into chat messages."""
    if prompt.instructions:
        yield {"role": "system", "content": prompt.instructions}
    for item in prompt.items:
        yield from _chat_messages_of_item(item)


def _chat_messages_of_item(item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    kind = item["type"]
    if kind == "message":
        yield {"role": item["role"], "content": _chat_content(item)}
    elif kind == "function_call":
        yield _chat_call(item["call_id"], item)
    elif kind == "function_call_output":
        yield _chat_call_result(item["call_id"], item["output"])
    elif kind == "mcp_call":
        yield _chat_call(item["id"], item)
        yield _chat_call_result(item["id"], item["output"] or json.dumps(item["error"]))


def _chat_content(item: Mapping[str, Any]) -> Any:
    images = [part for part in item["content"] if part["type"] == "input_image"]
    if not images:
        return item_text(item)
    return [
        {"type": "text", "text": item_text(item)},
        *(
            {"type": "image_url", "image_url": {"url": part["image_url"]}}
            for part in images
        ),
    ]


def _chat_call(call_id: str, item: Mapping[str, Any]) -> dict[str, Any]:
    function = {"name": item["name"], "arguments": item["arguments"]}
    call = {"id": call_id, "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def _chat_call_result(call_id: str, output: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": output}


def _chat_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    names = ("name", "description", "parameters")
    function = {name: tool[name] for name in names if tool.get(name) is not None}
    return {"type": "function", "function": function}


def _chat_tool_choice(choice: object) -> Any:
    if isinstance(choice, Mapping) and "name" in choice:
        return {"type": "function", "function": {"name": choice["name"]}}
    return choice if isinstance(choice, str) else "auto"


# -- what is answered ------------------------------------------------------------


def chat_pieces(lines: Iterable[bytes]) -> Iterator[Piece]:
    """
    Read a stream of server-sent events into pieces.

    Words come out by the sentence, calls when the stream is over.

    Raises:
        Failure: the stream holds an error, or was cut by the endpoint's content
            filter: what had been said by then comes before it.
    """
    text, filtered = "", False
    calls: dict[int, dict[str, str]] = {}
    for choice in _chat_choices(lines):
        filtered = filtered or choice.get("finish_reason") == _FILTERED
        delta = choice.get("delta") or choice.get("message") or {}
        text += delta.get("content") or delta.get("refusal") or ""
        for call in delta.get("tool_calls") or ():
            _add_chat_call(calls, call)
        while match := _SENTENCE.match(text):
            yield Say(match.group())
            text = text[match.end() :]
    if text.strip():
        yield Say(text)
    if filtered:
        raise Failure("the endpoint's content filter cut the answer", code=_FILTERED)
    for _, call in sorted(calls.items()):
        yield Call(call["name"], call["arguments"] or "{}", call["id"])


def _chat_choices(lines: Iterable[bytes]) -> Iterator[Mapping[str, Any]]:
    for line in lines:
        field, _, value = line.decode("utf-8", "replace").strip().partition(":")
        if field != "data" or value.strip() in ("", "[DONE]"):
            continue
        try:
            chunk = json.loads(value)
        except ValueError as exc:
            raise Failure(f"the endpoint sent what is not JSON: {exc}") from exc
        if "error" in chunk:
            code = _chat_error_code(chunk["error"]) or "server_error"
            raise Failure(f"the endpoint failed: {chunk['error']}", code=code)
        yield from chunk.get("choices") or ()


def _chat_failure(url: str, status: int, body: bytes) -> Failure:
    """The failure for an answer with a status that is an error's."""
    try:
        told = json.loads(body)
    except ValueError:
        told = None
    code = _chat_error_code(told.get("error")) if isinstance(told, Mapping) else None
    if code is None:
        code = "rate_limit_exceeded" if status == 429 else "server_error"
    words = body[:500].decode("utf-8", "replace")
    return Failure(f"{url} answered with status {status}: {words}", code=code)


def _chat_error_code(error: object) -> Optional[str]:
    """That the filter did not let the question through is no trouble of ours."""
    code = error.get("code") if isinstance(error, Mapping) else None
    return _FILTERED if code == _FILTERED else None


def _add_chat_call(calls: dict[int, dict[str, str]], call: Mapping[str, Any]) -> None:
    known = calls.setdefault(
        call.get("index", len(calls)), {"id": "", "name": "", "arguments": ""}
    )
    function = call.get("function") or {}
    known["id"] = call.get("id") or known["id"]
    known["name"] += function.get("name") or ""
    known["arguments"] += function.get("arguments") or ""
