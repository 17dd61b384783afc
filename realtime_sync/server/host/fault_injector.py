"""
Misbehaviour on demand.

A fault is written ``name``, ``name:where`` or ``name:where:amount``. *where* is the
number of an outgoing frame, counted from 1, or an event type: the first frame of it.
`FAULTS` says what each does. Faults are given to `serve`, to a session's URL
(``?fault=drop_after:5&fault=null_ids``) or in a scenario file.
"""

from __future__ import annotations

import json
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Callable, Iterator, Mapping, Optional, Union

import attrs

from ...errors import ConfigurationError
from ...protocol.registry import canonical, live_names, server_names

FAULTS: Mapping[str, str] = MappingProxyType(
    {
        "drop_before": "end the TCP connection before a frame, without a close frame",
        "drop_after": "end the TCP connection after a frame, without a close frame",
        "reset_after": "reset the TCP connection after a frame",
        "cut": "end the TCP connection at a byte (amount) of a frame",
        "close_after": "send a close frame with a code (amount) after a frame",
        "delay": "hold a frame, and those behind it, for seconds (amount)",
        "stall": "write nothing from a frame on; reading goes on",
        "half_open": "neither read nor write from a frame on; no close",
        "drip": "write at most a number of bytes (where) every 20 ms",
        "bad_json": "send a text that is not JSON before a frame",
        "non_object": "send JSON that is not an object before a frame",
        "unknown_event": "send an event of an unknown type before a frame",
        "big": "send a frame of 15 MB, or of a size (amount), before a frame",
        "unknown_fields": "add fields that nobody knows to every frame",
        "null_ids": "make every event_id null",
        "no_ids": "leave out every event_id",
        "null_fields": "add previous_item_id and error as null where they are absent",
        "missing": "leave out every frame of a type (where)",
        "duplicate": "send a frame twice, or every frame of a type",
        "swap": "send a frame after the one that follows it",
        "late_deltas": "send one more delta after a cancelled response is done",
        "late_transcripts": "hold transcripts of the user until a response is done; in "
        "GPT-Live, until work is handed on or the model speaks",
        "swap_transcripts": "hold the first item's transcript until after the second's",
        "binary": "send JSON in binary frames",
        "wrong_dialect": "speak the dialect that was not asked for",
        "expire": "end the session after a frame as if its time were up: 1001",
        "content": "end a session of GPT-Live after a frame, for what was said",
        "remote_hangup": "end a session of GPT-Live after a frame, as if the other "
        "side had hung up",
        "connection_lost": "end a session of GPT-Live after a frame, as if the media "
        "were lost",
        "stray_error": "send an error that belongs to no command, and has no code, "
        "before a frame",
        "handoff": "let responses of GPT-Live's backend end with an error of the "
        "session instead of an event",
        "no_credit": "refuse to start a session of GPT-Live: no credits are left",
        "no_client_ids": "leave client_event_id out of every answer of GPT-Live",
        "gaps": "leave out every fifth frame of the audio of GPT-Live",
        "refuse": "refuse connections with a status or close code (where), "
        "the first few (amount) or all",
        "flap": "drop the first connections (where) right after session.created",
    }
)
"""Every fault, with what it does."""

REFUSALS = (400, 401, 403, 404, 429, 500, 503, 3000, 4000)
_NEEDS_PLACE = frozenset(
    "drop_before drop_after reset_after cut close_after delay stall half_open "
    "bad_json non_object unknown_event big missing duplicate swap expire content "
    "remote_hangup connection_lost stray_error refuse flap drip".split()
)
_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "expire": "expired",
        "content": "content",
        "remote_hangup": "remote_hangup",
        "connection_lost": "connection_lost",
    }
)
"""What GPT-Live calls the end that a fault brings."""
_AUDIO = "session.output_audio.delta"
_GAP = 5
_LIVE_TRANSCRIPT = "session.input_transcript.delta"
_RELEASING = frozenset(
    {
        "response.done",
        "session.delegation.created",
        "session.output_transcript.delta",
        "session.closed",
    }
)
"""What ends the wait of transcripts that are held."""
_COUNTED = frozenset({"drip", "flap", "refuse"})
_BIG = 15_000_000
_CUT = 10
_DELAY = 1.0


