"""
The mirror against the local server's own truth, in process and without a socket.

Random conversations are played with the server's engine. At every event the
engine is asked what it believes, and the mirror, which knows nothing but the
frames, must believe the same. A second oracle, `Model`, knows the commands and
section 5 of the protocol; it keeps the server honest.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from typing import Any, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_sync.protocol.codec import Codec, to_mapping
from realtime_sync.protocol.dialects import dialect_named
from realtime_sync.server.agents.base import Call, Failure, Prompt, Say
from realtime_sync.server.agents.tone import ToneRecognizer, ToneSynthesizer
from realtime_sync.server.engine.context import EngineJob, Options
from realtime_sync.server.engine.core import Engine
from realtime_sync.state.items import Item
from realtime_sync.state.reduce import reduce, reduce_command
from realtime_sync.state.snapshot import Snapshot
from realtime_sync.state.snapshot_parts import ResponseState

LOUD, QUIET = b"\x10\x10" * 480, b"\0\0" * 480
"""20 ms of speech and of silence."""

PART_NAMES = {
    "ga": {},
    "beta": {"output_text": "text", "output_audio": "audio"},
}


class Loudness:
    """Takes every chunk for speech that does not begin with a zero."""

    rate = 24_000
    chunk_bytes = len(LOUD)

    def probability(self, chunk: bytes) -> float:
        """Certain either way."""
        return float(chunk[0] != 0)

    def reset(self) -> None:
        """There is nothing to forget."""


class Rehearsed:
    """Answers what the example has drawn, one answer after the other."""

    def __init__(self) -> None:
        self.recognizer = ToneRecognizer()
        self.synthesizer = ToneSynthesizer()
        self.answers: list[list[Any]] = []

    def reply(self, prompt: Prompt) -> Iterator[Any]:
        """Yield the pieces of the next answer; a failure in it is raised."""
        for piece in self.answers.pop(0) if self.answers else [Say("Yes")]:
            if isinstance(piece, Failure):
                raise piece
            yield piece

    def activity(self) -> Loudness:
        """One for the session."""
        return Loudness()


class Model:
    """What PROTOCOL section 5 says of items, by the commands that are sent."""

    def __init__(self) -> None:
        self.items: list[str] = []
        self.texts: dict[str, str] = {}
        self.made: set[str] = set()
        self.unnamed: Any = None  # where an item goes whose id the server chooses

    def created(self, item_id: str, place: Any, text: str) -> None:
        """5.1: root first, an id right after it, unknown refused, else last."""
        if place == "root":
            self.items.insert(0, item_id)
        elif not place:
            self.items.append(item_id)
        elif place in self.items:
            self.items.insert(self.items.index(place) + 1, item_id)
        else:
            return
        self.made.add(item_id)
        self.texts[item_id] = text

    def deleted(self, item_id: str) -> None:
        """5.3: the neighbours close up."""
        if item_id in self.items:
            self.items.remove(item_id)
            self.made.discard(item_id)

    def heard(self, frame: dict[str, Any]) -> None:
        """Items that the server makes by itself come last; 5.4: words go."""
        kind, item = frame["type"], frame.get("item") or {}
        if kind in ("conversation.item.added", "conversation.item.created"):
            if item["id"] not in self.made:
                words = [part.get("text") or "" for part in item.get("content", ())]
                self.created(item["id"], self.unnamed, "".join(words))
        elif kind.endswith(("text.delta", "transcript.delta", "transcription.delta")):
            so_far = self.texts.get(frame["item_id"], "")
            self.texts[frame["item_id"]] = so_far + frame["delta"]
        elif kind == "conversation.item.truncated":
            self.texts[frame["item_id"]] = ""
        elif kind.endswith("input_audio_transcription.completed"):
            self.texts[frame["item_id"]] = frame["transcript"]


class Emitted(list[Any]):
    """The engine's output, with what the engine believed at every event."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self._engine = engine
        self.truths: list[dict[str, Any]] = []

    def append(self, frame: Any) -> None:
        """Write down the truth of this moment."""
        super().append(json.loads(json.dumps(frame)))
        self.truths.append(self._engine.truth())


