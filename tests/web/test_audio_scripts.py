"""The page's scripts in a real browser: rates, sentences, text that is only text."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy
import pytest

from realtime_sync import RealtimeClient
from realtime_sync.server import serve
from realtime_sync.web import serve as serve_page
from tests.browser import CHROMIUM, Page, page, with_microphone

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no browser here"),
    pytest.mark.timeout(90),
]

HOSTILE = "<img src=x onerror=\"document.title='bad'\"> <b>bold</b> & more"
SET_UP = """(async () => {
  window.audio = await import("/static/audio.js");
  window.talk = (await import("/static/talk_page.js")).talk;
})()"""
ENCODED = """(samples => {
  const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
  let text = "";
  for (let i = 0; i < bytes.length; i += 32768) {
    text += String.fromCharCode(...bytes.subarray(i, i + 32768));
  }
  return btoa(text);
})"""


@pytest.fixture(scope="module")
def browsing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The page, of a server that says what no page should run."""
    profile = tmp_path_factory.mktemp("browser")
    rules = "--host-resolver-rules=MAP far.example 127.0.0.1"
    with serve(agent=lambda prompt: HOSTILE, port=0) as server:
        client = RealtimeClient(base_url=server.url)
        # So that the server's worker is there before the first test, which ends none.
        client.ask("Good day.", model="m")
        with serve_page(client, allowed_hosts=["far.example"]) as host:
            with page(profile, rules, *with_microphone(None)) as one:
                one.go(host.url())
                one.wait("document.querySelector('.rs-talk')")
                one.value(SET_UP)
                yield one


@contextmanager
def talked(one: Page) -> Iterator[None]:
    """A conversation that is ended, and its thread with it."""
    one.click("Start")
    one.wait("talk.running && talk.word === 'waiting'")
    yield
    one.click("End")
    one.wait("!talk.running")


def strength(samples: Any, rate: int, hertz: float) -> float:
    """The amplitude of a tone in samples, whatever its phase."""
    times = numpy.arange(len(samples)) / rate
    waves = numpy.exp(-2j * math.pi * hertz * times)
    return float(2 * abs(numpy.mean(samples * waves)))


def samples_of(text: str, kind: str) -> Any:
    """Samples that the page has encoded."""
    return numpy.frombuffer(base64.b64decode(text), dtype=kind).astype(float)


@pytest.mark.parametrize("rate", [24_000, 44_100, 48_000])
def test_loudspeaker_plays_the_same_at_every_rate(browsing: Page, rate: int) -> None:
    """A tone keeps its pitch and its loudness, and brings no other with it."""
    text = browsing.value(f"""(async () => {{
      const nothing = new Proxy({{}}, {{ get: () => () => {{}} }});
      const sound = await audio.Sound.open({{
        workletUrl: "/static/audio_worklet.js", tell: nothing,
        microphone: false, rate: {rate},
      }});
      await sound.resume();
      sound.tap(true);
      const pieces = 12, size = 960;
      for (let piece = 0; piece < pieces; piece++) {{
        const samples = new Int16Array(size);
        for (let i = 0; i < size; i++) {{
          const at = (piece * size + i) / 24000;
          samples[i] = Math.round(16384 * Math.sin(2 * Math.PI * 1000 * at));
        }}
        sound.play(samples.buffer);
      }}
      const wanted = 0.47 * {rate};
      const count = () => sound.taps.reduce((sum, each) => sum + each.length, 0);
      while (count() < wanted) await new Promise(done => setTimeout(done, 10));
      const all = new Float32Array(count());
      let at = 0;
      for (const each of sound.taps) {{ all.set(each, at); at += each.length; }}
      await sound.close();
      return {ENCODED}(all);
    }})()""")
    heard = samples_of(text, "<f4")[rate // 20 : rate // 20 + rate // 4]
    tone = strength(heard, rate, 1000)
    rest = math.sqrt(max(numpy.mean(heard**2) - tone**2 / 2, 0))

    assert tone == pytest.approx(0.5, rel=0.02)
    assert rest < 0.005


@pytest.mark.parametrize(
    ("rate", "hertz", "heard"),
    [
        (24_000, 1000, 0.5),
        (44_100, 1000, 0.5),
        (48_000, 1000, 0.5),
        (48_000, 15_000, 0.0),
        (44_100, 18_000, 0.0),
    ],
)
def test_microphone_gives_24_khz_at_every_rate(
    browsing: Page, rate: int, hertz: int, heard: float
) -> None:
    """What 24 kHz cannot hold is gone, and not heard at another pitch."""
    text = browsing.value(f"""(async () => {{
      const context = new AudioContext({{ sampleRate: {rate} }});
      await context.audioWorklet.addModule("/static/audio_worklet.js");
      const node = new AudioWorkletNode(
        context, "realtime-sync-microphone", {{ numberOfOutputs: 0 }});
      const tone = new OscillatorNode(context, {{ frequency: {hertz} }});
      const half = new GainNode(context, {{ gain: 0.5 }});
      const blocks = [];
      node.port.onmessage = event => blocks.push(new Int16Array(event.data.sound));
      tone.connect(half).connect(node);
      tone.start();
      while (blocks.length < 20) await new Promise(done => setTimeout(done, 10));
      await context.close();
      const all = new Int16Array(20 * 480);
      blocks.slice(0, 20).forEach((each, at) => all.set(each, at * 480));
      return {ENCODED}(all);
    }})()""")
    samples = samples_of(text, "<i2")[2400:] / 32768
    own = strength(samples, 24_000, hertz) if hertz < 12_000 else 0.0
    rest = math.sqrt(max(numpy.mean(samples**2) - own**2 / 2, 0))

    assert own == pytest.approx(heard, abs=0.01)
    assert rest < 0.005


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("NotAllowedError", "was not allowed"),
        ("SecurityError", "was not allowed"),
        ("NotFoundError", "There is no microphone"),
        ("OverconstrainedError", "There is no microphone"),
        ("NotReadableError", "another program"),
        ("AbortError", "another program"),
        ("SomethingNewError", "cannot be opened. (as the browser says)"),
    ],
)
def test_each_refusal_of_a_browser_is_a_sentence(
    browsing: Page, name: str, sentence: str
) -> None:
    """What is in the way, and what to do; also of a kind that is not known yet."""
    said = browsing.value(f"""audio.openMicrophone({{
      getUserMedia: () =>
        Promise.reject(new DOMException("as the browser says", {json.dumps(name)})),
    }}).then(() => "", problem => problem.message)""")

    assert sentence in said


