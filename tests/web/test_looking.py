"""The board and the debugger in a real browser: what a person sees and presses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from realtime_sync import connect
from realtime_sync.telemetry import CallRow
from realtime_sync.testing import MemoryTransport, frames
from realtime_sync.web import Board, Debugger, WebHost
from tests.browser import CHROMIUM, Page, page
from tests.report.recordings import HOSTILE, head, line, spoken_turn

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no browser here"),
    pytest.mark.timeout(90),
    pytest.mark.usefixtures("no_other_sessions"),
]

SEEN = "document.body.innerText"
UNNAMED = """[...document.querySelectorAll('button, input, select, a[href]')].filter(
  each => each.checkVisibility() && !(
    each.textContent.trim() || each.getAttribute('aria-label') ||
    (each.labels && each.labels.length)
  )).map(each => each.outerHTML)"""
"""What can be pressed or filled in and has no name for a screen reader."""


class Elsewhere:
    """A call of another machine."""

    def rows(self) -> list[CallRow]:
        """One, with a name that nobody should have."""
        return [CallRow(id="far", name=HOSTILE, worker="voice@two", last_error=HOSTILE)]

    def hang_up(self, call_id: str) -> bool:
        """It stays."""
        return False


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """One window for all tests here."""
    with page(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def host() -> Iterator[WebHost]:
    """A host of pages."""
    with WebHost() as opened:
        yield opened


def opened(window: Page, url: str, ready: str, width: int = 1280) -> None:
    """Load a page, and wait until it shows what it is waited for."""
    window.errors.clear()
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1}
    window.command("Emulation.setDeviceMetricsOverride", mobile=width < 500, **metrics)
    window.go(url)
    window.wait(ready)


def pressed(window: Page, key: str) -> None:
    """Press a key, as a person does."""
    for kind in ("keyDown", "keyUp"):
        window.command("Input.dispatchKeyEvent", type=kind, key=key, code=key)


def in_memory(name: str) -> tuple[Any, MemoryTransport]:
    """A session without a socket."""
    transport = MemoryTransport(on_send=frames.acknowledged)
    options: dict[str, Any] = {"dispatch": "inline", "timeout": 0.2, "name": name}
    return connect(transport=transport, **options), transport


def test_board_follows_a_call_shows_what_is_said_and_hangs_up(
    window: Page, host: WebHost
) -> None:
    """After a question whether it is meant; what a model says is text."""
    session, transport = in_memory("shop")
    board = Board(host)
    opened(window, board.url, f"{SEEN}.includes('shop')")
    unnamed = window.value(UNNAMED)
    session.conversation.add_message(f"Two lamps {HOSTILE}")
    for frame in frames.answer("With pleasure", response_id="resp_1")({}):
        transport.feed(frame)
    window.wait(f"{SEEN}.includes('assistant: With pleasure')")
    window.click("shop")
    window.wait("document.activeElement.id === 'call-name'")
    window.wait(f"{SEEN}.includes('Two lamps <script>')")
    pressed(window, "Escape")
    window.wait("document.getElementById('call').hidden")
    window.click("Hang up")
    window.wait("document.getElementById('sure').open")
    still = session.is_open
    window.value("document.querySelector('#sure .danger').click()")
    window.wait("document.querySelector('.state').textContent === 'ended'")
    board.close()

    assert [] == unnamed
    assert still and session.closed
    assert [] == window.errors
    assert 0 == window.value("document.querySelectorAll('#rows script, img').length")


def test_board_fits_a_phone_and_filters(window: Page, host: WebHost) -> None:
    """Nothing is wider than the screen, whatever a call is called."""
    board = Board(host, Elsewhere(), path="/far")
    opened(window, board.url, f"{SEEN}.includes('voice@two')", width=375)
    wide = window.value("document.documentElement.scrollWidth")
    window.value("""(() => {
      const filter = document.getElementById('filter');
      filter.value = 'nobody';
      filter.dispatchEvent(new Event('input'));
    })()""")
    window.wait(f"{SEEN}.includes('No call fits the filter')")
    board.close()

    assert 375 == wide
    assert [] == window.errors


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Three spoken turns, a tool, and something that a page must not run."""
    lines = [head()]
    for number in range(1, 4):
        lines += spoken_turn(5.0 * number, number, said=f"Hello {HOSTILE}")
    tool = {"id": "t", "type": "function_call", "name": "weather", "call_id": "c"}
    tool = {**tool, "arguments": '{"city": "Lima"}'}
    lines.append(line(20.0, "in", "conversation.item.added", item=tool))
    path = tmp_path / "call.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


