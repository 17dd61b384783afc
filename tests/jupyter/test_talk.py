"""
Talking in the output of a cell: the module that a notebook gets, in a real browser.

The page here stands in for the notebook's: it has a model as anywidget hands one to a
widget, whose messages go to the widget's own comm in this process.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol
from urllib.request import urlopen

import comm
import pytest
from comm.base_comm import BaseComm

from realtime_sync import RealtimeClient, Session, audio, jupyter
from realtime_sync.errors import ConfigurationError
from realtime_sync.jupyter.named_sessions import sounds_of
from realtime_sync.server import Server, serve
from realtime_sync.server.voice import DEMO_QUESTION, default_synthesizer
from realtime_sync.web import Channel, WebHost
from tests.browser import CHROMIUM, Page, page, with_microphone

pytestmark = pytest.mark.timeout(90)

NOTEBOOK = """<!doctype html><body><script type="module">
const handlers = new Set();
const socket = new WebSocket("%s");
socket.binaryType = "arraybuffer";
socket.onmessage = event => {
  const size = new DataView(event.data).getUint32(0, true);
  const head = new TextDecoder().decode(new Uint8Array(event.data, 4, size));
  const rest = new DataView(event.data, 4 + size);
  for (const each of handlers) each(JSON.parse(head), rest.byteLength ? [rest] : []);
};
const model = {
  on: (name, handler) => handlers.add(handler),
  off: (name, handler) => handlers.delete(handler),
  send: (content, callbacks, buffers) => {
    // As a notebook's comm does once its kernel was restarted.
    if (socket.readyState !== WebSocket.OPEN) throw new Error("Cannot send");
    const head = new TextEncoder().encode(JSON.stringify(content));
    const sound = buffers && buffers[0] ? new Uint8Array(buffers[0]) : new Uint8Array();
    const data = new Uint8Array(4 + head.length + sound.length);
    new DataView(data.buffer).setUint32(0, head.length, true);
    data.set(head, 4);
    data.set(sound, 4 + head.length);
    socket.send(data);
  },
};
window.show = async () => {
  const url = URL.createObjectURL(new Blob([await (await fetch("/widget.js")).text()],
    { type: "text/javascript" }));
  const widget = (await import(url)).default;
  const el = document.createElement("div");
  document.body.append(el);
  window.remove = widget.render({ model, el });
  window.talk = el.talk;
  return true;
};
socket.onopen = () => { window.ready = true; };
window.restart = () => socket.close();
</script></body>"""


class Hears(Protocol):
    """A window, told everything."""

    def send(self, message: Mapping[str, Any], sound: bytes = b"") -> None:
        """Hear what the kernel says."""


class KernelComm(BaseComm):
    """A comm whose messages go to the windows of one output."""

    def __init__(self, *arguments: Any, **keys: Any) -> None:
        self.windows: list[Hears] = []
        self.deaf = False
        super().__init__(*arguments, **keys)

    def publish_msg(
        self,
        msg_type: str,
        data: Any = None,
        metadata: Any = None,
        buffers: Sequence[bytes] | None = None,
        **keys: Any,
    ) -> None:
        """Give a widget's own messages to the page."""
        if (data or {}).get("method") == "custom":
            for each in tuple(self.windows):
                each.send(data["content"], bytes(buffers[0]) if buffers else b"")


class Kernel:
    """The page's other end."""

    def __init__(self, one: KernelComm, channel: Channel) -> None:
        self._comm, self._channel = one, channel
        one.windows.append(channel)

    def receive(self, message: Mapping[str, Any], sound: bytes) -> None:
        """Hand on what the page's model sends, unless a cell is running."""
        if self._comm.deaf:
            return
        data = {"method": "custom", "content": message}
        buffers = [memoryview(sound)] if sound else []
        self._comm.handle_msg({"content": {"data": data}, "buffers": buffers})

    def close(self) -> None:
        """The page is gone."""
        self._comm.windows.remove(self._channel)


