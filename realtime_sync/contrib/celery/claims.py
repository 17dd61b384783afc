"""
Who may run a call: exactly one worker, however often the message comes.

Brokers deliver a message at least once. So a worker acknowledges it when the call has
ended, and the first that takes it says so in the result backend, where all others see
it. A message that comes again finds the claim and runs nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from ...deadline import Deadline
from ...errors import ConfigurationError
from ...transport.logs import area_logger

_log = area_logger("realtime_sync.contrib.celery")

PATIENCE = 60.0
"""Seconds for which a backend that cannot be reached is tried again."""

Claim = Callable[[str, str, int], bool]
"""
Called with the id of a call, a token that nobody else has, and seconds to remember it
for; True for the first token, again and again.
"""


def claim_with(backend: Any) -> Claim:
    """
    How a call is claimed with a result backend.

    Raises:
        ConfigurationError: results are not kept.
    """
    check_backend(backend)
    # By what they can do, not by their class: its module needs the library.
    if hasattr(getattr(backend, "client", None), "setnx"):
        return lambda call_id, token, keep: _in_redis(backend, call_id, token, keep)
    if isinstance(getattr(backend, "path", None), bytes):
        folder = Path(os.fsdecode(backend.path))
        return lambda call_id, token, keep: _in_folder(folder, call_id, token)
    return lambda call_id, token, keep: _in_state(backend, call_id)


def check_backend(backend: Any) -> None:
    """Refuse an application that keeps no results."""
    if type(backend).__name__ == "DisabledBackend":
        raise ConfigurationError(
            "a fleet needs a result backend, in which it keeps who has which call: "
            'Celery(..., backend="redis://...")'
        )


def persistently(action: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """Do something with a backend that may be away for a while."""
    deadline = Deadline(patience)
    while True:
        try:
            return action()
        except Exception as exc:
            # Each backend has its own exceptions for this, some of them plain.
            if deadline.passed:
                raise
            _log.warning("! the result backend does not answer: %s", exc)
        time.sleep(0.5)


def _in_redis(backend: Any, call_id: str, token: str, keep: int) -> bool:
    key = f"realtime-sync-call-{call_id}"
    if backend.client.set(key, token, nx=True, ex=keep):
        return True
    # Asked again after an answer that was lost, it says the same.
    found = backend.client.get(key)
    return bool(found == token.encode())


def _in_folder(folder: Path, call_id: str, token: str) -> bool:
    # The id of a call is anything; the name of a file is not.
    path = folder / f"realtime-sync-call-{sha256(call_id.encode()).hexdigest()}"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(token)
    except FileExistsError:
        return path.read_text(encoding="utf-8") == token
    return True


def _in_state(backend: Any, call_id: str) -> bool:
    # Not in one step. A message comes again after a while, not at once.
    meta = backend.get_task_meta(call_id, cache=False)
    return bool(meta.get("status") == "PENDING")
