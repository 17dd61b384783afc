"""Many sessions at once, with openai-python's asyncio client: the strongest peer."""

from __future__ import annotations

import asyncio
import gc
import importlib
import threading
import time
from contextlib import suppress
from math import nan
from typing import Any

from .job import (
    BenchJob,
    DelaysOfJob,
    Figures,
    JobCpuMeter,
    many_sessions_figures,
    resident_kib,
    settle_before_measuring,
)
from .scripts import lateness_of_script

_LATEST = 60.0
"""Seconds after the last event in which all must have come."""
_COMMIT = {"type": "input_audio_buffer.commit"}


def asyncio_sessions(job: BenchJob) -> Figures:
    """Many sessions in one event loop, each with a task that reads its events."""
    return asyncio.run(_measure(job))


async def _measure(job: BenchJob) -> Figures:
    openai = importlib.import_module("openai")
    client = openai.AsyncOpenAI(
        api_key="x",
        base_url=job.url.replace("ws", "http", 1),
        websocket_base_url=job.url,
    )
    options = {} if job.certificate is None else {"ssl": job.tls()}

    async def connect() -> Any:
        return await client.realtime.connect(
            model=job.model, websocket_connection_options=options
        ).enter()

    first = await connect()
    before = resident_kib()
    await first.close()
    seen = [DelaysOfJob() for _ in range(job.sessions)]
    opened = [await connect() for _ in seen]
    memory = (resident_kib() - before) / job.sessions
    settle_before_measuring(job)
    if job.arrangement.endswith("frozen"):
        gc.collect()
        gc.freeze()
    meter = JobCpuMeter()
    meter.start()
    tasks = [
        asyncio.ensure_future(_read(connection, each))
        for connection, each in zip(opened, seen)
    ]
    for connection in opened:
        with suppress(Exception):  # Lost already; its events will be missing.
            await connection.send(_COMMIT)
    end = time.monotonic() + job.events / job.rate + _LATEST
    await asyncio.wait(tasks, timeout=max(0.0, end - time.monotonic()))
    meter.stop()
    for task in tasks:
        task.cancel()
    late = await asyncio.gather(*tasks, return_exceptions=True)
    told = [each for each in late if isinstance(each, float)]
    figures = many_sessions_figures(job, seen, meter, memory, max(told, default=nan))
    return {**figures, "threads": float(threading.active_count())}


async def _read(connection: Any, seen: DelaysOfJob) -> float:
    """Read to the end, which tells how late the server was."""
    async for event in connection:
        if event.type == "response.output_text.delta":
            seen.note(event)
        elif event.type == "response.done":
            return lateness_of_script(event.event_id)
    raise ConnectionError("the connection ended too early")
