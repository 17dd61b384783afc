"""Questions that are decided while people talk, and their answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Union

from attrs import frozen

from ...types import UNSET, OrUnset, Unset
from ..fields import (
    MaybeText,
    checked,
    given_freely,
    given_sequence,
    required,
    sequence,
)


@frozen(kw_only=True, slots=False, field_transformer=checked)
class InputText:
    """A piece of text."""

    type: ClassVar[Literal["input_text"]] = "input_text"
    text: str


@frozen(kw_only=True, slots=False, field_transformer=checked)
class InputImage:
    """
    An image.

    Attributes:
        image_url: URL, or a ``data:`` URL.
        detail: ``"low"``, ``"high"``, ``"auto"`` or ``"original"``.
    """

    type: ClassVar[Literal["input_image"]] = "input_image"
    image_url: str
    detail: MaybeText = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class InputJson:
    """
    Facts as JSON.

    Attributes:
        data: an object, or a sequence of objects.
    """

    type: ClassVar[Literal["input_json"]] = "input_json"
    data: Union[Mapping[str, Any], tuple[Mapping[str, Any], ...]] = given_freely()


Parts = tuple[Union[InputText, InputImage, InputJson, Mapping[str, Any]], ...]
Words = Union[str, Parts]
"""Plain text, or parts of several kinds."""


@frozen(kw_only=True, slots=False, field_transformer=checked)
class ChoiceOption:
    """
    One of the answers to choose from.

    Attributes:
        value: what the answer carries when it is chosen.
        description: when it is right.
    """

    value: Union[str, bool]
    description: MaybeText = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class Choice:
    """
    Which of these?

    Attributes:
        name: repeated in the answer.
        instructions: the question.
        choices: what to choose from.
    """

    type: ClassVar[Literal["choice"]] = "choice"
    instructions: Words = given_freely()
    choices: tuple[ChoiceOption, ...] = given_sequence()
    name: MaybeText = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class Predicate:
    """
    Is it so?

    Attributes:
        name: repeated in the answer.
        instructions: the question.
    """

    type: ClassVar[Literal["predicate"]] = "predicate"
    instructions: Words = given_freely()
    name: MaybeText = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class ScoreLevel:
    """
    One step of a scale.

    Attributes:
        label: its name.
        description: what it means.
    """

    label: str
    description: MaybeText = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class Score:
    """
    How much?

    Attributes:
        name: repeated in the answer.
        instructions: the question.
        levels: the scale, lowest first.
    """

    type: ClassVar[Literal["score"]] = "score"
    instructions: Words = given_freely()
    levels: tuple[ScoreLevel, ...] = given_sequence()
    name: MaybeText = UNSET


Questions = tuple[Union[Choice, Predicate, Score, Mapping[str, Any]], ...]


@frozen(kw_only=True, slots=False, field_transformer=checked)
class TriggeredQuestions:
    """The questions of a trigger."""

    questions: Questions = given_sequence()


@frozen(kw_only=True, slots=False, field_transformer=checked)
class Trigger:
    """
    Questions that every piece of one side's transcript asks anew.

    Attributes:
        event_type: ``"session.input_transcript.delta"`` or its output sibling; at
            most one trigger each.
        decisions: the questions.
    """

    type: ClassVar[Literal["decisions"]] = "decisions"
    event_type: str
    decisions: TriggeredQuestions


@frozen(kw_only=True, slots=False)
class ChoiceProbability:
    """How likely one choice is, between 0 and 1."""

    value: OrUnset[Union[str, bool]] = required()
    probability: OrUnset[float] = required()


@frozen(kw_only=True, slots=False)
class ChoiceAnswer:
    """
    What was chosen.

    Attributes:
        choice: the value of the chosen option.
        confidence: between 0 and 1.
        probabilities: of each option.
        name: of the question.
    """

    type: ClassVar[Literal["choice"]] = "choice"
    choice: OrUnset[Union[str, bool]] = required()
    confidence: OrUnset[float] = required()
    probabilities: OrUnset[tuple[ChoiceProbability, ...]] = required()
    name: MaybeText = UNSET


@frozen(kw_only=True, slots=False)
class PredicateAnswer:
    """
    How likely it is so.

    Attributes:
        probability: between 0 and 1.
        name: of the question.
    """

    type: ClassVar[Literal["predicate"]] = "predicate"
    probability: OrUnset[float] = required()
    name: MaybeText = UNSET


@frozen(kw_only=True, slots=False)
class ScoreProbability:
    """How likely one level is, between 0 and 1."""

    label: OrUnset[str] = required()
    value: OrUnset[int] = required()
    probability: OrUnset[float] = required()


@frozen(kw_only=True, slots=False)
class ScoreAnswer:
    """
    How much.

    Attributes:
        score: on the scale of the levels.
        confidence: between 0 and 1.
        probabilities: of each level.
        name: of the question.
    """

    type: ClassVar[Literal["score"]] = "score"
    score: OrUnset[float] = required()
    confidence: OrUnset[float] = required()
    probabilities: OrUnset[tuple[ScoreProbability, ...]] = required()
    name: MaybeText = UNSET


@frozen(kw_only=True, slots=False)
class RefusedAnswer:
    """A question that is not answered."""

    type: ClassVar[Literal["refusal"]] = "refusal"
    name: MaybeText = UNSET


@frozen(kw_only=True, slots=False)
class InputTokenDetails:
    """What the input tokens of a decision are made of."""

    cache_write_tokens: OrUnset[int] = required()
    cached_tokens: OrUnset[int] = required()


@frozen(kw_only=True, slots=False)
class OutputTokenDetails:
    """What the output tokens of a decision are made of."""

    reasoning_tokens: OrUnset[int] = required()


@frozen(kw_only=True, slots=False)
class TokenUsage:
    """Tokens that a decision took."""

    input_tokens: OrUnset[int] = required()
    input_tokens_details: OrUnset[InputTokenDetails] = required()
    output_tokens: OrUnset[int] = required()
    output_tokens_details: OrUnset[OutputTokenDetails] = required()
    total_tokens: OrUnset[int] = required()


Answer = Union[
    ChoiceAnswer, PredicateAnswer, ScoreAnswer, RefusedAnswer, Mapping[str, Any]
]


@frozen(kw_only=True, slots=False)
class Decision:
    """
    Answers to all questions.

    Attributes:
        model: which model decided.
        answers: one per question, in the order of the questions.
        usage: what it took.
    """

    model: OrUnset[str] = required()
    answers: OrUnset[tuple[Answer, ...]] = required()
    usage: OrUnset[TokenUsage] = required()


@frozen(kw_only=True, slots=False)
class DecisionCompleted:
    """A decision was made."""

    type: ClassVar[Literal["decision.completed"]] = "decision.completed"
    decision: OrUnset[Decision] = required()


@frozen(kw_only=True, slots=False, field_transformer=checked)
class OutputText:
    """Text of the assistant."""

    type: ClassVar[Literal["output_text"]] = "output_text"
    text: str


@frozen(kw_only=True, slots=False, field_transformer=checked)
class Refusal:
    """The assistant's refusal."""

    type: ClassVar[Literal["refusal"]] = "refusal"
    refusal: str


