"""
Audio that stays base64, and frames that stay JSON, until somebody looks.

A session that nobody listens to must not pay for decoding. The decoder puts
the base64 text that came into the event's ``__dict__`` under a private name;
the first read of the field decodes it and puts the bytes beside it, where the
next read finds them without coming here. Where the decoder has taken the audio out
of the frame itself (see `audio_frames`), it is ``raw`` that is made when it is read.
"""

from __future__ import annotations

from typing import Any, Optional, TypeVar

from attrs import fields_dict

from ..types import UNSET
from . import jsontext
from .base64_audio import decode_audio
from .fields import AUDIO

C = TypeVar("C", bound=type)


def audio_key(name: str) -> str:
    """Return the ``__dict__`` key under which a field's base64 text is kept."""
    return f"_{name}_base64"


class LazyAudio:
    """
    A field that is decoded from base64 when it is first read.

    It has no ``__set__``: what ``__init__`` or an earlier read has put into
    ``__dict__`` hides it. Text that is not base64 reads as `UNSET`, and the
    event's ``problems`` say so.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.key = audio_key(name)

    def __get__(self, instance: object, owner: Optional[type] = None) -> Any:
        if instance is None:
            return self
        values = instance.__dict__
        try:
            values[self.name] = decode_audio(values[self.key])
        except KeyError:
            raise AttributeError(self.name) from None
        except ValueError:
            values[self.name] = UNSET
            if "problems" in values:
                problem = f"{self.name}: not base64"
                values["problems"] = (*values["problems"], problem)
        return values[self.name]


RAW = "raw"
FRAME = "_frame"
"""The ``__dict__`` key of the text of a frame, where ``raw`` is made of it."""


class LazyRaw:
    """
    The decoded frame of an event, decoded when it is first read.

    It has no ``__set__``: see `LazyAudio`.
    """

    def __get__(self, instance: object, owner: Optional[type] = None) -> Any:
        if instance is None:
            return self
        values = instance.__dict__
        if FRAME not in values:
            raise AttributeError(RAW)
        values[RAW] = raw = jsontext.loads(values[FRAME])
        return raw


def lazy_audio(cls: C) -> C:
    """
    Make the audio fields of an attrs class lazy, and its ``raw`` if it is an event.

    Put it above ``@frozen``.
    """
    attributes = fields_dict(cls)
    for attribute in attributes.values():
        if attribute.metadata.get(AUDIO):
            setattr(cls, attribute.name, LazyAudio(attribute.name))
    if RAW in attributes:
        setattr(cls, RAW, LazyRaw())
    return cls


def encoded_audio(value: object, name: str) -> Optional[str]:
    """Return the base64 text of a field as it came, or None."""
    text: Optional[str] = value.__dict__.get(audio_key(name))
    return text


def audio_size(value: object, name: str = "delta") -> int:
    """
    Return how many bytes of audio a field holds, without decoding it.

    Args:
        value: an event or a content part.
        name: the field: ``delta`` of an audio delta, ``audio`` elsewhere.
    """
    text = encoded_audio(value, name)
    if text is not None:
        return len(text) * 3 // 4 - text[-2:].count("=")
    audio = getattr(value, name)
    return len(audio) if isinstance(audio, bytes) else 0
