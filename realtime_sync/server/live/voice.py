"""
The model of a session: what it says of itself, and what it hands on.
"""

from __future__ import annotations

from typing import Any, Iterator, Mapping, Optional, Sequence

import attrs

from ..agents.base import (
    Call,
    Delegate,
    Failure,
    Piece,
    Prompt,
    Say,
    agent_pieces,
    item_text,
)
from ..engine.context import EngineJob
from ..engine.refusal import Refusal
from ..engine.responses import spoken_for_response
from .appends import Appends
from .backend import BackendRun, LiveEngineBackend
from .context import LiveContext
from .decisions import LiveDecisions
from .fragments import fragments_on_grid, timed_fragment_words
from .history import LiveHistory
from .input_audio import Turn
from .limits import GRID_MS, KEPT_CALLS, SPEECH_MS, tokens_for_limit
from .output_audio import OutputAudioLine


@attrs.define(eq=False)
class VoiceThought:
    """
    One answer of the agent, while it comes.

    Attributes:
        offset_ms: where on the clock it was asked for.
        run: the response of the backend that it is, or has become.
        handed_on: whether the rest of it is not the voice's own.
        text: what the backend has written for the voice.
        obsolete: whether the user has asked for other work since.
        job: in which the agent works.
    """

    offset_ms: int
    run: Optional[BackendRun] = None
    handed_on: bool = False
    text: list[Say] = attrs.field(factory=list)
    obsolete: bool = False
    job: Optional[EngineJob] = None

    def drop(self) -> None:
        """Nobody waits for it any more."""
        if self.job is not None:
            self.job.dropped = True


@attrs.frozen
class Acknowledgement:
    """Words to be said at a time of the clock."""

    text: str
    due_ms: int


