"""
The responses of a session: creating, running side by side, cancelling.
"""

from __future__ import annotations

import re
from typing import Any, Iterator, Mapping, Optional, Sequence

from attrs import evolve

from ..agents.base import Call, Delegate, Failure, Piece, Prompt, Say, agent_pieces
from ..voice.interfaces import Synthesizer
from .configuration import check_configured_modalities
from .context import EngineContext, EngineJob
from .conversation import (
    ConversationEntry,
    check_call_in_conversation,
    new_conversation_entry,
)
from .input_buffer import EngineInputAudio
from .mcp import FoundMcpTool, McpServers
from .plan import ResponsePlan
from .rate_limits import RateLimits
from .refusal import (
    Refusal,
    refuse_locked_voice,
    refuse_second_active_response,
    refuse_to_cancel_nothing,
)
from .response import ResponseRun
from .sound import SoundFormat, from_native_sound, sound_format, to_native_sound
from .usage import context_tokens

_SENTENCES = re.compile(r".+?(?:[.!?…]+(?:[\"')\]]*)\s+|$)", re.DOTALL)
_MOST_RUNS = 500
_WITH_PHASES = "gpt-realtime-2.1"
"""Models whose name begins so tell commentary from the final answer."""
_OWN = frozenset({"conversation", "input", "metadata"})
"""Fields of ``response.create`` that are not overrides of the session."""


