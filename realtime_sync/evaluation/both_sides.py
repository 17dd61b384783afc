"""Both sides of a call as one piece of audio."""

from __future__ import annotations

from typing import Optional

from .. import Audio, audio
from ..errors import ConfigurationError
from .call_record import CallRecord

RATE = 12_000
"""Samples per second: speech is understood, and pages stay small."""

LONGEST_SECONDS = 600.0
"""Of a longer call only so much can be played."""


def both_sides(call: CallRecord) -> Optional[Audio]:
    """
    Mix caller and agent, each where it was to be heard.

    None if there is no sound, or a package for it is missing.
    """
    stretches = [*call.user.stretches, *call.agent.stretches]
    if not stretches:
        return None
    try:
        import numpy

        seconds = min(max(each.end for each in stretches), LONGEST_SECONDS)
        mix = numpy.zeros(int(seconds * RATE) + 1, numpy.int32)
        for each in stretches:
            if each.start >= seconds:
                continue
            pcm = audio.convert(
                bytes(each.data), each.format, "pcm16", rate=each.rate, to_rate=RATE
            )
            samples = numpy.frombuffer(pcm, "<i2")
            place = int(each.start * RATE)
            room = len(mix) - place
            mix[place : place + len(samples)] += samples[:room]
    except (ImportError, ConfigurationError):
        return None
    whole = numpy.clip(mix, -32_768, 32_767).astype("<i2")
    return Audio(whole.tobytes(), "pcm16", RATE)
