"""The voices of the local synthesizer, by name; known without its engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Optional

import attrs


@attrs.frozen(kw_only=True)
class Voice:
    """
    How a speaker sounds.

    Attributes:
        depth: by how much pitch and resonances lie below the model's own; 1.2
            is a speaker whose throat and larynx are a fifth larger.
    """

    depth: float = 1.0


VOICES: Final[Mapping[str, Voice]] = {
    "heart": Voice(),
    "deep": Voice(depth=1.15),
}
"""The voices there are. The first is the model's own, the default."""

_DEEP = frozenset({"ash", "ballad", "cedar", "echo", "verse"})


def synthesizer_voice(name: Optional[str]) -> Voice:
    """The voice of that name; the API's own names are spread over ours."""
    if name in _DEEP:
        return VOICES["deep"]
    return VOICES.get(name or "heart", VOICES["heart"])