@frozen(kw_only=True, slots=False, field_transformer=checked)
class UserMessage:
    """What the user said or showed."""

    type: ClassVar[Literal["message"]] = "message"
    role: ClassVar[str] = "user"
    content: Words = given_freely()
    id: MaybeText = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class DeveloperMessage:
    """What the application says."""

    type: ClassVar[Literal["message"]] = "message"
    role: ClassVar[str] = "developer"
    content: Words = given_freely()
    id: MaybeText = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class SystemMessage:
    """What holds before all else."""

    type: ClassVar[Literal["message"]] = "message"
    role: ClassVar[str] = "system"
    content: Words = given_freely()
    id: MaybeText = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class AssistantMessage:
    """
    What the assistant said.

    Attributes:
        content: text, or parts.
        phase: ``"commentary"`` or ``"final_answer"``.
        id: the service's, once it has the item.
    """

    type: ClassVar[Literal["message"]] = "message"
    role: ClassVar[str] = "assistant"
    content: Union[str, tuple[Union[OutputText, Refusal, Mapping[str, Any]], ...]] = (
        given_freely()
    )
    phase: MaybeText = UNSET
    id: MaybeText = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class FunctionCall:
    """
    A call of a function.

    Attributes:
        call_id: what its output names.
        name: which function.
        namespace: where the function is declared.
        arguments: JSON text.
        status: ``"in_progress"``, ``"completed"`` or ``"incomplete"``.
        id: the service's, once it has the item.
    """

    type: ClassVar[Literal["function_call"]] = "function_call"
    call_id: str
    name: str
    arguments: str
    namespace: MaybeText = UNSET
    status: MaybeText = UNSET
    id: MaybeText = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class CustomToolCall:
    """
    A call of a tool that takes free text.

    Attributes:
        call_id: what its output names.
        name: which tool.
        namespace: where the tool is declared.
        input: the text.
        status: ``"in_progress"``, ``"completed"`` or ``"incomplete"``.
        id: the service's, once it has the item.
    """

    type: ClassVar[Literal["custom_tool_call"]] = "custom_tool_call"
    call_id: str
    name: str
    input: str
    namespace: MaybeText = UNSET
    status: MaybeText = UNSET
    id: MaybeText = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class FunctionCallOutput:
    """What a function gave."""

    type: ClassVar[Literal["function_call_output"]] = "function_call_output"
    call_id: str
    output: Words = given_freely()
    status: MaybeText = UNSET
    id: MaybeText = UNSET


@frozen(kw_only=True, slots=False, field_transformer=checked)
class CustomToolCallOutput:
    """What a tool gave."""

    type: ClassVar[Literal["custom_tool_call_output"]] = "custom_tool_call_output"
    call_id: str
    output: Words = given_freely()
    status: MaybeText = UNSET
    id: MaybeText = UNSET


DecisionItem = Union[
    UserMessage,
    DeveloperMessage,
    SystemMessage,
    AssistantMessage,
    FunctionCall,
    FunctionCallOutput,
    CustomToolCall,
    CustomToolCallOutput,
    Mapping[str, Any],
]
"""What decisions are made upon."""

MaybeQuestions = Union[Questions, None, Unset]


@frozen(kw_only=True, slots=False, field_transformer=checked)
class DecisionsConfig:
    """
    Who decides, and what.

    Attributes:
        model: the model that decides; required when a session starts.
        questions: all of them; the answers have their order.
    """

    model: MaybeText = UNSET
    questions: MaybeQuestions = sequence()
