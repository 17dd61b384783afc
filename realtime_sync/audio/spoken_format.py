"""In what a session speaks, as long as that can be played."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from ..protocol.escape import one_line
from ..transport.logs import area_logger
from .formats import AudioFormat
from .paced_stream import response_format, session_format

if TYPE_CHECKING:
    from .paced_stream import AnySession

MOST_TOLD = 8
"""Formats of which it is said that they cannot be played; a server may name many."""

_log = area_logger("realtime_sync.audio")


class SpokenFormat:
    """
    The format of what a session says at present, for one who plays it.

    A server may announce another format at any time, for the session or for one
    response. Sound in one that is not known here is not played; that is said once
    for each format, as ``player.failed`` and in the log.

    Args:
        session: the session that is played.

    Raises:
        ConfigurationError: it speaks in a format that is not known already now.
    """

    def __init__(self, session: AnySession) -> None:
        session_format(session, "output")
        self._session = session
        self._told: set[str] = set()

    def of(self, response: object = None) -> AudioFormat | None:
        """
        Return the format of a piece of sound, None if it cannot be played.

        Args:
            response: the response that says it, if it may speak otherwise than the
                session does.
        """
        try:
            return response_format(response) or session_format(self._session, "output")
        except ConfigurationError as exc:
            self._refuse(exc)
        return None

    def _refuse(self, error: ConfigurationError) -> None:
        if str(error) in self._told or len(self._told) == MOST_TOLD:
            return
        self._told.add(str(error))
        text = one_line(str(error))
        _log.warning("! what the session says is not heard: %.300s", text)
        self._session.notify("player.failed", error=error, retrying=False)
