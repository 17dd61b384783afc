"""
Decisions: questions about the conversation, their answers and their triggers.
"""

from __future__ import annotations

import re
from typing import Any, Callable, Iterator, Mapping, Optional, Sequence, Union

from ..agents.base import Prompt, item_text
from ..engine.refusal import Refusal, refuse_missing
from .context import LiveContext
from .history import history_item_as_read
from .limits import DECISION_ITEMS, DECISIONS, tokens_for_limit

Verdict = Union[None, bool, float, int, str]
"""What answers a question: None refuses it."""
Decide = Callable[[Mapping[str, Any], Prompt], Verdict]


class LiveDecisions:
    """
    The decisions of a session.

    Args:
        context: the session.
        prompt: makes what the decision is made from.
    """

    def __init__(
        self,
        context: LiveContext,
        prompt: Callable[[Sequence[Mapping[str, Any]]], Prompt],
    ) -> None:
        self._context = context
        self._prompt = prompt
        self._items: dict[str, dict[str, Any]] = {}
        self._used: set[str] = set()

    def add(self, item: Mapping[str, Any], command_id: object) -> None:
        """
        Keep an item for the decisions to come.

        Raises:
            Refusal: there are too many.
        """
        self._check_target()
        if len(self._items) >= DECISION_ITEMS:
            raise Refusal(
                f"At most {DECISION_ITEMS} decision items are kept.",
                code="rate_limit_exceeded",
            )
        item_id = item.get("id") or self._context.ids.new("item")
        kept = {k: v for k, v in item.items() if v is not None}
        kept = {"type": "message", **kept, "id": item_id}
        self._items[item_id] = kept
        self._context.emit("decision.item.created", command_id=command_id, item=kept)

    def delete(self, item_id: str, command_id: object) -> None:
        """
        Forget an item.

        Raises:
            Refusal: there is none of that id.
        """
        self._check_target()
        if self._items.pop(item_id, None) is None:
            raise Refusal(
                f"Item with id '{item_id}' does not exist.",
                code="invalid_value",
                param="item_id",
            )
        self._context.emit(
            "decision.item.deleted", command_id=command_id, item_id=item_id
        )

    def ask(self, command_id: object) -> None:
        """
        Answer the session's questions, as a command asks.

        Raises:
            Refusal: the command has no id, or an earlier one had the same.
        """
        self._check_target()
        if not isinstance(command_id, str) or not command_id:
            raise refuse_missing("event_id")
        if command_id in self._used:
            raise Refusal(
                f"The event_id '{command_id}' was used before.",
                code="invalid_value",
                param="event_id",
            )
        if len(self._used) >= DECISIONS:
            raise Refusal(
                f"At most {DECISIONS} decisions may be asked for in a session.",
                code="rate_limit_exceeded",
            )
        self._used.add(command_id)
        self._decide(self._context.settings.decisions["questions"])

    def delegate(self, offset_ms: int) -> None:
        """Answer the session's questions, as the model asks."""
        delegation_id = self._context.ids.new("item")
        self._context.emit(
            "session.delegation.created",
            offset_ms=offset_ms,
            delegation={
                "id": delegation_id,
                "type": "delegation",
                "target": "decisions",
            },
        )
        self._decide(
            self._context.settings.decisions["questions"], delegation_id=delegation_id
        )

    def transcribed(self, kind: str, event_id: str) -> None:
        """Answer the questions of a trigger, if the event of that *kind* has one."""
        trigger = self._context.settings.trigger(kind)
        if trigger is not None:
            self._decide(
                trigger["decisions"]["questions"],
                trigger_id=self._context.ids.new("trig"),
                source_event_id=event_id,
                source_event_type=kind,
            )

    def _check_target(self) -> None:
        if self._context.settings.target != "decisions":
            raise Refusal(
                "This session does not delegate to Decisions.",
                code="invalid_request_error",
            )

    def _decide(
        self,
        questions: Sequence[Mapping[str, Any]],
        *,
        delegation_id: Optional[str] = None,
        **source: Any,
    ) -> None:
        decide: Decide = getattr(self._context.agent, "decide", None) or decide_by_words
        prompt = self._prompt(
            [history_item_as_read(item) for item in self._items.values()]
        )
        model = self._context.settings.decisions.get("model", "decisions")
        answers: list[dict[str, Any]] = []

        def work() -> Iterator[dict[str, Any]]:
            for question in questions:
                yield answer_decision(question, decide(question, prompt))

        def finish(error: Optional[BaseException]) -> None:
            if error is not None:
                refusal = Refusal(
                    f"The decision failed: {error}",
                    code="server_error",
                    type="server_error",
                )
                self._context.emit_refusal(refusal)
                return
            decision = {
                "model": model,
                "answers": answers,
                "usage": _decision_usage(prompt, questions),
            }
            self._context.emit(
                "decision.event",
                delegation_id=delegation_id,
                event={"type": "decision.completed", "decision": decision},
                **source,
            )

        self._context.submit("decide", work, answers.append, finish)


