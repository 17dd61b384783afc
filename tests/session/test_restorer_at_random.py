"""Restoring against servers whose habits are drawn at random, in both dialects."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Sequence
from time import monotonic
from typing import Any, Optional

import pytest
from attrs import define, field
from hypothesis import example, given, settings
from hypothesis import strategies as st

import realtime_sync.session.restorer
from realtime_sync import ReconnectPolicy, Router, Session, connect
from realtime_sync.testing import MemoryTransport, frames
from realtime_sync.testing.scripted_engine import Close, PlayedEngine, Said

BOUND = 10.0
"""Seconds for a restore, whatever the server leaves unanswered."""

HABITS = st.fixed_dictionaries(
    {
        "dialect": st.sampled_from(["ga", "beta"]),
        "predecessors": st.sampled_from(["named", "null", "empty", "absent"]),
        "own_ids": st.booleans(),
        "silent": st.sampled_from([0, 0, 1, 2, 3]),
        "configured": st.booleans(),
        "doubled": st.booleans(),
        "captions": st.sampled_from(["pieces", "cumulative", "interim"]),
        "whole": st.sampled_from(["all", "last", "nothing"]),
        "statuses": st.booleans(),
        "named_deletions": st.booleans(),
        "lenient": st.booleans(),
        "refuses": st.sets(st.integers(0, 8), max_size=2),
    }
)
STEPS = st.lists(
    st.sampled_from(["write", "speak", "respond", "call", "delete"]), max_size=6
)
ROUNDS = st.lists(
    st.tuples(STEPS, st.lists(st.integers(1, 9), max_size=2)), min_size=1, max_size=3
)
TRANSCRIPTION = "conversation.item.input_audio_transcription."


@define
class Kept:
    """One item as the server has it."""

    id: str
    words: str


@define
class Habitual:
    """
    A server with habits, over one connection after another.

    Attributes:
        habits: what it does otherwise.
        cuts: after how many commands each of the next connections is cut.
        kept: the conversation of the present connection.
        twice: items that it was sent again although it had acknowledged them.
    """

    habits: dict[str, Any]
    cuts: list[int] = field(factory=list)
    kept: list[Kept] = field(factory=list)
    twice: list[str] = field(factory=list)
    restoring: bool = False
    _left: Optional[int] = None
    _taken: int = 0
    _numbers: Iterator[int] = field(factory=itertools.count)
    _acknowledged: set[str] = field(factory=set)

    def engine(self, *, dialect: str, session_type: str, **_: Any) -> PlayedEngine:
        """The server's side of one connection."""
        self.kept, self._acknowledged, self._taken = [], set(), 0
        self._left = self.cuts.pop(0) if self.cuts else None
        return PlayedEngine(
            self, session_id="s", dialect=dialect, session_type=session_type
        )

    def opened(self) -> Iterator[Said]:
        """The greeting."""
        yield {"type": "session.created", "session": frames.SESSION}

    def heard(self, frame: Any) -> Iterator[Said]:
        """The answer to a command."""
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                yield Close(1006)
                return
        kind = frame["type"]
        if kind == "session.update" and self.habits["configured"]:
            yield from frames.acknowledged(frame, frames.SESSION)
        elif kind == "conversation.item.create":
            yield from self._create(frame)
        elif kind == "conversation.item.delete":
            yield from self._delete(frame)
        elif kind.startswith("vendor."):
            yield from getattr(self, "_" + kind[7:])(f"w{next(self._numbers)}")

    def stay(self) -> None:
        """No more connections are cut."""
        self.cuts, self._left = [], None

    # -- commands --------------------------------------------------------------

    def _create(self, frame: Any) -> Iterator[Said]:
        item, previous = frame["item"], frame.get("previous_item_id")
        ids = [each.id for each in self.kept]
        known = previous in (None, "root", *ids) or self.habits["lenient"]
        words = said_in(item)
        if not known or (self.restoring and self._unwanted(words)):
            yield refusal(frame, "invalid_value")
            return
        if words in self._acknowledged:
            self.twice.append(words)
        number = next(self._numbers)
        item_id = f"theirs_{number}" if self.habits["own_ids"] else item["id"]
        at = ids.index(previous) + 1 if previous in ids else len(ids)
        self.kept.insert(0 if previous == "root" else at, Kept(item_id, words))
        self._taken += 1
        silent = self.habits["silent"]
        if self.restoring and silent and self._taken % silent == 0:
            return
        self._acknowledged.add(words)
        yield from self._added({**item, "id": item_id, "status": "completed"})

    def _unwanted(self, words: str) -> bool:
        return words[1:].isdigit() and int(words[1:]) in self.habits["refuses"]

    def _delete(self, frame: Any) -> Iterator[Said]:
        found = [each for each in self.kept if each.id == frame["item_id"]]
        if not found:
            yield refusal(frame, "item_delete_invalid_item_id")
            return
        self.kept.remove(found[0])
        named = found[0].id if self.habits["named_deletions"] else ""
        yield {"type": "conversation.item.deleted", "item_id": named}

    # -- what it does by itself ------------------------------------------------

    def _speak(self, words: str) -> Iterator[Said]:
        """The user speaks, and is written down."""
        item_id = f"u_{words}"
        self.kept.append(Kept(item_id, words))
        part = {"type": "input_audio", "transcript": None}
        yield from self._added(
            {"id": item_id, "type": "message", "role": "user", "content": [part]}
        )
        for end in range(1, len(words) + 1):
            kind, told = {
                "pieces": ("delta", {"delta": words[end - 1]}),
                "cumulative": ("delta", {"delta": words[:end]}),
                "interim": (
                    "completed",
                    {"transcript": words[:end], "status": "in_progress"},
                ),
            }[self.habits["captions"]]
            yield {"type": TRANSCRIPTION + kind, "item_id": item_id, **told}
        yield {
            "type": TRANSCRIPTION + "completed",
            "item_id": item_id,
            "transcript": words,
        }

    def _respond(self, words: str) -> Iterator[Said]:
        """The model answers in two pieces, and calls what it likes the whole."""
        response = {"id": f"r_{words}", "status": "in_progress", "output": []}
        yield {"type": "response.created", "response": response}
        item_id = f"a_{words}"
        self.kept.append(Kept(item_id, words))
        message = {"id": item_id, "type": "message", "role": "assistant"}
        yield from self._added({**message, "content": [], "status": "in_progress"})
        about = {"response_id": f"r_{words}", "item_id": item_id}
        for piece in (words[0], words[1:]):
            kind = "response.output_text.delta"
            yield {"type": kind, **about, "output_index": 0, "delta": piece}
        whole = {"all": words, "last": words[1:], "nothing": ""}
        kind = "response.output_text.done"
        yield {"type": kind, **about, "text": whole[self.habits["whole"]]}
        yield {"type": "response.done", "response": {**response, "status": "completed"}}

    def _call(self, words: str) -> Iterator[Said]:
        """The model calls a function."""
        response = {"id": f"r_{words}", "status": "in_progress", "output": []}
        yield {"type": "response.created", "response": response}
        self.kept.append(Kept(f"f_{words}", f"call {words}"))
        call = {"id": f"f_{words}", "type": "function_call", "call_id": words}
        done = {**call, "name": "f", "arguments": "{}", "status": "completed"}
        yield from self._added(done)
        yield {"type": "response.done", "response": {**response, "status": "completed"}}

    def _added(self, item: dict[str, Any]) -> Iterator[Said]:
        ids = [each.id for each in self.kept]
        at = ids.index(item["id"])
        before = ids[at - 1] if at else None
        place = {
            "named": {"previous_item_id": before},
            "null": {"previous_item_id": None},
            "empty": {"previous_item_id": ""},
            "absent": {},
        }[self.habits["predecessors"]]
        if not self.habits["statuses"]:
            item = {name: item[name] for name in item if name != "status"}
        told = {"type": "conversation.item.added", "item": item, **place}
        yield told
        if self.habits["doubled"]:
            yield told


