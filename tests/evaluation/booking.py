"""An agent that books tables, a caller of it, and faults of known size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Optional

from attrs import frozen

from realtime_sync import Session, audio, connect
from realtime_sync.evaluation import (
    Caller,
    CallRecord,
    Check,
    answered,
    first_audio_ms,
    heard_whole,
    problems,
    stopped_within_ms,
    tool_called,
    wer,
)
from realtime_sync.server import Call, Failure, Prompt, Say, serve
from realtime_sync.server.agents.scripted import Scripted
from realtime_sync.server.agents.tone import ToneSynthesizer
from realtime_sync.testing import ManualClock

CONFIG = {
    "audio": {
        "input": {
            "transcription": {"model": "words"},
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 300},
        }
    }
}
WISH = "a table for two people this evening at eight please"
THANKS = "thank you"


GATES: tuple[Check, ...] = (
    wer(most=0.05),
    first_audio_ms(most=650),
    stopped_within_ms(350),
    tool_called("book", times=1),
    answered(),
    heard_whole(),
    problems(),
)
"""What the call must be."""


class ListedRecognizer:
    """Understand what the test says that they understand, turn after turn."""

    def __init__(self, *lines: str) -> None:
        self._lines = list(lines)

    def transcribe(self, pcm: bytes, rate: int) -> str:
        """The next line."""
        return self._lines.pop(0) if self._lines else ""


class ShortSynthesizer:
    """Hums every text for less time, so that tests are short."""

    def __init__(self, share: float = 0.4) -> None:
        self._share = share
        self._synthesizer = ToneSynthesizer()

    def speak(
        self, text: str, *, voice: Optional[str] = None, speed: float = 1.0
    ) -> bytes:
        """The beginning of the hum."""
        pcm = self._synthesizer.speak(text)
        return pcm[: int(len(pcm) * self._share) // 2 * 2]


@frozen(kw_only=True)
class Faulty:
    """
    The agent, with what goes wrong.

    Attributes:
        late: seconds for which the last answer is silent at first.
        stop_late: seconds that the server notices the interruption late.
        misheard: the third word is understood as another one.
        calls: how often it calls the tool.
        cut: the last answer ends early.
        silent: the last answer does not come.
    """

    late: float = 0.0
    stop_late: float = 0.0
    misheard: bool = False
    calls: int = 1
    cut: bool = False
    silent: bool = False

    def reply(self, prompt: Prompt) -> Iterator[Any]:
        """Greet, book, say so, be polite."""
        last = prompt.last
        if last is None:
            yield Say("Good evening, this is the restaurant at the harbour.")
        elif last["type"] == "function_call_output":
            yield Say("Your table is booked.")
        elif prompt.text == THANKS:
            if not self.silent:
                words = "You are welcome."
                sound = ToneSynthesizer().speak(words)
                yield Say(words, audio=audio.silence(self.late) + sound)
            if self.cut:
                raise Failure("enough", code="content_filter")
        else:
            for _ in range(self.calls):
                yield Call("book", {"seats": 2})

    def agent(self) -> Scripted:
        """What answers, and what it understands."""
        heard = WISH.replace("for", "four") if self.misheard else WISH
        return Scripted(
            self.reply,
            recognizer=ListedRecognizer(heard, THANKS),
            synthesizer=ToneSynthesizer(),
        )

    def call(self) -> CallRecord:
        """Call it in real time."""
        faults = []
        if self.stop_late:
            faults.append(f"delay:input_audio_buffer.speech_started:{self.stop_late}")
        with serve(agent=self.agent(), faults=faults, pace=8.0) as server:
            with connect(
                "gpt-realtime-2.1", base_url=server.url, config=CONFIG, tools=[book]
            ) as session:
                return talk(session)


def talk(session: Session, clock: Optional[ManualClock] = None) -> CallRecord:
    """A greeting is interrupted, a table is booked."""
    with Caller(session, clock=clock, synthesizer=ShortSynthesizer()) as caller:
        session.response.create()
        caller.interrupt(WISH, after=0.5)
        caller.say(THANKS)
        return caller.hang_up()


def book(seats: int) -> str:
    """
    Book a table.

    Args:
        seats: how many people come.
    """
    return f"booked for {seats}"


FAULTS: dict[str, Callable[[], Faulty]] = {
    "first_audio_ms": lambda: Faulty(late=0.4),
    "stopped_within_ms": lambda: Faulty(stop_late=0.5),
    "wer": lambda: Faulty(misheard=True),
    "tool_called book": lambda: Faulty(calls=2),
    "heard_whole": lambda: Faulty(cut=True),
    "answered": lambda: Faulty(silent=True),
}
"""The gate that must fall, and the fault that makes it."""


def fallen(call: CallRecord) -> list[str]:
    """Names of the gates that fall."""
    return [gate.name for gate in GATES if not gate.check(call)]
