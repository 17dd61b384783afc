"""Scripts of calls: what they may say, and what happens when they run."""

from __future__ import annotations

import errno
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

import pytest

from realtime_sync import Session, audio, connect, errors
from realtime_sync.evaluation import CallRecord, Script
from realtime_sync.server import serve
from realtime_sync.server.agents.scripted import Scripted
from realtime_sync.server.agents.tone import ToneSynthesizer

from .booking import CONFIG, ListedRecognizer
from .calls import good_call

TONE = audio.tone(400, 0.4)


def script(*steps: Any, **more: Any) -> dict[str, Any]:
    """A script of one call, decoded."""
    return {"calls": [{"name": "one", "steps": list(steps), **more}]}


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        ([], "the script is a mapping"),
        ({}, "has calls"),
        ({"calls": []}, "has calls"),
        ({"cals": []}, "did you mean 'calls'"),
        ({"calls": [{"name": "a"}]}, r"call 1 \(a\) has steps"),
        ({"calls": [{"name": "../a", "steps": ["hear"]}]}, "no name of a file"),
        ({"calls": [{"name": 5, "steps": ["hear"]}]}, "call 1: name is a text"),
        ({"calls": [{"name": "a\nb", "steps": ["hear"]}]}, "no name of a file"),
        ({"calls": [{"name": "a" * 300, "steps": ["hear"]}]}, "no name of a file"),
        (script("here"), r"call 1 \(one\), step 1 is a mapping"),
        (script({"sey": "hello"}), "does one thing of hear, say"),
        (script({"say": "hello", "pause": 1}), "does one thing"),
        (script({"say": ""}), "step 1: say is a text"),
        (script({"say": 5}), "step 1: say is a text, not 5"),
        (script({"say": "..."}), "step 1: say: there is no word in"),
        (script({"say": "a", "withn_ms": 5}), "did you mean 'within_ms'"),
        (script({"say": "a", "within_ms": "soon"}), "within_ms is a number"),
        (script({"say": "a", "within_ms": math.nan}), "within_ms is a number"),
        (script({"say": "a", "within_ms": math.inf}), "within_ms is a number"),
        (script({"say": "a", "within_ms": 10**400}), "within_ms is a number"),
        (script({"say": "a", "within_ms": True}), "within_ms is a number"),
        (script({"say": "a", "after": 5}), "has no 'after'"),
        (script({"say": "a", "expect": "!"}), "no word in '!'"),
        (script({"say": "a", "expect": ["b"]}), "expect is a text"),
        (script({"say": "a", "expect": True}), "expect is a text"),
        (script({"hear": 5}), "hear has no value"),
        (script({"pause": "long"}), "pause is a number"),
        (script({"pause": True}), "pause is a number"),
        (script({"pause": 1e9}), "from 0 to 86400"),
        (script({"interrupt": "a", "after": [1]}), "after is a number"),
        (script({"interrupt": "a", "after": [2, 1]}), "after is from 1.* to 2"),
        (script({"interrupt": "a", "after": -1}), "step 1: after is a number"),
        (script({"interrupt": "a", "word": 5}), "step 1: word is a text"),
        (script({"interrupt": "a", "word": "b", "after": 1}), "not both"),
        (script({"play": "no.wav"}), "there is no"),
        (script({"play": 5}), "play is a text"),
        (script({"dtmf": 123}), "put the keys into quotes"),
        (script({"dtmf": "5x"}), "dtmf are of those of a telephone"),
        (script("hear", voice="nobody"), r"\(one\): voice is one of heart, deep, not"),
        (script("hear", voice="marin"), "voice is one of heart, deep, not 'marin'"),
        (script("hear", voice="Deep"), "voice is one of heart, deep, not 'Deep'"),
        (script("hear", voice=5), "voice is a text"),
        ({**script("hear"), "voice": "nobody"}, "the script: voice is one of heart"),
        (script("hear", noise="loud"), r"call 1 \(one\): noise is a number"),
        (script("hear", telephone="no"), "telephone is true or false"),
        (script("hear", greeting="yes"), "greeting is true or false"),
        (script("hear", seed=1.5), "seed is a whole number"),
        ({**script("hear"), "speech_rate": 9}, "the script: speech_rate is a number"),
        (script({"say": "a"}, gates={"werr": 1}), "did you mean 'wer'"),
        (script({"say": "a"}, gates={"wer": {"least": 1}}), r"\(one\): gate wer"),
        (script({"say": "a"}, gates={"wer": {"most": math.nan}}), "gate wer: most is"),
        (script({"say": "a"}, gates={"says": ["a", "a"]}), "two gates are"),
        (script({"say": "a"}, gates={"first_audio_ms": True}), "needs p50"),
        ({**script("hear"), "repeat": 0}, "repeat is a whole number"),
        ({**script("hear"), "repeat": 1.5}, "repeat is a whole number"),
        ({**script("hear"), "parallel": "two"}, "parallel is a whole number"),
        ({**script("hear"), "config": 5}, "config is a mapping"),
        ({"calls": script("hear")["calls"] * 2}, "two calls are named 'one'"),
    ],
)
def test_what_a_script_cannot_say_is_refused_with_its_place(
    told: Any, problem: str
) -> None:
    """Before any call is made, and with what was probably meant."""
    with pytest.raises(errors.ConfigurationError, match=problem):
        Script.of(told)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is not an audio file"),
        (b"RIFF\0\0\0\0WAVE", "is not an audio file"),
        (b"hello", "is not an audio file"),
        (None, "there is no sound in"),
    ],
    ids=["empty", "torn", "text", "no samples"],
)
def test_a_file_that_nobody_can_hear_is_refused_before_anybody_is_called(
    content: Optional[bytes], problem: str, tmp_path: Path
) -> None:
    if content is None:
        audio.write_wav(tmp_path / "hello.wav", b"")
    else:
        (tmp_path / "hello.wav").write_bytes(content)

    with pytest.raises(errors.ConfigurationError, match=f"step 1: play: .*{problem}"):
        Script.of(script({"play": "hello.wav"}), folder=tmp_path)