@contextmanager
def notebook(url: str, script: str) -> Iterator[str]:
    """The page's address."""
    served = {"/": (NOTEBOOK % url, "text/html"), "/widget.js": (script, "text/plain")}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text, kind = served.get(self.path, ("", "text/plain"))
            self.send_response(200)
            self.send_header("Content-Type", kind + "; charset=utf-8")
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}
    )
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def comms(monkeypatch: pytest.MonkeyPatch) -> list[KernelComm]:
    """The comms that widgets make."""
    made: list[KernelComm] = []

    def create(*arguments: Any, **keys: Any) -> KernelComm:
        made.append(KernelComm(*arguments, **keys))
        return made[-1]

    monkeypatch.setattr(comm, "create_comm", create)
    return made


def window(comms: list[KernelComm], talk: jupyter.Talk) -> KernelComm:
    """The kernel's end of an output."""
    found = talk.widget.comm
    assert found in comms
    assert isinstance(found, KernelComm)
    return found


class Window:
    """A window that shows an output, without a browser."""

    def __init__(self, talk: jupyter.Talk, comms: list[KernelComm], name: str) -> None:
        self.name = name
        self.told: list[Mapping[str, Any]] = []
        self._changed = threading.Condition()
        self._comm = window(comms, talk)
        self._comm.windows.append(self)

    def say(self, kind: str, **more: Any) -> None:
        """Send a message as the output's script does."""
        message = {"kind": kind, "view": self.name, **more}
        data = {"method": "custom", "content": message}
        self._comm.handle_msg({"content": {"data": data}, "buffers": []})

    def send(self, message: Mapping[str, Any], sound: bytes = b"") -> None:
        """Hear what the kernel says to this window."""
        if message.get("view") == self.name:
            with self._changed:
                self.told.append(message)
                self._changed.notify_all()

    def wait(self, kind: str) -> Mapping[str, Any]:
        """The first message of a kind."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._found(kind), 10), self.told
            return self._found(kind)[0]

    def _found(self, kind: str) -> list[Mapping[str, Any]]:
        return [each for each in self.told if each.get("kind") == kind]


@pytest.fixture(scope="module")
def browsing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A browser whose microphone hears a beep now and then."""
    with page(tmp_path_factory.mktemp("browser"), *with_microphone(None)) as one:
        yield one


@contextmanager
def in_a_cell(
    one: Page, session: Session, comms: list[KernelComm]
) -> Iterator[KernelComm]:
    """Show the output of a session in a browser; gives the kernel's end of it."""
    talk = jupyter.Talk(session)
    mine = window(comms, talk)
    with WebHost() as host:
        host.socket("/comm", lambda channel: Kernel(mine, channel))
        url = host.url("/comm").replace("http", "ws", 1)
        with notebook(url, talk.widget.get_state()["_esm"]) as address:
            one.go(address)
            one.wait(f"location.href === {address!r} && window.ready")
            one.value("show()")
            yield mine
        talk.close()


@pytest.mark.skipif(CHROMIUM is None, reason="there is no browser here")
def test_question_is_heard_and_the_answer_played_in_a_cell(
    comms: list[KernelComm], tmp_path: Path
) -> None:
    """By the page's own modules, over the kernel's channel; the session stays open."""
    question = audio.silence(0.3) + default_synthesizer().speak(DEMO_QUESTION)
    audio.write_wav(tmp_path / "q.wav", question + audio.silence(20))
    flags = with_microphone(tmp_path / "q.wav")
    with serve(agent="voice", port=0) as server:
        client = RealtimeClient(base_url=server.url)
        with client.session("m", config=dict(audio.TALK_CONFIG)) as session:
            with page(tmp_path / "p", *flags) as one, in_a_cell(one, session, comms):
                one.click("Start")
                one.wait("talk.log.innerText.includes('is Paris.')")
                one.wait("talk.rows.children.length === 1")
                item = next(i for i in session.snapshot.items if i.role == "assistant")
                one.wait(f"talk.played >= {item.audio_ms * 24}")
                errors = one.errors
            heard = [i.text for i in session.snapshot.items if i.role == "user"]
            still_open = session.is_open

    assert [] == errors
    assert ["what is the capital of france"] == heard
    assert still_open