class LiveVoice:
    """
    Answers what the user says: by itself, or by handing work on.

    Args:
        context: the session.
        history: what was said before.
    """

    def __init__(self, context: LiveContext, history: LiveHistory) -> None:
        self._context = context
        self.history = history
        self.appends = Appends(context)
        self.backend = LiveEngineBackend(context)
        self.decisions = LiveDecisions(context, self._decision_prompt)
        self.line = OutputAudioLine(context.settings.form, self._told)
        self._thought: Optional[VoiceThought] = None
        self._work: Optional[VoiceThought] = None
        self._speaking: list[EngineJob] = []
        self._acknowledgements: list[Acknowledgement] = []
        self._delegations: dict[str, int] = {}
        self._deferred_ms: Optional[int] = None
        self._unanswered_ms: Optional[int] = None
        self._wanted: Optional[tuple[object]] = None

    @property
    def working(self) -> bool:
        """Whether a response of the backend runs."""
        return self._work is not None

    # -- the user --------------------------------------------------------------

    def interrupted(self) -> None:
        """The user began to speak: say no more, and think anew afterwards."""
        self.line.interrupt()
        self.history.fell_silent()
        if self._thought is not None:
            # Asked for again should it turn out that nothing was said.
            self._unanswered_ms = self._thought.offset_ms
            self._thought.drop()
            self._thought = None
        self._say_nothing()

    def heard(self, turn: Turn) -> None:
        """Take what the user said, and answer it."""
        unanswered, self._unanswered_ms = self._unanswered_ms, None
        if not turn.words and self._context.agent.recognizer is not None:
            if unanswered is not None:
                self._think(unanswered)
            return
        words = timed_fragment_words(turn.words, turn.ends_ms - turn.starts_ms)
        offset = int(turn.starts_ms) // GRID_MS * GRID_MS
        for offset, text in fragments_on_grid(words, turn.starts_ms):
            self._transcribed("input", text, offset)
        self.history.heard(turn.words, turn.pcm)
        if turn.over:
            self._think(offset)

    def step(self) -> None:
        """The clock has moved."""
        if not self.line.busy:
            self.history.fell_silent()
        now, waiting = self._context.clock_ms, self._acknowledgements
        self._acknowledgements = [each for each in waiting if each.due_ms > now]
        for each in waiting:
            if each.due_ms <= now:
                self.speak(each.text)
        if self._deferred_ms is not None and not self.backend.busy:
            offset, self._deferred_ms = self._deferred_ms, None
            self._think(offset)

    # -- commands --------------------------------------------------------------

    def append(self, kind: str, frame: Mapping[str, Any]) -> None:
        """
        Take text into the context.

        Raises:
            Refusal: it is too long, or belongs to no work of the client's.
        """
        delegation_id = frame["delegation_id"]
        if delegation_id is not None and delegation_id not in self._delegations:
            raise Refusal(
                f"No client delegation with id '{delegation_id}' was found.",
                code="invalid_value",
                param="delegation_id",
            )
        if kind == "commentary" and self.line.waiting_ms > SPEECH_MS:
            raise Refusal(
                "Too much speech waits to be heard.", code="rate_limit_exceeded"
            )
        self.appends.add(kind, frame["content"], frame.get("event_id"))
        if kind == "instructions":
            return
        self._acknowledgements.clear()
        if kind == "commentary":
            self.speak(frame["content"])
        else:
            self.history.message("developer", frame["content"])

    def create_response(self, command_id: object) -> None:
        """
        Let the backend answer what was queued.

        Raises:
            Refusal: there is no backend, or an output is missing.
        """
        self.backend.check_create()
        if self._work is not None:
            # Taken before the response that it goes on from has ended.
            self._wanted = (command_id,)
            return
        queued = self.backend.take()
        for item in queued:
            self.history.add(item)
        self._work = VoiceThought(
            self._context.clock_ms,
            handed_on=True,
            obsolete=self._deferred_ms is not None,
        )
        self._work.run = self.backend.begin(
            self._context.clock_ms,
            goes_on=any(str(i.get("type")).endswith("_output") for i in queued),
            command_id=command_id,
            input_tokens=self._read_tokens(),
        )
        self._ask(self._work)

    def speak(self, text: str) -> None:
        """Say words that are given."""
        agent, prompt, form = self._context.agent, self._prompt(), self.line.form

        def work() -> Iterator[Say]:
            yield from spoken_for_response(Say(text), prompt, agent.synthesizer, form)

        def finish(error: Optional[BaseException]) -> None:
            self._speaking.remove(job)

        job = self._context.submit("speak", work, self._say, finish)
        self._speaking.append(job)

    def close(self) -> None:
        """Begin nothing new; what the backend has begun goes on."""
        self._deferred_ms = self._unanswered_ms = self._wanted = None
        self._acknowledgements.clear()
        self._say_nothing()
        if self._thought is not None:
            self._thought.drop()
            self._thought = None

    def abandon(self) -> None:
        """Drop the backend's work too."""
        self.close()
        if self._work is not None:
            self._work.drop()

    # -- thinking --------------------------------------------------------------

    def _think(self, offset_ms: int) -> None:
        """Ask the agent for an answer to what was said."""
        if self._thought is not None:
            self._thought.drop()
        self._thought = VoiceThought(offset_ms)
        self._ask(self._thought)

    def _ask(self, thought: VoiceThought) -> None:
        agent, prompt, form = self._context.agent, self._prompt(), self.line.form

        def work() -> Iterator[Piece]:
            for piece in agent_pieces(agent.reply(prompt)):
                if isinstance(piece, Say):
                    yield from spoken_for_response(
                        piece, prompt, agent.synthesizer, form
                    )
                else:
                    yield piece

        thought.job = self._context.submit(
            "answer",
            work,
            lambda piece: self._piece(thought, piece),
            lambda error: self._end(thought, error),
        )

    def _piece(self, thought: VoiceThought, piece: Piece) -> None:
        if not isinstance(piece, Say) and not thought.handed_on:
            self._delegate(thought, piece)
        run = thought.run
        if isinstance(piece, Say):
            if run is not None:
                run.write(piece.text)
                thought.text.append(piece)
            elif not thought.handed_on or self._context.settings.target != "responses":
                self._say(piece)
        elif isinstance(piece, Call) and run is not None:
            self.history.add(self.backend.call(piece))

    def _delegate(self, thought: VoiceThought, piece: Piece) -> None:
        """Hand the rest of a thought on, to whom the session says."""
        thought.handed_on = True
        target = self._context.settings.target
        if target == "responses":
            self._to_backend(thought)
        elif target == "decisions":
            self.decisions.delegate(thought.offset_ms)
        else:
            delegation = {"type": "delegation", "target": "client"}
            delegation["id"] = self._context.ids.new("item")
            self._delegations[delegation["id"]] = thought.offset_ms
            while len(self._delegations) > KEPT_CALLS:
                del self._delegations[next(iter(self._delegations))]
            self._context.emit(
                "session.delegation.created",
                offset_ms=thought.offset_ms,
                delegation=delegation,
            )
        if (
            isinstance(piece, Delegate)
            and piece.acknowledgement
            and not thought.obsolete
        ):
            due = self._context.clock_ms + self._context.settings.acknowledgement_ms
            acknowledgement = Acknowledgement(piece.acknowledgement, due)
            self._acknowledgements.append(acknowledgement)

    def _to_backend(self, thought: VoiceThought) -> None:
        if self.backend.busy:
            # One work at a time: this one is asked for again when that is done,
            # whose result nobody wants to hear any more.
            self._deferred_ms = thought.offset_ms
            thought.obsolete = True
            thought.drop()
            self._thought = None
            if self._work is not None:
                self._work.obsolete = True
            return
        self._thought, self._work = None, thought
        thought.run = self.backend.begin(
            thought.offset_ms,
            goes_on=False,
            command_id=None,
            input_tokens=self._read_tokens(),
        )

    def _end(self, thought: VoiceThought, error: Optional[BaseException]) -> None:
        if thought is self._thought:
            self._thought = None
        if thought.run is None:
            if error is not None:
                self._silenced(error)
                self._context.emit_refusal(_live_voice_failure(error))
            return
        self._work = None
        calls = bool(self.backend.open_calls)
        told = self.backend.end(error)
        if told and not thought.obsolete and not calls:
            for piece in thought.text:
                self._say(piece)
        wanted, self._wanted = self._wanted, None
        if wanted is not None and not self.backend.open_calls:
            self.create_response(*wanted)

    def _silenced(self, error: BaseException) -> None:
        """Say no more of what the filter does not let pass; the session goes on."""
        if isinstance(error, Failure) and error.code == "content_filter":
            self.line.interrupt()
            self.history.fell_silent()

    # -- speaking --------------------------------------------------------------

    def _say(self, piece: Say) -> None:
        self.line.say(piece.text, piece.audio or b"")

    def _say_nothing(self) -> None:
        for job in self._speaking:
            job.dropped = True
        self._speaking.clear()

    def _told(self, text: str, at_ms: int) -> None:
        self.history.said(text)
        self._transcribed("output", text, at_ms)

    def _transcribed(self, side: str, text: str, at_ms: int) -> None:
        kind = f"session.{side}_transcript.delta"
        event_id = self._context.emit(
            kind, delta=text, start_ms=at_ms, end_ms=at_ms + GRID_MS
        )
        self.decisions.transcribed(kind, event_id)

    # -- what the agent reads --------------------------------------------------

    def _prompt(self) -> Prompt:
        settings = self._context.settings
        backend = settings.responses
        tools = [
            tool for tool in backend.get("tools", ()) if tool["type"] == "function"
        ]
        return Prompt(
            items=self.history.items,
            audio=self.history.audio,
            instructions=self._instructions(),
            tools=tools,
            tool_choice=backend.get("tool_choice", "auto"),
            modality="audio",
            voice=settings.voice,
            model=settings.model,
            session_id=self._context.session_id,
            max_output_tokens=backend.get("max_output_tokens"),
            delegation=settings.target,
        )

    def _decision_prompt(self, items: Sequence[Mapping[str, Any]]) -> Prompt:
        prompt = self._prompt()
        return attrs.evolve(prompt, items=(*prompt.items, *items))

    def _instructions(self) -> str:
        given = (self._context.settings.instructions, *self.appends.rules)
        return "\n".join(filter(None, given))

    def _read_tokens(self) -> int:
        said = sum(tokens_for_limit(item_text(item)) for item in self.history.items)
        return said + tokens_for_limit(self._instructions())

    def context_tokens(self) -> int:
        """Count what the model's context holds, ten tokens a second of audio."""
        return self._read_tokens() + self._context.clock_ms // 100


def _live_voice_failure(error: BaseException) -> Refusal:
    if isinstance(error, Failure):
        return Refusal(error.message, code=error.code, type=error.type)
    return Refusal(
        f"The model failed: {error}", code="server_error", type="server_error"
    )
