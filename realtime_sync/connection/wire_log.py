"""
Every frame in the log, for whoever sets ``realtime_sync.wire`` to DEBUG.

``<`` came in, ``>`` went out. Audio is given by its length, secrets not at all.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Optional

from ..deadline import Deadline
from ..protocol import jsontext, sensitive
from ..protocol.events import ServerEvent
from ..state.snapshot import Snapshot
from ..transport.logs import Bounded, area_logger
from ..transport.redaction import redact
from .command_handle import Noted

logger = area_logger("realtime_sync.wire")

_LONGEST = 2000


class WireLog:
    """
    A tap that logs; see `realtime_sync.connection.taps.Tap`.

    Args:
        name: of the session.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"<WireLog of {self._name}>"

    def received(
        self,
        number: int,
        data: bytes,
        event: ServerEvent,
        snapshot: Snapshot,
        noted: Sequence[Noted],
    ) -> None:
        """Log a frame of the server."""
        logger.debug("%s < %s", self._name, frame_for_wire_log(event.raw or data))

    def sent(self, number: int, payload: bytes) -> None:
        """Log a frame of ours."""
        logger.debug("%s > %s", self._name, frame_for_wire_log(payload))

    def switched(self, number: int) -> None:
        """Log that another connection is in use."""
        logger.debug("%s = connection %s", self._name, number)

    def end(self, code: Optional[int], reason: str) -> None:
        """Log the end."""
        logger.debug("%s = closed %s %s", self._name, code, redact(reason))

    def join(self, deadline: Deadline) -> bool:
        """Nothing is ever outstanding."""
        return True

    def held_here(self) -> bool:
        """It has no lock."""
        return False


def frame_for_wire_log(frame: object) -> Bounded:
    """
    A frame as it may be shown: audio by its length, secrets hidden, not endless.

    Args:
        frame: decoded, or the bytes of a message.
    """
    if isinstance(frame, bytes):
        size = len(frame)
        try:
            jsontext.check_depth(frame)
            frame = json.loads(frame)
        except ValueError:
            return Bounded(f"<{size} bytes that are not JSON>")
    shown = sensitive.shown_frame(frame)
    # Before it is cut: half a key is not known for one.
    text = redact(json.dumps(shown, ensure_ascii=False, default=str))
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}... ({len(text)} characters)"
    return Bounded(text)
