"""What a live session is configured with, in plain terms, and as the wire has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional, Union

from attrs import frozen

from ...errors import ConfigurationError
from ...protocol.audio_formats import BYTES_PER_SAMPLE, RATES, WORDS
from ...protocol.codec import Codec, to_mapping
from ...protocol.live.decisions import DecisionsConfig
from ...protocol.live.sessions import ResponsesConfig
from ...protocol.live.sessions import SessionConfig as WireConfig
from ...state.live.snapshot import LiveSnapshot
from ...types import UNSET, Unset

Responses = ResponsesConfig
"""Delegation to a model of the Responses API, which may call your tools."""

Decisions = DecisionsConfig
"""Delegation to the Decisions API."""

WIRE_FORMATS = {word: WORDS[word][0] for word in ("pcm16", "g711_ulaw", "g711_alaw")}
"""Format -> media type."""

FORMATS = {kind: word for word, kind in WIRE_FORMATS.items()}
WIDTHS = {
    word: (RATES[kind], BYTES_PER_SAMPLE[kind]) for word, kind in WIRE_FORMATS.items()
}
"""Format -> usual samples per second, and bytes of one sample."""

_DELEGATIONS = {ResponsesConfig: "responses", DecisionsConfig: "decisions"}
_UPDATABLE = frozenset({"delegation", "triggers"})


@frozen(kw_only=True)
class LiveConfig:
    """
    Configuration of a live session. Most of it cannot be changed later.

    Attributes:
        instructions: for the voice, 16,384 tokens at most.
        voice: name of a voice, or ``{"id": ...}`` for one of your own.
        format: of the audio in both directions: ``"pcm16"``, ``"g711_ulaw"`` or
            ``"g711_alaw"``.
        rate: samples per second of PCM16, 16000 or 24000.
        input: what was said before: a `LiveSnapshot` of another session, or
            messages of the wire; 128 of them and 8,192 tokens at most.
        delegation: who does the work that the voice delegates: ``"client"`` is
            your program, see `LiveSession.delegate`; `Responses` a model that the
            service runs, which may call your tools; `Decisions` the Decisions API.
        acknowledgement_delay_ms: how long the voice waits before it says by itself
            that it is looking.
        triggers: questions that the transcript asks.
        store: keep the session, for forks and its recording.
        safety_identifier: stable pseudonym of the user.
        extra: fields that are not listed here.
    """

    instructions: Union[str, Unset] = UNSET
    voice: Union[str, Mapping[str, Any], Unset] = UNSET
    format: Union[str, Unset] = UNSET
    rate: Union[int, Unset] = UNSET
    input: Union[LiveSnapshot, Sequence[Any], Unset] = UNSET
    delegation: Union[str, ResponsesConfig, DecisionsConfig, Mapping[str, Any]] = (
        "client"
    )
    acknowledgement_delay_ms: Union[int, Unset] = UNSET
    triggers: Union[Sequence[Any], Unset] = UNSET
    store: Union[bool, Unset] = UNSET
    safety_identifier: Union[str, Unset] = UNSET
    extra: Mapping[str, Any] = {}

    def wire(self) -> dict[str, Any]:
        """Return it as ``session.start`` takes it, without the model."""
        audio: dict[str, Any] = {}
        if not (isinstance(self.format, Unset) and isinstance(self.rate, Unset)):
            audio["format"] = self._format()
        if not isinstance(self.voice, Unset):
            audio["output"] = {"voice": self.voice}
        given: Any = self.input
        fields = {
            "instructions": self.instructions,
            "input": given.to_messages() if isinstance(given, LiveSnapshot) else given,
            "audio": audio or UNSET,
            "delegation": delegation_config(
                self.delegation, self.acknowledgement_delay_ms
            ),
            "triggers": self.triggers,
            "store": self.store,
            "safety_identifier": self.safety_identifier,
        }
        told = {k: v for k, v in fields.items() if not isinstance(v, Unset)}
        return {**told, **self.extra}

    def _format(self) -> dict[str, Any]:
        name = "pcm16" if isinstance(self.format, Unset) else self.format
        if name not in WIDTHS:
            raise ConfigurationError(
                f"format must be one of {', '.join(map(repr, WIDTHS))}, not {name!r}"
            )
        usual, _ = WIDTHS[name]
        rate = usual if isinstance(self.rate, Unset) else self.rate
        if rate != usual and (name, rate) != ("pcm16", 16_000):
            raise ConfigurationError(f"{name} at {rate} Hz is none of the formats")
        return {"type": WIRE_FORMATS[name], "rate": rate}


def delegation_config(given: object, delay_ms: Union[int, Unset] = UNSET) -> Any:
    """
    Return a delegation as the wire has it; `UNSET` for the server's default.

    Raises:
        ConfigurationError: it is none.
    """
    kind = _DELEGATIONS.get(type(given))
    if kind is not None:
        made: dict[str, Any] = {"type": kind, kind: to_mapping(given)}
    elif given == "client":
        made = {"type": "client"}
    elif isinstance(given, Mapping):
        made = dict(given)
    elif hasattr(given, "acknowledgement_delay_ms"):
        made = to_mapping(given)
    else:
        raise ConfigurationError(
            'delegation must be "client", live.Responses(...), live.Decisions(...) or '
            f"a mapping, not {given!r}"
        )
    if not isinstance(delay_ms, Unset):
        made["acknowledgement_delay_ms"] = delay_ms
    return made


def start_config_fields(
    config: object, model: Optional[str], *, fork: bool = False
) -> dict[str, Any]:
    """
    The ``session`` of a ``session.start``.

    Args:
        config: a `LiveConfig`, a configuration of the wire or a mapping of it.
        model: that the session is with; a fork has that of its source.
        fork: the source has all that is not given.

    Raises:
        ConfigurationError: there is no model.
        TypeError: the configuration is of none of these kinds.
    """
    if fork and config is None:
        return {}
    if isinstance(config, LiveConfig):
        fields = config.wire()
        if fork and fields.get("delegation") == {"type": "client"}:
            del fields["delegation"]  # Nobody asked for it.
    elif isinstance(config, (WireConfig, Mapping, type(None))):
        fields = dict(to_mapping(config) if config is not None else {})
    else:
        raise TypeError(
            f"config must be a LiveConfig or a mapping, not {type(config).__name__}"
        )
    if fork:
        return fields
    if fields.setdefault("model", model) != model and model is not None:
        raise ConfigurationError(
            f"model={model!r}, but the configuration names {fields['model']!r}"
        )
    if fields["model"] is None:
        raise ConfigurationError("a live session needs a model, such as 'gpt-live-1'")
    return fields


def start_command_of_config(codec: Codec, fields: Mapping[str, Any]) -> Any:
    """
    The command that starts a session.

    Raises:
        TypeError: there is no such field, or a value does not fit.
    """
    return codec.command({"type": "session.start", "session": fields}, strict=True)


def update_config_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """
    The ``session`` of a ``session.update``.

    Raises:
        ConfigurationError: a field cannot be changed, or is none.
    """
    fixed = sorted(set(fields) - _UPDATABLE)
    if fixed:
        ways = {
            "instructions": "add to them with session.instruct(...)",
            "tools": "pass delegation=live.Responses(tools=...)",
        }
        way = ways.get(fixed[0], "open another session")
        raise ConfigurationError(
            f"{fixed[0]} of a live session cannot be changed, only its delegation and "
            f"triggers: {way}"
        )
    given = {k: v for k, v in fields.items() if not isinstance(v, Unset)}
    if given.get("delegation") is not None:
        given["delegation"] = delegation_config(given["delegation"])
    return given


def merged_config(
    before: Mapping[str, Any], change: Mapping[str, Any]
) -> dict[str, Any]:
    """A configuration after a change, which names only what is to be different."""
    after = dict(before)
    for name, value in change.items():
        known = after.get(name)
        if isinstance(known, Mapping) and isinstance(value, Mapping):
            value = merged_config(known, value)
        after[name] = value
    return after


def kind_of_delegation_in_config(session: object) -> str:
    """Who does the work in a session, by what is known of it; absent is the client."""
    delegation = getattr(session, "delegation", None)
    if isinstance(session, Mapping):
        delegation = session.get("delegation")
    kind = getattr(delegation, "type", None)
    if isinstance(delegation, Mapping):
        kind = delegation.get("type")
    return kind if isinstance(kind, str) else "client"


def format_in_config(session: object) -> tuple[str, int]:
    """Format and samples per second of a session's audio, by what is known of it."""
    shape = getattr(getattr(session, "audio", None), "format", None)
    name = FORMATS.get(getattr(shape, "type", ""), "pcm16")
    rate = getattr(shape, "rate", None)
    return name, rate if isinstance(rate, int) and rate > 0 else WIDTHS[name][0]
