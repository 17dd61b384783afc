"""
The configuration of a session: the first one, and changes to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import LocalProtocolError
from ..protocol.codec import Codec, to_mapping
from ..types import Unset


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
    """
    body = {k: v for k, v in fields.items() if not isinstance(v, Unset)}
    if kind != "translation":
        if body.setdefault("type", kind) != kind:
            raise LocalProtocolError(
                f"a {kind} session cannot become a {body['type']} session"
            )
    return codec.command({"type": "session.update", "session": body}, strict=True)


def config_fields(config: Any, tools: Any = None) -> Mapping[str, Any]:
    """
    The fields of a configuration object or mapping, and the tools beside them.
    """
    fields = config if isinstance(config, Mapping) else to_mapping(config)
    if not isinstance(fields, Mapping):
        raise TypeError(f"config must be a mapping, not {type(config).__name__}")
    if tools is not None:
        return {**fields, "tools": tools.definitions(fields.get("tools"))}
    return fields