def said_in(item: Any) -> str:
    """The words of an item that a client creates."""
    if item["type"] == "function_call":
        return f"call {item['call_id']}"
    if item["type"] == "function_call_output":
        return f"output {item['call_id']}"
    return str(item["content"][0]["text"])


def refusal(frame: Any, code: str) -> Said:
    """The error about a command."""
    error = {"type": "invalid_request_error", "code": code, "message": "no"}
    return {"type": "error", "error": {**error, "event_id": frame["event_id"]}}


def in_mirror(session: Session) -> list[str]:
    """The conversation that the mirror has."""
    kinds = {"function_call": "call ", "function_call_output": "output "}
    return [
        kinds[item.type] + str(item.call_id) if item.type in kinds else item.text
        for item in session.snapshot.items
        if item.type
    ]


def step(session: Session, server: Habitual, name: str, number: int) -> None:
    """Something happens in the conversation."""
    items = session.snapshot.items
    if name == "write":
        session.conversation.add_message(f"n{number}")
    elif name == "delete" and items:
        # Not a call: its output would stay behind, as it does on a server.
        written = [item.id for item in items if item.type == "message"]
        if written:
            session.conversation.item.delete(written[number % len(written)])
    elif name in ("speak", "respond"):
        session.send({"type": f"vendor.{name}"})
    elif name == "call":
        session.send({"type": "vendor.call"})
        call_id = session.snapshot.items[-1].call_id
        if call_id is not None:
            output = {"type": "function_call_output", "call_id": call_id}
            session.conversation.item.create({**output, "output": "1"})


