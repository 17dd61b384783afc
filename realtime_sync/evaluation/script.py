"""Scripted calls: a file of YAML or JSON that says who says what, and what must be."""

from __future__ import annotations

import difflib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Union

from attrs import field, frozen

from .. import live
from ..errors import ConfigurationError, RealtimeError, install_command
from ..protocol.escape import one_line
from . import arguments
from . import gates as known_gates
from . import step_gates
from .call_record import Check
from .caller import Caller, check_moment
from .caller_sound import Conditions, check_keys, check_voice
from .gates import Gate
from .score import Score, score_call
from .table import Table
from .words import words_looked_for

if TYPE_CHECKING:
    from .. import Session

    AnySession = Union[Session, live.LiveSession]

CALL_CONFIG: Mapping[str, Any] = {
    "audio": {"input": {"transcription": {"model": "gpt-4o-mini-transcribe"}}}
}
"""
What sessions are configured with if a script does not say: one must know what was
understood. Sessions of GPT-Live tell it by themselves.
"""

GREETING = "Greet the caller now."
"""What a model of GPT-Live is told that is to speak first."""

GATES: Mapping[str, Callable[..., Gate]] = {
    name: getattr(known_gates, name)
    for name in (
        "answered cost first_audio_ms heard_whole never_says problems says silence_ms "
        "stopped_within_ms talk_over_ms tokens tool_called tool_not_called turn_count "
        "wer"
    ).split()
}
"""Gates by the names that scripts use; `judge` needs a model, and a program."""

CALLER = frozenset("voice noise gain speech_rate telephone loss jitter seed".split())
"""What a script may say of a caller, see `Caller`."""

VERBS: Mapping[str, frozenset[str]] = {
    "hear": frozenset({"expect"}),
    "say": frozenset({"expect", "within_ms"}),
    "play": frozenset({"text", "expect", "within_ms"}),
    "interrupt": frozenset({"after", "word", "expect", "within_ms", "stop_within_ms"}),
    "pause": frozenset(),
    "dtmf": frozenset(),
}
"""What a step may be, and what may be said of it."""

_VOICE = ("voice", "speech_rate")
"""What a script says of a caller that the speaking of a text depends on."""

_LONGEST_NAME = 200
"""Bytes; systems of files take a little more."""

_CALLS = {"least": 1, "most": 1000}
"""How often a call may be made, and how many side by side."""

SCRIPT = frozenset({"config", "gates", "calls", "repeat", "parallel", *CALLER})
CALL = frozenset({"name", "steps", "gates", "greeting", *CALLER})


@frozen(kw_only=True)
class Step:
    """
    One thing that a caller does.

    Attributes:
        verb: a key of `VERBS`.
        what: the words, the file, the keys, or the seconds.
        options: what the step's other members say.
    """

    verb: str
    what: Any = None
    options: Mapping[str, Any] = field(factory=dict)


@frozen(kw_only=True)
class ScriptedCall:
    """
    One call of a script.

    Attributes:
        name: of the call, and of its recording.
        steps: in order.
        gates: what it must be.
        caller: keyword arguments of the `Caller`.
        greeting: the agent is asked to speak first.
    """

    name: str
    steps: Sequence[Step] = ()
    gates: Sequence[Check] = ()
    caller: Mapping[str, Any] = field(factory=dict)
    greeting: bool = False

    def run(self, session: AnySession, record: Path, *, patience: float) -> Caller:
        """Make the call, and hang up; `Caller.hang_up` gives what it was."""
        with Caller(session, record=record, patience=patience, **self.caller) as caller:
            if self.greeting:
                if isinstance(session, live.LiveSession):
                    session.instruct(GREETING)
                else:
                    session.response.create()
                if not self.steps or self.steps[0].verb not in ("hear", "interrupt"):
                    caller.hear()
            for step in self.steps:
                _do_script_step(caller, step)
        return caller