def test_scripts_are_yaml_or_json(tmp_path: Path) -> None:
    """The same words either way; what is neither is said so."""
    told = script({"say": "hello", "within_ms": 900}, gates={"says": ["a", "b"]})
    (tmp_path / "a.json").write_text(json.dumps(told), encoding="utf-8")
    (tmp_path / "a.yaml").write_text(json.dumps(told), encoding="utf-8")
    (tmp_path / "bad.yaml").write_text("calls: [", encoding="utf-8")
    (tmp_path / "bad.json").write_text("{", encoding="utf-8")
    read = [Script.load(tmp_path / f"a.{kind}") for kind in ("json", "yaml")]

    assert read[0] == read[1]
    assert ["says 'a'", "says 'b'", "step 1 within_ms"] == [
        gate.name for gate in read[0].calls[0].gates
    ]
    for kind in ("yaml", "json"):
        with pytest.raises(errors.ConfigurationError, match="cannot be read"):
            Script.load(tmp_path / f"bad.{kind}")


ALIASES = "x: &a [1]\n" + "".join(
    f"y{n}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(20)
)
"""A million ones, if somebody wrote them out."""


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.yaml", "calls:\n- name: a\n  steps: [hear]\n  name: b\n", "line 4: 'name'"),
        ("a.json", '{"calls": [], "calls": []}', "'calls' is there twice"),
        ("a.yaml", "calls:\n- steps: [{say: 5}]\n", "call-1.*, step 1: say is a text"),
        ("a.json", '{"calls": [{"steps": [{"pause": NaN}]}]}', "pause is a number"),
        ("a.yaml", "- \xff", "cannot be read"),
        ("a.yaml", "a: *b", "cannot be read"),
        ("a.yaml", "[" * 5000, "cannot be read"),
        ("a.yaml", ALIASES, "has no 'x'"),
        ("a.yaml", "calls: &a [[1, 2]]", "call 1 is a mapping, not a list of 2"),
    ],
)
def test_a_file_that_is_no_script_says_which_and_where(
    tmp_path: Path, name: str, text: str, problem: str
) -> None:
    """The file, and in it the line or the place."""
    path = tmp_path / name
    path.write_bytes(text.encode("latin-1"))

    with pytest.raises(errors.ConfigurationError, match=problem) as raised:
        Script.load(path)
    assert str(path) in str(raised.value)
    assert len(str(raised.value)) < 1000


