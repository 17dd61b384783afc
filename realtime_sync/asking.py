"""One question, one answer: message, response, wait, tool rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any

from attrs import evolve

from .audio_value import Audio
from .deadline import Deadline, acquire_timeout
from .errors import WaitTimeout
from .reply import Reply, raise_for_status
from .types import UNSET, Timeout

if TYPE_CHECKING:
    from .response_handle import ResponseHandle
    from .session import Session


class Asking:
    """
    `Session.ask`, and the turns that concurrent callers take.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        # Guards the default conversation's turn: one question at a time. Held
        # over a whole exchange, by the asking thread only, with a deadline.
        self._turn = Lock()

    def ask(
        self,
        question: Any,
        *,
        timeout: Timeout = UNSET,
        max_tool_rounds: int = 8,
        check: bool = True,
        conversation: Any = UNSET,
        **response: Any,
    ) -> Reply:
        """See `Session.ask`."""
        deadline = self._session._wiring.waiting.deadline(timeout)
        items = question_items(question)
        if conversation == "none":
            return self._out_of_band(items, deadline, check, response)
        if not self._turn.acquire(timeout=acquire_timeout(deadline)):
            raise WaitTimeout("another question of this session is not answered yet")
        try:
            for item in items:
                self._session.conversation.item.create(item)
            handle = self._session.response.create(
                on_conflict="wait", timeout=deadline.remaining(), **response
            )
            return self._rounds(handle, deadline, max_tool_rounds, check)
        finally:
            self._turn.release()

    def _out_of_band(
        self,
        items: list[Any],
        deadline: Deadline,
        check: bool,
        response: Mapping[str, Any],
    ) -> Reply:
        handle = self._session.response.create(
            conversation="none", input=items, **response
        )
        return handle.result(deadline.remaining(), check=check)

    def _rounds(
        self, handle: ResponseHandle, deadline: Deadline, rounds: int, check: bool
    ) -> Reply:
        steps: list[Reply] = []
        while True:
            reply = handle.result(deadline.remaining(), check=False)
            steps.append(reply)
            following = None
            if reply.status == "completed" and reply.tool_calls and rounds > 0:
                following = self._session._follow_tools(reply, deadline)
            if following is None:
                break
            handle, rounds = following, rounds - 1
        reply = evolve(reply, steps=tuple(steps))
        if check:
            raise_for_status(reply)
        return reply


def question_items(question: Any) -> list[Any]:
    """
    The items of a question: text, `Audio`, PCM bytes, an item, or several.

    Audio goes as an item, never through the input buffer, so that voice
    activity detection has no part in it.

    Raises:
        TypeError: it is none of these.
    """
    if isinstance(question, str):
        return [_user({"type": "input_text", "text": question})]
    if isinstance(question, Audio):
        return [_user({"type": "input_audio", "audio": question.data})]
    if isinstance(question, (bytes, bytearray, memoryview)):
        return [_user({"type": "input_audio", "audio": bytes(question)})]
    if isinstance(question, Mapping) or hasattr(question, "type"):
        return [question]
    if isinstance(question, Sequence):
        return [item for part in question for item in question_items(part)]
    raise TypeError(
        "ask() takes text, Audio, PCM bytes or items, " f"not {type(question).__name__}"
    )


def _user(part: dict[str, Any]) -> Any:
    from .protocol.items import ContentPart, UserMessage

    return UserMessage(content=(ContentPart(**part),))
