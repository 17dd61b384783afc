"""
The session's configuration: defaults, partial updates, locks.
"""

from __future__ import annotations

import copy
from typing import Any, Mapping, Optional, Sequence

from .refusal import (
    Refusal,
    refuse_locked_voice,
    refuse_not_transcribable,
    refuse_wrong_session_type,
)
from .sound import SoundFormat, sound_format

DEFAULT_INSTRUCTIONS = (
    "You are a helpful assistant that is spoken with. Answer in the language you are "
    "spoken to, briefly and to the point."
)
_SERVER_VAD = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 200,
}
_ANSWERING = {"create_response": True, "interrupt_response": True}
_PCM = {"type": "audio/pcm", "rate": 24000}
_TURN_DETECTION: Mapping[str, Mapping[str, Any]] = {
    "server_vad": {**_SERVER_VAD, "idle_timeout_ms": None, **_ANSWERING},
    "semantic_vad": {"type": "semantic_vad", "eagerness": "auto", **_ANSWERING},
}
_TRANSCRIPTION = {"model": None, "language": None, "prompt": None}
_LACKS: Mapping[Any, tuple[str, ...]] = {
    "gpt-realtime-whisper": ("turn_detection", "prompt"),
    "gpt-live-transcribe": ("turn_detection",),
}
"""What models that transcribe while they listen do not take."""
_NOT_IN_BETA = ("truncation", "prompt", "include")
_DEEP = frozenset({"audio", "input", "output"})
"""Objects that an update reaches into; every other value is replaced whole."""


def default_session(session_type: str, model: str) -> dict[str, Any]:
    """Build the configuration that a session starts with, GA shape."""
    if session_type == "translation":
        return {
            "type": "translation",
            "model": model,
            "audio": {
                "input": {"transcription": None, "noise_reduction": None},
                "output": {"language": "es"},
            },
        }
    heard: dict[str, Any] = {
        "format": dict(_PCM),
        "transcription": None,
        "noise_reduction": None,
        "turn_detection": dict(_TURN_DETECTION["server_vad"]),
    }
    if session_type == "transcription":
        heard["turn_detection"] = dict(_SERVER_VAD)
        return {
            "type": "transcription",
            "object": "realtime.transcription_session",
            "audio": {"input": heard},
            "include": None,
        }
    return {
        "type": "realtime",
        "object": "realtime.session",
        "model": model,
        "output_modalities": ["audio"],
        "instructions": DEFAULT_INSTRUCTIONS,
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "audio": {
            "input": heard,
            "output": {"format": dict(_PCM), "voice": "alloy", "speed": 1.0},
        },
        "include": None,
    }


