"""
What becomes of a session in a recording: one line for each frame, no secrets.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Optional, Protocol

from attrs import AttrsInstance, asdict

from ..protocol import audio_fields, events, jsontext, sensitive
from ..protocol.codec import to_mapping
from ..protocol.fields import field_of
from ..state.reducers.conversation import CHANGES
from ..state.snapshot import Snapshot
from ..transport.redaction import HIDDEN, redact, secrets_for_redaction

FORMAT: Final = "realtime-sync-recording"
VERSION: Final = 1

_KEYS: Final = tuple(b"sk- sk_ ek- ek_ xai- xai_ bearer".split())
"""How what looks like a key begins; see `transport.redaction`."""

_LONG_BASE64: Final = re.compile(rb"[A-Za-z0-9+/]{512,}")

SAID: Final = frozenset(
    "arguments delta digit digits event input instructions output prompt text"
    " transcript token".split()
)
"""Names of what people, models and tools say, and of what is dialled."""

_LETTER: Final = re.compile(r"[^\W\d_]")
_DIGIT: Final = re.compile(r"\d")


class NoticeOfLine(AttrsInstance, Protocol):
    """What the library reports, see `dispatch.notices.Notice`."""

    @property
    def type(self) -> str:
        """Its name."""


class RecordingLines:
    """
    Turns what was seen into lines.

    Args:
        audio: keep the audio.
        mask: show how long words are, and no word.
        counts_noted: say with each message how many commands the mirror was told of
            just before it: in a live session they are in the recording themselves.
    """

    def __init__(
        self, *, audio: bool, mask: bool = False, counts_noted: bool = False
    ) -> None:
        self._audio = audio
        self._counts_noted = counts_noted
        self._mask = mask
        self._frames = 0

    def line(self, at: float, kind: str, *seen: object) -> bytes:
        """One line, with its end."""
        if kind == "head":
            return jsontext.dumps(seen[0]) + b"\n"
        made: bytes = getattr(self, f"_{kind}")(b'{"t":%.6f,' % at, *seen)
        return made

    def failed(self, error: Exception) -> bytes:
        """The last line of a recording that was given up."""
        return b'{"dir":"note","note":%b}\n' % _dumped_line(
            {"type": "recording.failed", "error": str(error)}
        )

    def _in(
        self,
        start: bytes,
        number: int,
        data: bytes,
        event: events.ServerEvent,
        noted: Sequence[object],
    ) -> bytes:
        self._frames += 1
        asked = [_asked_in_line(each) for each in noted if _matters_for_line(each)]
        start += b'"dir":"in",' + _connection_of_line(number)
        if asked:
            start += b'"asked":%b,' % _dumped_line(asked)
        if self._counts_noted:
            start += b'"noted":%d,' % len(noted)
        undecoded = isinstance(event, events.UnknownEvent) and event.received is data
        if undecoded and not _is_too_deep_for_line(data):
            return start + _no_json_for_line(
                b"<%d bytes>" % len(data) if self._mask else data
            )
        return start + self._json(data)

    def _out(self, start: bytes, number: int, payload: bytes) -> bytes:
        self._frames += 1
        return (
            start + b'"dir":"out",' + _connection_of_line(number) + self._json(payload)
        )

    def _note(self, start: bytes, number: int, notice: NoticeOfLine) -> bytes:
        described = _notice_in_line(notice)
        if self._mask and isinstance(described.get("error"), str):
            # The words of an exception may be those of the caller.
            described["error"] = masked_line_text(described["error"])
        return start + _noted_in_line(number, described)

    def _own(self, start: bytes, number: int, note: Mapping[str, Any]) -> bytes:
        return start + _noted_in_line(number, line_without_secrets(note))

    def _switched(self, start: bytes, number: int) -> bytes:
        return start + _noted_in_line(number, {"type": "recording.switched"})

    def _snapshot(self, start: bytes, number: int, snapshot: Snapshot) -> bytes:
        packed = snapshot.to_dict()
        if packed == type(snapshot)().to_dict():
            return b""
        packed = masked_line(packed) if self._mask else packed
        note = {"type": "recording.snapshot", "snapshot": packed}
        return start + _noted_in_line(number, note)

    def _end(self, start: bytes, code: Optional[int], reason: str) -> bytes:
        note = {"type": "recording.ended", "frames": self._frames}
        if code is not None:
            note.update(code=code, reason=reason)
        return start + b'"dir":"note","note":%b}\n' % _dumped_line(note)

    def _json(self, data: bytes) -> bytes:
        """The rest of a line; as it came if there can be no secret in it."""
        if _is_too_deep_for_line(data):
            hide = self._mask or line_may_hold_secret(data)
            return _no_json_for_line(HIDDEN.encode() if hide else data)
        if self._mask:
            frame = line_without_secrets(
                jsontext.loads_with_lone_surrogates(data), audio=False
            )
            return b'"frame":%b}\n' % _dumped_line(masked_line(frame))
        if line_may_hold_secret(data) or not self._audio and b"audio" in data:
            data = _dumped_line(
                line_without_secrets(
                    jsontext.loads_with_lone_surrogates(data), audio=self._audio
                )
            )
        elif b"\n" in data or b"\r" in data:
            data = data.replace(b"\n", b" ").replace(b"\r", b" ")
        return b'"frame":%b}\n' % data


def line_may_hold_secret(data: bytes) -> bool:
    """Whether a frame must be looked into; False means that it may go as it is."""
    # Audio is most of what there is, and no telltale is that long.
    words = _LONG_BASE64.sub(b"", data)
    if sensitive.may_hold_sensitive(words):
        return True
    lower = words.lower()
    return any(each in lower for each in _KEYS) or any(
        secret.encode() in data for secret in secrets_for_redaction()
    )


def line_without_secrets(frame: object, *, audio: bool = True) -> Any:
    """
    A copy of a frame without secrets, and without audio if it is unwanted.

    Args:
        frame: decoded JSON.
        audio: keep base64 audio; otherwise there is ``{"audio_bytes": length}``.
    """
    if not audio:
        frame = audio_fields.audio_fields_replaced(frame, _measured_audio_of_line)
    return sensitive.hidden_sensitive(frame)


def masked_line(frame: object, said: bool = False) -> Any:
    """
    A copy of a frame in which every letter that was said is an x, every digit a 0.

    Args:
        frame: decoded JSON.
        said: it stands under a name of `SAID`.
    """
    if isinstance(frame, Mapping):
        # The bytes of a token are its letters once more, as numbers.
        return {
            name: [] if name == "bytes" else masked_line(each, name in SAID)
            for name, each in frame.items()
        }
    if isinstance(frame, (list, tuple)):
        return [masked_line(each, said) for each in frame]
    return masked_line_text(frame) if said and isinstance(frame, str) else frame


def masked_line_text(text: str) -> str:
    """A text with an x for each letter and a 0 for each digit."""
    return _DIGIT.sub("0", _LETTER.sub("x", text))


def _measured_audio_of_line(audio: str) -> dict[str, int]:
    return {"audio_bytes": audio_fields.audio_field_size(audio)}


def _is_too_deep_for_line(data: bytes) -> bool:
    """Whether a message is nested deeper than anybody goes to look for secrets."""
    try:
        jsontext.check_depth(data)
    except ValueError:
        return True
    return False


def _no_json_for_line(data: bytes) -> bytes:
    try:
        return b'"text":%b}\n' % _dumped_line(data.decode("utf-8"))
    except (UnicodeDecodeError, ValueError):
        return b'"base64":"%b"}\n' % base64.b64encode(data)


def _dumped_line(value: object) -> bytes:
    text = jsontext.dumps(value).decode("utf-8")
    return redact(text).encode("utf-8")


def _connection_of_line(number: int) -> bytes:
    return b"" if number == 1 else b'"conn":%d,' % number


def _noted_in_line(number: int, note: Mapping[str, Any]) -> bytes:
    return b'"dir":"note",%b"note":%b}\n' % (
        _connection_of_line(number),
        _dumped_line(note),
    )


def _notice_in_line(notice: NoticeOfLine) -> dict[str, Any]:
    """A notice as JSON: exceptions by name and words, events by type."""
    fields = {"type": notice.type}
    for name in asdict(notice, recurse=False):
        fields[name] = _plain_for_line(getattr(notice, name))
    return fields


def _plain_for_line(value: object) -> Any:
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {value}"
    if isinstance(value, events.ServerEvent):
        return value.type
    try:
        plain = to_mapping(value)
        jsontext.dumps(plain)
    except (TypeError, ValueError):
        return repr(value)
    return plain


def _matters_for_line(command: object) -> bool:
    """Whether a command says what the mirror is not told again."""
    return _changes_in_line(command) or bool(
        field_of(command, "previous_item_id") == "root"
    )


def _changes_in_line(command: object) -> bool:
    return field_of(command, "type") in CHANGES


def _asked_in_line(command: object) -> dict[str, Any]:
    """What the mirror needs to know of an item that was asked for."""
    fields = {"event_id": field_of(command, "event_id")}
    if _changes_in_line(command):
        names = ("type", "item_id", "audio_end_ms")
        told = {name: field_of(command, name) for name in names}
        change: dict[str, Any] = to_mapping({**told, **fields})
        return change
    item = field_of(command, "item")
    fields["item"] = {name: field_of(item, name) for name in ("id", "type", "role")}
    plain: dict[str, Any] = to_mapping(fields)
    return plain
