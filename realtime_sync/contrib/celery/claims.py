"""
Who may run a call: exactly one worker, however often the message comes.

Brokers deliver a message at least once. So a worker acknowledges it when the call has
ended, and the first that takes it says so in the result backend, where all others see
it. A message that comes again finds the claim and runs nothing. A claim names its
worker: one that dies before it has begun the call is not waited for without an end.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, Optional, Protocol
from uuid import uuid4

from ...deadline import Deadline
from ...errors import ConfigurationError
from ...transport.logs import area_logger

_log = area_logger("realtime_sync.contrib.celery")

PATIENCE = 60.0
"""Seconds for which a backend that cannot be reached is tried again."""


def new_claim_token(worker: str) -> str:
    """What a worker claims a call with; nobody else has it."""
    return f"{worker} {uuid4().hex}"


def worker_of_claim(token: str) -> Optional[str]:
    """The worker that has claimed something with a token."""
    return token.rpartition(" ")[0] or None


class Claims(Protocol):
    """Remembers who has claimed which task."""

    def take(self, task_id: str, token: str, keep: int) -> bool:
        """
        Claim a task: True for the first token, again and again.

        Args:
            task_id: of the call.
            token: see `new_claim_token`.
            keep: seconds to remember it for.
        """

    def worker(self, task_id: str) -> Optional[str]:
        """Who has claimed a task; None if nobody has, or nobody knows."""


def claims_in(backend: Any) -> Claims:
    """
    The claims that a result backend remembers.

    Raises:
        ConfigurationError: results are not kept.
    """
    check_claims_backend(backend)
    # By what they can do, not by their class: its module needs the library.
    if hasattr(getattr(backend, "client", None), "setnx"):
        return RedisClaims(backend)
    if isinstance(getattr(backend, "path", None), bytes):
        return FolderClaims(Path(os.fsdecode(backend.path)))
    return StateClaims(backend)


def check_claims_backend(backend: Any) -> None:
    """Refuse an application that keeps no results."""
    if type(backend).__name__ == "DisabledBackend":
        raise ConfigurationError(
            "a fleet needs a result backend, in which it keeps who has which call: "
            'Celery(..., backend="redis://...")'
        )


def claim_persistently(action: Callable[[], Any], patience: float = PATIENCE) -> Any:
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


class RedisClaims:
    """Claims in Redis, in one step."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def take(self, task_id: str, token: str, keep: int) -> bool:
        """See `Claims`."""
        if self._backend.client.set(_claim_key(task_id), token, nx=True, ex=keep):
            return True
        # Asked again after an answer that was lost, it says the same.
        return self._token(task_id) == token

    def worker(self, task_id: str) -> Optional[str]:
        """See `Claims`."""
        return worker_of_claim(self._token(task_id))

    def _token(self, task_id: str) -> str:
        found: Optional[bytes] = self._backend.client.get(_claim_key(task_id))
        return "" if found is None else found.decode()


class FolderClaims:
    """Claims in a folder, in one step."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def take(self, task_id: str, token: str, keep: int) -> bool:
        """See `Claims`; a folder remembers it until somebody clears it."""
        try:
            with self._path(task_id).open("x", encoding="utf-8") as file:
                file.write(token)
        except FileExistsError:
            return self._token(task_id) == token
        return True

    def worker(self, task_id: str) -> Optional[str]:
        """See `Claims`."""
        return worker_of_claim(self._token(task_id))

    def _path(self, task_id: str) -> Path:
        # The id of a call is anything; the name of a file is not.
        return self._folder / _claim_key(sha256(task_id.encode()).hexdigest())

    def _token(self, task_id: str) -> str:
        try:
            return self._path(task_id).read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""


class StateClaims:
    """
    Claims by the state of the task, where a backend can do no more.

    Not in one step. A message comes again after a while, not at once.
    """

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def take(self, task_id: str, token: str, keep: int) -> bool:
        """See `Claims`."""
        meta = self._backend.get_task_meta(task_id, cache=False)
        return bool(meta.get("status") == "PENDING")

    def worker(self, task_id: str) -> Optional[str]:
        """Nobody knows."""
        return None


def _claim_key(name: str) -> str:
    return f"realtime-sync-call-{name}"
