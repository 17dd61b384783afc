"""A call, from any process."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Optional

from ...deadline import Deadline, check_seconds
from .claims import claims_in
from .control import WorkerControl
from .errors import CallLost, CallOver, CommandFailed, FleetError, NoAnswer
from .events import RemoteEvents
from .records import CallResult, unpacked_record
from .worker_presence import Presence

POLL = 0.05
"""Seconds between two looks at the result backend, at first."""

SLOW_POLL = 0.5
"""The same, after a while."""

ANSWER = 10.0
"""Seconds that a command may take."""


CLAIMED = "CLAIMED"
"""A worker has taken it, and not said yet that it has begun."""

STATES = {
    "PENDING": "waiting",
    CLAIMED: "waiting",
    "STARTED": "running",
    "AWAY": "away",
}
"""State of a task that is not over, and what it is called."""

HAS_WORKER = frozenset({CLAIMED, "STARTED"})
"""States in which a worker has it."""

ENDLESS = HAS_WORKER | {"PENDING"}
"""States that stay, if its worker is gone."""

BROKEN_OFF = {"FAILURE": "failed", "REVOKED": "expired"}
"""State of a task that no worker has had to its end, and how it ended."""


class RemoteCall:
    """
    A call that some worker has, or will have. Any thread, any process.

    `Fleet.start` and `Fleet.call` make it. Commands wait until a worker has the call;
    they raise `CallOver` when it has ended, `CallLost` when its worker is gone,
    `CommandFailed` when it could not be done, and `NoAnswer` when time is up.

    Attributes:
        id: of the call.
    """

    def __init__(
        self,
        call_id: str,
        task_id: str,
        control: WorkerControl,
        presence: Presence,
        backend: Any,
    ) -> None:
        self.id = call_id
        self._task_id = task_id
        self._control = control
        self._presence = presence
        self._backend = backend
        self._worker: Optional[str] = None

    def __repr__(self) -> str:
        return f"<RemoteCall {self.id!r} {self._worker or ''}>".replace(" >", ">")

    @property
    def state(self) -> str:
        """
        How it is with the call now.

        ``"waiting"`` in the queue, or unknown; ``"running"``; ``"ended"``; ``"lost"``
        if its worker is gone; ``"away"`` if the result backend cannot be asked.
        """
        state, found = self._look()
        if state in HAS_WORKER and self._presence.is_gone(found["worker"]):
            # In this order: a worker writes the result down before it goes.
            return "lost" if self._look()[0] in HAS_WORKER else "ended"
        return STATES.get(state, "ended")

    def wait_started(self, timeout: Optional[float] = ANSWER) -> str:
        """
        Wait until a worker has the call.

        Args:
            timeout: seconds; None for as long as it takes.

        Returns:
            The worker's name.

        Raises:
            CallLost: the worker that has taken it is gone.
            CallOver: it has ended already.
            NoAnswer: nobody has taken it in time.
        """
        deadline = Deadline(check_seconds(timeout))
        pause = POLL
        while self._worker is None:
            state, found = self._look()
            if state == "STARTED":
                self._worker = found["worker"]
            elif state not in STATES:
                raise CallOver(f"call {self.id} has ended", call_id=self.id)
            elif deadline.passed:
                if state == "AWAY":
                    raise NoAnswer("the result backend is away", call_id=self.id)
                raise NoAnswer(
                    f"no worker has taken call {self.id}: are any running, and are "
                    "all of them full?",
                    call_id=self.id,
                )
            else:
                if state == CLAIMED:
                    self._check_there(found["worker"])
                time.sleep(deadline.limited(pause).remaining() or 0.0)
                pause = min(SLOW_POLL, pause * 1.5)
        return self._worker

    def stream_url(self, timeout: Optional[float] = ANSWER) -> str:
        """
        Where the carrier is to bring the sound, once a worker has the call.

        Of AudioSocket it is ``tcp://host:port/uuid``.

        Args:
            timeout: seconds; None for as long as it takes.

        Raises:
            CallOver: it has ended already.
            NoAnswer: nobody has taken it in time.
            FleetError: no carrier was asked for when it was started.
        """
        self.wait_started(timeout)
        state, found = self._look()
        url = found.get("stream") if state == "STARTED" else None
        if not isinstance(url, str):
            raise FleetError(f"no carrier brings call {self.id}", call_id=self.id)
        return url

    # -- commands ----------------------------------------------------------------

    def respond(self, *, timeout: float = ANSWER, **response: Any) -> None:
        """
        Have the model respond, now.

        Args:
            timeout: seconds.
            **response: any field of `response.create`.
        """
        self._tell("respond", {"response": response}, timeout)

    def say(self, text: str, *, timeout: float = ANSWER) -> None:
        """Have the model say a text; GPT-Live says it in words of its own."""
        self._tell("say", {"text": text}, timeout)

    def note(self, text: str, *, timeout: float = ANSWER) -> None:
        """Let the model know something without its being said."""
        self._tell("note", {"text": text}, timeout)

    def instruct(self, text: str, *, timeout: float = ANSWER) -> None:
        """Add a rule that holds from now on; for GPT-Live alone."""
        self._tell("instruct", {"text": text}, timeout)

    def interrupt(self, *, timeout: float = ANSWER) -> None:
        """
        Stop what the model says.

        Of GPT-Live only what a carrier is to play: its model stops by itself, and is
        told what to do instead with `instruct`.
        """
        self._tell("interrupt", {}, timeout)

    def transcript(self, *, timeout: float = ANSWER) -> list[tuple[str, str]]:
        """Who said what so far."""
        lines = self._tell("transcript", {}, timeout)
        return [(role, text) for role, text in lines]

    def snapshot(self, *, timeout: float = ANSWER) -> dict[str, Any]:
        """
        The conversation as the server has confirmed it: `Snapshot.to_dict`.

        ``Snapshot.from_dict`` reads it, of GPT-Live ``LiveSnapshot.from_dict``.
        """
        found: dict[str, Any] = self._tell("snapshot", {}, timeout)
        return found

    def tools(self, *, timeout: float = ANSWER) -> list[str]:
        """Names of the functions that the model may call."""
        found: list[str] = self._tell("tools", {}, timeout)
        return found

    def events(
        self, pattern: str = "*", *, timeout: Optional[float] = None
    ) -> RemoteEvents:
        """
        Events of the call from now on, for a ``with`` block and a ``for`` loop.

        Args:
            pattern: which; what `Session.on` takes.
            timeout: seconds to wait for each; None for as long as the call goes on.
        """
        return RemoteEvents(
            self,
            self._control.app,
            self._control.namespace,
            pattern=pattern,
            timeout=check_seconds(timeout),
        )

    def subscribe(self, subscription: str, pattern: str, again: bool) -> bool:
        """Have events sent; for `RemoteEvents`."""
        arguments = {"subscription": subscription, "pattern": pattern, "again": again}
        return bool(self._tell("subscribe", arguments, ANSWER))

    def unsubscribe(self, subscription: str) -> None:
        """Have no more sent; for `RemoteEvents`."""
        self._tell("unsubscribe", {"subscription": subscription}, ANSWER)

    def hang_up(self, *, timeout: float = ANSWER) -> None:
        """End the call."""
        self._tell("hang_up", {}, timeout)

    def _tell(self, command: str, arguments: Mapping[str, Any], timeout: float) -> Any:
        deadline = Deadline(check_seconds(timeout))
        worker = self.wait_started(timeout)
        what = {"call": self.id, "command": command, "arguments": dict(arguments)}
        if self._presence.known_gone(worker):
            self._check_there(worker)
        left = deadline.remaining() or 0.0
        answers = self._control.ask("call", what, workers=[worker], timeout=left)
        if worker not in answers:
            if self._look()[0] not in STATES:
                # It was the worker's last one, maybe, and the worker has left.
                raise CallOver(f"call {self.id} has ended", call_id=self.id)
            self._check_there(worker)
            raise NoAnswer(
                f"worker {worker} did not answer for call {self.id} in time",
                call_id=self.id,
            )
        answer = answers[worker]
        if "done" in answer:
            return answer["done"]
        if "failed" in answer:
            raise CommandFailed(answer["failed"], call_id=self.id)
        raise CallOver(f"call {self.id} has ended", call_id=self.id)

    # -- the end -----------------------------------------------------------------

    def result(self, timeout: Optional[float] = None) -> CallResult:
        """
        Wait until the call is over.

        Args:
            timeout: seconds; None for as long as it takes.

        Raises:
            CallLost: its worker is gone, and said nothing of its end.
            NoAnswer: it was not over in time.
        """
        deadline = Deadline(check_seconds(timeout))
        worker = self._worker
        pause = POLL
        while True:
            state, found = self._look()
            if state == "SUCCESS":
                return unpacked_record(CallResult, found)
            if state in BROKEN_OFF:
                return CallResult(id=self.id, ended=BROKEN_OFF[state], error=str(found))
            if state in HAS_WORKER:
                worker = found["worker"]
            if state == "STARTED":
                self._worker = worker
            if worker is not None:
                self._check_there(worker)
            if deadline.passed:
                raise NoAnswer(f"call {self.id} goes on", call_id=self.id)
            time.sleep(deadline.limited(pause).remaining() or 0.0)
            pause = min(SLOW_POLL, pause * 1.5)

    def _check_there(self, worker: str) -> None:
        # In this order: a worker writes the result down before it goes.
        if self._presence.is_gone(worker) and self._look()[0] in ENDLESS:
            raise CallLost(
                f"worker {worker} is gone, and call {self.id} with it", call_id=self.id
            )

    def _look(self) -> tuple[str, Any]:
        """State and result; one that cannot be asked says nothing new."""
        try:
            meta = self._backend.get_task_meta(self._task_id, cache=False)
            if meta["status"] == "PENDING":
                worker = claims_in(self._backend).worker(self._task_id)
                if worker is not None:
                    return CLAIMED, {"worker": worker}
        except Exception:
            # Each backend has its own exceptions for being away.
            return "AWAY", None
        return meta["status"], meta.get("result")
