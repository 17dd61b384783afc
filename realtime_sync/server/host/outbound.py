"""
What a connection sends: frames, and the misbehaviour that was asked for.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Callable, Mapping, Optional

from .fault_injector import Action, Close, Drop, End, FaultInjector, Send, Silence, Wait
from .websocket import HostWebSocket

DRIP_SECONDS = 0.02


class Outbound:
    """
    The queue in front of a wire; belongs to the connection's thread.

    Args:
        wire: where it goes.
        saboteur: turns frames into actions.
        sent: called with each frame the engine sends, sabotaged or not.
        end: ends the session for a reason, such as ``expired``.
    """

    def __init__(
        self,
        wire: HostWebSocket,
        saboteur: FaultInjector,
        *,
        sent: Callable[[Mapping[str, Any]], None],
        end: Callable[[str], None],
    ) -> None:
        self._wire = wire
        self._saboteur = saboteur
        self._sent = sent
        self._end = end
        self._actions: deque[Action] = deque()
        self._until: Optional[float] = None
        self._drip_at: float = 0.0
        self.ending = False
        self.deaf = False

    @property
    def deadline(self) -> Optional[float]:
        """When the queue goes on; None when it does not wait for a time."""
        if self._until is not None:
            return self._until
        if self._saboteur.drip and self._wire.buffer:
            return self._drip_at
        return None

    @property
    def waiting(self) -> bool:
        """Whether something is still to be done that was asked for earlier."""
        return bool(self._actions)

    @property
    def blocked(self) -> bool:
        """Whether what is in the wire's buffer is not to be written now."""
        return self._wire.muted or self._saboteur.drip is not None

    def put(self, frame: Mapping[str, Any]) -> None:
        """Queue one frame."""
        self._sent(frame)
        self._actions.extend(self._saboteur.actions(frame))

    def act(self, action: Action) -> None:
        """Queue an action that no frame has caused."""
        self._actions.append(action)

    def advance(self, now: float) -> None:
        """Do what is due."""
        if self._until is not None and now < self._until:
            return
        self._until = None
        while self._actions and not self.ending and self._until is None:
            self._do(self._actions.popleft(), now)

    def write(self, now: float) -> int:
        """Write what may be written; returns how much that was."""
        limit = self._saboteur.drip
        if limit is None:
            return self._wire.write()
        if now < self._drip_at:
            return 0
        self._drip_at = now + DRIP_SECONDS
        return self._wire.write(limit)

    def _do(self, action: Action, now: float) -> None:
        if isinstance(action, Send):
            self._send(action)
        elif isinstance(action, Wait):
            self._until = now + action.seconds
        elif isinstance(action, Drop):
            self.ending = True
            if action.reset:
                # A reset overtakes what is still in the kernel's buffer.
                self._wire.write()
                self._wire.reset()
            elif self._wire.muted:
                self._wire.lost = True  # What it holds back is never written.
        elif isinstance(action, Close):
            self._wire.close(action.code, "asked for")
        elif isinstance(action, Silence):
            self._wire.write()
            self._wire.muted = True
            self.deaf = action.deaf
        elif isinstance(action, End):
            self._end(action.reason)

    def _send(self, action: Send) -> None:
        if action.cut_at is not None:
            self._wire.send_cut(action.data, action.binary, action.cut_at)
        elif action.binary:
            self._wire.send_binary(action.data)
        else:
            self._wire.send_text(action.data)