@pytest.mark.skipif(CHROMIUM is None, reason="there is no browser here")
def test_kernel_that_is_busy_or_restarted_is_told_in_the_output(
    browsing: Page, comms: list[KernelComm]
) -> None:
    """What a busy one misses comes back; a new one knows nothing of this output."""
    told = "document.querySelector('.rs-problem').textContent.includes"
    one = browsing
    with connected() as (_, cell):
        with in_a_cell(one, cell(), comms) as kernel:
            one.click("Start")
            one.wait("talk.running && talk.word === 'waiting'")
            kernel.deaf = True
            one.value("talk.lastAnswer -= 3000")
            one.wait(f"{told}('The kernel does not answer')")
            kernel.deaf = False
            one.wait("talk.problem.textContent === ''")
            still_running = one.value("talk.running")
            one.value("restart()")
            one.wait(f"!talk.running && {told}('The kernel was restarted')")
            one.value("talk.tell('')")
            one.click("Start")
            one.wait(f"!talk.running && {told}('The kernel was restarted')")
            errors = one.errors

    assert still_running
    assert [] == errors


@pytest.mark.skipif(CHROMIUM is None, reason="there is no browser here")
def test_window_that_bars_the_microphone_leads_to_a_page(
    browsing: Page, comms: list[KernelComm]
) -> None:
    """As that of VS Code does: a press, and there is an address for the browser."""
    one = browsing
    with connected() as (_, cell):
        with in_a_cell(one, cell(), comms):
            one.value("""Object.defineProperty(document, "permissionsPolicy", {
              value: { allowsFeature: () => false },
            })""")
            one.click("Start")
            one.wait("talk.problem.textContent.includes('does not allow it')")
            one.click("Offer a page")
            one.wait("talk.problem.querySelector('a')")
            url = one.value("talk.problem.querySelector('a').href")
            with urlopen(url, timeout=10) as answer:
                text = answer.read().decode()

    assert url.startswith("http://127.0.0.1:")
    assert "talk_page.js" in text


@contextmanager
def connected(**options: Any) -> Iterator[tuple[Server, Callable[[], Session]]]:
    """A server that says hello, and the cell that connects to it."""
    with serve(agent=lambda prompt: "Hello.", port=0) as server:
        try:
            yield server, lambda: jupyter.connect(
                "m", base_url=server.url, record=False, **options
            )
        finally:
            jupyter.close()


def test_cells_that_run_again_leave_one_session(comms: list[KernelComm]) -> None:
    """The output of the first run says what has become of its conversation."""
    with connected() as (server, cell):
        first = Window(jupyter.Talk(cell()), comms, "one")
        first.say("start")
        first.wait("state")
        talk = jupyter.Talk(cell())
        second = Window(talk, comms, "two")
        second.say("start")
        second.say("say", text="Good day.")
        second.wait("turns")
        over = first.wait("over")
        talk.close()

        assert 1 == len(server.open_sessions())
    assert "over" in str(over["text"])
    assert [] == [each for each in second.told if each["kind"] == "over"]


@pytest.mark.parametrize("given", [None, "notebook", 5, Session])
def test_what_is_no_session_is_refused_at_the_line(given: Any) -> None:
    """And not in the output, once somebody has pressed Start."""
    with pytest.raises(ConfigurationError, match="one talks with a session, not with"):
        jupyter.Talk(given)


def test_another_window_takes_over(comms: list[KernelComm]) -> None:
    """One conversation, or every answer would be heard twice."""
    with connected() as (_, cell):
        talk = jupyter.Talk(cell())
        first, second = Window(talk, comms, "one"), Window(talk, comms, "two")
        first.say("start")
        first.wait("state")
        second.say("start")
        over = first.wait("over")
        second.say("say", text="Good day.")
        lines = second.wait("lines")
        talk.close()

    assert "Another window" in str(over["text"])
    assert lines["changed"]