class Play:
    """One conversation between a client that only mirrors, and the engine."""

    def __init__(self, dialect: str, *, vad: bool, transcribe: bool) -> None:
        self.agent = Rehearsed()
        self.dialect = dialect
        self.engine = Engine(
            self.agent,  # type: ignore[arg-type]
            now=0.0,
            dialect=dialect,
            config=configuration(vad, transcribe),
            options=Options(delta_ms=200),
            rng=random.Random(1),
        )
        self.codec = Codec(dialect_named(dialect))
        self.snapshot = Snapshot()
        self.model = Model()
        self.jobs: list[tuple[EngineJob, Iterator[Any]]] = []
        self.ids: list[str] = []
        self._count = 0
        self._run(lambda: self.engine.open(0.0))

    # What the client does

    def create(self, place: Any, item: dict[str, Any], own_id: bool) -> None:
        """`conversation.item.create`; a number for a place is a known item."""
        self._count += 1
        item = json.loads(json.dumps(item))
        for part in item.get("content", ()):
            part["type"] = PART_NAMES[self.dialect].get(part["type"], part["type"])
        if own_id:
            item["id"] = f"own_{self._count}"
        command: dict[str, Any] = {"type": "conversation.item.create", "item": item}
        command["event_id"] = f"c{self._count}"
        if place != "absent":
            command["previous_item_id"] = self._named(place)
        if own_id:
            text = "".join(part["text"] for part in item["content"])
            self.model.created(item["id"], command.get("previous_item_id"), text)
        else:
            self.model.unnamed = command.get("previous_item_id")
        self.snapshot = reduce_command(self.snapshot, command)
        self._send(command)
        self.model.unnamed = None

    def answer_call(self) -> None:
        """Give the output of the last call, if there is one."""
        calls = [e.item for e in self.engine.conversation if "arguments" in e.item]
        if calls:
            call_id = calls[-1]["call_id"]
            kind = "function_call_output"
            item = {"type": kind, "call_id": call_id, "output": "done"}
            self.create("absent", item, False)

    def delete(self, which: int) -> None:
        """`conversation.item.delete`, also of what is not there."""
        item_id = self._named(which)
        self.model.deleted(item_id)
        self._send({"type": "conversation.item.delete", "item_id": item_id})

    def retrieve(self, which: int) -> None:
        """`conversation.item.retrieve`."""
        item_id = self._named(which)
        self._send({"type": "conversation.item.retrieve", "item_id": item_id})

    def truncate(self, which: int, share: float) -> None:
        """`conversation.item.truncate` of something spoken, if there is any."""
        spoken = [e for e in self.engine.conversation if self._spoken(e)]
        entry = spoken[which % len(spoken)] if spoken else None
        self._send(
            {
                "type": "conversation.item.truncate",
                "item_id": entry.id if entry else "nobody",
                "content_index": 0,
                "audio_end_ms": int(entry.audio_ms * share) if entry else 1,
            }
        )

    def _spoken(self, entry: Any) -> bool:
        return bool(entry.clips) and entry.item.get("role") == "assistant"

    def speak(self, chunks: int) -> None:
        """The user says something; with voice detection it is a turn."""
        audio = LOUD * chunks + QUIET * 30
        text = base64.b64encode(audio).decode()
        self._send({"type": "input_audio_buffer.append", "audio": text})

    def commit(self) -> None:
        """`input_audio_buffer.commit`."""
        self._send({"type": "input_audio_buffer.commit"})

    def clear(self) -> None:
        """`input_audio_buffer.clear`."""
        self._send({"type": "input_audio_buffer.clear"})

    def respond(self, aside: bool, spoken: bool, answer: list[Any]) -> None:
        """`response.create`, in the conversation or out of band."""
        self.agent.answers.append(answer)
        config: dict[str, Any] = {"metadata": {"n": str(self._count)}}
        if aside:
            config["conversation"] = "none"
        if self.dialect == "ga":
            config["output_modalities"] = ["audio" if spoken else "text"]
        else:
            config["modalities"] = ["text", "audio"] if spoken else ["text"]
        self._send({"type": "response.create", "response": config})

    def cancel(self) -> None:
        """`response.cancel`."""
        self._send({"type": "response.cancel"})

    def work(self, which: int, pieces: int) -> None:
        """Let one of the server's workers go on for so many pieces."""
        self._collect()
        for _ in range(pieces):
            if not self.jobs:
                return
            at = which % len(self.jobs)
            job, output = self.jobs[at]
            try:
                piece = next(output)
            except StopIteration:
                self._finish(at, None)
            except Exception as exc:
                self._finish(at, exc)
            else:
                self._run(lambda: self.engine.job_output(job, piece, 0.0))
            self._collect()

    def _finish(self, at: int, error: Optional[Exception]) -> None:
        job, _ = self.jobs.pop(at)
        self._run(lambda: self.engine.job_done(job, error, 0.0))

    def _collect(self) -> None:
        self.jobs += [(job, iter(job.work())) for job in self.engine.take_jobs()]

    # What comes of it

    def _named(self, which: Any) -> Any:
        if not isinstance(which, int):
            return {"unknown": "nobody", "empty": "", "null": None}.get(which, which)
        return self.ids[which % len(self.ids)] if self.ids else "nobody"

    def _send(self, command: dict[str, Any]) -> None:
        self._run(lambda: self.engine.receive(command, 0.0))

    def _run(self, act: Any) -> None:
        """Act, and hold every frame of the outcome against the truth."""
        emitted = self.engine.context.out = Emitted(self.engine)
        act()
        dialect = dialect_named(self.dialect)
        for frame, truth in zip(emitted, emitted.truths):
            lowered = dialect.lower_server(frame)
            if lowered is not None:
                self._follow(json.dumps(lowered), truth)
        assert self.model.items == [item.id for item in self.snapshot.items]

    def _follow(self, frame: str, truth: dict[str, Any]) -> None:
        event = self.codec.decode(frame.encode())
        self.snapshot = reduce(self.snapshot, event)
        self.model.heard(json.loads(frame))

        assert () == event.problems
        mirrored = self.snapshot
        assert [seen(item) for item in mirrored.items] == [
            known(entry) for entry in truth["items"]
        ]
        assert [answered(each) for each in mirrored.responses.values()] == [
            ran(run) for run in truth["responses"][: len(mirrored.responses)]
        ]
        told = to_mapping(mirrored.session)
        assert told == (truth["session"] if self.dialect == "ga" else told)
        assert truth["session"]["id"] == mirrored.session_id
        for item in mirrored.items:
            if item.id in self.model.texts and item.type == "message":
                assert self.model.texts[item.id] == item.text
        self.ids = sorted({*self.ids, *(item.id for item in mirrored.items)})


