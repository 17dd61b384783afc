"""
Events named ``output_audio_buffer.*``: audio that the server plays itself.

They occur where the server owns the playback, over WebRTC and SIP; some
vendors send ``cleared`` over a WebSocket.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from attrs import frozen

from ...types import OrUnset
from ..fields import checked, required
from ._base import ClientEvent, ServerEvent


@frozen(kw_only=True, slots=False, field_transformer=checked)
class OutputAudioBufferClear(ClientEvent):
    """Stop the server's playback. Send `ResponseCancel` before it."""

    type: ClassVar[Literal["output_audio_buffer.clear"]] = "output_audio_buffer.clear"


@frozen(kw_only=True, slots=False)
class OutputAudioBufferStarted(ServerEvent):
    """
    The server started to play a response.

    Attributes:
        response_id: the response.
    """

    type: ClassVar[Literal["output_audio_buffer.started"]] = (
        "output_audio_buffer.started"
    )
    response_id: OrUnset[str] = required()


@frozen(kw_only=True, slots=False)
class OutputAudioBufferStopped(ServerEvent):
    """
    The server has played all of a response.

    Attributes:
        response_id: the response.
    """

    type: ClassVar[Literal["output_audio_buffer.stopped"]] = (
        "output_audio_buffer.stopped"
    )
    response_id: OrUnset[str] = required()


@frozen(kw_only=True, slots=False)
class OutputAudioBufferCleared(ServerEvent):
    """
    The server stopped playing: the user interrupted, or the client asked.

    Attributes:
        response_id: the response.
    """

    type: ClassVar[Literal["output_audio_buffer.cleared"]] = (
        "output_audio_buffer.cleared"
    )
    response_id: OrUnset[str] = required()
