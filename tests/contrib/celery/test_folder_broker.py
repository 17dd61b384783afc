"""A folder as broker, with processes that write and read at the same time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from kombu.entity import Exchange, Queue
from kombu.messaging import Consumer, Producer

from realtime_sync.contrib.celery import folder_settings

WAIT = 20.0


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Celery]:
    """An application whose broker is a folder that nobody has made."""
    found = Celery("folder", set_as_current=False)
    found.conf.update(folder_settings(tmp_path / "new" / "queue"))
    yield found
    found.close()


def take(app: Celery, queue: Queue, count: int, found: list[Any]) -> None:
    """So many messages of a queue."""
    with app.connection_for_read() as connection:
        consumer = Consumer(
            connection.channel(),
            [queue],
            callbacks=[lambda body, message: found.append(body)],
            accept=["json"],
            no_ack=True,
        )
        with consumer:
            while len(found) < count:
                connection.drain_events(timeout=WAIT)


def test_every_message_arrives_whole_while_others_read(app: Celery) -> None:
    """Two readers look for messages all the time, and none takes half of one."""
    queue = Queue("calls", exchange=Exchange("calls", type="direct"), routing_key="c")
    bodies = [{"number": number, "text": "x" * 20_000} for number in range(60)]
    found: list[Any] = []
    with app.connection_for_write() as connection:
        queue(connection.channel()).declare()
        reader = threading.Thread(target=take, args=(app, queue, len(bodies), found))
        reader.start()
        producer = Producer(connection.channel(), serializer="json")
        for body in bodies:
            producer.publish(body, exchange=queue.exchange, routing_key="c")
        reader.join(WAIT)

    assert bodies == sorted(found, key=lambda body: int(body["number"]))


def test_queues_that_are_bound_at_the_same_time_are_all_told(app: Celery) -> None:
    """Nobody empties the list that another has just begun."""
    exchange = Exchange("told", type="fanout")
    queues = [Queue(f"q{number}", exchange=exchange) for number in range(8)]
    start = threading.Barrier(len(queues))

    def bind(queue: Queue) -> None:
        with app.connection_for_write() as connection:
            channel = connection.channel()
            start.wait(WAIT)
            queue(channel).declare()

    threads = [threading.Thread(target=bind, args=(queue,)) for queue in queues]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    with app.connection_for_write() as connection:
        producer = Producer(connection.channel(), serializer="json")
        producer.publish({"all": True}, exchange=exchange)
    for queue in queues:
        found: list[Any] = []
        take(app, queue, 1, found)

        assert [{"all": True}] == found


def test_message_is_never_seen_before_it_is_written(
    app: Celery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it is written it has another name, which readers do not look for."""
    names: list[list[str]] = []
    write = Path.write_text

    def written(path: Path, text: str, **options: Any) -> int:
        done = write(path, text[:3], **options)
        names.append([each.name for each in path.parent.iterdir()])
        return done + write(path, text, **options)

    monkeypatch.setattr(Path, "write_text", written)
    with app.connection_for_write() as connection:
        producer = Producer(connection.channel(), serializer="json")
        producer.publish({"one": 1}, routing_key="calls", exchange="")
    left = [each.name for each in (tmp_path / "new/queue/messages").iterdir()]

    assert names
    assert all(name.endswith(".part") for seen in names for name in seen)
    assert 1 == len(left)
    assert left[0].endswith(".calls.msg")
