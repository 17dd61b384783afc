"""
The same measurements, made with openai-python's synchronous client.

What is shared by many sessions is measured with its asyncio client.
"""

from __future__ import annotations

import base64
import importlib
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from math import nan
from typing import Any

from .asyncio_peer import asyncio_sessions
from .job import (
    BenchJob,
    DelaysOfJob,
    Figures,
    JobCpuMeter,
    many_sessions_figures,
    resident_kib,
    settle_before_measuring,
)
from .scripts import PCM_20_MS, PCM_200_MS, lateness_of_script

_LATEST = 60.0
"""Seconds after the last event in which all must have come."""
_COMMIT = {"type": "input_audio_buffer.commit"}
_MUTE = {"type": "session.input_audio.mute"}


def _peer_connection(job: BenchJob) -> Any:
    openai = importlib.import_module("openai")
    client = openai.OpenAI(
        api_key="x",
        base_url=job.url.replace("ws", "http", 1),
        websocket_base_url=job.url,
    )
    options = {} if job.certificate is None else {"ssl": job.tls()}
    return client.realtime.connect(
        model=job.model, websocket_connection_options=options
    )


def peer_stream(job: BenchJob) -> Figures:
    """A stream of deltas of one kind to one handler, after a warm-up."""
    name = {
        "text": "response.output_text.delta",
        "arguments": "response.function_call_arguments.delta",
    }.get(job.kind, "response.output_audio.delta")
    audio = job.kind in ("audio", "big")
    unit = "ms" if job.kind == "big" else "us"
    with _peer_connection(job) as connection:
        return _second_round_of_peer(
            connection,
            job,
            (_COMMIT, "response.done"),
            taken=() if audio else (name,),
            decoded=(name,) if audio else (),
        ).per(job.events, unit)


def peer_live_stream(job: BenchJob) -> Figures:
    """A stream of a live session to one function, after a warm-up."""
    openai = importlib.import_module("openai")
    client = openai.OpenAI(
        api_key="x",
        base_url=job.url.replace("ws", "http", 1),
        websocket_base_url=job.url,
    )
    options = {} if job.certificate is None else {"ssl": job.tls()}
    with client.live.connect(websocket_connection_options=options) as connection:
        connection.session.start(session={"model": job.model})
        connection.recv()
        return _second_round_of_peer(
            connection,
            job,
            (_MUTE, "session.input_audio.muted"),
            taken=("session.output_transcript.delta",),
            decoded=("session.output_audio.delta",),
        ).per(job.events)


def _second_round_of_peer(
    connection: Any,
    job: BenchJob,
    limits: tuple[dict[str, str], str],
    *,
    taken: Sequence[str],
    decoded: Sequence[str],
) -> JobCpuMeter:
    """
    Measure the second of two rounds of events, and close the connection.

    Args:
        connection: with the server.
        job: says how many events a round has.
        limits: the command that asks for a round, the event that ends it.
        taken: events whose handler only counts.
        decoded: those whose handler decodes the audio in them too.
    """
    begin, end = limits
    meter, heard, size, rounds = JobCpuMeter(), 0, 0, 0

    def take(event: object) -> None:
        nonlocal heard
        heard += 1

    def decode(event: Any) -> None:
        nonlocal heard, size
        heard += 1
        size += len(base64.b64decode(event.delta))

    def done(event: object) -> None:
        nonlocal rounds, heard
        rounds += 1
        if rounds == 1:
            heard = 0
            meter.start()
            connection.send(begin)
        else:
            meter.stop()
            connection.close()

    for name in taken:
        connection.on(name, take)
    for name in decoded:
        connection.on(name, decode)
    connection.on(end, done)
    connection.send(begin)
    with suppress(Exception):
        connection.dispatch_events()
    assert heard == job.events, f"{heard} of {job.events} came"
    return meter


