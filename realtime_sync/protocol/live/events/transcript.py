"""What both sides say, as fragments that know their time."""

from __future__ import annotations

from typing import ClassVar, Literal

from attrs import frozen

from ....types import OrUnset
from ...fields import required
from ._base import CorrelatedEvent


@frozen(kw_only=True, slots=False)
class InputTranscriptDelta(CorrelatedEvent):
    """
    More of what the user said.

    Append fragments in the order in which they come, spaces included.

    Attributes:
        delta: what to append.
        start_ms: where it begins, in milliseconds of the session.
        end_ms: where it ends.
    """

    type: ClassVar[Literal["session.input_transcript.delta"]] = (
        "session.input_transcript.delta"
    )
    delta: OrUnset[str] = required()
    start_ms: OrUnset[float] = required()
    end_ms: OrUnset[float] = required()


@frozen(kw_only=True, slots=False)
class OutputTranscriptDelta(CorrelatedEvent):
    """
    More of what the model says.

    Append fragments in the order in which they come, spaces included.

    Attributes:
        delta: what to append.
        start_ms: where it begins, in milliseconds of the session.
        end_ms: where it ends.
    """

    type: ClassVar[Literal["session.output_transcript.delta"]] = (
        "session.output_transcript.delta"
    )
    delta: OrUnset[str] = required()
    start_ms: OrUnset[float] = required()
    end_ms: OrUnset[float] = required()