@frozen(kw_only=True)
class Script:
    """
    What a file of scripted calls says.

    Attributes:
        calls: different in name.
        config: of the sessions.
        repeat: how often each call is made.
        parallel: how many calls are made side by side.
    """

    calls: Sequence[ScriptedCall]
    config: Mapping[str, Any] = CALL_CONFIG
    repeat: int = 1
    parallel: int = 1

    @classmethod
    def load(cls, path: Union[str, os.PathLike[str]]) -> Script:
        """
        Read a file: JSON if its name ends so, else YAML.

        Raises:
            OSError: it cannot be read.
            ConfigurationError: it says what no script can say; the message says where.
        """
        file = Path(path)
        try:
            text = file.read_text(encoding="utf-8")
            told = (
                _script_from_json(text)
                if file.suffix == ".json"
                else _script_from_yaml(text)
            )
        except (ValueError, RecursionError) as exc:
            reason = one_line(f"{exc}" or type(exc).__name__)
            raise ConfigurationError(f"{file} cannot be read: {reason}") from None
        try:
            return cls.of(told, folder=file.parent)
        except ConfigurationError as exc:
            raise ConfigurationError(f"{file}: {exc}") from None

    @classmethod
    def of(cls, told: object, *, folder: Union[str, Path] = ".") -> Script:
        """
        The script that a mapping says.

        Args:
            told: what the file has, decoded.
            folder: where sound files are.

        Raises:
            ConfigurationError: it says what no script can say; the message says where.
        """
        top = _mapping_in_script(told, "the script", SCRIPT)
        calls = top.get("calls")
        if not isinstance(calls, list) or not calls:
            raise ConfigurationError("a script has calls, a list of at least one")
        shared = {name: top[name] for name in CALLER if name in top}
        _check_script_caller(shared, "the script")
        gates = _script_gates(top.get("gates"), "the script")
        made = [
            _script_call(call, number, shared, gates, Path(folder))
            for number, call in enumerate(calls, 1)
        ]
        names = [call.name for call in made]
        for name in names:
            if names.count(name) > 1:
                raise ConfigurationError(f"two calls are named {name!r}")
        return cls(
            calls=made,
            config=_mapping_in_script(top.get("config", CALL_CONFIG), "config", None),
            repeat=arguments.count("repeat", top.get("repeat", 1), **_CALLS),
            parallel=arguments.count("parallel", top.get("parallel", 1), **_CALLS),
        )

    def run(
        self,
        connect: Callable[[str, Mapping[str, Any]], AnySession],
        folder: Union[str, os.PathLike[str]],
        *,
        repeat: Optional[int] = None,
        parallel: Optional[int] = None,
        patience: float = 15.0,
        progress: Callable[[int, int], object] = lambda done, total: None,
    ) -> Table:
        """
        Make all calls, in real time.

        Everything that is to be spoken is made before the first call, so that nobody
        is called for a text that cannot be. A call that breaks is a failed call,
        whatever it breaks by, and the others go on.

        Args:
            connect: gives an open session, of GPT-Live too, of the name and the
                configuration that it is called with; called once for each call, on
                several threads.
            folder: where the recordings are put; made if it is not there.
            repeat, parallel: instead of what the script says.
            patience: seconds that a caller waits for an answer.
            progress: called with how many calls are done, and of how many.

        Raises:
            ConfigurationError: an argument is wrong, an extra is missing, a text has
                no sound; or no call could be made, for what is configured: then as
                the first one says.
            OSError: the folder cannot be written to, or no recording in it.
        """
        count = self.repeat if repeat is None else repeat
        arguments.count("repeat", count, **_CALLS)
        side_by_side = self.parallel if parallel is None else parallel
        arguments.count("parallel", side_by_side, **_CALLS)
        arguments.seconds("patience", patience)
        self._check_words()
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=target):
            pass  # Who may not write there learns it before anybody is called.
        runs = [
            (f"{call.name}.{number:02d}" if count > 1 else call.name, call)
            for number in range(1, count + 1)
            for call in self.calls
        ]

        def make(run: tuple[str, ScriptedCall]) -> Union[Score, Exception]:
            try:
                return self._made(*run, connect, target, patience)
            except (RealtimeError, OSError) as exc:
                return exc

        scores, faults = [], []
        with ThreadPoolExecutor(side_by_side) as pool:
            for (name, _), made in zip(runs, pool.map(make, runs)):
                if isinstance(made, (ConfigurationError, OSError)):
                    faults.append(made)
                if isinstance(made, Exception):
                    error = one_line(f"{type(made).__name__}: {made}")
                    path = _recording_of(target, name)
                    made = Score(name=name, path=str(path), error=error)
                scores.append(made)
                progress(len(scores), len(runs))
        if len(faults) == len(runs):
            # It is no call that is wrong, but what all of them are made with.
            raise faults[0]
        return Table(scores)

    def _check_words(self) -> None:
        """
        See that everything that is to be said can be spoken.

        Raises:
            ConfigurationError: it cannot; the message says which step of which call.
        """
        spoken: set[tuple[str, Conditions]] = set()
        for number, call in enumerate(self.calls, 1):
            caller = {key: call.caller[key] for key in _VOICE if key in call.caller}
            conditions = Conditions(**caller)
            for place, step in enumerate(call.steps, 1):
                if step.verb not in ("say", "interrupt"):
                    continue
                if (step.what, conditions) in spoken:
                    continue
                spoken.add((step.what, conditions))
                try:
                    conditions.spoken(step.what)
                except ConfigurationError as exc:
                    where = f"call {number} ({call.name}), step {place}: {step.verb}"
                    raise ConfigurationError(f"{where}: {exc}") from None

    def _made(
        self,
        name: str,
        call: ScriptedCall,
        connect: Callable[[str, Mapping[str, Any]], AnySession],
        folder: Path,
        patience: float,
    ) -> Score:
        path = _recording_of(folder, name)
        with connect(name, self.config) as session:
            caller = call.run(session, path, patience=patience)
            return score_call(caller.hang_up(), call.gates)