def where(window: Page) -> tuple[str, str]:
    """Which event is shown, and its type."""
    shown = window.value(
        "[document.getElementById('where').textContent,"
        " document.getElementById('event-title').textContent]"
    )
    return str(shown[0]).rpartition("· ")[2], str(shown[1])


def test_debugger_steps_seeks_filters_and_runs_on(
    window: Page, host: WebHost, recording: Path
) -> None:
    """By keyboard, past what the filter hides, at the pace that is chosen."""
    debugger = Debugger(host, recording)
    opened(window, debugger.url, f"{SEEN}.includes('event 1 of 52')")
    unnamed = window.value(UNNAMED)
    wanted = debugger.events(0, sound=False)["next"]
    pressed(window, "ArrowRight")
    window.wait(f"{SEEN}.includes('event {wanted + 1} of 52')")
    by_key = where(window)
    pressed(window, "End")
    window.wait(f"{SEEN}.includes('event 52 of 52')")
    tool = window.value(f'{SEEN}.includes(\'weather({{"city": "Lima"}})\')')
    pressed(window, "Home")
    window.wait(f"{SEEN}.includes('event 1 of 52')")
    window.value("""(() => {
      const words = document.getElementById('words');
      words.value = 'response.done';
      words.dispatchEvent(new Event('input'));
    })()""")
    window.wait("document.querySelectorAll('#events li').length === 3")
    window.value("document.getElementById('next').click()")
    window.wait("document.getElementById('event-title').textContent==='response.done'")
    window.wait(f"{SEEN}.includes('Hello <script>')")
    window.value("document.getElementById('speed').value = '64'")
    window.click("Run on")
    window.wait(f"{SEEN}.includes('event 52 of 52')")
    window.wait("document.getElementById('run').textContent === 'Run on'")
    whole = window.value("""(() => {
      document.getElementById('whole').open = true;
      return new Promise(done => setTimeout(
        () => done(document.getElementById('snapshot').textContent), 100));
    })()""")

    assert [] == unnamed
    assert (f"event {wanted + 1} of 52", "input_audio_buffer.committed") == by_key
    assert tool
    assert debugger.steps.snapshot(-1).to_dict() == json.loads(whole)
    assert [] == window.errors


def test_debugger_fits_a_phone(window: Page, host: WebHost, recording: Path) -> None:
    """Nothing is wider than the screen."""
    debugger = Debugger(host, recording)
    opened(window, debugger.url, f"{SEEN}.includes('event 1 of 52')", width=375)
    window.value("document.getElementById('last').click()")
    window.wait(f"{SEEN}.includes('event 52 of 52')")

    assert 375 == window.value("document.documentElement.scrollWidth")
    assert [] == window.errors


def test_page_says_when_the_program_is_gone(
    window: Page, host: WebHost, recording: Path
) -> None:
    """And tries again, where it can."""
    board, debugger = Board(host, Elsewhere()), Debugger(host, recording)
    opened(window, board.url, f"{SEEN}.includes('Live')")
    host.close()
    window.wait(f"{SEEN}.includes('No answer')")
    with WebHost() as second:
        debugger = Debugger(second, recording)
        opened(window, debugger.url, f"{SEEN}.includes('event 1 of 52')")
    window.value("document.getElementById('last').click()")
    window.wait(f"{SEEN}.includes('The program does not answer')")
    board.close()

    assert [] == window.errors
