"""One question, one answer: message, response, wait, tool rounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from os import PathLike
from threading import Lock, get_ident
from typing import TYPE_CHECKING, Any, Optional, Protocol, Union, cast

from attrs import evolve

from ..deadline import Deadline, acquire_timeout
from ..dispatch.watches import WatchWaiting
from ..errors import ActiveResponseConflict, WaitTimeout, WouldDeadlock
from ..types import UNSET, OnTimeout, Timeout, Unset
from .audio import Audio, heard_audio_format
from .reply import Reply, raise_for_reply_status
from .resources import Conversation, Responses
from .response_handle import ResponseHandle

if TYPE_CHECKING:
    from ..protocol.items import InputItem, UserMessage
    from ..types import AudioBytes

    Question = Union[
        str, Audio, PathLike[str], AudioBytes, InputItem, Sequence["Question"]
    ]


class AskToolRounds(Protocol):
    """What a question asks of the tools of its session."""

    def limited(self, rounds: int) -> AbstractContextManager[None]:
        """Meanwhile, ask for so many further responses and no more."""

    def follow(
        self, reply: Reply, timeout: Optional[float]
    ) -> Optional[ResponseHandle]:
        """Wait for the calls of a reply; the response that follows, or None."""


class Asker:
    """
    `Session.ask`, and the turns that concurrent callers take.

    Args:
        conversation: where questions go.
        responses: where answers come from.
        waiting: how threads wait.
        check_process: raises `ForkedSession` in a forked child.
        on_reader: tells whether the calling thread must not wait.
        call: while it is entered, commands of this thread belong to one call.
        config: gives the configuration in force.
        tools: gives the tools on offer, None while nothing has asked for any.
    """

    def __init__(
        self,
        conversation: Conversation,
        responses: Responses,
        *,
        waiting: WatchWaiting,
        check_process: Callable[[], None],
        on_reader: Callable[[], bool],
        call: Callable[[], AbstractContextManager[None]],
        config: Callable[[], object],
        tools: Callable[[], Optional[AskToolRounds]],
    ) -> None:
        self._conversation = conversation
        self._responses = responses
        self._waiting = waiting
        self._check_process = check_process
        self._on_reader = on_reader
        self._call = call
        self._config = config
        self._tools = tools
        # Guards the default conversation's turn: one question at a time. Held
        # over a whole exchange, by the asking thread only, with a deadline.
        self._turn = Lock()
        self._asker: Optional[int] = None

    def ask(
        self,
        question: Question,
        *,
        timeout: Timeout = UNSET,
        max_tool_rounds: int = 8,
        check: bool = True,
        on_timeout: OnTimeout = "cancel",
        conversation: Union[str, None, Unset] = UNSET,
        **response: Any,
    ) -> Reply:
        """See `Session.ask`."""
        if on_timeout not in ("cancel", "leave"):
            raise ValueError(f"on_timeout must be cancel or leave, not {on_timeout!r}")
        response["on_timeout"] = on_timeout
        deadline = self._waiting.deadline(timeout)
        self._refuse_where_it_cannot_wait()
        items = question_items(question, heard_audio_format(self._config()))
        if conversation == "none":
            with self._call():
                return self._out_of_band(items, deadline, check, response)
        response["conversation"] = conversation
        held: list[bool] = []
        try:
            # In one call into C, so that an interrupt cannot leave it locked.
            held.extend(map(self._turn.acquire, (True,), (acquire_timeout(deadline),)))
            if not held[0]:
                raise WaitTimeout(
                    "another question of this session is not answered yet"
                )
            self._asker = get_ident()
            with self._call():
                return self._exchange(items, deadline, max_tool_rounds, check, response)
        finally:
            if held and held[0]:
                self._asker = None
                self._turn.release()

    def _refuse_where_it_cannot_wait(self) -> None:
        """
        Raises:
            WouldDeadlock: the calling thread would wait for itself; nothing has
                been sent yet.
            ForkedSession: the process is a forked child.
        """
        self._check_process()
        if self._on_reader():
            raise WouldDeadlock(
                "ask() in a handler on the loop would wait for itself; "
                "register the handler without inline=True"
            )
        if self._asker == get_ident():
            raise WouldDeadlock(
                "ask() in a handler that runs while this thread asks would wait "
                'for itself; conversation="none" asks beside it'
            )

    def _exchange(
        self,
        items: list[InputItem],
        deadline: Deadline,
        rounds: int,
        check: bool,
        response: Mapping[str, Any],
    ) -> Reply:
        messages = [self._conversation.item.create(item) for item in items]
        tools = self._tools()
        try:
            # Before the model can call: what it calls last is not followed up.
            with nullcontext() if tools is None else tools.limited(rounds):
                handle = self._begun({"on_conflict": "wait", **response}, deadline)
                return self._rounds(
                    handle, deadline, rounds, check, response["on_timeout"]
                )
        finally:
            # Whatever else came of it, the question was refused or lost first: a
            # response on the next connection would answer something else.
            for message in messages:
                message.raise_if_rejected()

    def _begun(self, response: dict[str, Any], deadline: Deadline) -> ResponseHandle:
        """Our response, and none that only seemed to be it."""
        while True:
            timeout = deadline.remaining()
            handle = self._responses.create(timeout=timeout, **response)
            try:
                self._result(handle, deadline, response["on_timeout"])
            except ActiveResponseConflict:
                # What had seemed its beginning was that of another.
                if response["on_conflict"] == "raise":
                    raise
            else:
                return handle

    def _out_of_band(
        self,
        items: list[InputItem],
        deadline: Deadline,
        check: bool,
        response: Mapping[str, Any],
    ) -> Reply:
        handle = self._responses.create(conversation="none", input=items, **response)
        reply = self._result(handle, deadline, response["on_timeout"])
        if check:
            raise_for_reply_status(reply)
        return reply

    def _result(
        self, handle: ResponseHandle, deadline: Deadline, on_timeout: OnTimeout
    ) -> Reply:
        """The reply; a response that nobody waits for any more is given up."""
        try:
            return handle.result(deadline.remaining(), check=False)
        except WaitTimeout:
            if on_timeout == "cancel":
                handle.give_up()
            raise

    def _rounds(
        self,
        handle: ResponseHandle,
        deadline: Deadline,
        rounds: int,
        check: bool,
        on_timeout: OnTimeout,
    ) -> Reply:
        steps: list[Reply] = []
        while True:
            reply = self._result(handle, deadline, on_timeout)
            steps.append(reply)
            following, tools = None, self._tools()
            if reply.status == "completed" and reply.tool_calls and rounds > 0:
                following = (
                    None if tools is None else tools.follow(reply, deadline.remaining())
                )
            if following is None:
                break
            handle, rounds = following, rounds - 1
        reply = evolve(reply, steps=tuple(steps))
        if check:
            raise_for_reply_status(reply)
        return reply


def question_items(question: object, heard: tuple[str, int]) -> list[InputItem]:
    """
    The items of a question: text, `Audio`, a path, PCM bytes, an item, or several.

    Audio goes as an item, never through the input buffer, so that voice
    activity detection has no part in it.

    Args:
        question: what is asked.
        heard: format and rate of the session's input, to which `Audio` is
            converted; bytes go as they are.

    Raises:
        TypeError: it is none of these.
        ConfigurationError: numpy, soxr or soundfile, which a file or a conversion
            needs, is missing; or the file holds no audio.
        OSError: the file cannot be read.
    """
    if isinstance(question, str):
        return [_question_message({"type": "input_text", "text": question})]
    if isinstance(question, Audio):
        return [
            _question_message(
                {"type": "input_audio", "audio": _question_as_heard(question, heard)}
            )
        ]
    if isinstance(question, PathLike):
        sound = _read_question(question, heard)
        return [_question_message({"type": "input_audio", "audio": sound})]
    if isinstance(question, (bytes, bytearray, memoryview)):
        return [_question_message({"type": "input_audio", "audio": bytes(question)})]
    if isinstance(question, Mapping) or hasattr(question, "type"):
        return [cast("InputItem", question)]
    if isinstance(question, Sequence):
        return [item for part in question for item in question_items(part, heard)]
    raise TypeError(
        f"ask() takes text, Audio, a path, PCM bytes or items, "
        f"not {type(question).__name__}"
    )


def _question_as_heard(sound: Audio, heard: tuple[str, int]) -> bytes:
    if (sound.format, sound.rate) == heard:
        return sound.data
    from ..audio import convert

    form, rate = heard
    return convert(sound.data, sound.format, form, rate=sound.rate, to_rate=rate)


def _read_question(path: PathLike[str], heard: tuple[str, int]) -> bytes:
    """The sound of a file, as the session hears it."""
    from ..audio import audio_format, read_file

    form, rate = heard
    return read_file(path, audio_format(form, rate=rate))


def _question_message(part: dict[str, Any]) -> UserMessage:
    from ..protocol.items import ContentPart, UserMessage

    return UserMessage(content=(ContentPart(**part),))
