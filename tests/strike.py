"""
Signals at chosen places of a call.

The interpreter looks for signals when a function begins and when a call into C
returns. Those are the places. A profile function does there what the handler of a
signal would. At other lines, such as the one that gives a lock back, none can strike.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Optional

import realtime_sync

LIBRARY = str(Path(realtime_sync.__file__).parent)
WITH_THREADING = (LIBRARY, threading.__file__)


def interrupt() -> None:
    """What Ctrl-C does."""
    raise KeyboardInterrupt


class Strike:
    """
    Acts at one place of the calling thread, once, while it is entered.

    Args:
        after: the number of the place, from 1.
        within: files, or folders of files, whose places count.
        act: what is done there.

    Attributes:
        where: the place, once it was reached.
    """

    def __init__(
        self,
        after: int,
        within: tuple[str, ...] = WITH_THREADING,
        act: Callable[[], None] = interrupt,
    ) -> None:
        self.where: Optional[str] = None
        self._left = after
        self._within = within
        self._act = act

    def __enter__(self) -> Strike:
        sys.setprofile(self._at)
        return self

    def __exit__(self, *exc_info: object) -> None:
        sys.setprofile(None)

    def _at(self, frame: FrameType, kind: str, argument: object) -> None:
        if kind not in ("call", "c_return") or self.where is not None:
            return
        code = frame.f_code
        if not code.co_filename.startswith(self._within):
            return
        self._left -= 1
        if self._left == 0:
            self.where = (
                f"{kind} in {code.co_name}, {code.co_filename}:{frame.f_lineno}"
            )
            self._act()
