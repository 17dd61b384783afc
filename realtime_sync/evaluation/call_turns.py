"""The turns of a call: what was said, understood, answered and heard, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Optional, Union

from attrs import frozen

from ..errors import ConfigurationError
from ..protocol.escape import terminal_text
from ..telemetry import Tokens
from .speech_intervals import Interval
from .words import WordErrors, word_errors

FASTEST_SPEECH = 30.0
"""Characters per second; nobody speaks as fast, so the sound of such words is cut."""

_SHORT = 20


@frozen(kw_only=True)
class ToolUse:
    """
    One call of a tool.

    Attributes:
        name: of the tool.
        arguments: as the model gave them; empty if they were not a JSON object.
        raw: their JSON text.
        output: what the program gave back, None if it did not.
        call_id: what joins the two.
        at: seconds on the time axis, None if unknown.
    """

    name: str
    arguments: Mapping[str, object]
    raw: str = ""
    output: Optional[str] = None
    call_id: str = ""
    at: Optional[float] = None

    def __str__(self) -> str:
        told = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        output = "" if self.output is None else f" -> {self.output}"
        return (
            f"{self.name}({told or (self.raw if not self.arguments else '')}){output}"
        )


@frozen(kw_only=True)
class Response:
    """
    One response of the server within a turn.

    Attributes:
        id: of the response.
        status: ``completed``, ``cancelled``, ``incomplete``, ``failed`` or another.
        reason: why it did not complete, in the server's words; or empty.
        text: everything that was generated, in text or transcript.
        heard: as much of it as was played.
        written: whether it answered in text.
        audio_ms: milliseconds of sound that came.
        heard_ms: milliseconds of it that were played.
    """

    id: str
    status: str = ""
    reason: str = ""
    text: str = ""
    heard: str = ""
    written: bool = False
    audio_ms: float = 0.0
    heard_ms: float = 0.0


@frozen(kw_only=True, repr=False)
class CallTurn:
    """
    What the caller said, and what the agent answered to it.

    A turn without the caller's words is one that the agent began, such as a greeting.
    All times are seconds on the time axis of the call.

    Attributes:
        number: from 1.
        by_caller: whether the caller said or wrote something.
        said: the caller's words where they are known: those of a `Caller`.
        understood: the transcript that the server made of them, or the text written.
        speech: when the caller spoke.
        speech_end: where latency counts from, see `realtime_sync.state.latency`.
        answer_sound: from the first to the last audible sound of the answer.
        responses: the responses of the server; more than one where tools were called.
        tools: the tools that were called.
        interrupted: the caller spoke into the answer, or before it came.
        stop_ms: milliseconds from the beginning of the caller's interruption to the
            last sound of the answer; None where nobody interrupted.
        tokens: what the answer took.
    """

    number: int
    by_caller: bool = True
    said: str = ""
    understood: str = ""
    speech: Optional[Interval] = None
    speech_end: Optional[float] = None
    answer_sound: Optional[Interval] = None
    responses: Sequence[Response] = ()
    tools: Sequence[ToolUse] = ()
    interrupted: bool = False
    stop_ms: Optional[float] = None
    tokens: Tokens = Tokens()

    @property
    def answer(self) -> str:
        """Everything that was generated, in text or transcript."""
        return " ".join(each.text for each in self.responses if each.text)

    @property
    def heard(self) -> str:
        """As much of the answer as was played, an estimate by time."""
        return " ".join(each.heard for each in self.responses if each.heard)

    @property
    def first_audio_ms(self) -> Optional[float]:
        """
        Milliseconds from the end of the caller's speech to the first audible sound.

        The sound counts when it is played and not when it arrives; silence at the
        beginning of an answer counts as waiting.
        """
        if self.speech_end is None or self.answer_sound is None or not self.by_caller:
            return None
        return round((self.answer_sound.start - self.speech_end) * 1000, 3)

    @property
    def silent(self) -> bool:
        """Whether the caller got nothing to hear and nothing to read."""
        if not self.by_caller or self.interrupted or self.answer_sound is not None:
            return False
        return not any(each.written and each.text for each in self.responses)

    @property
    def cut(self) -> str:
        """Why the answer was not heard to its end; empty if it was, or interrupted."""
        if self.interrupted:
            return ""
        for each in self.responses:
            if each.status not in ("completed", ""):
                why = f": {each.reason}" if each.reason else ""
                return f"the response ended as {each.status}{why}"
            if each.heard_ms < each.audio_ms - 1:
                return f"{each.heard_ms:.0f} of {each.audio_ms:.0f} ms were played"
            if not each.written and len(each.text) >= _SHORT and each.audio_ms:
                if len(each.text) / each.audio_ms * 1000 > FASTEST_SPEECH:
                    count = len(each.text)
                    return f"{each.audio_ms:.0f} ms of sound for {count} characters"
        return ""

    def word_errors(self, expected: Optional[str] = None) -> WordErrors:
        """
        Compare what was understood with what was said.

        Args:
            expected: what was said; by default the caller's words, where known.

        Raises:
            ConfigurationError: it is not known what was said, or the extra
                ``evaluation`` is not installed.
        """
        if expected is None:
            if not self.said:
                raise ConfigurationError(
                    f"what was said in turn {self.number} is not in the recording: "
                    "pass the words that are expected"
                )
            expected = self.said
        return word_errors(expected, self.understood)

    def wer(self, expected: Optional[str] = None) -> float:
        """The word error rate of what was understood, see `word_errors`."""
        return self.word_errors(expected).rate

    def __str__(self) -> str:
        """The turn as people read it, a few lines."""
        at = self.speech.start if self.speech else self.speech_end
        if at is None and self.answer_sound is not None:
            at = self.answer_sound.start
        lines = [f"turn {self.number}" + ("" if at is None else f" at {at:.1f} s")]
        rows: list[tuple[str, Union[str, None]]] = [
            ("said", self.said),
            ("understood", self.understood if self.by_caller else None),
            ("answer", self.answer or ("(nothing)" if self.by_caller else None)),
            ("heard", self.heard if self.heard != self.answer else None),
            ("tools", "; ".join(str(each) for each in self.tools)),
            ("times", self._times()),
        ]
        lines += [f"  {name}: {text}" for name, text in rows if text]
        return terminal_text("\n".join(lines))

    __repr__ = __str__

    def _times(self) -> str:
        told = []
        if self.first_audio_ms is not None:
            told.append(f"first audio after {self.first_audio_ms:.0f} ms")
        if self.stop_ms is not None:
            told.append(f"stopped {self.stop_ms:.0f} ms after the caller began")
        elif self.interrupted:
            told.append("interrupted before it was heard")
        return ", ".join(told)