class EngineConfiguration:
    """
    What the session is set to, always complete.

    Args:
        session_type: ``realtime``, ``transcription`` or ``translation``.
        model: as the client named it.
        dialect: ``ga`` or ``beta``; a beta session also has a temperature.
        given: a session in GA shape that it begins with, but for its model.

    Raises:
        Refusal: that is not possible.
    """

    def __init__(
        self,
        session_type: str,
        model: str,
        dialect: str = "ga",
        given: Optional[Mapping[str, Any]] = None,
    ) -> None:
        self.session_type = session_type
        self._values = default_session(session_type, model)
        if dialect == "beta" and session_type == "realtime":
            self._values["temperature"] = 0.8
            for name in _NOT_IN_BETA:
                del self._values[name]
        if given is not None:
            patch = {name: value for name, value in given.items() if name != "model"}
            self.update(patch, voice_fixed=False)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def get(self, name: str, default: object = None) -> Any:
        """Return a top-level value, or *default*."""
        return self._values.get(name, default)

    def shown(self) -> dict[str, Any]:
        """Copy the configuration for an event."""
        return copy.deepcopy(self._values)

    @property
    def heard(self) -> Mapping[str, Any]:
        """The part ``audio.input``."""
        part: Mapping[str, Any] = self._values["audio"]["input"]
        return part

    @property
    def spoken(self) -> Mapping[str, Any]:
        """The part ``audio.output``; empty where there is none."""
        part: Mapping[str, Any] = self._values["audio"].get("output", {})
        return part

    @property
    def input_format(self) -> SoundFormat:
        """Format of the audio that the client sends."""
        return sound_format(self.heard.get("format", _PCM))

    @property
    def turn_detection(self) -> Optional[Mapping[str, Any]]:
        """Settings of voice activity detection; None when it is off."""
        settings: Optional[Mapping[str, Any]] = self.heard.get("turn_detection")
        return settings

    def update(self, patch: Mapping[str, Any], *, voice_fixed: bool) -> None:
        """
        Change what *patch* names, all of it or nothing.

        Args:
            patch: a session in GA shape, already checked.
            voice_fixed: the conversation holds assistant audio.

        Raises:
            Refusal: another type, model or voice, or tracing that is on already.
        """
        self._check_type(patch)
        self._check_locks(patch, voice_fixed)
        check_configured_modalities(
            patch.get("output_modalities"), "session.output_modalities"
        )
        merged = _merged_configuration(self._values, patch)
        _complete_configuration(merged, self.session_type)
        _check_configured_transcription(
            merged["audio"].get("input", {}), self.session_type
        )
        self._values = merged

    def _check_type(self, patch: Mapping[str, Any]) -> None:
        passed = patch.get("type", self.session_type)
        if passed != self.session_type:
            raise refuse_wrong_session_type(passed, self.session_type)

    def _check_locks(self, patch: Mapping[str, Any], voice_fixed: bool) -> None:
        if patch.get("model", self.get("model")) != self.get("model"):
            raise Refusal(
                "Cannot update a session's model; it is fixed for the connection.",
                code="invalid_value",
                param="session.model",
            )
        wanted = patch.get("audio", {}).get("output", {}).get("voice")
        if voice_fixed and wanted not in (None, self.spoken.get("voice")):
            raise refuse_locked_voice()
        tracing = self.get("tracing")
        if tracing is not None and patch.get("tracing", tracing) != tracing:
            raise Refusal(
                "Cannot update tracing once it is enabled for a session.",
                code="invalid_value",
                param="session.tracing",
            )


def check_configured_modalities(
    modalities: Optional[Sequence[str]], param: str
) -> None:
    """
    Hold a list of modalities against the two that are supported.

    Raises:
        Refusal: it is neither of them.
    """
    if modalities is not None and modalities not in (["text"], ["audio"]):
        # The service spells the list as Python does, sorted.
        raise Refusal(
            f"Invalid modalities: {sorted(modalities)}. Supported combinations are: "
            "['text'] and ['audio'].",
            code="invalid_value",
            param=param,
        )


def _check_configured_transcription(
    heard: Mapping[str, Any], session_type: str
) -> None:
    """
    Hold the settings of transcribing against what its model can do.

    In a session that answers, the turns are not the transcription model's affair.

    Raises:
        Refusal: the model lacks one of them.
    """
    transcription = heard.get("transcription") or {}
    lacks = _LACKS.get(transcription.get("model"), ())
    path = "session.audio.input."
    turns = session_type == "transcription" and heard.get("turn_detection")
    if "turn_detection" in lacks and turns:
        raise refuse_not_transcribable("Turn detection", path + "turn_detection")
    if "prompt" in lacks and transcription.get("prompt"):
        raise refuse_not_transcribable("Prompt", path + "transcription.prompt")


def _merged_configuration(
    values: Mapping[str, Any], patch: Mapping[str, Any]
) -> dict[str, Any]:
    merged = dict(values)
    for name, value in patch.items():
        if name in _DEEP and isinstance(value, Mapping):
            merged[name] = _merged_configuration(merged.get(name) or {}, value)
        else:
            merged[name] = copy.deepcopy(value)
    return merged


def _complete_configuration(values: dict[str, Any], session_type: str) -> None:
    """Fill in what the service echoes although the client left it out."""
    heard = values["audio"].get("input", {})
    turns = heard.get("turn_detection")
    if turns is not None:
        kind = turns.get("type", "server_vad")
        defaults = dict(_TURN_DETECTION[kind])
        if session_type == "transcription":
            for name in (*_ANSWERING, "idle_timeout_ms"):
                defaults.pop(name, None)
        heard["turn_detection"] = {**defaults, **turns, "type": kind}
    transcription = heard.get("transcription")
    if transcription is not None and session_type != "translation":
        heard["transcription"] = {**_TRANSCRIPTION, **transcription}
