"""Items of the conversation, as far as the server has told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from attrs import field, frozen

from .frozen_records import freeze, pack_record
from .growing_text import Growing, plain_text

PCM_RATE = 48_000
"""Bytes per second of 16-bit PCM at 24 kHz, which is what an unknown format is."""

UNNAMED = "unnamed_"
"""How the ids begin that the mirror makes up where a server tells none."""

SPEECH_RATE = 15.0
"""Characters per second of speech, assumed where no audio has been counted."""


@frozen(kw_only=True, slots=False)
class Part:
    """
    One content part of an item.

    Attributes:
        type: ``output_text``, ``output_audio``, ``input_text``, ``input_audio``,
            ``input_image`` or whatever the server calls it.
        audio_bytes: bytes of audio received for it.
        audio_rate: bytes per second of that audio.
        heard_ms: milliseconds of its audio that were played, once the server
            has confirmed a truncation; None otherwise.
        image_url: the image, for ``input_image``.
        detail: how closely the model looks at the image.
        transcription: ``in_progress``, ``completed`` or ``failed`` for spoken
            input that the server transcribes, None otherwise.
    """

    type: Optional[str] = None
    _text: Growing = None
    _transcript: Growing = None
    _kept: Growing = None
    audio_bytes: int = 0
    audio_rate: int = PCM_RATE
    heard_ms: Optional[int] = None
    image_url: Optional[str] = None
    detail: Optional[str] = None
    transcription: Optional[str] = None

    @property
    def text(self) -> Optional[str]:
        """The text of the part, None for audio."""
        return plain_text(self._text)

    @property
    def transcript(self) -> Optional[str]:
        """
        The transcript that the server has.

        A truncation removes it on the server, all of it; `said` and `heard`
        are what is left to the client.
        """
        truncated = self.heard_ms is not None
        return plain_text(self._kept if truncated else self._transcript)

    @property
    def said(self) -> Optional[str]:
        """The transcript as if there had been no truncation."""
        return plain_text(self._transcript)

    @property
    def heard(self) -> Optional[str]:
        """
        The part of the transcript that was played, up to a whole word.

        It is an estimate by time: no server tells which word belongs to which
        millisecond.
        """
        said = self.said
        if self.heard_ms is None or said is None:
            return said
        total = self.audio_ms or len(said) / SPEECH_RATE * 1000
        heard = min(self.heard_ms, total)  # A server may say any figure.
        return first_words(said, heard / total if total else 0.0)

    @property
    def audio_ms(self) -> int:
        """Whole milliseconds of audio received."""
        return self.audio_bytes * 1000 // self.audio_rate

    def to_dict(self) -> dict[str, Any]:
        """Return the part as JSON-able values."""
        return pack_record(self)


def first_words(text: str, share: float) -> str:
    """The first *share* of a text, up to a whole word."""
    end = int(len(text) * share)
    if end >= len(text):
        return text
    if not text[end].isspace():
        end = max(text.rfind(" ", 0, end + 1), 0)
    return text[:end].rstrip()


@frozen(kw_only=True, slots=False)
class Item:
    """
    One item of the conversation, or one that has been announced.

    Attributes:
        id: the item's id.
        type: ``message``, ``function_call``, ``function_call_output``,
            ``mcp_list_tools``, ``mcp_call``, ``mcp_approval_request``,
            ``mcp_approval_response``, another, or None while unknown.
        role: ``user``, ``assistant`` or ``system`` for messages.
        status: ``in_progress``, ``completed``, ``incomplete``, ``failed`` (MCP
            only), or None where the server says nothing.
        content: the content parts.
        phase: ``commentary`` or ``final_answer`` where the model tells them apart.
        call_id: joins a function call to its output.
        name: name of the function or MCP tool.
        output: output of a function or of an MCP call.
        response_id: the response that made it, None for other items.
        previous_item_id: predecessor that the server named when the item came;
            the order now is that of `Snapshot.items`.
        announced: an event named it, but it is not in the conversation yet.
        committed: the audio it will be made of has been committed.
        out_of_band: it belongs to a response outside the conversation, and
            never enters the order.
        closed: the server has called it done; deltas no longer apply.
        concluded: its status is what the end of its response makes of it, until
            the server says another.
        audio_start_ms: where its speech starts in the input, by the server's
            voice detection.
        audio_end_ms: where its speech ends in the input.
        server_label: MCP server.
        approval_request_id: the request that an approval, or a call, refers to.
        approve: whether an MCP call was approved.
        reason: reason given with the approval.
        error: why an MCP call failed, as JSON; also why a transcription failed.
        tools: tools that an MCP server offers, as JSON.
    """

    id: str
    type: Optional[str] = None
    role: Optional[str] = None
    status: Optional[str] = None
    content: tuple[Part, ...] = ()
    phase: Optional[str] = None
    call_id: Optional[str] = None
    name: Optional[str] = None
    _arguments: Growing = None
    output: Optional[str] = None
    response_id: Optional[str] = None
    previous_item_id: Optional[str] = None
    announced: bool = False
    committed: bool = False
    out_of_band: bool = False
    closed: bool = False
    concluded: bool = False
    audio_start_ms: Optional[int] = None
    audio_end_ms: Optional[int] = None
    server_label: Optional[str] = None
    approval_request_id: Optional[str] = None
    approve: Optional[bool] = None
    reason: Optional[str] = None
    error: Any = field(default=None, converter=freeze)
    tools: Any = field(default=None, converter=freeze)

    @property
    def arguments(self) -> Optional[str]:
        """JSON text of the arguments of a call, possibly still growing."""
        return plain_text(self._arguments)

    @property
    def text(self) -> str:
        """Text and transcripts of all parts, joined: what the server has."""
        return "".join([part.text or part.transcript or "" for part in self.content])

    @property
    def said(self) -> str:
        """Text and transcripts of all parts as they were generated."""
        return "".join([part.text or part.said or "" for part in self.content])

    @property
    def heard(self) -> str:
        """Text and transcripts of all parts as far as they were played."""
        return "".join([part.text or part.heard or "" for part in self.content])

    @property
    def truncated(self) -> bool:
        """Whether playback of any part was cut."""
        return any(part.heard_ms is not None for part in self.content)

    @property
    def heard_ms(self) -> Optional[int]:
        """Milliseconds that were played, None if playback was not cut."""
        if not self.truncated:
            return None
        return sum(
            part.audio_ms if part.heard_ms is None else part.heard_ms
            for part in self.content
        )

    @property
    def audio_ms(self) -> int:
        """
        Milliseconds of audio.

        Audio that was received is counted. For spoken input it is the stretch
        that the server's voice detection marked.
        """
        received = sum(part.audio_ms for part in self.content)
        if received or self.audio_start_ms is None or self.audio_end_ms is None:
            return received
        return max(0, self.audio_end_ms - self.audio_start_ms)

    def to_dict(self) -> dict[str, Any]:
        """Return the item as JSON-able values."""
        packed = pack_record(self, leave_out=("content",))
        if self.content:
            packed["content"] = [part.to_dict() for part in self.content]
        return packed

    @classmethod
    def from_dict(cls, packed: Mapping[str, Any]) -> Item:
        """
        Rebuild an item from what `to_dict` returned.

        Raises:
            TypeError: the mapping has a key that no item has.
        """
        parts = tuple(Part(**part) for part in packed.get("content", ()))
        return cls(**{**packed, "content": parts})


def has_made_up_id(item: Item) -> bool:
    """Whether the id of an item is the mirror's own, which no server knows."""
    return item.id.startswith((UNNAMED, f"{item.response_id}/"))
