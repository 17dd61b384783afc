"""
What one response is to be.
"""

from __future__ import annotations

from typing import Any, Mapping, Optional

import attrs

from .sound import SoundFormat
from .usage import UsageTokens


@attrs.frozen(kw_only=True)
class ResponsePlan:
    """
    What one response is to be, the session's settings and its own put together.

    Attributes:
        conversation: whether its items join the conversation.
        shown: configuration that the response object shows.
        modality: ``text`` or ``audio``.
        form: format of the audio.
        read: tokens of the context.
        cached_before: text tokens that the previous response had read.
        max_output_tokens: bound on the output, or None.
        instructions: the response's own, or None.
        phases: whether its messages say what they are for, as newer models' do.
    """

    conversation: bool
    shown: Mapping[str, Any]
    modality: str
    form: SoundFormat
    read: UsageTokens
    cached_before: int
    max_output_tokens: Optional[int]
    instructions: Optional[str] = None
    phases: bool = False
