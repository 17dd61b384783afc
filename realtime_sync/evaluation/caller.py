"""Somebody who calls an agent: scripted, or a persona that improvises."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Optional, Union

from attrs import evolve

from .. import live
from ..audio import session_format
from ..errors import ConfigurationError, LocalProtocolError
from ..server.voice import Synthesizer
from . import arguments
from .call_notes import heard_note
from .call_record import CallRecord
from .call_time import CallTime, MovedCallClock, MovedCallTime, RealCallTime
from .caller_microphone import CallerMicrophone, MicrophoneSpeech, microphone_utterance
from .caller_sound import Conditions, Sound, Speakable, check_voice
from .chat_model import ChatModel
from .heard_answers import HeardAnswers
from .live_answers import LiveAnswers
from .persona import Persona
from .telephone import Telephone, TelephoneLine

if TYPE_CHECKING:
    from .. import Session

    AnySession = Union[Session, live.LiveSession]

Range = Union[float, tuple[float, float]]


class Caller:
    """
    Calls an agent, speaks with it in real time, and hears what it answers.

    Sound goes the way that it goes from a microphone: blocks of 20 ms at the pace at
    which they are spoken, silence or noise between the words, through the session's
    input buffer and the server's turn detection. Answers are played, to nobody, at
    the pace at which they are heard, and cut when the caller interrupts.

    All methods wait, and may be called from any thread but the session's reader and
    its handlers. At the end of a ``with`` block the caller hangs up.

    Args:
        session: an open session, of GPT-Live too; its configuration is the agent's,
            and is left alone. Without turn detection the caller does what a program
            does whose user holds a button to speak: it commits what it said, and asks
            for the response; when it interrupts, it has the response cancelled and
            its items cut where they were heard.
        voice: of the *synthesizer*; the local one has ``heart`` and ``deep``.
        noise: level of white noise in decibels below full scale, such as -45.0.
        gain: decibels by which everything that is said is louder.
        speech_rate: pace of the voice, 1.0 being its own.
        telephone: cut everything to the band of a telephone.
        loss: share of the blocks that get lost on the way.
        jitter: seconds by which blocks are late at most, at random.
        persona: who the caller is and what it wants, in words, for `converse`.
        model: improvises for the persona.
        patience: seconds to wait for an answer; then the call goes on without it.
        seed: of everything that is random, 0 or more: noise, loss, moments of
            interruptions.
        synthesizer: speaks words; the local one by default.
        carrier: a `realtime_sync.testing.FakeCarrier` that has called a bridge of the
            session: the caller speaks and presses keys through it, and hears what
            comes to its ear.
        clock: a `realtime_sync.server.ManualClock` that the call moves while it
            waits, as fast as the machine can: for a session over a
            `realtime_sync.testing.MemoryTransport` with this clock, and a carrier
            with it. None for real time.
        record: path of the recording, kept; by default it is read and removed.
        name: of the call.

    Raises:
        ConfigurationError: an argument is wrong, or an extra is missing.
        LocalProtocolError: the session is not open, or the carrier's call has not
            begun.
    """

    def __init__(
        self,
        session: AnySession,
        *,
        voice: str = "heart",
        noise: Optional[float] = None,
        gain: float = 0.0,
        speech_rate: float = 1.0,
        telephone: bool = False,
        loss: float = 0.0,
        jitter: float = 0.0,
        persona: str = "",
        model: Optional[ChatModel] = None,
        patience: float = 15.0,
        seed: int = 0,
        synthesizer: Optional[Synthesizer] = None,
        carrier: Optional[TelephoneLine] = None,
        clock: Optional[MovedCallClock] = None,
        record: Union[None, str, os.PathLike[str]] = None,
        name: Optional[str] = None,
    ) -> None:
        arguments.seconds("patience", patience)
        arguments.count("seed", seed)
        if name is not None:
            arguments.text("name", name)
        if bool(arguments.text("persona", persona, empty=True)) != (model is not None):
            raise ConfigurationError("a persona needs a model, and a model a persona")
        if synthesizer is None:
            check_voice(voice)
        if session.closed:
            raise LocalProtocolError("the session is over; there is nobody to call")
        self.conditions = Conditions(
            voice=voice,
            speech_rate=speech_rate,
            gain=gain,
            noise=noise,
            telephone=telephone,
            loss=loss,
            jitter=jitter,
        )
        # Before anything is begun that would have to be ended.
        self._time = _time_of_caller(session, carrier, clock)
        self._telephone = (
            Telephone(carrier, self._time) if carrier is not None else None
        )
        self._session = session
        self._persona = Persona(persona, model) if model is not None else None
        self._patience = patience
        self._synthesizer = synthesizer
        self._rng = random.Random(seed)
        self._scratch = None if record else tempfile.mkdtemp(prefix="realtime-call-")
        self._path = Path(record or Path(str(self._scratch)) / "call.jsonl")
        self._name = name or (self._path.stem if record else "call")
        self._pausing = Event()
        self._after = 0
        self._owed = False
        self._record: Optional[CallRecord] = None
        self._recording = session.record(
            self._path, clock=None if clock is None else clock.now
        )
        line = self._telephone
        self._hearing: Union[HeardAnswers, LiveAnswers]
        if isinstance(session, live.LiveSession):
            append = session.input_audio.append
            self._hearing = LiveAnswers(
                session, line, self._time, lambda since: self._note_playing("", since)
            )
        else:
            append = session.input_audio_buffer.append
            self._hearing = HeardAnswers(session, line, self._time, self._note_playing)
        self._microphone = CallerMicrophone(
            append if line is None else line.speak,
            session_format(session, "input") if line is None else line.input,
            self.conditions,
            name=session.name,
            seed=seed,
            time=self._time,
            said=self._note,
        )

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, exc_type: object, *exc: object) -> None:
        if exc_type is not None:
            self._owed = False
        self.hang_up()

    def __repr__(self) -> str:
        return f"<Caller {self._name!r} of {self._session.name}>"

    @property
    def path(self) -> Path:
        """Where the recording is; it is there to stay if the call has a *record*."""
        return self._path

    def hear(self, timeout: Optional[float] = None) -> str:
        """
        Wait until the agent has answered, and everything was heard.

        With nothing said before, that is a greeting.

        Args:
            timeout: seconds; the *patience* of the caller by default.

        Returns:
            What was heard; empty if nothing came in time.
        """
        patience = self._patience
        if timeout is not None:
            patience = arguments.seconds("timeout", timeout)
        self._owed = False
        after = self._after
        self._hearing.wait_answer(after, patience)
        self._after = self._hearing.begun
        return self._hearing.heard(after)

    def say(self, what: Speakable, *, text: str = "") -> None:
        """
        Say something, in real time.

        Returns when it was said. What comes next waits for the end of the answer
        first: the next `say`, `hear`, `pause`, `dtmf` and `hang_up`; only `interrupt`
        does not.

        Args:
            what: words, the path of a file, or sound.
            text: the words of what is sound already, so that it is known what was
                said.
        """
        sound = self.conditions.spoken(what, text=text, synthesizer=self._synthesizer)
        self._hear_first()
        self._speak(sound, "say")

    def interrupt(
        self,
        what: Speakable,
        *,
        after: Optional[Range] = None,
        word: Optional[str] = None,
        text: str = "",
    ) -> bool:
        """
        Begin to speak while the answer plays.

        Args:
            what: words, the path of a file, or sound.
            after: seconds since the answer began to be heard; of a pair, a moment
                between the two, by the seed. 0.5 by default.
            word: begin when this word of the answer was heard, as far as its
                transcript tells by time.
            text: the words of what is sound already.

        Returns:
            Whether the answer was playing. If it was over, or did not come, it is
            said all the same.
        """
        check_moment(after, word)
        sound = self.conditions.spoken(what, text=text, synthesizer=self._synthesizer)
        if word is not None:
            playing = self._hearing.wait_word(word, self._after, self._patience)
        else:
            seconds = 0.5 if after is None else after
            if isinstance(seconds, (tuple, list)):
                seconds = self._rng.uniform(*seconds)
            playing = self._hearing.wait_sound(seconds, self._patience)
        self._speak(sound, "interrupt")
        return playing

    def pause(self, seconds: float) -> None:
        """Say nothing for some seconds, once the answer was heard."""
        arguments.seconds("a pause", seconds)
        self._hear_first()
        self._time.until(self._pausing, seconds)

    def dtmf(self, digits: str) -> None:
        """Press keys of a telephone: tones, or what the carrier has for them."""
        sound = self.conditions.keys(digits)
        self._hear_first()
        self._check_in_call()
        if self._telephone is not None:
            self._telephone.press(digits.upper())
            return
        self._time.until(self._microphone.say(sound, "dtmf").over)

    def converse(self, *, most_turns: int = 12) -> int:
        """
        Let the persona speak with the agent until it hangs up.

        Args:
            most_turns: things that it says at most.

        Returns:
            How many it has said.

        Raises:
            ConfigurationError: the caller has no persona.
            RestError: the model cannot be asked.
        """
        arguments.count("most_turns", most_turns, least=1)
        if self._persona is None:
            raise ConfigurationError("pass persona and model to let a caller improvise")
        for turns in range(most_turns):
            line = self._persona.next_line()
            if line is None or self._session.closed:
                return turns
            self.say(line)
            self._persona.hears(self.hear())
        return most_turns

    def hang_up(self) -> CallRecord:
        """
        Hear the last answer, and end the call; the session stays open. A carrier is
        told that the caller has hung up.

        Calling it again gives the same record.

        Returns:
            The call as it can be measured.
        """
        if self._record is None:
            self._hear_first()
            self._microphone.close()
            if self._telephone is not None:
                self._telephone.hang_up()
            self._hearing.close()
            self._recording.close()
            record = CallRecord.load(self._path, name=self._name)
            if self._scratch is not None:
                record = evolve(record, path=None)
                shutil.rmtree(self._scratch, ignore_errors=True)
            self._record = record
        return self._record

    def _hear_first(self) -> None:
        if self._owed:
            self.hear()

    def _check_in_call(self) -> None:
        if self._session.closed or self._record is not None:
            raise LocalProtocolError("the call is over; nothing more can be said")

    def _speak(self, sound: Sound, kind: str) -> None:
        self._check_in_call()
        self._after = self._hearing.forget()
        spoken = self._microphone.say(sound, kind)
        hearing = self._hearing
        if kind == "interrupt" and isinstance(hearing, HeardAnswers):
            if self._holds_button():
                # Nobody else notices that somebody begins to speak.
                self._time.until(spoken.begun)
                hearing.interrupt()
        self._time.until(spoken.over)
        self._hearing.caller_said()
        self._owed = True
        session = self._session
        if isinstance(session, live.LiveSession) or not self._holds_button():
            return
        session.input_audio_buffer.commit()
        session.response.create()

    def _holds_button(self) -> bool:
        """Whether the caller must say when it speaks: no server finds out."""
        session = self._session
        if isinstance(session, live.LiveSession) or session.closed:
            return False
        return not _finds_turns(session)

    def _note(self, spoken: MicrophoneSpeech) -> None:
        """Have it in the recording; on the thread that sends."""
        said = microphone_utterance(spoken, self._recording.began)
        if said is not None:
            self._recording.note(said.note())

    def _note_playing(self, item_id: str, since: float) -> None:
        """Have in the recording when an item, or sound, began to be heard."""
        start = max(0.0, since - self._recording.began)
        self._recording.note(heard_note(item_id, start))


def check_moment(after: object, word: object) -> None:
    """
    Refuse what is no moment to interrupt at.

    Raises:
        ConfigurationError: it is neither seconds, nor two of them in order, nor a
            word; or both.
    """
    if after is not None and word is not None:
        raise ConfigurationError("interrupt after some seconds or at a word, not both")
    if word is not None:
        arguments.text("word", word)
    if isinstance(after, (tuple, list)):
        if len(after) != 2:
            raise ConfigurationError("after is a number of seconds, or two of them")
        first, last = (arguments.seconds("after", each) for each in after)
        if first > last:
            raise ConfigurationError(f"after is from {last} to {first}, in this order")
    elif after is not None:
        arguments.seconds("after", after)


def _time_of_caller(
    session: AnySession,
    carrier: Optional[TelephoneLine],
    clock: Optional[MovedCallClock],
) -> CallTime:
    """
    What tells the time in a call, the same for everybody who takes part.

    Where two tell it, one of them stands still: waits never end, or at once, and
    every figure is wrong.

    Raises:
        ConfigurationError: they have not the same clock.
    """
    time: CallTime = RealCallTime()
    if clock is not None:
        time = MovedCallTime(clock, None if carrier is None else carrier.advance)
    transport = session.transport
    if clock is not None and transport is None:
        raise ConfigurationError(
            "the session has a socket, which takes time of its own: leave clock out, "
            "or connect(transport=MemoryTransport(engine, clock=clock))"
        )
    # A function that makes transports does not tell; nor need one of somebody else's.
    if getattr(transport, "clock", clock) is not clock:
        raise ConfigurationError(
            "the session's MemoryTransport and its Caller need the same clock"
        )
    if carrier is not None and carrier.clock is not clock:
        raise ConfigurationError(
            "the carrier and its Caller need the same clock, or none: "
            "FakeCarrier(..., clock=clock), Caller(..., clock=clock)"
        )
    return time


def _finds_turns(session: Session) -> bool:
    """Whether the server notices by itself when somebody has spoken."""
    audio = getattr(session.config, "audio", None)
    return bool(getattr(getattr(audio, "input", None), "turn_detection", None))
