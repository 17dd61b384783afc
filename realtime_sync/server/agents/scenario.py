"""
Scenario files: what the scripted agent says, and what goes wrong, written down.

A scenario is a JSON object::

    {
      "replies": [
        {"when": "dice", "call": {"name": "roll", "arguments": {"dice": 2}}},
        {"after": "function_call_output", "say": "It is {text}."},
        {"say": ["One moment.", "Done."], "once": true},
        {"fail": {"code": "insufficient_quota", "message": "No money left."}}
      ],
      "faults": ["drop_after:20"],
      "options": {"pace": 1.0}
    }

The first reply whose conditions hold is given: ``when`` is a regular expression
searched in the last item, ``after`` the type of the last item; a reply with ``once``
is given once per server. ``{text}`` stands for the last item's text. In a session of
GPT-Live a reply with ``"delegate": true``, or with the words of an acknowledgement
there, hands work on.
"""

from __future__ import annotations

import importlib.util
import json
import re
import threading
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, Optional, Sequence

import attrs

from ...errors import ConfigurationError
from .base import Answer, Call, Delegate, Failure, Piece, Prompt, Say, item_text
from .scripted import Scripted

_KEYS = frozenset({"when", "after", "once", "say", "call", "delegate", "fail"})


@attrs.frozen
class AgentScenario:
    """
    A scenario as it was read.

    Attributes:
        agent: says what the replies say.
        faults: to be given to `serve`.
        options: to be given to `serve`.
    """

    agent: Scripted
    faults: tuple[str, ...] = ()
    options: Mapping[str, Any] = attrs.field(factory=dict)


def read_scenario(path: str) -> AgentScenario:
    """
    Read a scenario: a JSON file, or a Python file with a function ``reply(prompt)``.

    Raises:
        ConfigurationError: the file cannot be read, or is not a scenario.
    """
    file = Path(path)
    try:
        if file.suffix == ".py":
            return AgentScenario(Scripted(_scenario_function(file)))
        return scenario(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError) as exc:
        if isinstance(exc, ConfigurationError):
            raise ConfigurationError(f"{path}: {exc}") from exc
        raise ConfigurationError(f"cannot read the scenario {path}: {exc}") from exc


def scenario(data: object) -> AgentScenario:
    """
    Make a scenario out of decoded JSON.

    Raises:
        ConfigurationError: it is not one.
    """
    if not isinstance(data, dict) or not isinstance(data.get("replies"), list):
        raise ConfigurationError('a scenario is an object with a list "replies"')
    unknown = set(data) - {"replies", "faults", "options"}
    if unknown:
        raise ConfigurationError(f"a scenario has no {', '.join(sorted(unknown))}")
    replies = [
        _ScenarioReply.of(each, number) for number, each in enumerate(data["replies"])
    ]
    return AgentScenario(
        Scripted(_Replies(replies)),
        tuple(data.get("faults", ())),
        dict(data.get("options", {})),
    )


def _scenario_function(file: Path) -> Callable[[Prompt], Answer]:
    spec = importlib.util.spec_from_file_location("realtime_scenario", file)
    if spec is None or spec.loader is None or not file.is_file():
        raise ConfigurationError("there is no such Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    reply = getattr(module, "reply", None)
    if not callable(reply):
        raise ConfigurationError("it has no function reply(prompt)")
    found: Callable[[Prompt], Answer] = reply
    return found


@attrs.define
class _ScenarioReply:
    when: Optional["re.Pattern[str]"]
    after: Optional[str]
    once: bool
    say: Sequence[str]
    calls: Sequence[Call]
    delegate: Optional[Delegate]
    fail: Optional[Failure]
    given: bool = False

    @classmethod
    def of(cls, data: object, number: int) -> _ScenarioReply:
        where = f"reply {number + 1}"
        if not isinstance(data, dict) or not set(data) <= _KEYS:
            raise ConfigurationError(f"{where}: an object with {sorted(_KEYS)}")
        try:
            when = re.compile(data["when"], re.IGNORECASE) if "when" in data else None
            calls = [
                Call(call["name"], call.get("arguments", {}))
                for call in _scenario_list(data.get("call", []))
            ]
            delegate = _scenario_delegation(data.get("delegate", False))
            fail = Failure(**data["fail"]) if "fail" in data else None
        except (re.error, KeyError, TypeError, AttributeError) as exc:
            raise ConfigurationError(f"{where}: {exc!r}") from exc
        once = bool(data.get("once", False))
        say = _scenario_list(data.get("say", []))
        return cls(when, data.get("after"), once, say, calls, delegate, fail)

    def fits(self, text: str, kind: str) -> bool:
        if self.once and self.given:
            return False
        if self.after is not None and self.after != kind:
            return False
        return self.when is None or self.when.search(text) is not None

    def pieces(self, text: str) -> Iterator[Piece]:
        for words in self.say:
            yield Say(words.replace("{text}", text))
        yield from self.calls
        if self.delegate is not None:
            yield self.delegate
        if self.fail is not None:
            raise self.fail


class _Replies:
    def __init__(self, replies: list[_ScenarioReply]) -> None:
        self._replies = replies
        # Guards what was given: several sessions may ask at once.
        self._lock = threading.Lock()

    def __call__(self, prompt: Prompt) -> Answer:
        last = prompt.last or {}
        text, kind = item_text(last), str(last.get("type", ""))
        with self._lock:
            reply = next((r for r in self._replies if r.fits(text, kind)), None)
            if reply is None:
                return None
            reply.given = True
        return reply.pieces(text)


def _scenario_delegation(value: Any) -> Optional[Delegate]:
    """What ``true``, or the words of an acknowledgement, stand for."""
    if isinstance(value, bool):
        return Delegate() if value else None
    if isinstance(value, str):
        return Delegate(value)
    raise TypeError(f"delegate is true or a text, not {value!r}")


def _scenario_list(value: object) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]
