"""A page whose microphone hears sentences, and what its loudspeaker has played."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy

from realtime_sync import audio
from realtime_sync.server.voice import default_synthesizer
from tests.browser import Page

RATE = 24_000


def spoken(path: Path, *parts: str | float) -> Path:
    """A WAV file of sentences and seconds of silence."""
    synthesizer = default_synthesizer()
    audio.write_wav(
        path,
        b"".join(
            synthesizer.speak(part) if isinstance(part, str) else audio.silence(part)
            for part in parts
        ),
    )
    return path


def show(one: Page, url: str) -> None:
    """Open the page to talk in; ``talk`` is its conversation."""
    one.go(url)
    one.wait("document.querySelector('.rs-talk')")
    # The page's own module, which a browser loads once.
    one.value("import('/static/talk_page.js').then(m => { window.talk = m.talk; })")


def start(one: Page) -> None:
    """Press Start; what is played is kept from then on, and where it is cut."""
    one.click("Start")
    one.wait("talk.sound && talk.running")
    one.value("""(() => {
      talk.sound.tap(true);
      window.cuts = [];
      const { cleared } = talk.sound.tell;
      talk.sound.tell.cleared = (played, time) => {
        cuts.push(played);
        cleared(played, time);
      };
    })()""")


def played(one: Page) -> numpy.ndarray[Any, Any]:
    """The samples that the audio thread has played since Start, as 16-bit PCM."""
    text = one.value("""(() => {
          const taps = talk.sound.taps, all = new Uint8Array(
            taps.reduce((size, each) => size + each.byteLength, 0)
          );
          let at = 0;
          for (const each of taps) {
            all.set(new Uint8Array(each.buffer), at);
            at += each.byteLength;
          }
          let text = "";
          for (let i = 0; i < all.length; i += 32768) {
            text += String.fromCharCode(...all.subarray(i, i + 32768));
          }
          return btoa(text);
        })()""")
    samples = numpy.frombuffer(base64.b64decode(text), dtype="<f4")
    return numpy.rint(samples * 32768).astype("<i2")