def decide_by_words(question: Mapping[str, Any], prompt: Prompt) -> Verdict:
    """
    Decide by the words that were said: what answers where no agent does.

    A predicate holds if a word of its instructions was said, a choice falls on the
    first option whose value was said, or on the first of all, and a score on the
    highest level whose label was said, or on the lowest.
    """
    said = " ".join(item_text(item) for item in prompt.items).casefold()
    words = set(re.findall(r"\w+", said))
    if question["type"] == "predicate":
        asked = re.findall(
            r"\w{4,}", _decision_text(question["instructions"]).casefold()
        )
        return any(word in words for word in asked)
    if question["type"] == "choice":
        values = [option["value"] for option in question["choices"]]
        found = (v for v in values if str(v).casefold() in said)
        value: Verdict = next(found, values[0])
        return value
    labels = [level["label"].casefold() for level in question["levels"]]
    return max((at for at, label in enumerate(labels) if label in said), default=0)


def answer_decision(question: Mapping[str, Any], verdict: Verdict) -> dict[str, Any]:
    """
    Build the answer to a question.

    Args:
        question: as it was asked.
        verdict: a probability or a truth value for a predicate, the value of an
            option for a choice, a number of the scale for a score; None refuses.

    Raises:
        ValueError: the verdict is no answer to such a question.
    """
    name = question.get("name")
    if verdict is None:
        return {"type": "refusal", "name": name}
    kind = question["type"]
    if kind == "predicate":
        probability = float(verdict)
        if not 0 <= probability <= 1:
            raise ValueError(f"{verdict!r} is no probability")
        return {"type": kind, "name": name, "probability": probability}
    if kind == "choice":
        return {**_chosen_decision(question, verdict), "type": kind, "name": name}
    return {**_scored_decision(question, float(verdict)), "type": kind, "name": name}


def _chosen_decision(question: Mapping[str, Any], verdict: Verdict) -> dict[str, Any]:
    values = [option["value"] for option in question["choices"]]
    # A string and a boolean with the same text are two options.
    hits = [v == verdict and type(v) is type(verdict) for v in values]
    if not any(hits):
        raise ValueError(f"{verdict!r} is none of {values}")
    return {
        "choice": verdict,
        "confidence": 1.0,
        "probabilities": [
            {"value": value, "probability": float(hit)}
            for value, hit in zip(values, hits)
        ],
    }


def _scored_decision(question: Mapping[str, Any], score: float) -> dict[str, Any]:
    levels = question["levels"]
    if not 0 <= score <= len(levels) - 1:
        raise ValueError(f"{score} is beyond the {len(levels)} levels")
    nearest = round(score)
    return {
        "score": score,
        "confidence": 1.0,
        "probabilities": [
            {
                "label": level["label"],
                "value": at,
                "probability": float(at == nearest),
            }
            for at, level in enumerate(levels)
        ],
    }


def _decision_text(instructions: Union[str, Sequence[Mapping[str, Any]]]) -> str:
    if isinstance(instructions, str):
        return instructions
    return " ".join(part.get("text", "") for part in instructions)


def _decision_usage(
    prompt: Prompt, questions: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    read = sum(tokens_for_limit(item_text(item)) for item in prompt.items)
    read += sum(
        tokens_for_limit(_decision_text(question["instructions"]))
        for question in questions
    )
    return {
        "input_tokens": read,
        "input_tokens_details": {"cache_write_tokens": 0, "cached_tokens": 0},
        "output_tokens": len(questions),
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": read + len(questions),
    }