def test_paused_sound_is_said_and_goes_on_with_a_press(browsing: Page) -> None:
    """As after a laptop's lid was closed."""
    with talked(browsing):
        browsing.value("talk.sound.context.suspend()")
        browsing.wait("talk.problem.textContent.includes('has paused the sound')")
        browsing.value("talk.root.dispatchEvent(new PointerEvent('pointerdown'))")
        browsing.wait("talk.problem.textContent === ''")
        running = browsing.value("talk.sound.running")

    assert running


def test_microphone_that_is_pulled_out_is_said(browsing: Page) -> None:
    """And the answer is still heard."""
    with talked(browsing):
        browsing.value(
            "talk.sound.stream.getTracks()[0].dispatchEvent(new Event('ended'))"
        )
        said = browsing.value("talk.problem.textContent")
        playing = browsing.value("talk.running")

    assert "The microphone is gone" in said
    assert playing


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("NotAllowedError", "was not allowed"), ("NotFoundError", "is no microphone")],
)
def test_who_has_no_microphone_listens_and_types(
    browsing: Page, name: str, sentence: str
) -> None:
    """It was denied, or there is none: the way on is offered beside the sentence."""
    browsing.value(f"""navigator.mediaDevices.getUserMedia = () =>
      Promise.reject(new DOMException("as the browser says", {json.dumps(name)}))""")
    browsing.click("Start")
    browsing.wait(f"talk.problem.textContent.includes({json.dumps(sentence)})")
    browsing.click("Start without microphone")
    browsing.wait("talk.running && talk.word === 'waiting'")
    muted = browsing.value("talk.muteButton.disabled")
    browsing.value("talk.text.value = 'Good day.'")
    browsing.click("Send")
    browsing.wait("talk.log.textContent.includes('more') && talk.played > 0")
    browsing.click("End")
    browsing.wait("!talk.running")
    browsing.value("delete navigator.mediaDevices.getUserMedia")

    assert muted


