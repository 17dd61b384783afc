"""What every event class has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Union

from attrs import field, frozen

from ...types import UNSET, Unset
from ..fields import extra_fields


@frozen(kw_only=True, slots=False)
class ServerEvent:
    """
    Something a server said.

    Classes are frozen. The decoder fills ``__dict__`` without calling
    ``__init__``, which is what makes events cheap; that is why they have no
    slots. A field that the server left out, or filled with something that does
    not fit, is `UNSET`.

    Attributes:
        type: canonical (GA) event type.
        event_id: the server's id of this event.
        raw: the decoded frame, exactly as it came, spelling included.
        problems: what did not fit, one line each; empty for a proper frame.
    """

    type: ClassVar[str]
    event_id: Union[str, None, Unset] = UNSET
    raw: Mapping[str, Any] = field(factory=dict, eq=False, repr=False)
    problems: tuple[str, ...] = field(default=(), eq=False, repr=False)


@frozen(kw_only=True, slots=False)
class UnknownEvent(ServerEvent):
    """
    Something a server said that the protocol does not have.

    Also what stands for a frame that is not JSON or not an object; such a
    frame has an empty ``type`` and ``raw``.

    Attributes:
        type: the event type as it came, or "" if there was none.
        problem: why this is not a known event.
        received: what came, when it was not an object: the JSON value, or the
            undecoded message.
    """

    type: str = ""  # type: ignore[misc]
    problem: str = ""
    received: Any = field(default=None, eq=False, repr=False)


@frozen(kw_only=True, slots=False)
class ClientEvent:
    """
    Something the client asks for: a command.

    Attributes:
        type: canonical (GA) event type.
        event_id: id of the command; the session assigns one when it is unset.
        extra: a vendor's own members of the command, sent beside the others.
    """

    type: ClassVar[str]
    event_id: Union[str, Unset] = UNSET
    extra: dict[str, Any] = extra_fields()