def configuration(vad: bool, transcribe: bool) -> dict[str, Any]:
    """A session with or without voice detection and transcription."""
    turns: dict[str, Any] = {"type": "server_vad", "silence_duration_ms": 200}
    hearing = {"transcription": {"model": "whisper-1"} if transcribe else None}
    heard = {"turn_detection": turns if vad else None, **hearing}
    return {"type": "realtime", "audio": {"input": heard}}


def seen(item: Item) -> dict[str, Any]:
    """An item as the mirror has it."""
    spoken = item.role == "assistant" and not item.truncated
    return {
        "id": item.id,
        "type": item.type,
        "role": item.role,
        "status": item.status,
        "text": "".join(part.text or "" for part in item.content),
        "transcript": "".join(part.transcript or "" for part in item.content),
        "audio_ms": item.audio_ms if spoken else None,
        "name": item.name,
        "arguments": item.arguments or "",
        "call_id": item.call_id,
        "output": item.output,
    }


def known(entry: dict[str, Any]) -> dict[str, Any]:
    """The same item as the engine has it."""
    spoken = entry["role"] == "assistant" and entry["truncated_ms"] is None
    alike = ("id", "type", "role", "status", "name", "call_id", "output")
    return {
        **{name: entry[name] for name in alike},
        "text": entry["text"] or "",
        "transcript": entry["transcript"] or "",
        "audio_ms": entry["audio_ms"] if spoken else None,
        "arguments": entry["arguments"] or "",
    }


