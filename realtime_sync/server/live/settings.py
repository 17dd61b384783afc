"""
The configuration of a GPT-Live session: how it starts, and what may change.
"""

from __future__ import annotations

import copy
from typing import Any, Mapping, Optional

from ..engine.refusal import Refusal
from ..engine.sound import PCM, PCMA, PCMU, SoundFormat
from .limits import check_history_limit, check_instructions_limit

_NOT_LIVE = ("gpt-realtime", "gpt-4", "gpt-audio", "whisper")
_DEFAULT_FORMAT = {"type": "audio/pcm", "rate": 24_000}
_DEFAULT_VOICE = "marin"
_FORMATS: Mapping[tuple[str, int], SoundFormat] = {
    ("audio/pcm", 24_000): PCM,
    ("audio/pcm", 16_000): SoundFormat("audio/pcm", 16_000, 2),
    ("audio/pcmu", 8_000): PCMU,
    ("audio/pcma", 8_000): PCMA,
}
_DECISIONS_DELAY_MS = 400


class LiveSettings:
    """
    What a session is configured to.

    Args:
        given: the ``session`` of the command that starts it, its shape checked.
        media: whether its audio has no format, being a matter of its media.

    Raises:
        Refusal: a limit is exceeded, or the model is not one of GPT-Live.
    """

    def __init__(self, given: Mapping[str, Any], *, media: bool = False) -> None:
        fields = {k: copy.deepcopy(v) for k, v in given.items() if v is not None}
        fields.pop("type", None)
        # What makes a session pause is not told.
        fields.pop("wake_policy", None)
        self.idle_seconds: Optional[int] = fields.pop("idle_timeout_s", None)
        check_model_setting(fields["model"])
        check_instructions_limit(fields.get("instructions", ""))
        check_history_limit(fields.setdefault("input", []))
        audio = fields.setdefault("audio", {})
        audio.setdefault("output", {}).setdefault("voice", _DEFAULT_VOICE)
        if not media:
            audio.setdefault("format", dict(_DEFAULT_FORMAT))
        fields.setdefault("delegation", {"type": "client"})
        _complete_delegation_settings(fields["delegation"])
        self._fields: dict[str, Any] = fields

    # -- views -----------------------------------------------------------------

    def shown(self) -> dict[str, Any]:
        """Return what the server tells of it."""
        return copy.deepcopy(self._fields)

    @property
    def model(self) -> str:
        """The model that talks."""
        return str(self._fields["model"])

    @property
    def instructions(self) -> str:
        """What it was started with."""
        return str(self._fields.get("instructions", ""))

    @property
    def input(self) -> list[dict[str, Any]]:
        """The history that it was started with."""
        return list(self._fields["input"])

    @property
    def voice(self) -> str:
        """The name of its voice."""
        voice = self._fields["audio"]["output"]["voice"]
        return str(voice["id"] if isinstance(voice, dict) else voice)

    @property
    def form(self) -> SoundFormat:
        """The format of the primary connection's audio."""
        form = self._fields["audio"].get("format", _DEFAULT_FORMAT)
        return _FORMATS[form["type"], form["rate"]]

    @property
    def store(self) -> bool:
        """Whether it can be forked, and has a recording."""
        return bool(self._fields.get("store"))

    @property
    def target(self) -> str:
        """Who does what is delegated."""
        return str(self._fields["delegation"]["type"])

    @property
    def responses(self) -> Mapping[str, Any]:
        """How the backend is configured; empty without one."""
        found: Mapping[str, Any] = self._fields["delegation"].get("responses", {})
        return found

    @property
    def decisions(self) -> Mapping[str, Any]:
        """What is to be decided, and who decides; empty without such delegation."""
        found: Mapping[str, Any] = self._fields["delegation"].get("decisions", {})
        return found

    @property
    def acknowledgement_ms(self) -> int:
        """How long the model waits before it acknowledges by itself."""
        default = _DECISIONS_DELAY_MS if self.target == "decisions" else 0
        delay = self._fields["delegation"].get("acknowledgement_delay_ms", default)
        return int(delay)

    def trigger(self, event_type: str) -> Optional[Mapping[str, Any]]:
        """Return the trigger of an event type, or None."""
        triggers = self._fields.get("triggers", ())
        return next((t for t in triggers if t["event_type"] == event_type), None)

    # -- changes ---------------------------------------------------------------

    def update(self, patch: Mapping[str, Any]) -> None:
        """
        Take over what may change while the session runs; what is absent stays.

        Raises:
            Refusal: the patch changes who does what is delegated.
        """
        if "delegation" in patch:
            self._update_delegation(patch["delegation"] or {"type": "client"})
        if patch.get("triggers") is not None:
            self._fields["triggers"] = copy.deepcopy(patch["triggers"])

    def _update_delegation(self, patch: Mapping[str, Any]) -> None:
        if patch["type"] != self.target:
            raise Refusal(
                f"The delegation of a session cannot change from '{self.target}' to "
                f"'{patch['type']}'.",
                code="immutable_field_update",
                param="session.delegation.type",
            )
        delegation = self._fields["delegation"]
        for name, value in patch.items():
            if isinstance(value, dict):
                delegation[name].update(
                    copy.deepcopy({k: v for k, v in value.items() if v is not None})
                )
            elif value is not None:
                delegation[name] = value
        _complete_delegation_settings(delegation)

    def fork(
        self, overrides: Mapping[str, Any], *, media: bool = False
    ) -> LiveSettings:
        """
        Return the settings of a session that goes on from this one.

        Audio is PCM at 24 kHz again and permissions are gone unless *overrides*
        has them; the history is there without being shown.

        Raises:
            Refusal: *overrides* has settings of a backend that there is not.
        """
        fields = self.shown()
        fields["input"] = []
        fields.pop("client", None)
        fields["audio"].pop("format", None)
        audio = overrides.get("audio") or {}
        if "format" in audio:
            fields["audio"]["format"] = audio["format"]
        kept = {k: v for k, v in overrides.items() if k not in ("audio", "delegation")}
        forked = LiveSettings({**fields, **kept}, media=media)
        if overrides.get("delegation") is not None:
            forked._update_delegation(overrides["delegation"])
        return forked


def check_model_setting(model: str) -> None:
    """
    Refuse models that are known to speak another protocol.

    Raises:
        Refusal: *model* is one of them.
    """
    if model.startswith(_NOT_LIVE) or "transcribe" in model:
        raise Refusal(
            f'Model "{model}" is not supported in live mode.',
            code="invalid_model",
            param="session.model",
        )


def _complete_delegation_settings(delegation: dict[str, Any]) -> None:
    """Fill in the defaults that are shown, and drop what is never shown."""
    backend = delegation.get("responses")
    if backend is None:
        return
    for name in [name for name, value in backend.items() if value is None]:
        del backend[name]
    backend.setdefault("tools", [])
    backend.setdefault("tool_choice", "auto")
    for tool in backend["tools"]:
        tool.pop("authorization", None)
