"""The measurements, made with this package."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import TYPE_CHECKING

from ... import RealtimeClient, Session, Threads, connect, live
from ...types import DispatchMode
from .job import (
    BenchJob,
    DelaysOfJob,
    Figures,
    JobCpuMeter,
    delay_figures,
    many_sessions_figures,
    resident_kib,
    settle_before_measuring,
)
from .scripts import PCM_20_MS, PCM_200_MS, lateness_of_script

if TYPE_CHECKING:
    from ...dispatch.event_names import EventName
    from ...protocol import events

_PATIENCE = 300.0


def _connect_ours(
    job: BenchJob, *, threads: Threads | None = None, dispatch: DispatchMode = "thread"
) -> Session:
    return connect(
        job.model,
        base_url=job.url,
        api_key=None,
        ssl_context=job.tls(),
        threads=threads,
        dispatch=dispatch,
    )


def our_stream(job: BenchJob) -> Figures:
    """A stream of deltas of one kind to one handler, after a warm-up."""
    names: dict[str, EventName] = {
        "text": "response.output_text.delta",
        "arguments": "response.function_call_arguments.delta",
    }
    name = names.get(job.kind, "response.output_audio.delta")
    audio = job.kind in ("audio", "big")
    meter, heard, size = JobCpuMeter(), 0, 0

    def taken(event: object) -> None:
        nonlocal heard
        heard += 1

    def decoded(event: events.ResponseAudioDelta) -> None:
        nonlocal heard, size
        heard += 1
        size += len(event.delta or b"")

    dispatch: DispatchMode = "inline" if job.arrangement == "inline" else "thread"
    with _connect_ours(job, dispatch=dispatch) as session:
        session.on(name, decoded if audio else taken)
        _ask_for_stream_of_ours(session)
        heard = 0
        meter.start()
        _ask_for_stream_of_ours(session)
        meter.stop()
    assert heard == job.events, f"{heard} of {job.events} came"
    return meter.per(heard, "ms" if job.kind == "big" else "us")


def _ask_for_stream_of_ours(session: Session) -> None:
    over = threading.Event()
    with session.on("response.done", lambda event: over.set()):
        session.send({"type": "input_audio_buffer.commit"})
        assert over.wait(_PATIENCE)


def our_live_stream(job: BenchJob) -> Figures:
    """A stream of a live session to one handler, after a warm-up."""
    meter, heard, size = JobCpuMeter(), 0, 0

    def taken(event: object) -> None:
        nonlocal heard
        heard += 1

    def decoded(event: live.events.OutputAudioDelta) -> None:
        nonlocal heard, size
        heard += 1
        size += len(event.delta or b"")

    client = RealtimeClient(base_url=job.url, api_key=None, ssl_context=job.tls())
    with client.live.connect(job.model, idle_audio=None) as session:
        if job.kind == "live_audio":
            session.on(live.events.OutputAudioDelta, decoded)
        else:
            session.on(live.events.OutputTranscriptDelta, taken)
        for _ in range(2):
            heard = 0
            meter.start()
            over = threading.Event()
            with session.on("session.input_audio.muted", lambda event: over.set()):
                session.input_audio.mute()
                assert over.wait(_PATIENCE)
            meter.stop()
        session.close(drain=False)
    assert heard == job.events, f"{heard} of {job.events} came"
    return meter.per(heard)


def our_append(job: BenchJob) -> Figures:
    """Sending 20 ms of audio."""
    meter = JobCpuMeter()
    with _connect_ours(job) as session:
        send = session.input_audio_buffer.append
        for _ in range(job.events // 20):
            send(PCM_20_MS)
        meter.start()
        for _ in range(job.events):
            send(PCM_20_MS)
        meter.stop()
    return meter.per(job.events)


def our_opening(job: BenchJob) -> Figures:
    """Connecting, until ``session.created`` has come."""
    cold, warm = JobCpuMeter(), JobCpuMeter()
    cold.start()
    session = _connect_ours(job)
    cold.stop()
    session.close()
    for _ in range(job.events):
        one = JobCpuMeter()
        one.start()
        session = _connect_ours(job)
        one.stop()
        session.close()
        warm.cpu, warm.wall = warm.cpu + one.cpu, warm.wall + one.wall
    return {**warm.per(job.events, "ms"), "first cpu ms": cold.cpu * 1e3}


def our_answers(job: BenchJob) -> Figures:
    """A command and its acknowledgement."""
    meter = JobCpuMeter()
    with _connect_ours(job) as session:
        clear = session.input_audio_buffer.clear
        clear().acknowledged()
        meter.start()
        for _ in range(job.events):
            clear().acknowledged()
        meter.stop()
    return meter.per(job.events)


def our_sessions(job: BenchJob) -> Figures:
    """Many sessions at once, each with events at an even rate."""
    own = job.arrangement in ("", "own")
    threads = None if own else Threads(workers=1)
    inline = job.arrangement.startswith("inline")
    dispatch: DispatchMode = "inline" if inline else "thread"
    with _connect_ours(job, threads=threads):
        before = resident_kib()
    seen, late = [DelaysOfJob() for _ in range(job.sessions)], SimpleQueue[float]()
    opened = []
    for each in seen:
        session = _connect_ours(job, threads=threads, dispatch=dispatch)
        session.on("response.output_text.delta", each.note)
        session.on(
            "response.done", lambda event: late.put(lateness_of_script(event.event_id))
        )
        opened.append(session)
    memory = (resident_kib() - before) / job.sessions
    settle_before_measuring(job)
    if threads is not None and job.arrangement.endswith("frozen"):
        threads.freeze()
    meter = JobCpuMeter()
    meter.start()
    for session in opened:
        session.send({"type": "input_audio_buffer.commit"})
    told = [late.get(timeout=_PATIENCE) for _ in opened]
    meter.stop()
    figures = many_sessions_figures(job, seen, meter, memory, max(told))
    figures["threads"] = float(threading.active_count())
    for session in opened if threads is None else ():
        session.close()
    if threads is not None:
        threads.close(timeout=30)
    return figures


def our_hour(job: BenchJob) -> Figures:
    """Turns of 5 s of speech in both directions; memory after the first tenth."""
    used = []
    over = threading.Event()
    with _connect_ours(job) as session:
        session.on("response.output_audio.delta", lambda event: len(event.delta or b""))
        session.on("response.done", lambda event: over.set())
        for _ in range(job.events):
            for _ in range(25):
                session.input_audio_buffer.append(PCM_200_MS)
            session.input_audio_buffer.commit()
            assert over.wait(_PATIENCE)
            over.clear()
            used.append(resident_kib())
    return {"MiB growth": (used[-1] - used[len(used) // 10]) / 1024}


def _our_hushed(
    job: BenchJob, busy: Callable[[threading.Event, threading.Event], None]
) -> Figures:
    seen, started, over = DelaysOfJob(), threading.Event(), threading.Event()
    with _connect_ours(job) as session:
        session.on("input_audio_buffer.committed", lambda event: busy(started, over))
        session.on(
            "input_audio_buffer.speech_started", seen.note, inline=True, where=None
        )
        session.on("response.done", lambda event: over.set(), inline=True)
        session.send({"type": "input_audio_buffer.commit"})
        assert started.wait(_PATIENCE)
        assert over.wait(_PATIENCE)
        session.flush()
    return delay_figures(seen.seconds, job.events)


def our_hushed_while_blocked(job: BenchJob) -> Figures:
    """``speech_started`` to an inline handler while another handler blocks."""

    def block(started: threading.Event, over: threading.Event) -> None:
        started.set()
        while not over.is_set():
            time.sleep(0.05)

    return _our_hushed(job, block)


def our_hushed_while_busy(job: BenchJob) -> Figures:
    """The same while another handler computes, in Python, without a pause."""

    def compute(started: threading.Event, over: threading.Event) -> None:
        started.set()
        while not over.is_set():
            sum(range(100))

    return _our_hushed(job, compute)


MEASUREMENTS = {
    "stream": our_stream,
    "live stream": our_live_stream,
    "append": our_append,
    "opening": our_opening,
    "answers": our_answers,
    "sessions": our_sessions,
    "shared sessions": our_sessions,
    "hour": our_hour,
    "hushed while blocked": our_hushed_while_blocked,
    "hushed while busy": our_hushed_while_busy,
}