def answered(state: ResponseState) -> dict[str, Any]:
    """A response as the mirror has it."""
    details = state.status_details
    return {
        "id": state.id,
        "status": state.status,
        "reason": (details.reason or None) if details else None,
        "conversation": not state.out_of_band,
        "items": list(state.items),
        "total_tokens": state.usage.total_tokens if state.usage else None,
    }


def ran(run: dict[str, Any]) -> dict[str, Any]:
    """The same response as the engine has it."""
    alike = ("id", "status", "reason", "conversation", "items")
    usage = run["usage"]
    return {
        **{name: run[name] for name in alike},
        "total_tokens": usage["total_tokens"] if usage else None,
    }


# Random conversations

WHICH = st.integers(0, 30)
PLACES = st.one_of(
    st.sampled_from(["absent", "root", "unknown", "empty", "null"]), WHICH, WHICH
)
WORDS = st.sampled_from(["Yes.", "It is late. Go home.", "A", "Well, well, well"])


def message(role: str, kind: str, text: str) -> dict[str, Any]:
    """A message as a client creates it."""
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


ITEMS = st.one_of(
    st.builds(message, st.just("user"), st.just("input_text"), WORDS),
    st.builds(message, st.just("system"), st.just("input_text"), WORDS),
    st.builds(message, st.just("assistant"), st.just("output_text"), WORDS),
)
PIECES = st.one_of(
    st.builds(Say, WORDS),
    st.builds(Call, st.just("weather"), st.sampled_from(["{}", '{"city": "Lima"}'])),
    st.builds(Failure, st.just("No")),
)
RESPOND = st.tuples(
    st.just("respond"),
    st.sampled_from([False, False, True]),
    st.booleans(),
    st.lists(PIECES, min_size=1, max_size=3),
)
WORK = st.tuples(st.just("work"), WHICH, st.integers(1, 5))
TRUNCATE = st.tuples(
    st.just("truncate"), WHICH, st.sampled_from([0.0, 0.3, 0.7, 1.0, 1.5])
)
WEIGHED = (
    *[WORK] * 6,
    *[RESPOND] * 4,
    *[TRUNCATE] * 2,
    *[st.tuples(st.just("create"), PLACES, ITEMS, st.booleans())] * 4,
    st.tuples(st.just("answer_call")),
    st.tuples(st.just("delete"), WHICH),
    st.tuples(st.just("retrieve"), WHICH),
    st.tuples(st.just("speak"), st.integers(3, 12)),
    st.sampled_from([("commit",), ("clear",), ("cancel",)]),
)
STEPS = st.sampled_from(WEIGHED).flatmap(lambda step: step)
CONVERSATIONS = st.tuples(
    st.sampled_from(["ga", "beta"]),
    st.booleans(),
    st.booleans(),
    st.lists(STEPS, min_size=8, max_size=40),
)


def played(conversation: Any) -> None:
    """Play a conversation; every event of it is checked on the way."""
    dialect, vad, transcribe, steps = conversation
    play = Play(dialect, vad=vad, transcribe=transcribe)
    for name, *arguments in steps:
        getattr(play, name)(*arguments)
    play.work(0, 100)

    assert not play.snapshot._open or play.engine.responses.active_runs()


@settings(max_examples=200)
@given(CONVERSATIONS)
def test_the_mirror_believes_what_the_server_believes(conversation: Any) -> None:
    """Item for item, text for text, status for status, after every event."""
    played(conversation)


@pytest.mark.deep
@pytest.mark.timeout(1800)
@settings(max_examples=2000)
@given(CONVERSATIONS)
def test_the_mirror_believes_it_at_length(conversation: Any) -> None:
    """The same, two thousand times."""
    played(conversation)
