"""A long talk in the page: flat in memory, in the browser and in this process."""

from __future__ import annotations

import gc
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import frozen

from realtime_sync import RealtimeClient, Session
from realtime_sync.server.voice import DEMO_QUESTION
from realtime_sync.web import serve as serve_page
from tests.browser import CHROMIUM, Page, page, with_microphone
from tests.stress.sequenced_server import memory_bytes
from tests.web.voice_page import show, spoken, start

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no browser here")

SAMPLES = 12
KIB = 1024


@frozen
class Sample:
    """Bytes of memory at a moment, and how much had been said by then."""

    browser: int
    ours: int
    items: int
    running: bool


@contextmanager
def voices() -> Iterator[str]:
    """The address of a voice server whose memory is not this process's."""
    command = [sys.executable, "-m", "realtime_sync", "serve", "--port", "0", "--quiet"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        told = re.search(r"http://\S+", running.stdout.readline())
        assert told is not None
        yield told[0]
    finally:
        running.terminate()
        running.communicate(timeout=20)


def sample(one: Page, session: Session) -> Sample:
    """Look at both sides, once what is garbage is gone."""
    one.command("HeapProfiler.collectGarbage")
    metrics = one.command("Performance.getMetrics")["metrics"]
    heap = next(each["value"] for each in metrics if each["name"] == "JSHeapUsedSize")
    gc.collect()
    items = len(session.snapshot.items)
    return Sample(int(heap), memory_bytes() or 0, items, one.value("talk.running"))


def talk(folder: Path, seconds: int) -> list[Sample]:
    """Talk without a break; samples evenly spread, the first once a turn is over."""
    said = [0.5, "Tell me a story.", 4.0, DEMO_QUESTION, 6.0]
    microphone = with_microphone(spoken(folder / "said.wav", *said), repeat=True)
    sessions: list[Session] = []
    with voices() as url:
        client = RealtimeClient(base_url=url)
        with serve_page(client, on_session=sessions.append) as host:
            with page(folder / "profile", *microphone) as one:
                one.command("Performance.enable")
                show(one, host.url())
                start(one)
                # Nothing is kept that a person's page would not keep.
                one.value("talk.sound.tap(false)")
                one.wait("talk.rows.children.length > 1", 50)
                samples = [sample(one, sessions[0])]
                for _ in range(1, SAMPLES):
                    pause(one, seconds / (SAMPLES - 1))
                    samples.append(sample(one, sessions[0]))
    for each in samples:
        print(f"{each.items} items: {each.browser / KIB:.0f} {each.ours / KIB:.0f} KiB")
    return samples


def pause(one: Page, seconds: float) -> None:
    """Let the page talk for some seconds, by its own clock."""
    while seconds > 0:
        piece = min(seconds, 20.0)
        one.value(f"new Promise(done => setTimeout(done, {piece * 1000}))")
        seconds -= piece


@pytest.mark.deep
@pytest.mark.timeout(300)
def test_two_minutes_in_the_page_take_little(tmp_path: Path) -> None:
    """A taste of the hour below: what grows with every block of sound shows here."""
    samples = talk(tmp_path, 120)

    assert all(each.running for each in samples)
    assert samples[-1].items > samples[0].items
    assert samples[-1].browser < samples[0].browser + 400 * KIB
    assert samples[-1].ours < samples[0].ours + 8192 * KIB


@pytest.mark.soak
@pytest.mark.timeout(4200)
def test_hour_in_the_page_is_flat_on_both_sides(tmp_path: Path) -> None:
    """
    But for what the conversation itself holds, some 3 KiB an item.

    Shorter than an hour by what a server lets a session live.
    """
    samples = talk(tmp_path, 56 * 60)
    # By then there are as many lines as the page shows.
    settled = samples[SAMPLES // 3]

    assert all(each.running for each in samples)
    assert settled.items > 200
    assert samples[-1].browser < settled.browser + 100 * KIB
    grown = samples[-1].ours - settled.ours
    assert grown < 6 * KIB * (samples[-1].items - settled.items)