@pytest.mark.parametrize(
    "given",
    [{"repeat": 0}, {"parallel": True}, {"repeat": 5000}, {"patience": math.nan}],
    ids=repr,
)
def test_what_a_run_cannot_be_is_refused_before_anything_is_made(
    tmp_path: Path, given: dict[str, Any]
) -> None:
    """No folder is there then, and nobody was called."""

    def called(name: str, config: Mapping[str, Any]) -> Session:
        raise AssertionError(name)

    with pytest.raises(errors.ConfigurationError, match=next(iter(given))):
        Script.of(script("hear")).run(called, tmp_path / "calls", **given)
    assert not (tmp_path / "calls").exists()


def test_a_call_s_own_gates_take_the_place_of_the_shared_ones() -> None:
    """A call that may be slow says so, and the others stay strict."""
    told = {
        "gates": {"first_audio_ms": {"p95": 500}, "answered": True},
        "calls": [
            {"name": "a", "steps": ["hear"]},
            {"name": "b", "steps": ["hear"], "gates": {"first_audio_ms": {"p95": 900}}},
        ],
    }
    first, second = Script.of(told).calls
    record = good_call().record()

    assert [False, True] == [
        bool({gate.name: gate for gate in call.gates}["first_audio_ms"].check(record))
        for call in (first, second)
    ]
    assert {gate.name for gate in first.gates} == {gate.name for gate in second.gates}


@pytest.mark.parametrize(
    ("step", "falls"),
    [
        ({"say": "at eight", "within_ms": 900}, ""),
        ({"say": "At eight.", "within_ms": 900}, ""),
        ({"say": "At eight.", "within_ms": 700}, "turn 2 at"),
        ({"say": "At nine.", "within_ms": 900}, "no such turn"),
        ({"say": "At eight.", "expect": "table for two"}, ""),
        ({"say": "At eight.", "expect": "forward"}, "turn 2 at"),
        ({"interrupt": "Thank you.", "stop_within_ms": 300}, ""),
        ({"interrupt": "Thank you.", "stop_within_ms": 100}, "turn 2 at"),
        ({"interrupt": "At eight.", "stop_within_ms": 300}, "turn 1 at"),
    ],
)
def test_what_a_step_asks_is_asked_of_its_own_turn(
    step: dict[str, Any], falls: str
) -> None:
    """And the message shows that turn."""
    (gate,) = Script.of(script(step)).calls[0].gates
    verdict = gate.check(good_call().record())
    if step.get("say") == "at eight":
        falls = "no such turn"

    assert bool(falls) != bool(verdict)
    assert falls in str(verdict)


BROKEN_BY: Mapping[str, Exception] = {
    "broken": errors.ConnectFailed("the line is dead"),
    "odd": errors.ConfigurationError("there is no such agent"),
    "locked": PermissionError("not yours"),
}


@pytest.mark.parametrize("error", BROKEN_BY.values(), ids=BROKEN_BY)
def test_what_no_call_could_be_made_for_is_said_once(
    error: Exception, tmp_path: Path
) -> None:
    """A wrong address is no matter of a call; a server that is away is one of each."""

    def opened(name: str, config: Mapping[str, Any]) -> Session:
        raise error

    many = Script.of({**script("hear"), "repeat": 3})
    if isinstance(error, errors.ConnectFailed):
        assert 3 == len(many.run(opened, tmp_path).failed)
        return
    with pytest.raises(type(error), match=str(error)):
        many.run(opened, tmp_path)


