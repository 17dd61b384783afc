"""A model behind a chat-completions endpoint, for personas and judges."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Optional

from attrs import field, frozen

from ..errors import ConfigurationError, RestError
from . import arguments
from .arguments import LONGEST_WAIT

KEY = "CHAT_API_KEY"
"""The environment variable that has the key where none is given."""

_LONGEST_ANSWER = 1 << 20


@frozen
class ChatModel:
    """
    Any server of chat completions, on this machine or elsewhere.

    A frozen value; any thread may ask it.

    Attributes:
        base_url: such as ``http://127.0.0.1:11434/v1``, or the endpoint itself.
        model: name of the model.
        api_key: by default that of the environment variable ``CHAT_API_KEY``, read
            when the model is asked; none is sent if there is none.
        timeout: seconds for one answer.

    Raises:
        ConfigurationError: a value is none of these.
    """

    base_url: str
    model: str
    api_key: Optional[str] = field(default=None, repr=False)
    timeout: float = field(default=60.0, kw_only=True)

    def __attrs_post_init__(self) -> None:
        arguments.text("base_url", self.base_url)
        arguments.text("model", self.model)
        if self.api_key is not None:
            # Never shown, whatever it is.
            if not isinstance(self.api_key, str):
                raise ConfigurationError("api_key is a text, or None")
        arguments.number("timeout", self.timeout, least=0.001, most=LONGEST_WAIT)

    def ask(self, messages: Sequence[Mapping[str, str]]) -> str:
        """
        Return the model's answer to a conversation.

        Args:
            messages: with ``role`` and ``content`` each.

        Raises:
            RestError: the server cannot be reached, refuses, or answers otherwise
                than chat completions do.
        """
        url = self.base_url.rstrip("/")
        ending = "/chat/completions"
        url = url if url.endswith(ending) else url + ending
        headers = {"Content-Type": "application/json"}
        key = self.api_key or os.environ.get(KEY)
        if key:
            headers["Authorization"] = f"Bearer {key}"
        body = {"model": self.model, "messages": [dict(each) for each in messages]}
        request = urllib.request.Request(
            url, data=json.dumps(body).encode(), headers=headers, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as response:
                answer = response.read(_LONGEST_ANSWER)
        except urllib.error.HTTPError as exc:
            with exc:
                raise RestError(f"{url} answered with status {exc.code}") from exc
        except OSError as exc:
            raise RestError(f"{url} cannot be reached: {exc}") from exc
        return _chat_reply_text(answer, url)


def _chat_reply_text(answer: bytes, url: str) -> str:
    try:
        content = json.loads(answer)["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError, RecursionError) as exc:
        raise RestError(f"{url} answered otherwise than chat completions do") from exc
    return content if isinstance(content, str) else ""
