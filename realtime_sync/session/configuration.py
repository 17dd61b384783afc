"""
The configuration of a session: the first one, and changes to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional, Protocol

from ..errors import ConfigurationError, LocalProtocolError
from ..protocol.caller_checks import refuse_output_of_transcription
from ..protocol.codec import Codec, to_mapping
from ..types import Unset


class ToolDefinitions(Protocol):
    """What a configuration asks of the tools beside it."""

    def definitions(self, others: Optional[Sequence[Any]] = ...) -> list[Any]:
        """What the session is to offer, with others that it offers."""


def session_update(codec: Codec, kind: str, fields: Mapping[str, Any]) -> Any:
    """
    The `session.update` for configuration fields in either spelling.

    Args:
        codec: of the session.
        kind: of session.
        fields: of its configuration.

    Raises:
        TypeError: there is no such field.
        LocalProtocolError: the session has no configuration of that kind.
        ConfigurationError: the kind of session has no use for a field.
    """
    body = {k: v for k, v in fields.items() if not isinstance(v, Unset)}
    if kind != "translation":
        if body.setdefault("type", kind) != kind:
            raise LocalProtocolError(
                f"a {kind} session cannot become a {body['type']} session"
            )
    command: Any = codec.command(
        {"type": "session.update", "session": body}, strict=True
    )
    if kind == "transcription":
        spelt = codec.dialect.name
        refuse_output_of_transcription(command.session, modalities=spelt == "ga")
    return command


def config_fields(
    config: object, tools: Optional[ToolDefinitions] = None
) -> Mapping[str, Any]:
    """
    The fields of a configuration object or mapping, and the tools beside them.
    """
    fields = config if isinstance(config, Mapping) else to_mapping(config)
    if not isinstance(fields, Mapping):
        raise TypeError(f"config must be a mapping, not {type(config).__name__}")
    for name in fields:
        if not isinstance(name, str):
            raise TypeError(f"config has names of fields, not {name!r}")
    if tools is not None:
        return {**fields, "tools": tools.definitions(fields.get("tools"))}
    return fields


def with_transcription_model(
    fields: Mapping[str, Any], model: Optional[str]
) -> Mapping[str, Any]:
    """
    The configuration of a transcription session, with the model in its place.

    Such a session has no model of its own in the URL; what is asked for belongs
    to its input.

    Args:
        fields: of the configuration, in either spelling.
        model: that `connect` was given, or None.

    Raises:
        ConfigurationError: the configuration names another one.
    """
    if model is None:
        return fields
    if "input_audio_transcription" in fields:
        flat = _transcription_configuration(fields["input_audio_transcription"], model)
        return {**fields, "input_audio_transcription": flat}
    audio = _configuration_mapping(fields.get("audio"))
    heard = _configuration_mapping(audio.get("input"))
    heard = {
        **heard,
        "transcription": _transcription_configuration(
            heard.get("transcription"), model
        ),
    }
    return {**fields, "audio": {**audio, "input": heard}}


def _transcription_configuration(
    transcription: object, model: str
) -> Mapping[str, Any]:
    known = _configuration_mapping(transcription)
    if known.get("model", model) != model:
        raise ConfigurationError(
            f"model={model!r}, but the configuration transcribes with "
            f"{known['model']!r}"
        )
    return {**known, "model": model}


def _configuration_mapping(value: object) -> Mapping[str, Any]:
    found = value if isinstance(value, Mapping) else to_mapping(value)
    return found if isinstance(found, Mapping) else {}