class EngineResponses:
    """
    Everything about responses.

    Args:
        context: the session.
        input_audio: knows which user audio is still being heard.
        mcp: knows the tools that the server runs itself.
    """

    def __init__(
        self, context: EngineContext, input_audio: EngineInputAudio, mcp: McpServers
    ) -> None:
        self._context = context
        self._mcp = mcp
        self._input_audio = input_audio
        self._jobs: dict[str, EngineJob] = {}
        self._cached = 0
        self._limits = RateLimits(context.options)
        self.runs: list[ResponseRun] = []
        self.idle_since: Optional[float] = None

    # -- commands --------------------------------------------------------------

    def create(self, config: Mapping[str, Any]) -> ResponseRun:
        """
        Begin a response.

        Args:
            config: the ``response`` of ``response.create``, GA shape.

        Raises:
            Refusal: another response writes to the conversation, or the
                configuration contradicts itself.
        """
        joins = config.get("conversation") != "none"
        active = self.default_run()
        if joins and active is not None:
            raise refuse_second_active_response(active.id)
        if len(self.active_runs()) >= self._context.options.max_responses:
            raise Refusal(
                "Too many responses in progress. Wait until one is finished.",
                code="rate_limit_exceeded",
            )
        check_configured_modalities(
            config.get("output_modalities"), "response.output_modalities"
        )
        self._check_voice(config, joins)
        entries = self._input(config)
        settings = self._settings(config)
        run = ResponseRun(
            self._context, self._plan(config, settings, entries), self._done
        )
        self._remember(run)
        run.begin()
        self._limits.reserve(run.plan)
        if self._rate_place == "start":
            self._rate_limits()
        self._mcp.configured(settings["tools"])
        self._input_audio.when_heard(
            {entry.id for entry in entries},
            lambda: self._mcp.when_listed(lambda: self._start(run, settings, entries)),
        )
        return run

    def cancel(self, response_id: Optional[str]) -> None:
        """
        Cancel a response: the one named, or the conversation's.

        Raises:
            Refusal: it is not active.
        """
        if response_id:
            found = [run for run in self.active_runs() if run.id == response_id]
        else:
            found = [run for run in self.active_runs() if run.plan.conversation]
        if not found:
            raise refuse_to_cancel_nothing()
        found[0].cancel("client_cancelled")

    def interrupt(self) -> None:
        """The user speaks: cancel the response that writes to the conversation."""
        active = self.default_run()
        if active is not None:
            active.cancel("turn_detected")

    def stop_all(self) -> None:
        """Drop every job; nothing more is sent."""
        for job in self._jobs.values():
            job.dropped = True
        self._jobs.clear()

    # -- views -----------------------------------------------------------------

    def _remember(self, run: ResponseRun) -> None:
        """Keep it, and of those that have ended only the latest."""
        ended = len(self.runs) - _MOST_RUNS
        if ended > 0:
            old = [each for each in self.runs[:ended] if each.active]
            self.runs = old + self.runs[ended:]
        self.runs.append(run)

    def active_runs(self) -> list[ResponseRun]:
        """Return the responses whose ``response.done`` is to come."""
        return [run for run in self.runs if run.active]

    def default_run(self) -> Optional[ResponseRun]:
        """Return the active response that writes to the conversation, or None."""
        return next((r for r in self.active_runs() if r.plan.conversation), None)

    def deadline(self) -> Optional[float]:
        """Return when the next step of any response is due."""
        due = [run.deadline for run in self.runs if run.deadline is not None]
        return min(due, default=None)

    def advance(self) -> None:
        """Take the steps that are due."""
        for run in self.active_runs():
            run.advance()

    # -- what the response is to be --------------------------------------------

    def _check_voice(self, config: Mapping[str, Any], joins: bool) -> None:
        wanted = config.get("audio", {}).get("output", {}).get("voice")
        now = self._context.config.spoken.get("voice")
        fixed = self._context.conversation.has_assistant_audio()
        if joins and fixed and wanted not in (None, now):
            raise refuse_locked_voice()

    def _input(self, config: Mapping[str, Any]) -> list[ConversationEntry]:
        given = config.get("input")
        if given is None:
            return list(self._context.conversation)
        entries = [self._input_entry(item, at) for at, item in enumerate(given)]
        for at, entry in enumerate(entries):
            check_call_in_conversation(
                entry.item, entries, f"response.input[{at}].call_id"
            )
        return entries

    def _input_entry(self, item: Mapping[str, Any], index: int) -> ConversationEntry:
        if item["type"] == "item_reference":
            found = self._context.conversation.find(item["id"])
            if found is None:
                raise Refusal(
                    f"Item with item_id not found: {item['id']}",
                    code="invalid_value",
                    param=f"response.input[{index}].id",
                )
            return found
        entry = new_conversation_entry(
            item, self._context.ids, self._context.config.input_format
        )
        if entry.clips:
            self._input_audio.hear(entry)
        return entry

    def _settings(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The session's settings with the response's own put over them."""
        session = self._context.config
        output = {
            name: session.spoken[name]
            for name in ("format", "voice")
            if name in session.spoken
        }
        names = ("output_modalities", "instructions", "tools", "tool_choice")
        settings = {name: session.get(name) for name in names}
        settings["max_output_tokens"] = session.get("max_output_tokens", "inf")
        settings["temperature"] = session.get("temperature")
        given = {
            name: value
            for name, value in config.items()
            if name not in _OWN and name != "audio" and value is not None
        }
        output.update(config.get("audio", {}).get("output", {}))
        return {**settings, **given, "audio": {"output": output}}

    def _plan(
        self,
        config: Mapping[str, Any],
        settings: Mapping[str, Any],
        entries: Sequence[ConversationEntry],
    ) -> ResponsePlan:
        shown = {
            "output_modalities": settings["output_modalities"],
            "max_output_tokens": settings["max_output_tokens"],
            "audio": settings["audio"],
            "metadata": config.get("metadata"),
        }
        if settings["temperature"] is not None:
            shown["temperature"] = settings["temperature"]
        limit = settings["max_output_tokens"]
        read = context_tokens(settings["instructions"], settings["tools"], entries)
        return ResponsePlan(
            conversation=config.get("conversation") != "none",
            shown=shown,
            modality="audio" if "audio" in settings["output_modalities"] else "text",
            form=sound_format(settings["audio"]["output"]["format"]),
            read=read,
            cached_before=self._cached,
            max_output_tokens=None if limit == "inf" else limit,
            instructions=config.get("instructions"),
            phases=self._context.dialect == "ga"
            and (self._context.config.get("model") or "").startswith(_WITH_PHASES),
        )

    # -- asking the agent ------------------------------------------------------

    def _start(
        self,
        run: ResponseRun,
        settings: Mapping[str, Any],
        entries: Sequence[ConversationEntry],
    ) -> None:
        """Make the calls that were approved, or else ask the agent."""
        if not run.active:
            return
        usable = self._mcp.usable(settings["tools"])
        approved = self._mcp.approved(usable)
        if not approved:
            self._ask(run, settings, entries, usable)
            return
        for found, entry in approved:
            self._mcp.perform(run, found, entry.item["arguments"], entry.id)
        run.end(None)
        run.advance()

    def _ask(
        self,
        run: ResponseRun,
        settings: Mapping[str, Any],
        entries: Sequence[ConversationEntry],
        usable: Mapping[str, FoundMcpTool],
    ) -> None:
        """Let a worker ask the agent; its pieces come back to the run."""
        prompt = self._prompt(run, settings, entries, usable)
        agent, form, modality = self._context.agent, run.plan.form, run.plan.modality

        def work() -> Iterator[Piece]:
            for piece in agent_pieces(agent.reply(prompt)):
                if isinstance(piece, Delegate):
                    raise Failure("only a session of GPT-Live delegates")
                if modality == "audio" and isinstance(piece, Say):
                    yield from spoken_for_response(
                        piece, prompt, agent.synthesizer, form
                    )
                else:
                    yield piece

        job = EngineJob(
            "answer " + run.id,
            work,
            deliver=lambda piece: self._piece(run, piece, usable),
            finish=lambda error: self._end(run, error),
        )
        self._jobs[run.id] = job
        self._context.submit(job)

    def _prompt(
        self,
        run: ResponseRun,
        settings: Mapping[str, Any],
        entries: Sequence[ConversationEntry],
        usable: Mapping[str, FoundMcpTool],
    ) -> Prompt:
        audio = {
            entry.id: to_native_sound(clip.data, clip.form)
            for entry in entries
            if entry.item.get("role") == "user"
            for clip in list(entry.clips.values())[:1]
        }
        voice = settings["audio"]["output"].get("voice")
        functions = [tool for tool in settings["tools"] if tool.get("type") != "mcp"]
        return Prompt(
            items=tuple(_responses_item_with_words(entry) for entry in entries),
            audio=audio,
            instructions=settings["instructions"],
            response_instructions=run.plan.instructions,
            tools=(*functions, *(found.described() for found in usable.values())),
            tool_choice=settings["tool_choice"],
            modality=run.plan.modality,
            voice=voice.get("id") if isinstance(voice, dict) else voice,
            speed=self._context.config.spoken.get("speed", 1.0),
            model=self._context.config.get("model") or "",
            metadata=run.plan.shown["metadata"],
            session_id=self._context.session_id,
            temperature=settings["temperature"],
            max_output_tokens=run.plan.max_output_tokens,
        )

    def _piece(
        self, run: ResponseRun, piece: Piece, usable: Mapping[str, FoundMcpTool]
    ) -> None:
        if not run.active:
            return
        run.catch_up()
        if isinstance(piece, Say):
            run.say(piece)
        elif isinstance(piece, Call) and piece.name in usable:
            self._mcp.call(run, usable[piece.name], piece)
        elif isinstance(piece, Call):
            run.call(piece)
        run.advance()

    def _end(self, run: ResponseRun, error: Optional[BaseException]) -> None:
        if run.active:
            run.catch_up()
            run.end(error)
            run.advance()

    # -- after the end ---------------------------------------------------------

    def _done(self, run: ResponseRun) -> None:
        job = self._jobs.pop(run.id, None)
        if job is not None:
            job.dropped = True
        self._cached = run.plan.read.text
        self._limits.settle(run.plan, run.tokens)
        if run.plan.conversation:
            self.idle_since = self._context.now + run.audio_ms / 1000
        if self._rate_place == "end":
            self._rate_limits()
        self._input_audio.release_late()

    @property
    def _rate_place(self) -> str:
        chosen = self._context.options.rate_limits
        return chosen or ("start" if self._context.dialect == "beta" else "end")

    def _rate_limits(self) -> None:
        limits = self._limits.shown(requests=self._context.dialect == "beta")
        self._context.emit("rate_limits.updated", rate_limits=limits)


def spoken_for_response(
    piece: Say, prompt: Prompt, synthesizer: Synthesizer, form: SoundFormat
) -> Iterator[Say]:
    """
    Speak a piece sentence by sentence, so that the first is heard early.

    Args:
        piece: words, or words with ready audio.
        prompt: names voice and speed.
        synthesizer: the agent's.
        form: format that the audio is converted to.
    """
    if piece.audio is not None:
        yield evolve(piece, audio=from_native_sound(piece.audio, form))
        return
    for sentence in _SENTENCES.findall(piece.text):
        pcm = b""
        if sentence.strip():
            pcm = synthesizer.speak(
                sentence.strip(), voice=prompt.voice, speed=prompt.speed
            )
        yield evolve(piece, text=sentence, audio=from_native_sound(pcm, form))


def _responses_item_with_words(entry: ConversationEntry) -> dict[str, Any]:
    """The item for the agent: with what its recognizer heard."""
    item = entry.wire()
    for part in item.get("content", ()):
        if part["type"] == "input_audio" and entry.heard is not None:
            part["transcript"] = entry.heard
    return item