def test_closed_session_is_told_and_not_opened(comms: list[KernelComm]) -> None:
    """A kernel that was restarted, or a cell that was run in another order."""
    with connected() as (server, cell):
        talk = jupyter.Talk(cell())
        jupyter.close()
        one = Window(talk, comms, "one")
        one.say("start")
        over = one.wait("over")
        talk.close()

        assert 1 == len(server.sessions)
    assert "run the cell that connects" in str(over["text"])


def test_window_that_starts_while_another_connects_is_told(
    comms: list[KernelComm],
) -> None:
    """And one that starts while the connection is being had back."""
    with connected() as (server, _):
        session = RealtimeClient(base_url=server.url).session("m")
        talk = jupyter.Talk(session)
        first, second = Window(talk, comms, "one"), Window(talk, comms, "two")
        session.open()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Session, "is_open", False)
            first.say("start")
            over = first.wait("over")
        second.say("start")
        second.wait("state")
        talk.close()
        session.close()

    assert "start again in a moment" in str(over["text"])


def test_page_is_offered_where_a_window_may_not_listen(
    comms: list[KernelComm],
) -> None:
    """The same session, in a window that may."""
    with connected() as (_, cell):
        talk = jupyter.Talk(cell())
        one = Window(talk, comms, "one")
        one.say("page")
        url = str(one.wait("page")["url"])
        with urlopen(url, timeout=10) as answer:
            text = answer.read().decode()
        talk.close()

    assert url.startswith("http://127.0.0.1:")
    assert "talk_page.js" in text
    with pytest.raises(OSError):
        urlopen(url, timeout=10)


def test_session_shows_itself_as_a_conversation(comms: list[KernelComm]) -> None:
    """The shortest way from a session to talking with it."""
    with connected() as (_, cell):
        talk = cell().show()
        assert isinstance(talk, jupyter.Talk)
        bundle = talk._repr_mimebundle_()[0]
        talk.close()

    assert "application/vnd.jupyter.widget-view+json" in bundle


@pytest.mark.skipif(CHROMIUM is None, reason="there is no browser here")
def test_live_session_is_talked_with_in_a_cell_and_goes_on_after_it(
    comms: list[KernelComm], tmp_path: Path
) -> None:
    """Which the output says, for it is billed; a further cell ends it in order."""
    # The beeps of the other microphone would interrupt what is said.
    audio.write_wav(tmp_path / "silence.wav", audio.silence(1))
    flags = with_microphone(tmp_path / "silence.wav")
    with serve(agent="voice", port=0) as server:
        session: Any = jupyter.connect(
            "gpt-live-1", base_url=server.url, record=False, close_timeout=30
        )
        try:
            with page(tmp_path / "p", *flags) as one, in_a_cell(one, session, comms):
                one.click("Start")
                one.wait("talk.running && talk.word === 'waiting'")
                session.say("Welcome to the show.")
                one.wait("talk.log.innerText.includes('Welcome to the show.')")
                one.wait("talk.played > 0")
                one.click("End")
                one.wait("talk.word === 'closed'")
                told = one.value("talk.problem.textContent")
                still_open, errors = session.is_open, one.errors
        finally:
            jupyter.close()

    assert [] == errors
    assert still_open
    assert "stays open, and is billed" in told
    assert session.close_report.confirmed


def test_live_session_shows_itself_as_a_conversation(comms: list[KernelComm]) -> None:
    """As any other; and what items sounded like is not asked of it."""
    with serve(agent="echo", port=0) as server:
        session = jupyter.connect("gpt-live-1", base_url=server.url)
        try:
            talk = session.show()
            sounds = sounds_of(["item_1"])
            talk.close()
        finally:
            jupyter.close()

    assert isinstance(talk, jupyter.Talk)
    assert {} == sounds


def test_without_anywidget_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is half made."""
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with connected() as (_, cell):
        with pytest.raises(ConfigurationError, match="anywidget.*jupyter"):
            jupyter.Talk(cell())