def test_button_is_held_by_mouse_and_by_keyboard(browsing: Page) -> None:
    """Space or Enter hold it, Escape interrupts; letting go anywhere lets go."""
    press = "talk.holdButton.dispatchEvent(new %s)"
    with talked(browsing):
        browsing.value("""(() => {
          window.done = [];
          const send = talk.transport.send.bind(talk.transport);
          talk.transport.send = (message, sound) => {
            if (!["microphone", "alive", "played"].includes(message.kind)) {
              done.push(message.kind);
            }
            send(message, sound);
          };
        })()""")
        browsing.value("talk.pushBox.click()")
        shown = browsing.value("!talk.holdButton.hidden && !talk.holdButton.disabled")
        for event in (
            "KeyboardEvent('keydown', {key: ' '})",
            "KeyboardEvent('keydown', {key: ' ', repeat: true})",
            "KeyboardEvent('keyup', {key: ' '})",
            "KeyboardEvent('keydown', {key: 'Enter'})",
            "FocusEvent('blur')",
            "KeyboardEvent('keydown', {key: 'Escape', bubbles: true})",
        ):
            browsing.value(press % event)
        browsing.value("talk.pushBox.click()")
        done = browsing.value("done")
        browsing.value("delete talk.transport.send")

    assert shown
    assert done == ["push", "press", "release", "press", "release", "interrupt", "push"]


def test_muted_microphone_is_silent_and_still_there(browsing: Page) -> None:
    """Silence is sent, so that the end of a turn is found."""
    with talked(browsing):
        browsing.click("Mute")
        pressed = browsing.value("talk.muteButton.getAttribute('aria-pressed')")
        browsing.wait("talk.you.value === 0")

    assert "true" == pressed
    assert "false" == browsing.value("talk.muteButton.getAttribute('aria-pressed')")


def test_what_a_model_says_is_only_text(browsing: Page) -> None:
    """Not markup, not code; every letter of it is shown."""
    with talked(browsing):
        browsing.value("talk.text.value = 'Good day.'")
        browsing.click("Send")
        browsing.wait("talk.log.textContent.includes('more')")
        shown = browsing.value("talk.log.textContent")
        inner = browsing.value("talk.log.querySelectorAll('img, b').length")
        title = browsing.value("document.title")

    assert HOSTILE in shown
    assert 0 == inner
    assert "Talk" == title


def test_a_conversation_begins_without_the_lines_of_the_one_before(
    browsing: Page,
) -> None:
    """They would stay until something is said, as if it were still going on."""
    with talked(browsing):
        browsing.value("talk.text.value = 'Good day.'")
        browsing.click("Send")
        browsing.wait("talk.log.textContent.includes('more')")
    kept = browsing.value("talk.log.textContent")
    with talked(browsing):
        begun = browsing.value("talk.log.textContent")

    assert "more" in kept
    assert "" == begun


def test_conversation_that_is_ending_is_over_when_the_program_says_so(
    browsing: Page,
) -> None:
    """Or when it is lost; and one that was begun meanwhile goes on."""
    told = "[talk.word, talk.running, talk.problem.textContent]"
    with talked(browsing):
        browsing.value("talk.receive({ kind: 'ended', text: 'Of the one before.' })")
        running = browsing.value("talk.running")
        # In one go: a page that hears nothing for seconds says so.
        ending = browsing.value(f"""(() => {{
          window.receive = talk.transport.onmessage;
          talk.transport.onmessage = () => {{}};
          talk.tell("");
          talk.startButton.click();
          return {told};
        }})()""")
        browsing.value("talk.lost('The connection is lost.')")
        lost = browsing.value(told)
        browsing.value(
            "talk.show('closing'); talk.receive({ kind: 'ended', text: '' })"
        )
        ended = browsing.value(told)
        browsing.value("talk.transport.onmessage = window.receive; 0")
        browsing.click("Start")
        browsing.wait("talk.running && talk.word === 'waiting'")

    assert running
    assert ["closing", False, ""] == ending
    assert ["closed", False, "The connection is lost."] == lost
    assert ["closed", False, ""] == ended


def test_everything_that_can_be_pressed_has_a_name(browsing: Page) -> None:
    """For who hears the page: buttons, boxes, meters, the transcript."""
    tree = browsing.command("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "checkbox", "textbox", "meter", "log"}
    found = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in tree
        if node.get("role", {}).get("value") in roles
    ]
    named = {role for role, name in found if name}

    assert roles == named
    assert [] == [role for role, name in found if not name]


def test_plain_http_from_another_machine_is_told_what_to_do(browsing: Page) -> None:
    """Browsers give no microphone there; the page says how to have one."""
    near = browsing.value("location.href")
    browsing.go(near.replace("127.0.0.1", "far.example"))
    browsing.wait("document.querySelector('.rs-talk')")
    browsing.wait("location.hostname === 'far.example'")
    browsing.click("Start")
    browsing.wait("document.querySelector('.rs-problem').textContent")
    said = browsing.value("document.querySelector('.rs-problem').textContent")

    assert "https://" in said
    assert "ssh -L" in said