@attrs.frozen
class Fault:
    """
    One misbehaviour.

    Attributes:
        name: a key of `FAULTS`.
        where: number of a frame, or an event type; see `FAULTS`.
        amount: see `FAULTS`.
    """

    name: str
    where: Union[int, str, None] = None
    amount: Optional[float] = None

    def __attrs_post_init__(self) -> None:
        if self.name not in FAULTS:
            raise ConfigurationError(
                f"unknown fault {self.name!r}; there are: {', '.join(FAULTS)}"
            )
        if self.where is None and self.name in _NEEDS_PLACE:
            raise ConfigurationError(f"fault {self.name!r} needs a place: name:where")
        if self.name in _COUNTED and not isinstance(self.where, int):
            raise ConfigurationError(f"fault {self.name!r} needs a number: name:number")
        known = server_names() | live_names("server")
        if isinstance(self.where, str) and self.where not in known:
            near = get_close_matches(self.where, sorted(known), 1)
            # An engine may have events of its own, whose names are like no other.
            if near or "." not in self.where:
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise ConfigurationError(f"no frame is a {self.where!r}{hint}")
        if self.amount is not None and not 0 <= self.amount < float("inf"):
            raise ConfigurationError(f"no fault has an amount of {self.amount}")
        if self.name == "refuse" and self.where not in REFUSALS:
            raise ConfigurationError(f"cannot refuse with {self.where!r}: {REFUSALS}")

    @classmethod
    def parse(cls, text: Union[str, Fault]) -> Fault:
        """
        Read ``name:where:amount``.

        Raises:
            ConfigurationError: it is not a fault.
        """
        if isinstance(text, Fault):
            return text
        name, _, rest = text.strip().partition(":")
        where, _, amount = rest.partition(":")
        try:
            return cls(
                name,
                int(where) if where.isdigit() else where or None,
                float(amount) if amount else None,
            )
        except ValueError as exc:
            raise ConfigurationError(f"bad fault {text!r}: {exc}") from exc


# -- what a connection is told to do ---------------------------------------------


@attrs.frozen
class Send:
    """Write one message; only its first bytes if `cut_at` is given."""

    data: bytes
    binary: bool = False
    cut_at: Optional[int] = None


@attrs.frozen
class Wait:
    """Do nothing for some seconds."""

    seconds: float


@attrs.frozen
class Drop:
    """End the TCP connection, by a reset if asked to."""

    reset: bool = False


@attrs.frozen
class Close:
    """Send a close frame."""

    code: int


@attrs.frozen
class Silence:
    """Write nothing any more; if `deaf`, read nothing either."""

    deaf: bool


@attrs.frozen
class End:
    """End the session for a reason of the protocol's."""

    reason: str


Action = Union[Send, Wait, Drop, Close, Silence, End]
Frame = Mapping[str, Any]


