"""
Whether and how a session replaces a lost connection, as its user wants it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Optional

from attrs import field, frozen


@frozen(kw_only=True)
class ReconnectAttempt:
    """
    What the hook of a policy is told before an attempt.

    Attributes:
        number: 1 for the first attempt after a loss.
        code: close code of the connection that was lost.
        error: what it was lost with, or why the previous attempt failed.
        delay: seconds that will be waited before the attempt.
    """

    number: int
    code: Optional[int]
    error: Exception
    delay: float


@frozen(kw_only=True)
class ReconnectPolicy:
    """
    Whether and how a session replaces a lost connection.

    Attributes:
        attempts: how often in a row; a connection that has lived for
            `stable_after` gives the budget back.
        base: first upper bound of the random delay, in seconds.
        cap: largest upper bound of a delay, in seconds.
        stable_after: seconds after which a connection counts as stable.
        restore: rebuild the conversation, not only the configuration.
        queue_limit: commands that may wait while there is no connection.
        keep_audio: seconds of microphone audio to keep meanwhile; 0 drops it.
        rotate_before: seconds before ``expires_at`` at which a connection is
            replaced, at the first quiet moment; None never does.
        hook: called before each attempt with a `ReconnectAttempt`; returns
            False to give up, a mapping of request headers to send as well, or
            None to go on. Runs where connections are dialled, in no thread of
            yours. An exception is logged and the attempt made; `SystemExit` and the
            like end the session with that error.
    """

    attempts: int = 5
    base: float = 0.5
    cap: float = 30.0
    stable_after: float = 30.0
    restore: bool = True
    queue_limit: int = 1000
    keep_audio: float = 0.0
    rotate_before: Optional[float] = 60.0
    hook: Optional[Callable[[ReconnectAttempt], Any]] = None
    rng: random.Random = field(factory=random.Random, repr=False, eq=False)
