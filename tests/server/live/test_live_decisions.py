"""Decisions: by delegation, by trigger, by hand."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_sync.server import Delegate, Prompt
from realtime_sync.server.agents import Scripted
from realtime_sync.server.live.decisions import answer_decision

from ..sounds import silence
from .live_talk import LiveTalk, error, of, only, types

HAPPY = {"type": "predicate", "name": "happy", "instructions": "Is the user happy?"}
ROOM = {
    "type": "choice",
    "instructions": "Where?",
    "choices": [{"value": "kitchen"}, {"value": True}, {"value": "true"}],
}
LEVEL = {
    "type": "score",
    "name": "level",
    "instructions": [{"type": "input_text", "text": "How loud?"}],
    "levels": [{"label": "low"}, {"label": "high"}],
}
DECISIONS = {
    "type": "decisions",
    "decisions": {"model": "gpt-decide", "questions": [HAPPY, ROOM, LEVEL]},
}


class Judge(Scripted):
    """Answers by hand, and remembers what it was asked."""

    def __init__(self, *verdicts: Any) -> None:
        super().__init__([Delegate()])
        self.verdicts = verdicts
        self.prompts: list[Prompt] = []

    def decide(self, question: Any, prompt: Prompt) -> Any:
        self.prompts.append(prompt)
        names = [HAPPY["instructions"], ROOM["instructions"], LEVEL["instructions"]]
        return self.verdicts[names.index(question["instructions"])]


def deciding(*verdicts: Any, **session: Any) -> tuple[LiveTalk, Judge]:
    """A session that delegates to Decisions."""
    judge = Judge(*verdicts)
    talk = LiveTalk(judge)
    talk.start(**{"delegation": DECISIONS, **session})
    return talk, judge


def test_a_delegation_is_decided_in_the_order_of_the_questions() -> None:
    """A probability, a choice by value and type, a score."""
    talk, _ = deciding(0.25, True, 1)
    frames = talk.ask()
    created = only(frames, "session.delegation.created")["delegation"]
    event = only(frames, "decision.event")
    happy, room, level = event["event"]["decision"]["answers"]

    assert ("decisions", created["id"]) == (created["target"], event["delegation_id"])
    assert ("happy", 0.25) == (happy["name"], happy["probability"])
    assert (True, [0.0, 1.0, 0.0]) == (
        room["choice"],
        [each["probability"] for each in room["probabilities"]],
    )
    assert (1.0, ["low", "high"]) == (
        level["score"],
        [each["label"] for each in level["probabilities"]],
    )


def test_a_question_may_be_refused_alone() -> None:
    """The others are answered all the same."""
    talk, _ = deciding(None, "kitchen", None)
    answers = only(talk.ask(), "decision.event")["event"]["decision"]["answers"]

    assert ["refusal", "choice", "refusal"] == [each["type"] for each in answers]
    assert ["happy", None, "level"] == [each["name"] for each in answers]


def test_items_are_read_by_later_decisions_and_by_nothing_else() -> None:
    """Created and deleted with acknowledgements; the id is told."""
    talk, judge = deciding(1, "kitchen", 0)
    item = {"role": "user", "content": "The door is open."}
    (created,) = talk.send("decision.item.create", event_id="c", item=item)
    output = {"type": "function_call_output", "call_id": "x", "output": "done"}
    talk.send("decision.item.create", item=output)
    talk.send("decision.create", event_id="one")
    (deleted,) = talk.send(
        "decision.item.delete", event_id="d", item_id=created["item"]["id"]
    )
    talk.send("decision.create", event_id="two")
    read = [len(prompt.items) for prompt in judge.prompts[::3]]

    assert ["c", "d"] == [created["client_event_id"], deleted["client_event_id"]]
    assert [2, 1] == read
    assert [] == talk.engine.truth()["items"]


def test_a_decision_by_hand_names_nothing_that_caused_it() -> None:
    """So it can be told from that of a delegation or a trigger."""
    talk, _ = deciding(1, "kitchen", 0)
    event = only(talk.send("decision.create", event_id="x"), "decision.event")

    assert event["delegation_id"] is None
    assert {"trigger_id", "source_event_id", "client_event_id"}.isdisjoint(event)


def test_an_id_may_be_used_for_one_decision_only() -> None:
    """And one must be there."""
    talk, _ = deciding(1, "kitchen", 0)
    talk.send("decision.create", event_id="x")
    again = talk.send("decision.create", event_id="x")
    none = talk.send("decision.create", event_id=None)
    missing = talk.send("decision.create")

    assert ["event_id"] * 3 == [error(f)["param"] for f in (again, none, missing)]


def test_a_trigger_fires_at_every_fragment_and_names_it() -> None:
    """Each firing has an id of its own; any kind of delegation may have triggers."""
    trigger = {
        "type": "decisions",
        "event_type": "session.input_transcript.delta",
        "decisions": {"questions": [HAPPY]},
    }
    talk, _ = deciding(1, "kitchen", 0, triggers=[trigger], delegation=None)
    frames = talk.ask()
    deltas = of(frames, "session.input_transcript.delta")
    fired = of(frames, "decision.event")

    assert [each["event_id"] for each in deltas] == [
        each["source_event_id"] for each in fired
    ]
    assert len(deltas) == len({each["trigger_id"] for each in fired})
    assert {None} == {each["delegation_id"] for each in fired}


def test_triggers_are_replaced_by_an_update() -> None:
    """An empty list ends them."""
    trigger = {
        "type": "decisions",
        "event_type": "session.input_transcript.delta",
        "decisions": {"questions": [HAPPY]},
    }
    talk, _ = deciding(1, "kitchen", 0, triggers=[trigger])
    talk.send("session.update", session={"triggers": []})

    assert 1 == len(of(talk.ask(), "decision.event"))


def test_a_second_trigger_of_a_kind_is_refused() -> None:
    """At most one for each event type."""
    trigger = {
        "type": "decisions",
        "event_type": "session.input_transcript.delta",
        "decisions": {"questions": [HAPPY]},
    }

    assert (
        "session.triggers"
        == LiveTalk().start(triggers=[trigger, trigger])["error"]["param"]
    )


def test_a_verdict_that_is_no_answer_is_an_error_of_no_command() -> None:
    """The session goes on."""
    talk, _ = deciding(7, "kitchen", 0)
    frames = talk.send("decision.create", event_id="x")

    assert "server_error" == error(frames)["type"]
    assert "client_event_id" not in error(frames)


def test_without_a_judge_words_decide() -> None:
    """What was said is looked for in the questions."""
    talk = LiveTalk(script=[Delegate()])
    questions = [
        {**HAPPY, "instructions": "Is there any audio?"},
        {
            "type": "choice",
            "instructions": "?",
            "choices": [{"value": "no"}, {"value": "audio"}],
        },
        {
            "type": "score",
            "instructions": "?",
            "levels": [{"label": "no"}, {"label": "ms"}, {"label": "xyz"}],
        },
    ]
    talk.start(
        delegation={
            "type": "decisions",
            "decisions": {"model": "m", "questions": questions},
        }
    )
    one, two, three = only(talk.ask(), "decision.event")["event"]["decision"]["answers"]

    assert (1.0, "audio", 1.0) == (one["probability"], two["choice"], three["score"])


@pytest.mark.parametrize(
    ("question", "verdict"),
    [(HAPPY, 1.5), (HAPPY, "x"), (ROOM, "cellar"), (ROOM, 1), (LEVEL, 2), (LEVEL, -1)],
)
def test_answers_are_checked(question: Any, verdict: Any) -> None:
    """A wrong one is a mistake of the agent's, and named."""
    with pytest.raises(ValueError):
        answer_decision(question, verdict)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("decision.create", {"event_id": "x"}),
        ("decision.item.create", {"item": {"role": "user", "content": "hi"}}),
        ("decision.item.delete", {"item_id": "x"}),
    ],
)
def test_without_decisions_there_is_nothing_to_decide(kind: str, fields: Any) -> None:
    """A session that delegates elsewhere refuses it."""
    talk = LiveTalk()
    talk.start()

    assert ["error"] == types(talk.send(kind, **fields))
    assert talk.hear(silence(100))
