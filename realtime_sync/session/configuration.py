"""
The configuration of a session: the first one, and changes to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..deadline import Deadline
from ..errors import LocalProtocolError
from ..protocol.codec import to_mapping
from ..types import Unset

if TYPE_CHECKING:
    from .session import Session


def session_update(session: Session, fields: Mapping[str, Any]) -> Any:
    """
    The `session.update` for configuration fields in either spelling.

    Raises:
        TypeError: there is no such field.
        LocalProtocolError: the session has no configuration of that kind.
    """
    kind = session._wiring.options.session_type
    body = {k: v for k, v in fields.items() if not isinstance(v, Unset)}
    if kind != "translation":
        if body.setdefault("type", kind) != kind:
            raise LocalProtocolError(
                f"a {kind} session cannot become a {body['type']} session"
            )
    return session._wiring.sender.codec.command(
        {"type": "session.update", "session": body}, strict=True
    )


def configure(session: Session, tools: Any, deadline: Deadline) -> None:
    """
    Send the first configuration of a session that has just opened.

    Raises:
        CommandRejected: the server refused it; the session is closed.
        WaitTimeout: the server did not acknowledge it in time.
    """
    options = session._wiring.options
    fields = config_fields(options.config or {}, tools)
    if not fields:
        return
    try:
        handle = session.update(**fields)
        if options.wait_config:
            handle.acknowledged(deadline.remaining())
    except BaseException:
        session.close(drain=False)
        raise


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
