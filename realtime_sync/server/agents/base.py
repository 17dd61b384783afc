"""
What an agent is: something that answers a conversation.

The engine asks; a worker thread lets the agent answer; what the agent yields goes
back to the engine piece by piece. An agent may block and may fail.
"""

from __future__ import annotations

from typing import Any, Iterable, Iterator, Mapping, Optional, Protocol, Sequence, Union

import attrs

from ..voice.conversation import Reply, ToolCall
from ..voice.interfaces import Recognizer, Synthesizer, VoiceActivity


@attrs.frozen
class Say:
    """
    Words to be said, or written.

    Attributes:
        text: the words; spoken by the agent's synthesizer if audio is wanted.
        audio: ready speech instead of the synthesizer's, 16-bit PCM at 24 kHz.
        phase: ``"final_answer"``, or ``"commentary"`` for what is said on the way
            there; told by models that have phases (``gpt-realtime-2.1``).
    """

    text: str
    audio: Optional[bytes] = attrs.field(default=None, repr=False)
    phase: str = "final_answer"


@attrs.frozen
class Call:
    """
    A function that the client is to run.

    Attributes:
        name: the function's name.
        arguments: JSON text (sent as it is, right or wrong) or a mapping.
        call_id: made by the server when empty.
    """

    name: str
    arguments: Union[str, Mapping[str, Any]] = "{}"
    call_id: str = ""


@attrs.frozen
class Delegate:
    """
    Work to be handed on: to whom, a session of GPT-Live says.

    In a session that delegates to the client, the client is told and nothing else
    happens; to Responses, what the agent answers after this is the backend's; to
    Decisions, the session's questions are answered. A `Call` hands work on too.
    Other sessions do not delegate: their response fails.

    Attributes:
        acknowledgement: said meanwhile, unless the client says something first.
    """

    acknowledgement: str = ""


Piece = Union[Say, Call, Delegate]
Answer = Union[None, str, Say, Call, Delegate, Reply, ToolCall, Iterable[Any]]
"""What an agent may return: one piece, several, or a generator of pieces."""


class Failure(Exception):
    """
    Raised by an agent to end the response with the status ``failed``.

    With the code ``content_filter`` it ends as ``incomplete`` for that reason, after
    what was said before.

    Args:
        message, code, type: of ``status_details.error``.
    """

    def __init__(
        self, message: str, *, code: str = "server_error", type: str = "server_error"
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.type = type


@attrs.frozen(kw_only=True)
class Prompt:
    """
    What the agent is to answer; nothing in it may be changed.

    Attributes:
        items: the conversation in order, as GA items; the ``transcript`` of user
            audio holds what the agent's recognizer heard.
        audio: user audio by item id, 16-bit PCM at 24 kHz.
        instructions: of the response, or else of the session.
        response_instructions: of the response; None if it has none of its own.
        tools: function tools, as GA tools.
        tool_choice: as in GA.
        modality: ``"text"`` or ``"audio"``.
        voice: name of the voice to speak with.
        speed: pace to speak at, 1.0 being normal.
        model: as named by the client.
        metadata: of the response.
        session_id: of the session.
        temperature: of a beta session, else None.
        max_output_tokens: bound on the reply, None for no bound.
        delegation: in a session of GPT-Live, who does what the agent hands on with
            `Delegate`: ``"client"``, ``"responses"`` or ``"decisions"``; else None.
    """

    items: Sequence[Mapping[str, Any]] = ()
    audio: Mapping[str, bytes] = attrs.field(factory=dict, repr=False)
    instructions: str = ""
    response_instructions: Optional[str] = None
    tools: Sequence[Mapping[str, Any]] = ()
    tool_choice: Any = "auto"
    modality: str = "text"
    voice: Optional[str] = None
    speed: float = 1.0
    model: str = ""
    metadata: Optional[Mapping[str, str]] = None
    session_id: str = ""
    temperature: Optional[float] = None
    max_output_tokens: Optional[int] = None
    delegation: Optional[str] = None

    @property
    def last(self) -> Optional[Mapping[str, Any]]:
        """The last item, or None in an empty conversation."""
        return self.items[-1] if self.items else None

    @property
    def text(self) -> str:
        """What the user said or wrote last; empty before that."""
        for item in reversed(self.items):
            if item.get("role") == "user":
                return item_text(item)
        return ""


def item_text(item: Mapping[str, Any]) -> str:
    """Join what is written or said in an item."""
    if item.get("type") == "function_call_output":
        return str(item.get("output", ""))
    words = [
        part.get("text") or part.get("transcript") or ""
        for part in item.get("content", ())
    ]
    return " ".join(word for word in words if word)


class Agent(Protocol):
    """
    Something that answers a conversation, hears and speaks.

    One agent serves every session of a server; `reply`, recognizer and synthesizer are
    called from several worker threads at once.
    """

    recognizer: Optional[Recognizer]
    """Writes user audio down; without one it stays without a transcript."""
    synthesizer: Synthesizer
    """Speaks what `reply` says."""

    def reply(self, prompt: Prompt) -> Answer:
        """
        Answer a conversation; may block, may be a generator.

        Raises:
            Failure: the response ends as failed, with that error. So does every
                other exception, as a server error.
        """
        ...

    def activity(self) -> VoiceActivity:
        """Return a voice activity detector for one session."""
        ...


def agent_pieces(answer: Answer) -> Iterator[Piece]:
    """
    Flatten what an agent returned into pieces.

    Raises:
        TypeError: something in it is not an answer.
    """
    if answer is None:
        return
    if isinstance(answer, str):
        yield Say(answer)
    elif isinstance(answer, (Say, Call, Delegate)):
        yield answer
    elif isinstance(answer, ToolCall):
        yield Call(answer.name, answer.arguments, answer.call_id)
    elif isinstance(answer, Reply):
        if answer.text:
            yield Say(answer.text)
        for call in answer.calls:
            yield from agent_pieces(call)
    elif isinstance(answer, Iterable) and not isinstance(answer, (bytes, Mapping)):
        for part in answer:
            yield from agent_pieces(part)
    else:
        raise TypeError(f"an agent cannot answer with {type(answer).__name__}")