def survives(conversation: Sequence[str], server: Habitual) -> list[str]:
    """What a restore leaves of a conversation: the server refuses some of it."""
    return [words for words in conversation if not server._unwanted(words)]


def restored(habits: dict[str, Any], rounds: list[Any]) -> None:
    """Every loss ends in a connection that has the same conversation."""
    server = Habitual(habits)
    transport = MemoryTransport(server, dialect=habits["dialect"])
    numbers = itertools.count()
    policy = ReconnectPolicy(attempts=20, base=1e-6, cap=1e-6)
    with connect(
        base_url="ws://127.0.0.1:1",
        transport=transport,
        dispatch="inline",
        dialect=habits["dialect"],
        router=Router(),
        reconnect=policy,
    ) as session:
        for steps, cuts in rounds:
            server.restoring = False
            for name in steps:
                step(session, server, name, next(numbers))
            before = [each.words for each in server.kept]
            server.restoring, server.cuts = True, list(cuts)
            started = monotonic()
            with session.expect("connection.restored") as back:
                transport.cut()
            report = back.result(1).report
            server.stay()

            assert monotonic() - started < BOUND
            left = survives(before, server)
            assert left == [each.words for each in server.kept]
            assert [] == server.twice
            if not report.unconfirmed:
                assert left == in_mirror(session)
            assert len(left) == len(report.restored) + len(report.unconfirmed)


@pytest.fixture(autouse=True)
def impatient(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Every answer has come when a command has been sent; refusals are no news."""
    monkeypatch.setattr(realtime_sync.session.restorer, "_PATIENCE", 1e-4)
    caplog.set_level(logging.CRITICAL, "realtime_sync")


PLAIN: dict[str, Any] = {
    "dialect": "ga",
    "predecessors": "named",
    "own_ids": False,
    "silent": 0,
    "configured": True,
    "doubled": False,
    "captions": "pieces",
    "whole": "all",
    "statuses": True,
    "named_deletions": True,
    "lenient": False,
    "refuses": set(),
}
FOUR = ["write"] * 4


@settings(max_examples=200)
@given(HABITS, ROUNDS)
@example({**PLAIN, "doubled": True, "silent": 2}, [(FOUR, [])])
@example({**PLAIN, "own_ids": True, "silent": 2}, [(FOUR, []), ([], [])])
@example({**PLAIN, "own_ids": True, "refuses": {1, 2}}, [(FOUR, [3]), ([], [1])])
def test_servers_with_habits_get_the_conversation_back(
    habits: dict[str, Any], rounds: list[Any]
) -> None:
    """In order, once, within its time, however often the connection is cut."""
    restored(habits, rounds)


@pytest.mark.deep
@settings(max_examples=2000)
@given(HABITS, ROUNDS)
def test_servers_with_habits_get_it_back_at_length(
    habits: dict[str, Any], rounds: list[Any]
) -> None:
    """The same, two thousand times."""
    restored(habits, rounds)