def encoded_faulty_frame(frame: Frame) -> bytes:
    """Write a frame as JSON text."""
    text = json.dumps(frame, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


class FaultInjector:
    """
    Turns the frames of one connection into what is really done.

    Args:
        faults: what is to go wrong; none for a server that behaves.
        other: respells a frame in the dialect that was not asked for.
    """

    def __init__(
        self,
        faults: tuple[Fault, ...] = (),
        *,
        other: Callable[[Frame], Optional[Frame]] = lambda frame: frame,
    ) -> None:
        self._faults = faults
        self._names = {fault.name for fault in faults}
        self._other = other
        self._count = 0
        self._heard = 0
        self._seen: set[str] = set()
        self._held: list[Frame] = []
        self._swapped: list[Frame] = []
        self._deltas: dict[str, Frame] = {}

    @property
    def drip(self) -> Optional[int]:
        """Bytes to be written every 20 ms; None for no limit."""
        rates = [f.where for f in self._faults if f.name == "drip"]
        return int(rates[0] or 1) if rates else None

    def actions(self, frame: Frame) -> Iterator[Action]:
        """Say what is to be done instead of sending *frame*."""
        if not self._faults:
            yield Send(encoded_faulty_frame(frame))
            return
        for each in self._reordered(frame):
            yield from self._one(each)

    # -- order -----------------------------------------------------------------

    def _reordered(self, frame: Frame) -> Iterator[Frame]:
        kind = frame["type"]
        if self._hold_transcript(frame):
            self._held.append(frame)
            return
        yield frame
        if kind == "response.done":
            yield from self._late_delta(frame)
        if self._held and self._release(frame):
            held, self._held = self._held, []
            yield from held
        self._remember(frame)

    def _hold_transcript(self, frame: Frame) -> bool:
        if frame["type"] == _LIVE_TRANSCRIPT:
            return "late_transcripts" in self._names
        if ".input_audio_transcription." not in frame["type"]:
            return False
        if "late_transcripts" in self._names:
            return True
        if "swap_transcripts" not in self._names:
            return False
        item_id = frame.get("item_id")
        first = self._held[0].get("item_id") if self._held else item_id
        done = "swapped" in self._seen
        return not done and bool(first == item_id)

    def _release(self, frame: Frame) -> bool:
        kind = str(frame["type"])
        if "late_transcripts" in self._names:
            return kind in _RELEASING
        if kind.endswith("input_audio_transcription.completed"):
            self._seen.add("swapped")
            return True
        return False

    def _remember(self, frame: Frame) -> None:
        if frame["type"].endswith(".delta") and "response_id" in frame:
            self._deltas[frame["response_id"]] = frame

    def _late_delta(self, frame: Frame) -> Iterator[Frame]:
        response = frame.get("response") or {}
        last = self._deltas.pop(response.get("id", ""), None)
        if "late_deltas" in self._names and last is not None:
            if response.get("status") == "cancelled":
                yield last

    # -- one frame -------------------------------------------------------------

    def _one(self, frame: Frame) -> Iterator[Action]:
        self._count += 1
        here = [fault for fault in self._faults if self._is_here(fault, frame)]
        self._seen.add(canonical(frame["type"]))
        names = {fault.name: fault for fault in here}
        yield from self._before(names)
        if "missing" not in names and not self._is_gap(frame):
            yield from self._frame(self._changed(frame), names)
        yield from self._after(names)

    def _is_gap(self, frame: Frame) -> bool:
        """Whether it is one of the frames of audio that ``gaps`` leaves out."""
        if "gaps" not in self._names or frame["type"] != _AUDIO:
            return False
        self._heard += 1
        return self._heard % _GAP == 0

    def _is_here(self, fault: Fault, frame: Frame) -> bool:
        if isinstance(fault.where, int):
            return fault.where == self._count
        if fault.where is None or canonical(fault.where) != canonical(frame["type"]):
            return False
        everywhere = fault.name in ("missing", "duplicate")
        return everywhere or canonical(frame["type"]) not in self._seen

    def _before(self, here: Mapping[str, Fault]) -> Iterator[Action]:
        if "delay" in here:
            amount = here["delay"].amount
            yield Wait(_DELAY if amount is None else amount)
        if "bad_json" in here:
            yield Send(b'{"type": "response.done", "response": {"id')
        if "non_object" in here:
            yield Send(b'["response.done", 1]')
        if "unknown_event" in here:
            event = {"type": "response.sparkle", "event_id": "event_new", "glow": 1}
            yield Send(encoded_faulty_frame(event))
        if "stray_error" in here:
            error = {"type": "server_error", "code": None, "message": "Oops."}
            stray = {"type": "error", "event_id": "event_stray", "error": error}
            yield Send(encoded_faulty_frame(stray))
        if "big" in here:
            size = int(here["big"].amount or _BIG)
            filler = {"type": "response.filler", "event_id": "event_big", "data": ""}
            filler["data"] = "x" * max(0, size - len(encoded_faulty_frame(filler)))
            yield Send(encoded_faulty_frame(filler))
        if "drop_before" in here:
            yield Drop()
        if "stall" in here or "half_open" in here:
            yield Silence(deaf="half_open" in here)

    def _frame(self, frame: Frame, here: Mapping[str, Fault]) -> Iterator[Action]:
        if "swap" in here:
            self._swapped.append(frame)
            return
        data, binary = encoded_faulty_frame(frame), "binary" in self._names
        cut = here.get("cut")
        if cut is not None:
            yield Send(data, binary, int(_CUT if cut.amount is None else cut.amount))
            yield Drop()
            return
        yield Send(data, binary)
        if "duplicate" in here:
            yield Send(data, binary)
        swapped, self._swapped = self._swapped, []
        for each in swapped:
            yield Send(encoded_faulty_frame(each), binary)

    def _after(self, here: Mapping[str, Fault]) -> Iterator[Action]:
        if "drop_after" in here:
            yield Drop()
        if "reset_after" in here:
            yield Drop(reset=True)
        if "close_after" in here:
            yield Close(int(here["close_after"].amount or 1011))
        for name in _REASONS:
            if name in here:
                yield End(_REASONS[name])

    def _changed(self, frame: Frame) -> Frame:
        changed = dict(frame)
        if "wrong_dialect" in self._names:
            changed = dict(self._other(changed) or changed)
        if "unknown_fields" in self._names:
            changed.update(obfuscation="aXyZ", x_trace={"hop": 1}, elapsed_ms=7)
        if "null_fields" in self._names:
            changed.update(
                {n: None for n in ("previous_item_id", "error") if n not in changed}
            )
        if "null_ids" in self._names:
            changed["event_id"] = None
        if "no_ids" in self._names:
            changed.pop("event_id", None)
        return changed