class SilentSynthesizer:
    """Has no sound for some words, as engines have not for other scripts."""

    def __init__(self) -> None:
        self.spoken: list[tuple[str, Optional[str], float]] = []

    def speak(
        self, text: str, *, voice: Optional[str] = None, speed: float = 1.0
    ) -> bytes:
        """Hum, but for what nobody can say."""
        self.spoken.append((text, voice, speed))
        return b"" if "\u65e5" in text else TONE


@pytest.mark.parametrize("verb", ["say", "interrupt"])
def test_words_without_a_sound_are_found_before_anybody_is_called(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With their place; each text is spoken once for each voice."""
    speaking = SilentSynthesizer()
    home = "realtime_sync.evaluation.caller_sound.default_synthesizer"
    monkeypatch.setattr(home, lambda: speaking)
    steps = [{"say": "hello"}, {"say": "hello"}, {verb: "\u65e5\u672c"}]
    told = {
        "calls": [
            {"name": "a", "steps": [{"say": "hello"}]},
            {"name": "b", "steps": [{"say": "hello"}], "voice": "deep"},
            {"name": "c", "steps": steps, "gain": 3.0},
        ]
    }

    def opened(name: str, config: Mapping[str, Any]) -> Session:
        raise AssertionError(name)

    problem = rf"call 3 \(c\), step 3: {verb}: there is no sound in"
    with pytest.raises(errors.ConfigurationError, match=problem):
        Script.of(told).run(opened, tmp_path / "calls")
    assert not (tmp_path / "calls").exists()
    assert [("hello", "heart", 1.0), ("hello", "deep", 1.0)] == speaking.spoken[:2]
    assert 3 == len(speaking.spoken)


def test_a_folder_that_takes_no_file_is_found_before_anybody_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one of another user's is, or of a disk that is only read."""

    def refused(**given: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(given["dir"]))

    def opened(name: str, config: Mapping[str, Any]) -> Session:
        raise AssertionError(name)

    monkeypatch.setattr("tempfile.TemporaryFile", refused)
    with pytest.raises(PermissionError, match="calls"):
        Script.of(script("hear")).run(opened, tmp_path / "calls")


def test_calls_of_a_script_are_made_recorded_and_scored(tmp_path: Path) -> None:
    """Every verb, twice each, side by side; a call that breaks is a failed one."""
    audio.write_wav(tmp_path / "hello.wav", TONE)
    told = {
        "repeat": 2,
        "parallel": 4,
        "config": CONFIG,
        "calls": [
            {
                "name": "all",
                "greeting": True,
                "seed": 3,
                "steps": [
                    "hear",
                    {"play": "hello.wav", "text": "hello"},
                    {"pause": 0.1},
                    {"dtmf": "5"},
                ],
                "gates": {"says": "one two", "turn_count": {"most": 3}},
            },
            {"name": "broken", "steps": [{"play": "hello.wav"}]},
            {"name": "odd", "steps": [{"play": "hello.wav"}]},
            {"name": "locked", "steps": [{"play": "hello.wav"}]},
        ],
    }
    answer = "One two three."
    agent = Scripted(
        [answer], recognizer=ListedRecognizer(), synthesizer=ToneSynthesizer()
    )
    with serve(agent=agent, pace=8.0) as server:

        def opened(name: str, config: Mapping[str, Any]) -> Session:
            for kind, error in BROKEN_BY.items():
                if name.startswith(kind):
                    raise error
            return connect(
                "gpt-realtime-2.1", base_url=server.url, config=dict(config), name=name
            )

        table = Script.of(told, folder=tmp_path).run(opened, tmp_path / "calls")
    made = CallRecord.load(tmp_path / "calls" / "all.02.jsonl")

    names = ["all", *BROKEN_BY]
    failed = [f"{name}.{number}" for number in ("01", "02") for name in BROKEN_BY]
    assert [f"{name}.01" for name in names] == [score.name for score in table][:4]
    assert failed == [score.name for score in table.failed]
    for score, error in zip(table.failed, [*BROKEN_BY.values()] * 2):
        assert f"{type(error).__name__}: {error}" == score.error
    assert set(names) == {score.group for score in table}
    assert answer == made.turns[0].answer
    assert "hello" == made.turns[1].said
