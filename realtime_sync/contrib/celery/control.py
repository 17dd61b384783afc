"""
Commands to workers, by the broker's remote control.

Not by Celery's own mailbox: a worker that ends stops listening to that one first and
then waits for its tasks, so that a call could not be reached for as long as it takes to
end it. Each worker of a fleet has a mailbox and a connection of its own, which it keeps
until the last call is over.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from threading import BoundedSemaphore, Event, Thread
from typing import TYPE_CHECKING, Any, Optional

from kombu.pidbox import Mailbox

from ...deadline import Deadline, check_seconds
from ...server.host.workers import HostWorkers
from ...transport.logs import area_logger
from .errors import NoAnswer

if TYPE_CHECKING:
    from celery import Celery

_log = area_logger("realtime_sync.contrib.celery")

ANSWERERS = 16
"""Threads of a worker that carry out commands of calls, each of which may wait."""

MOST_COMMANDS = 1_000
"""Commands that wait for a thread or have one; one more is not answered."""

RECONNECT = 0.5
"""Seconds between two attempts to reach the broker."""

LOOK = 0.5
"""Seconds after which a thread that listens or sends looks whether it is to end."""


LOOK_COMMAND = "look"
"""Asks whether a worker is there, and how many calls it has; it waits for nothing."""


class NotHere(Exception):
    """A worker does not have the call that it was asked about."""


Command = Callable[[Mapping[str, Any]], Any]
"""Carries out a command; called with its arguments, returns JSON."""


class WorkerControl:
    """
    Asks the workers of a fleet. Any thread, any process.

    Args:
        app: whose broker it is.
        name: of the fleet.
    """

    def __init__(self, app: Celery, name: str) -> None:
        self.app = app
        self.namespace = f"realtime-sync.{name}"

    def mailbox(self, connection: Any, producers: Any = None) -> Any:
        """
        The fleet's mailbox.

        Args:
            connection: to reach the broker over.
            producers: pool of those who send; None to send over the connection.
        """
        # JSON and nothing else, whatever the tasks of the application are written in.
        return Mailbox(
            self.namespace,
            type="fanout",
            connection=connection,
            accept=["json"],
            serializer="json",
            producer_pool=producers,
            queue_ttl=60.0,
            queue_expires=60.0,
            reply_queue_ttl=60.0,
            reply_queue_expires=60.0,
        )

    def ask(
        self,
        command: str,
        arguments: Mapping[str, Any],
        *,
        workers: Optional[Sequence[str]] = None,
        limit: Optional[int] = None,
        timeout: float,
    ) -> dict[str, Any]:
        """
        Have workers do something.

        Args:
            command: its name.
            arguments: JSON.
            workers: whom to ask; None for all.
            limit: how many answers to wait for; None for as many as *workers* are,
                or for the whole time.
            timeout: seconds.

        Returns:
            Each worker's answer, by its name.

        Raises:
            NoAnswer: the broker cannot be reached.
        """
        with self._reached(timeout) as connection:
            mailbox = self.mailbox(connection)
            if workers is None:
                answers = mailbox.multi_call(
                    command, dict(arguments), timeout=timeout, limit=limit
                )
            else:
                answers = mailbox.call(
                    list(workers), command, dict(arguments), timeout=timeout
                )
        return {name: answer for each in answers for name, answer in each.items()}

    def send(
        self,
        task: str,
        task_id: str,
        arguments: Sequence[Any],
        *,
        queue: str,
        expires: Optional[float],
        timeout: float,
    ) -> None:
        """
        Put a task into a queue, without listening for its result.

        Celery's own way tries again for minutes where nothing answers, and subscribes
        to the result of every task that a process has ever sent.

        Raises:
            NoAnswer: the broker cannot be reached.
        """
        amqp = self.app.amqp
        message = amqp.create_task_message(
            task_id, task, args=arguments, expires=expires, ignore_result=False
        )
        with self._reached(timeout) as connection:
            amqp.send_task_message(
                amqp.Producer(connection),
                task,
                message,
                queue=queue,
                serializer="json",
                retry=False,
            )

    @contextmanager
    def _reached(self, timeout: float) -> Iterator[Any]:
        """A connection to the broker, which answers in time."""
        check_seconds(timeout)
        # Not one of the application's pool: kombu sends with any number of retries
        # over a connection that has died without its noticing.
        try:
            # A broker that is there and silent would be waited for without an end.
            options = {"socket_timeout": timeout, "socket_connect_timeout": timeout}
            with self.app.connection_for_write(transport_options=options) as connection:
                connection.ensure_connection(max_retries=1, timeout=timeout)
                yield connection
        except Exception as exc:
            # Each transport has its own exceptions for this.
            raise NoAnswer(f"the broker cannot be reached: {exc}") from exc


class ControlListener:
    """
    Hears and answers commands, in a worker.

    A thread listens, others carry out. While the broker is away it is tried again; the
    calls do not need it.

    Args:
        control: the fleet's.
        name: of this worker.
        commands: what can be asked.
        connected: called whenever the broker has been reached.

    Attributes:
        ready: set when a command can come for the first time.
    """

    def __init__(
        self,
        control: WorkerControl,
        name: str,
        commands: Mapping[str, Command],
        connected: Callable[[], None],
    ) -> None:
        self._control = control
        self._name = name
        self._connected = connected
        self._commands = commands
        self._over = Event()
        self.ready = Event()
        self._answerers = HostWorkers("realtime-sync fleet command", limit=ANSWERERS)
        # Of its own: a worker whose calls all wait for something is not gone.
        self._presence = HostWorkers("realtime-sync fleet presence", limit=1)
        self._room = BoundedSemaphore(MOST_COMMANDS)
        self._thread = Thread(
            target=self._run, name="realtime-sync fleet control", daemon=True
        )
        self._thread.start()

    def close(self, deadline: Deadline) -> None:
        """Hear nothing any more, and wait for what is being carried out."""
        self._over.set()
        self._thread.join(deadline.remaining())
        self._answerers.close(deadline.remaining() or 0.0)
        self._presence.close(deadline.remaining() or 0.0)

    def _run(self) -> None:
        reachable = True
        while not self._over.is_set():
            try:
                with self._control.app.connection_for_read() as connection:
                    connection.ensure_connection(max_retries=1, timeout=5.0)
                    reachable = True
                    self._listen(connection)
            except Exception as exc:
                # Each transport has its own exceptions for this.
                if reachable:
                    _log.warning("! the broker is away, calls go on: %s", exc)
                reachable = False
            self._over.wait(RECONNECT)

    def _listen(self, connection: Any) -> None:
        # Answers go another way: this connection is being read.
        producers = self._control.app.amqp.producer_pool
        node = self._control.mailbox(connection, producers).Node(
            self._name,
            handlers={name: self._handler(name) for name in self._commands},
            channel=connection.channel(),
        )

        def received(body: Any, message: Any) -> None:
            # Most of what comes is for others: a broker tells every worker.
            if not body.get("destination") or self._name in body["destination"]:
                look = body.get("method") == LOOK_COMMAND
                answer = partial(node.handle_message, body, message)
                if look:
                    self._presence.submit(answer)
                else:
                    self._carry_out(answer)

        node.listen(callback=received)
        # Redis is told of the mailbox when it is read for the first time, and keeps no
        # command for one that it was not told of.
        _drain_control_connection(connection, 0.01)
        self._connected()
        self.ready.set()
        while not self._over.is_set():
            _drain_control_connection(connection, LOOK)

    def _carry_out(self, answer: Callable[[], None]) -> None:
        if not self._room.acquire(blocking=False):
            _log.warning("! a command is not carried out: too many of them wait")
            return

        def task() -> None:
            try:
                answer()
            finally:
                self._room.release()

        self._answerers.submit(task)

    def _handler(self, name: str) -> Callable[..., Any]:
        def handle(state: object, **arguments: Any) -> dict[str, Any]:
            try:
                return {"done": self._commands[name](arguments)}
            except NotHere:
                return {"missing": True}
            except Exception as exc:
                _log.warning("! the command %s has failed: %s", name, exc)
                return {"failed": f"{type(exc).__name__}: {exc}"}

        return handle


def _drain_control_connection(connection: Any, seconds: float) -> None:
    try:
        connection.drain_events(timeout=seconds)
    except (socket.timeout, TimeoutError):
        return
