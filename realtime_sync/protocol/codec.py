"""
Text of a message to event, and command to text.

Decoding never raises, whatever a server sends: a frame of a known type always
becomes its class, anything else an `UnknownEvent`. Encoding raises for what
JSON cannot hold, at the line of whoever sends it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from json.encoder import encode_basestring_ascii
from typing import Any, Optional, Union

from . import jsontext
from .audio_frames import SHORTEST, frame_without_audio
from .base64_audio import encode_bytes
from .caller_checks import (
    add_extra_of_caller,
    has_extra_of_caller,
    losses_of_caller,
    refuse_misfits_of_caller,
    refuse_unknown_of_caller,
    take_extra_of_caller,
)
from .dialects import GA, Dialect, client_lift, with_session_type
from .dialects.field_moves import View, same
from .events._base import ClientEvent, ServerEvent, UnknownEvent
from .lazy_audio import FRAME, audio_key
from .lenient_structure import salvage_leniently
from .registry import class_of, event_class, find
from .structure import Hook, Misfit, exact_structure_hook, structure_hook_for
from .unstructure import to_mapping

__all__ = ["Codec", "to_mapping"]

Loads = Callable[[Any], Any]

_BODIES = ("session", "item", "response")
"""Members of commands that may be mappings."""

_TOO_DEEP = f"nested deeper than {jsontext.MAX_DEPTH}"

_AUDIO = audio_key("audio")
_DELTA = audio_key("delta")
_APPENDS = (
    "input_audio_buffer.append",
    "session.input_audio.append",
    "session.input_audio_buffer.append",
)

_UNDIALECTED = ("translation", "live")
"""Kinds of session whose events every server spells alike."""


class Codec:
    """
    Decodes and encodes for one kind of session in one dialect.

    Keeps nothing about a connection; one codec may serve several threads.

    Args:
        dialect: how frames are spelt.
        session_type: ``"realtime"``, ``"transcription"``, ``"translation"`` or
            ``"live"``.
        loads: JSON decoder to use instead of the best one installed; must
            raise ValueError for what is not JSON.
    """

    def __init__(
        self,
        dialect: Dialect = GA,
        *,
        session_type: str = "realtime",
        loads: Optional[Loads] = None,
    ) -> None:
        self.dialect = dialect
        self.session_type = session_type
        self._loads: Loads = jsontext.loads if loads is None else loads
        self._rows: dict[str, tuple[type[ServerEvent], Hook, View]] = {}
        self._commands: dict[str, tuple[type, View]] = {}
        self._lowered: dict[str, View] = {}

    def decode(self, data: Union[bytes, str]) -> ServerEvent:
        """Turn the text of one message into an event. Never raises."""
        if len(data) >= SHORTEST and data.__class__ is bytes:
            event = self._decode_audio(data)
            if event is not None:
                return event
        try:
            # Counted here, and not by a call: nearly every frame has few brackets.
            if (
                not isinstance(data, bytes)
                or data.count(b"[") + data.count(b"{") > jsontext.MAX_DEPTH
            ):
                jsontext.check_depth(data)
            return self.structure(self._loads(data))
        except ValueError as exc:
            return self._decode_halves(data) or UnknownEvent(
                problem=f"not JSON: {exc}", received=data
            )

    def _decode_halves(self, data: Union[bytes, str]) -> Optional[ServerEvent]:
        """
        The same for text that was cut within a character of two halves, or None.

        Servers that count as UTF-16 does say the first half in one delta and the
        second in the next. Neither is text; the rest of the frame is.
        """
        try:
            whole = jsontext.without_lone_surrogates(data)
            if whole is None:
                return None
            jsontext.check_depth(whole)
            event = self.structure(self._loads(whole))
        except ValueError:
            return None
        event.__dict__["problems"] = (
            *event.problems,
            "half of a character was replaced by U+FFFD",
        )
        return event

    def _decode_audio(self, data: bytes) -> Optional[ServerEvent]:
        """The same for a long delta of audio, in half of the time, or None."""
        cut = frame_without_audio(data)
        if cut is None or self._loads is not jsontext.loads:
            return None
        try:
            jsontext.check_depth(cut[0])
            frame = self._loads(cut[0])
        except ValueError:
            return None
        event = self.structure(frame)
        fields = event.__dict__
        # Else it is no audio, or it stood deeper in the frame.
        if fields.get(_DELTA) != "" or frame.get("delta") != "" or event.problems:
            return None
        del fields[_DELTA], fields["raw"]
        fields["delta"], fields[FRAME] = cut[1], data
        return event

    def structure(self, frame: Any) -> ServerEvent:
        """Turn a decoded frame into an event. Never raises."""
        try:
            cls, hook, lift = self._rows[frame["type"]]
        except (KeyError, TypeError):
            learnt = self._learn(frame)
            if learnt is None:
                return _codec_unknown_event(frame)
            cls, hook, lift = learnt
        if frame.__class__ is not dict:
            frame = to_mapping(frame)
        lifted = frame if lift is same else lift(frame)
        event: ServerEvent
        if lifted is not frame and lifted["type"] != frame["type"]:
            # A habit: the event is another than its name says.
            event = self.structure(lifted)
        else:
            try:
                event = hook(lifted, cls)
            except Misfit:
                event = _codec_salvaged_event(cls, lifted)
        if lifted is not frame:
            event.__dict__["raw"] = frame
        return event

    def encode(self, command: Union[ClientEvent, Mapping[str, Any]]) -> bytes:
        """
        Turn a command into the JSON text of this dialect.

        A mapping goes as it is; bytes in it become base64.

        Raises:
            TypeError, ValueError: JSON cannot hold the command, or it is nested
                deeper than `jsontext.MAX_DEPTH`.
        """
        try:
            if isinstance(command, ClientEvent):
                if command.type in _APPENDS and not command.extra:
                    return _encode_append(command)
                text = jsontext.dumps(self.unstructure(command))
            else:
                text = jsontext.dumps(to_mapping(command))
        except RecursionError:
            raise ValueError(_TOO_DEEP) from None
        if text.count(b"[") + text.count(b"{") > jsontext.MAX_DEPTH:
            jsontext.check_depth(text)
        return text

    def unstructure(self, event: Union[ServerEvent, ClientEvent]) -> dict[str, Any]:
        """
        Turn an event or a command into a frame of this dialect.

        Raises:
            ValueError: this dialect has no such event.
        """
        mapping: dict[str, Any] = to_mapping(event)
        if isinstance(event, UnknownEvent) or self.session_type in _UNDIALECTED:
            return mapping
        if isinstance(event, ClientEvent):
            lower = self._lowered.get(event.type)
            if lower is None:
                lower = self.dialect.client_lower(event.type)
                self._lowered[event.type] = lower
            lowered: dict[str, Any] = lower(mapping)
            return lowered
        said = self.dialect.lower_server(mapping)
        if said is None:
            raise ValueError(f"the {self.dialect.name} dialect has no {event.type}")
        return said

    def command(
        self, frame: Mapping[str, Any], *, strict: bool = False
    ) -> Union[ClientEvent, Mapping[str, Any]]:
        """
        Turn a client's frame, in either spelling, into its command.

        A frame of a type that the protocol does not have comes back as it is.
        Nothing is lost: a configuration or an item that has more than its class
        can hold stays a mapping; other members are in the command's ``extra``.
        Apart from that, what does not fit is `UNSET`.

        Args:
            frame: may hold values of the vocabulary, bytes and `UNSET`.
            strict: the frame is made of what a caller gave by name. Fields of
                the vendor are given as ``extra`` within the configuration.

        Raises:
            TypeError: only if strict: a field that the protocol does not have,
                or a value that does not fit.
            ValueError: it is nested too deep to be gone through.
        """
        try:
            cls, lift = self._commands[frame["type"]]
        except (KeyError, TypeError):
            known = self._learn_command(frame.get("type"))
            if known is None:
                return frame
            cls, lift = known
        try:
            command: ClientEvent = exact_structure_hook(cls)(
                self._lifted(lift, frame), cls
            )
        except (Misfit, RecursionError):
            pass
        else:
            if not (strict and has_extra_of_caller(command)):
                return command
        # Values of the vocabulary, bytes, or what does not fit: the thorough way.
        read = _codec_checked_command if strict else _codec_structured_command
        try:
            return read(cls, self._lifted(lift, to_mapping(frame)))
        except RecursionError:
            raise ValueError(_TOO_DEEP) from None

    def _lifted(self, lift: View, frame: object) -> Any:
        if frame.__class__ is not dict:
            raise Misfit  # A lift would leave it as it is.
        lifted = lift(frame)
        if "session" in lifted and self.session_type not in _UNDIALECTED:
            return with_session_type(lifted, self.session_type)
        return lifted

    def _learn_command(self, spelt: object) -> Optional[tuple[type, View]]:
        if not isinstance(spelt, str):
            return None
        try:
            cls = event_class(spelt, session_type=self.session_type, direction="client")
        except KeyError:
            return None
        undialected = self.session_type in _UNDIALECTED
        lift = same if undialected else client_lift(spelt)
        self._commands[spelt] = cls, lift
        return cls, lift

    def _learn(self, frame: object) -> Optional[tuple[type[ServerEvent], Hook, View]]:
        spelt = frame.get("type") if isinstance(frame, Mapping) else None
        if not isinstance(spelt, str):
            return None
        try:
            row = find(spelt, session_type=self.session_type)
        except KeyError:
            return None
        cls = class_of(row)
        lift = self.dialect.server_lift(spelt)
        if row.family == "translation" or self.session_type == "live":
            lift = same
        self._rows[spelt] = learnt = (cls, structure_hook_for(cls), lift)
        return learnt


def _codec_structured_leniently(
    cls: type, frame: dict[str, Any], problems: list[str]
) -> Any:
    try:
        return structure_hook_for(cls)(frame, cls)
    except Misfit:
        return salvage_leniently(cls, frame, problems)


def _codec_structured_command(cls: type, frame: dict[str, Any]) -> ClientEvent:
    command: ClientEvent = _codec_structured_leniently(cls, frame, [])
    for name in _BODIES:
        given = frame.get(name)
        if given.__class__ is dict:
            kept = to_mapping(getattr(command, name))
            if any(losses_of_caller(given, kept)):
                command.__dict__[name] = given
    return command


def _codec_checked_command(cls: type, frame: dict[str, Any]) -> ClientEvent:
    frame, vendor = take_extra_of_caller(frame)
    problems: list[str] = []
    command: ClientEvent = _codec_structured_leniently(cls, frame, problems)
    refuse_misfits_of_caller(command.type, problems)
    refuse_unknown_of_caller(command)
    given = {name: each for name, each in frame.items() if name != "type"}
    lost = [*command.extra, *losses_of_caller(given, to_mapping(command))]
    refuse_misfits_of_caller(
        command.type, [f"there is no field {path}" for path in lost]
    )
    add_extra_of_caller(command, vendor)
    return command


def _codec_salvaged_event(
    cls: type[ServerEvent], frame: Mapping[str, Any]
) -> ServerEvent:
    problems: list[str] = []
    event: ServerEvent = salvage_leniently(cls, frame, problems)
    event.__dict__["raw"] = frame
    event.__dict__["problems"] = tuple(problems)
    return event


def _codec_unknown_event(frame: object) -> UnknownEvent:
    if not isinstance(frame, Mapping):
        kind = type(frame).__name__
        return UnknownEvent(problem=f"not an object: {kind}", received=frame)
    spelt, event_id = frame.get("type"), frame.get("event_id")
    if spelt.__class__ is not str:
        event = UnknownEvent(raw=frame, problem="no event type")
    else:
        event = UnknownEvent(type=spelt, raw=frame, problem="unknown event type")
    if event_id.__class__ is str:
        event.__dict__["event_id"] = event_id
    return event


def _encode_append(command: ClientEvent) -> bytes:
    # Base64 needs no escaping, so the JSON encoder need not look at it.
    fields = command.__dict__
    text = fields.get(_AUDIO)
    if text is None:
        audio = encode_bytes(fields["audio"])
    else:
        audio = text.encode("ascii")
    kind = command.type.encode("ascii")
    if command.event_id:
        name = encode_basestring_ascii(command.event_id).encode("ascii")
        return b'{"type":"%b","event_id":%b,"audio":"%b"}' % (kind, name, audio)
    return b'{"type":"%b","audio":"%b"}' % (kind, audio)
