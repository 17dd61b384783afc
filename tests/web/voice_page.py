"""A page whose microphone hears sentences, and what its loudspeaker has played."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
from attrs import frozen

from realtime_sync import Snapshot, audio
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


@frozen
class Answer:
    """
    One answer of the conversation in a page.

    Attributes:
        heard_ms: what was heard of it by the mirror; None for all of it.
        sent: its samples, as the server has sent them.
        size: how many of them the page has played.
    """

    heard_ms: float | None
    sent: numpy.ndarray[Any, Any]
    size: int

    @property
    def off_ms(self) -> float | None:
        """How far the mirror is off the page's own clock; None if it was not cut."""
        if self.heard_ms is None:
            return None
        return abs(self.heard_ms - self.size * 1000 / RATE)


def answers(
    snapshot: Snapshot, sent: Sequence[numpy.ndarray[Any, Any]], cuts: Sequence[int]
) -> list[Answer]:
    """
    The answers of a conversation of which sound has come, oldest first.

    Args:
        snapshot: of its end.
        sent: the samples of each answer.
        cuts: how many samples the page had played whenever it was interrupted.
    """
    spoken = [item for item in snapshot.items if item.role == "assistant"]
    found, at = [], 0
    for item, samples in zip(spoken, sent, strict=False):
        end = at + len(samples)
        if item.truncated:
            end = next(cut for cut in cuts if cut > at)
        heard_ms = item.heard_ms if item.truncated else None
        found.append(Answer(heard_ms, samples, end - at))
        at = end
    return found
