"""A response with instructions and nothing to answer is spoken by them."""

from __future__ import annotations

import pytest

from realtime_sync.server.agents.base import Prompt
from realtime_sync.server.agents.voice import VoiceAgent
from realtime_sync.server.engine.activity import EnergyActivity
from realtime_sync.server.voice import Dialogue, Message, ToolOutput


def follow(instructions: str, *before: Message) -> str:
    """What is said."""
    return Dialogue().reply(list(before), instructions=instructions).text


@pytest.mark.parametrize(
    ("instructions", "said"),
    [
        ('Say "Welcome to the museum!" and nothing else.', "Welcome to the museum!"),
        ("Say: “One” then “Two”", "One Two"),
        ("Greet the caller.", "Hello."),
        ("Greet the user and ask for their name", "Hello. What is your name?"),
        ("Welcome them. Ask how you can help.", "Hello. How can I help you?"),
        ("Ask the caller for the order number.", "What is your order number?"),
        ("Tell the user that lunch is ready.", "Lunch is ready."),
        ("Remind them that it rains!", "It rains."),
        ("Say good bye", "Goodbye."),
        ("What is the capital of France?", "The capital of France is Paris."),
        ("Count to three", "One, two, three."),
        ("be cheerful", "Be cheerful."),
    ],
)
def test_instructions_are_spoken(instructions: str, said: str) -> None:
    """Quotations, acts that are known, questions, and whatever else."""
    assert said == follow(instructions)


def test_instructions_after_an_answer_are_followed() -> None:
    """The user's question has had its answer."""
    before = (
        Message(role="user", text="what is two plus two"),
        Message(role="assistant", text="The answer is four."),
    )

    assert "Hello." == follow("Greet the caller", *before)


def test_what_the_user_asked_comes_before_instructions() -> None:
    """A question is answered, and so is a tool; a system message is no question."""
    asked = Message(role="user", text="what is two plus two")
    system = Message(role="system", text="Speak English.")
    outputs = [asked, ToolOutput(output="it rains")]

    assert "The answer is four." == follow("Greet the caller", asked)
    assert "The answer is four." == follow("Greet the caller", asked, system)
    assert "Hello." == follow("Greet the caller", system)
    assert "It rains." == Dialogue().reply(outputs, instructions="Greet them").text


@pytest.mark.parametrize("instructions", ["", "  \n"])
def test_empty_instructions_say_nothing_of_their_own(instructions: str) -> None:
    """As if there were none."""
    assert "I did not hear any words." == follow(instructions)


class Silent:
    """Neither recognizer nor synthesizer are needed to decide what to say."""

    def speak(self, text: str, *, voice: object = None, speed: float = 1.0) -> bytes:
        """Say nothing."""
        return b""

    def hear(self, pcm: bytes) -> str:
        """Hear nothing."""
        return ""


def test_the_voice_agent_follows_a_response_and_not_its_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the session is told to be is not what is to be said."""
    name = "realtime_sync.server.agents.voice.default_activity"
    monkeypatch.setattr(name, EnergyActivity)
    silent = Silent()
    agent = VoiceAgent(recognizer=silent, synthesizer=silent)  # type: ignore[arg-type]
    session = agent.reply(Prompt(instructions="Greet the caller."))
    own = Prompt(instructions="Greet them.", response_instructions="Greet them.")

    assert "I did not hear any words." == session.text  # type: ignore[union-attr]
    assert "Hello." == agent.reply(own).text  # type: ignore[union-attr]
