"""What ``test_gevent.py`` runs in a process of its own, patched by gevent."""

from __future__ import annotations

import gevent.monkey  # type: ignore[import-untyped]

gevent.monkey.patch_all()

import json  # noqa: E402
import ssl  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402
import traceback  # noqa: E402
from typing import Any, Callable  # noqa: E402

import gevent  # noqa: E402

from realtime_sync import (  # noqa: E402
    ReconnectPolicy,
    Router,
    Session,
    Threads,
    audio,
    connect,
    errors,
)

ECHO, SILENT, SECURE, ARRANGEMENT = sys.argv[1:5]
THREADS = Threads() if ARRANGEMENT == "shared" else None
TEXT: dict[str, Any] = {"output_modalities": ["text"]}


def talk(url: str = ECHO, **options: Any) -> Session:
    """A session with no handlers but its own."""
    options = {"router": Router(), "api_key": "k", "threads": THREADS, **options}
    return connect("m", base_url=url, **options)


def one_conversation() -> Any:
    """Connect, handlers of every kind, ask, wait, time out, close."""
    seen = set()
    with talk() as session:
        session.on("response.output_text.delta", lambda event: seen.add("queued"))
        session.on("response.created", lambda event: seen.add("inline"), inline=True)
        reply = session.ask("Hello", **TEXT)
        with session.expect("session.updated") as got:
            session.update(instructions="x")
        got.result(5)
        session.flush(5)
        try:
            session.wait_for("response.done", timeout=0.05)
        except errors.WaitTimeout:
            seen.add("timeout")
        report = session.close()
    names = [thread.name for thread in threading.enumerate()]
    mine = [name for name in names if name.startswith("realtime")]
    left = [name for name in mine if not name.startswith("realtime-sync shared ")]
    return [reply.text, sorted(seen), report.complete, report.code, left]


def twenty_greenlets_ask() -> Any:
    """Half of them in turns, half of them side by side."""
    with talk() as session:

        def ask(number: int) -> bool:
            place: Any = {"conversation": "none"} if number % 2 else {}
            text = f"question {number}"
            return text in session.ask(text, **TEXT, **place).text

        jobs = [gevent.spawn(ask, number) for number in range(20)]
        gevent.joinall(jobs, timeout=30)
        return sum(bool(job.value) for job in jobs)


def others_run_while_one_waits() -> Any:
    """Ticks of another greenlet during a wait of half a second."""
    ticks = []

    def tick() -> None:
        while True:
            gevent.sleep(0.01)
            ticks.append(1)

    with talk() as session:
        ticker = gevent.spawn(tick)
        try:
            session.wait_for("response.done", timeout=0.5)
        except errors.WaitTimeout:
            pass
        ticker.kill()
    return len(ticks)


def modes() -> Any:
    """Handlers in the waiting greenlet, and on the loop."""
    told = []
    for mode in ("manual", "inline"):
        with talk(dispatch=mode) as session:
            session.on("response.done", lambda event: told.append(event.type))
            session.ask("Hello", **TEXT)
            session.flush(5)
            told.append(session.close().complete)
    return told


def reconnecting() -> Any:
    """A lost connection is replaced, and the conversation with it."""
    url = f"{ECHO}?fault=drop_after:input_audio_buffer.cleared"
    with talk(url, reconnect=ReconnectPolicy(base=0.001, cap=0.001)) as session:
        session.ask("before", **TEXT)
        with session.expect("connection.restored") as restored:
            session.input_audio_buffer.clear()
        report = restored.result(5).report
        session.ask("after", **TEXT)
        return [len(report.restored), len(session.conversation.items)]


def closing_from_many() -> Any:
    """Five greenlets close while one waits."""
    session = talk(close_timeout=2.0)

    def wait() -> Any:
        try:
            session.wait_for("response.done", timeout=None)
        except errors.ConnectionClosed as exc:
            return type(exc).__name__

    waiter = gevent.spawn(wait)
    gevent.sleep(0.05)
    jobs = [gevent.spawn(session.close) for _ in range(5)]
    gevent.joinall([*jobs, waiter], timeout=10)
    return [[job.value.complete for job in jobs], waiter.value]


def silent_server() -> Any:
    """Deadlines and pings go by gevent's clock as well."""
    session = talk(SILENT, ping_interval=0.2)
    try:
        session.wait_for("response.done", timeout=None)
    except errors.ConnectionLost as exc:
        return "ping" in str(exc)
    finally:
        session.close()


def tls() -> Any:
    """Four greenlets write while the reader reads, over one TLS connection."""
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    seen, all_seen = [], threading.Event()
    with talk(SECURE, ssl_context=trusting) as session:

        @session.on("response.output_text.delta")
        def note(event: Any) -> None:
            seen.append(int(event.delta))
            if len(seen) == 200:
                all_seen.set()

        def send(first: int) -> None:
            for number in range(first, 200, 4):
                session.send({"type": "vendor.say", "number": number})

        jobs = [gevent.spawn(send, first) for first in range(4)]
        gevent.joinall(jobs, timeout=20)
        all_seen.wait(20)
    return sorted(seen) == list(range(200))


def playing() -> Any:
    """A player is called block by block, and has no thread left when it is closed."""
    heard: list[bytes] = []
    with talk() as session, audio.Player(heard.append, name="gevent") as player:
        player.attach(session)
        player.play(audio.silence(0.1))
        idle = player.wait_idle(5)
    names = [thread.name for thread in threading.enumerate()]
    return [idle, len(heard), "realtime-gevent" in names]


PARTS: tuple[Callable[[], Any], ...] = (
    one_conversation,
    twenty_greenlets_ask,
    others_run_while_one_waits,
    modes,
    reconnecting,
    closing_from_many,
    silent_server,
    tls,
    playing,
)

if __name__ == "__main__":
    results = {}
    for part in PARTS:
        try:
            results[part.__name__] = part()
        except Exception:
            results[part.__name__] = traceback.format_exc()
    left_open = talk()  # The end of the process closes it.
    print(json.dumps(results))
