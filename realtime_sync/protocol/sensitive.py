"""
What is secret in frames, by the name under which it stands.

Logs, recordings, packed snapshots, reprs, reports and notebooks read this one table.
A key that is known, or that looks like one, is `transport.redaction`'s.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Optional

from . import audio_fields

HIDDEN: Final = "<secret>"
"""What stands in the place of a secret."""

NAMES: Final = tuple(
    "accesskey apikey apikeys authorization bearer cookie credential credentials"
    " jwt passphrase passwd password passwords privatekey secret secretkey secrets"
    " subscriptionkey token".split()
)
"""
How names of secrets end, in small letters alone.

So ``apiKey``, ``X-Api-Key`` and ``access_token`` are some; ``input_tokens``,
``max_output_tokens`` and ``token_details`` are none.
"""

HEADERS: Final = ("headers",)
"""How names end of what holds headers: every value in it is secret."""

PLAIN: Final = frozenset({"anchor", "description", "object", "title", "type"})
"""What may be read in an object that stands under the name of a secret."""

LABELS: Final = ("name", "key", "header")
"""Members that name their neighbour ``value``, in lists of pairs."""

_SMALL: Final = re.compile(r"[^a-z]+")
_IN_QUERY: Final = re.compile(r"([?&;])([^=&?;\s\"']+)=([^&;#\s\"']+)")
_USER: Final = re.compile(r"(?<=://)[^/\s@\"']+(?=@)")

_TELLTALES: Final = tuple(
    (name + end).encode() for name in NAMES + HEADERS for end in '"='
) + (b"://", b"\\u", b"\\/")


@lru_cache(maxsize=1024)
def is_sensitive(name: str) -> bool:
    """Whether what stands under a name is secret."""
    return _SMALL.sub("", name.lower()).endswith(NAMES)


@lru_cache(maxsize=1024)
def _is_sensitive_headers(name: str) -> bool:
    return _SMALL.sub("", name.lower()).endswith(HEADERS)


def may_hold_sensitive(data: bytes) -> bool:
    """
    Whether a frame must be looked into; False means that it has no secret's name.
    """
    # An escape can hide a name, and an address may have a user or a query.
    small = data.lower().translate(None, b"_-")
    return any(each in small for each in _TELLTALES)


def hidden_sensitive(frame: object) -> Any:
    """Return a copy of decoded JSON with `HIDDEN` in the place of every secret."""
    return _CopyWithoutSensitive(HIDDEN).of(frame)


def shown_frame(frame: object) -> Any:
    """Return a copy of decoded JSON for people: without secrets, sound by its size."""
    return hidden_sensitive(
        audio_fields.audio_fields_replaced(frame, audio_fields.shown_audio_field)
    )


def sensitive_left_out(frame: object) -> Any:
    """Return a copy of decoded JSON without its secrets and their names."""
    return _CopyWithoutSensitive(None).of(frame)


def hidden_sensitive_text(text: str) -> str:
    """Return a text with the secrets of the addresses in it hidden."""
    if "=" in text:
        text = _IN_QUERY.sub(_hide_sensitive_query, text)
    return _USER.sub(HIDDEN, text) if "://" in text else text


def _hide_sensitive_query(found: re.Match[str]) -> str:
    mark, name, value = found.groups()
    return f"{mark}{name}={HIDDEN if is_sensitive(name) else value}"


class _CopyWithoutSensitive:
    """
    A way to copy JSON.

    Args:
        instead: what takes the place of a secret; None leaves the member out.
    """

    def __init__(self, instead: Optional[str]) -> None:
        self._instead = instead

    def of(self, value: object) -> Any:
        """Copy a value that stands where nothing is secret."""
        if isinstance(value, Mapping):
            return self._members(value)
        if isinstance(value, (list, tuple)):
            return [self.of(each) for each in value]
        return hidden_sensitive_text(value) if isinstance(value, str) else value

    def _members(self, value: Mapping[str, Any], *, schema: bool = False) -> Any:
        made = {}
        for name, each in value.items():
            if self._is_secret(str(name), value):
                # In a schema the name is that of a parameter, and not of a holder.
                described = schema and isinstance(each, Mapping)
                each = self.of(each) if described else self._secret(each)
            elif _is_sensitive_headers(str(name)):
                each = self._secret(each, headers=True)
            elif name == "properties" and isinstance(each, Mapping):
                each = self._members(each, schema=True)
            else:
                each = self.of(each)
            if each is not _GONE:
                made[name] = each
        return made

    def _is_secret(self, name: str, owner: Mapping[str, Any]) -> bool:
        if is_sensitive(name):
            # Log probabilities name what was said a token.
            return not (name == "token" and "logprob" in owner)
        if name != "value":
            return False
        labels = [owner.get(label) for label in LABELS]
        return any(isinstance(each, str) and is_sensitive(each) for each in labels)

    def _secret(self, value: object, *, headers: bool = False) -> Any:
        """Take the secrets out of what stands under the name of one."""
        if isinstance(value, Mapping):
            made = {}
            for name, each in value.items():
                shown = name in PLAIN and isinstance(each, str) and not headers
                # What counts or dates a secret, such as `expires_at`, is none.
                number = isinstance(each, (int, float))
                kept = each if shown or number else self._secret(each, headers=headers)
                if kept is not _GONE:
                    made[name] = kept
            return made
        if isinstance(value, (list, tuple)):
            kept = [self._secret(each, headers=headers) for each in value]
            return [each for each in kept if each is not _GONE]
        if not value or isinstance(value, bool):
            return value
        return _GONE if self._instead is None else self._instead


_GONE: Final = object()
"""In the place of a member that is left out."""
