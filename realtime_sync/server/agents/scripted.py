"""
The scripted agent: a function, or a list of answers, in the agent's place.
"""

from __future__ import annotations

import threading
from typing import Callable, Iterable, Optional

from ..engine.activity import EnergyActivity
from ..voice.interfaces import Recognizer, Synthesizer, VoiceActivity
from .base import Answer, Prompt
from .tone import ToneRecognizer, ToneSynthesizer


class Scripted:
    """
    Answers with what a function returns.

    Args:
        script: a function of the `Prompt`, or answers to be given one after the
            other, the last one again and again.
        recognizer: writes user audio down; by default it tells the length.
        synthesizer: speaks; by default it hums.
        activity: makes a voice activity detector for a session; by default speech is
            what is loud.
    """

    def __init__(
        self,
        script: "Callable[[Prompt], Answer] | Iterable[Answer]",
        *,
        recognizer: Optional[Recognizer] = None,
        synthesizer: Optional[Synthesizer] = None,
        activity: Callable[[], VoiceActivity] = EnergyActivity,
    ) -> None:
        self.recognizer: Optional[Recognizer] = recognizer or ToneRecognizer()
        self.synthesizer: Synthesizer = synthesizer or ToneSynthesizer()
        self._activity = activity
        self._script = script if callable(script) else _scripted_in_turn(script)

    def reply(self, prompt: Prompt) -> Answer:
        """Return what the script says."""
        return self._script(prompt)

    def activity(self) -> VoiceActivity:
        """Return a voice activity detector for one session."""
        return self._activity()


def _scripted_in_turn(answers: Iterable[Answer]) -> Callable[[Prompt], Answer]:
    remaining = list(answers)
    # Guards remaining: several sessions may ask at once.
    lock = threading.Lock()

    def script(prompt: Prompt) -> Answer:
        with lock:
            if len(remaining) > 1:
                return remaining.pop(0)
            return remaining[0] if remaining else None

    return script
