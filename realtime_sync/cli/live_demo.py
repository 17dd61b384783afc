"""``realtime-sync demo --live``: two questions that the voice hands on."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Optional, Union

from .. import audio, live
from ..server import Call, Delegate, Prompt
from ..server.voice import (
    Dialogue,
    Message,
    Recognizer,
    default_activity,
    default_recognizer,
    default_synthesizer,
)
from .live_talk import speak_to_live
from .report import write_report_beside
from .screen import Screen

QUESTION = "What is the weather in Paris?"
CITIES = ("London", "Rome")
QUESTIONS = (QUESTION, "What is the weather in London and in Rome?")
"""Ordinary English; a test checks that the recognizer takes it down."""

LIVE_DEMO_FOLDERS = ("client", "responses")
"""Where what comes of each question is written, below the folder of the demo."""

LOOKS = 0.8
"""Seconds that it takes to look something up."""

WEATHER = {"Paris": "sunny", "London": "rainy", "Rome": "warm"}


class LiveDemoAssistant:
    """
    The local server's agent: a voice that hands on, and a backend that calls.

    Attributes:
        recognizer, synthesizer: of the extra ``demo``.
        activity: makes what finds speech.
    """

    def __init__(self) -> None:
        self.recognizer: Optional[Recognizer] = default_recognizer()
        self.synthesizer = default_synthesizer()
        self.activity = default_activity
        self._dialogue = Dialogue()

    def reply(self, prompt: Prompt) -> Union[str, Delegate, list[Call]]:
        """Hand on what it does not know; as a backend, ask for both cities at once."""
        said = [i for i in prompt.items if i["type"] == "message"]
        if prompt.delegation == "responses":
            outputs = [
                json.loads(item["output"])
                for item in prompt.items
                if item["type"] == "function_call_output"
            ]
            if outputs:
                outputs.sort(key=lambda each: str(each["city"]))
                found = [f"{each['sky']} in {each['city']}" for each in outputs]
                return f"It is {' and '.join(found)}."
            return [Call("get_weather", {"city": city}) for city in CITIES]
        turns = [Message(role=i["role"], text=_text_for_live_demo(i)) for i in said]
        if prompt.delegation == "client" and not self._dialogue.knows(turns):
            return Delegate("One moment, please.")
        return str(self._dialogue.reply(turns).text)


def _text_for_live_demo(item: Any) -> str:
    parts = item.get("content") or ()
    return "".join(str(p.get("text") or p.get("transcript") or "") for p in parts)


def look_up_for_demo(task: live.Task) -> str:
    """Answer what is handed on: a function that blocks, in a thread of its own."""
    task.settle()
    task.note("The weather is being looked up.")
    task.stopped.wait(LOOKS)
    city = next((each for each in WEATHER if each in task.text), "Paris")
    return f"It is {WEATHER[city]} in {city}."


def get_weather(city: str) -> dict[str, str]:
    """
    The weather in a city.

    Args:
        city: its name.
    """
    return {"city": city, "sky": WEATHER.get(city, "cloudy")}


def show_live_demo(
    url: str,
    spoken: Path,
    options: argparse.Namespace,
    screen: Screen,
    speaker: audio.Speaker | None,
) -> int:
    """
    Ask both questions.

    Args:
        url: of a server with `LiveDemoAssistant`.
        spoken: a folder for what is asked.
        options: as the parser gives them.
        screen: where to show it.
        speaker: plays both sides aloud.
    """
    code = 0
    backend = live.LiveConfig(delegation=live.Responses(model="local"))
    runs: tuple[tuple[str, dict[str, Any]], ...] = (
        (
            "a function of this program that blocks",
            {"answer": look_up_for_demo},
        ),
        (
            "a backend that calls two functions at once",
            {"answer": None, "config": backend, "tools": [get_weather]},
        ),
    )
    for question, folder, (who, more) in zip(QUESTIONS, LIVE_DEMO_FOLDERS, runs):
        path = spoken / f"{folder}.wav"
        audio.write_wav(path, default_synthesizer().speak(question))
        screen.line(f"{question} Answered by {who}:")
        out = options.out / folder
        code |= speak_to_live(path, url, options, out, screen, speaker=speaker, **more)
        screen.line(f"wrote {write_report_beside(out)}")
        screen.line("")
    return code