def peer_append(job: BenchJob) -> Figures:
    """Sending 20 ms of audio."""
    meter = JobCpuMeter()
    with _peer_connection(job) as connection:
        send = connection.input_audio_buffer.append
        for _ in range(job.events // 20):
            send(audio=base64.b64encode(PCM_20_MS).decode())
        meter.start()
        for _ in range(job.events):
            send(audio=base64.b64encode(PCM_20_MS).decode())
        meter.stop()
    return meter.per(job.events)


def peer_opening(job: BenchJob) -> Figures:
    """Connecting, until ``session.created`` has come."""
    importlib.import_module("openai")
    cold, warm = JobCpuMeter(), JobCpuMeter()
    cold.start()
    connection = _peer_connection(job).enter()
    connection.recv()
    cold.stop()
    connection.close()
    manager = _peer_connection(job)
    for _ in range(job.events):
        one = JobCpuMeter()
        one.start()
        connection = manager.enter()
        connection.recv()
        one.stop()
        connection.close()
        warm.cpu, warm.wall = warm.cpu + one.cpu, warm.wall + one.wall
    return {**warm.per(job.events, "ms"), "first cpu ms": cold.cpu * 1e3}


def peer_answers(job: BenchJob) -> Figures:
    """A command and the event that answers it."""
    meter = JobCpuMeter()
    with _peer_connection(job) as connection:
        connection.recv()

        def clear() -> None:
            connection.input_audio_buffer.clear()
            while connection.recv().type != "input_audio_buffer.cleared":
                pass

        clear()
        meter.start()
        for _ in range(job.events):
            clear()
        meter.stop()
    return meter.per(job.events)


def peer_sessions(job: BenchJob) -> Figures:
    """Many sessions at once, each with a thread that dispatches its events."""
    with _peer_connection(job):
        before = resident_kib()
    seen, late = [DelaysOfJob() for _ in range(job.sessions)], list[float]()
    threads, opened = [], []
    for each in seen:
        connection = _peer_connection(job).enter()
        opened.append(connection)
        threads.append(_dispatching_peer(connection, each, late))
    memory = (resident_kib() - before) / job.sessions
    settle_before_measuring(job)
    meter = JobCpuMeter()
    meter.start()
    for connection in opened:
        with suppress(Exception):  # Lost already; its events will be missing.
            connection.send(_COMMIT)
    end = time.monotonic() + job.events / job.rate + _LATEST
    for thread in threads:
        # Over TLS some never end; their events are missing.
        thread.join(max(0.0, end - time.monotonic()))
    meter.stop()
    figures = many_sessions_figures(job, seen, meter, memory, max(late, default=nan))
    return {**figures, "threads": float(threading.active_count())}


def _dispatching_peer(
    connection: Any, seen: DelaysOfJob, late: list[float]
) -> threading.Thread:
    def done(event: Any) -> None:
        late.append(lateness_of_script(event.event_id))
        connection.close()

    connection.on("response.output_text.delta", seen.note)
    connection.on("response.done", done)

    def run() -> None:
        with suppress(Exception):
            connection.dispatch_events()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def peer_hour(job: BenchJob) -> Figures:
    """Turns of 5 s of speech in both directions; memory after the first tenth."""
    used: list[float] = []

    def turn(event: Any = None) -> None:
        if len(used) == job.events:
            connection.close()
            return
        used.append(resident_kib())
        for _ in range(25):
            connection.input_audio_buffer.append(
                audio=base64.b64encode(PCM_200_MS).decode()
            )
        connection.send(_COMMIT)

    with _peer_connection(job) as connection:
        connection.on(
            "response.output_audio.delta", lambda event: base64.b64decode(event.delta)
        )
        connection.on("response.done", turn)
        turn()
        with suppress(Exception):
            connection.dispatch_events()
    assert len(used) == job.events
    return {"MiB growth": (used[-1] - used[len(used) // 10]) / 1024}


MEASUREMENTS = {
    "stream": peer_stream,
    "live stream": peer_live_stream,
    "append": peer_append,
    "opening": peer_opening,
    "answers": peer_answers,
    "sessions": peer_sessions,
    "shared sessions": asyncio_sessions,
    "hour": peer_hour,
}