def _recording_of(folder: Path, name: str) -> Path:
    return folder / f"{name}.jsonl"


def _do_script_step(caller: Caller, step: Step) -> None:
    options = step.options
    if step.verb == "hear":
        caller.hear()
    elif step.verb == "say":
        caller.say(step.what)
    elif step.verb == "play":
        caller.say(step.what, text=str(options.get("text", "")))
    elif step.verb == "interrupt":
        after, word = options.get("after"), options.get("word")
        caller.interrupt(step.what, after=after, word=word)
    elif step.verb == "pause":
        caller.pause(step.what)
    else:
        caller.dtmf(str(step.what))


# -- reading ---------------------------------------------------------------------------


def _script_from_json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_script_mapping)


def _script_mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """One value for each key; of two, one would be left out without a word."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} is there twice")
    return found


def _script_from_yaml(text: str) -> Any:
    try:
        import yaml
    except ImportError as exc:
        raise ConfigurationError(
            f"scripts in YAML need PyYAML: {install_command('evaluation')}"
        ) from exc

    class Loader(yaml.SafeLoader):
        """Refuses a key that is there twice, of which YAML takes the last."""

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen: set[str] = set()
            for key, _ in node.value:
                line = key.start_mark.line + 1
                if key.value in seen and isinstance(key.value, str):
                    raise ValueError(f"line {line}: {key.value!r} is there twice")
                if isinstance(key.value, str):
                    seen.add(key.value)
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(text, Loader)
    except yaml.YAMLError as exc:
        raise ValueError(" ".join(str(exc).split())) from None


def _script_call(
    told: object,
    number: int,
    shared: Mapping[str, Any],
    gates: Sequence[Gate],
    folder: Path,
) -> ScriptedCall:
    where = f"call {number}"
    call = _mapping_in_script(told, where, CALL)
    name = arguments.text(f"{where}: name", call.get("name", f"call-{number}"))
    fits = name.isprintable() and len(name.encode("utf-8", "replace")) <= _LONGEST_NAME
    if any(each in name for each in "/\\") or name.startswith(".") or not fits:
        raise ConfigurationError(
            f"{where}: {arguments.shown(name)} is no name of a file"
        )
    where = f"{where} ({name})"
    own_caller = {key: call[key] for key in CALLER if key in call}
    _check_script_caller(own_caller, where)
    steps = call.get("steps")
    if not isinstance(steps, list) or not steps:
        raise ConfigurationError(f"{where} has steps, a list of at least one")
    made = [
        _script_step(step, f"{where}, step {place}", folder)
        for place, step in enumerate(steps, 1)
    ]
    own = _script_gates(call.get("gates"), where)
    replaced = {gate.name for gate in own}
    kept = [gate for gate in gates if gate.name not in replaced]
    caller = {**shared, **own_caller}
    return ScriptedCall(
        name=name,
        steps=made,
        gates=(*kept, *own, *_script_step_gates(made)),
        caller=caller,
        greeting=arguments.flag(f"{where}: greeting", call.get("greeting", False)),
    )


def _script_step(told: object, where: str, folder: Path) -> Step:
    if told == "hear":
        return Step(verb="hear")
    step = _mapping_in_script(told, where, None)
    verbs = [key for key in step if key in VERBS]
    if len(verbs) != 1:
        known, has = ", ".join(VERBS), one_line(", ".join(step))
        raise ConfigurationError(f"{where} does one thing of {known}, and has: {has}")
    verb = verbs[0]
    _mapping_in_script(step, where, VERBS[verb] | {verb})
    options = {key: value for key, value in step.items() if key != verb}
    for key, value in options.items():
        _check_script_option(f"{where}: {key}", key, value)
    if verb == "interrupt":
        try:
            check_moment(step.get("after"), step.get("word"))
        except ConfigurationError as exc:
            raise ConfigurationError(f"{where}: {exc}") from None
    return Step(
        verb=verb, what=_script_words(verb, step[verb], where, folder), options=options
    )


def _script_words(verb: str, what: Any, where: str, folder: Path) -> Any:
    """What a step does it with: words, a file, keys, seconds, or nothing."""
    name = f"{where}: {verb}"
    if verb == "play":
        path = folder / arguments.text(name, what)
        if not path.is_file():
            raise ConfigurationError(f"{name}: there is no {path}")
        try:
            # Before anybody is called: in the midst of calls they would all be lost.
            Conditions().spoken(path)
        except (OSError, ConfigurationError) as exc:
            raise ConfigurationError(f"{name}: {exc}") from None
        return path
    if verb == "pause":
        return arguments.seconds(name, what)
    if verb == "dtmf":
        if isinstance(what, int):
            # To YAML, 0123 is eighty-three.
            raise ConfigurationError(f"{name} is a text: put the keys into quotes")
        check_keys(name, what)
    elif verb == "hear":
        if what is not None and what is not True:
            raise ConfigurationError(
                f"{name} has no value, not {arguments.shown(what)}"
            )
    else:
        words = arguments.text(name, what)
        if not any(each.isalnum() for each in words):
            raise ConfigurationError(f"{name}: there is no word in {what!r}")
        return words
    return what


def _check_script_option(name: str, key: str, value: Any) -> None:
    """Refuse what a member of a step cannot be; `check_moment` looks at the others."""
    if key in ("within_ms", "stop_within_ms"):
        arguments.number(name, value)
    elif key == "expect":
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        words_looked_for(str(value) if number else arguments.text(name, value))
    elif key == "text":
        arguments.text(name, value, empty=True)


def _check_script_caller(given: Mapping[str, Any], where: str) -> None:
    """Refuse what no caller can sound like, before any has called."""
    try:
        arguments.count("seed", given.get("seed", 0))
        if "voice" in given:
            check_voice(given["voice"])
        Conditions(**{key: value for key, value in given.items() if key != "seed"})
    except ConfigurationError as exc:
        raise ConfigurationError(f"{where}: {exc}") from None


def _script_step_gates(steps: Iterable[Step]) -> Iterable[Gate]:
    """What steps say that must be, as gates."""
    for number, step in enumerate(steps, 1):
        options = step.options
        said = step.what if step.verb in ("say", "interrupt") else options.get("text")
        if "within_ms" in options:
            yield step_gates.within_ms(number, said, options["within_ms"])
        if "expect" in options:
            yield step_gates.expect(number, said, str(options["expect"]))
        if "stop_within_ms" in options:
            yield step_gates.stopped(number, said, options["stop_within_ms"])


def _script_gates(told: object, where: str) -> list[Gate]:
    if told is None:
        return []
    found = []
    for name, value in _mapping_in_script(
        told, f"{where}: gates", frozenset(GATES)
    ).items():
        for each in value if isinstance(value, list) else [value]:
            try:
                found.append(_script_gate(GATES[name], each))
            except (TypeError, ConfigurationError) as exc:
                raise ConfigurationError(f"{where}: gate {name}: {exc}") from None
    names = [gate.name for gate in found]
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(f"{where}: two gates are {name!r}")
    return found


def _script_gate(make: Callable[..., Gate], told: object) -> Gate:
    if told is True or told is None:
        return make()
    if isinstance(told, dict):
        return make(**told)
    return make(told)


def _mapping_in_script(
    told: object, where: str, known: Optional[frozenset[str]]
) -> Mapping[str, Any]:
    if not isinstance(told, Mapping) or not all(isinstance(key, str) for key in told):
        raise ConfigurationError(f"{where} is a mapping, not {arguments.shown(told)}")
    for key in told if known is not None else ():
        if key not in (known or ()):
            near = difflib.get_close_matches(key, sorted(known or ()), 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigurationError(f"{where} has no {key!r}{hint}")
    return told
