"""Many calls against many gates."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from realtime_sync import errors
from realtime_sync.evaluation import (
    Gate,
    Verdict,
    answered,
    evaluate,
)

from .calls import GATES, good_call, spoken


@pytest.mark.parametrize(
    "named",
    [
        lambda folder: str(folder / "*.jsonl"),
        lambda folder: folder,
        lambda folder: [folder / "good.jsonl", str(folder / "late.jsonl"), folder],
    ],
)
def test_recordings_are_named_in_any_way(
    folder: Path, named: Callable[[Path], object]
) -> None:
    """Patterns, folders, files, and several of them."""
    table = evaluate(named(folder), [])  # type: ignore[arg-type]

    assert {"good", "late", "torn"} == {score.name for score in table}


def test_what_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    """An empty run must not look like a good one."""
    with pytest.raises(errors.ConfigurationError, match="no recordings"):
        evaluate(str(tmp_path / "*.jsonl"), GATES)


@pytest.mark.parametrize(
    "given", [[], "missing.jsonl", ["missing.jsonl", "gone.jsonl"], ["*.wav"]]
)
def test_a_run_of_nothing_is_refused(
    given: object, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)

    with pytest.raises(errors.ConfigurationError, match="no recordings"):
        evaluate(given, GATES)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [5, None, b"good.jsonl", {"good.jsonl": 1}, [[5]]])
def test_what_is_no_recording_is_refused_by_name(given: object) -> None:
    with pytest.raises(errors.ConfigurationError, match="recordings are paths.*, not"):
        evaluate(given, GATES)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name",
    ["missing.jsonl", "a\0b.jsonl", "long" * 2000, "torn.jsonl", "good.jsonl/a.jsonl"],
    ids=["missing", "no name", "long", "torn", "within a file"],
)
def test_a_recording_that_cannot_be_read_is_one_failed_call(
    name: str, folder: Path
) -> None:
    """The others are measured; in a list, a name that was left out would be missed."""
    good, other = evaluate([folder / "good.jsonl", folder / name], [answered()])

    assert good.passed
    assert other.error and not other.passed
    assert Path(name).stem == other.name


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (answered(), "gates are a list"),
        ("answered", "gates are a list"),
        (None, "gates are a list"),
        ({"answered": answered()}, "gates are a list"),
        ([answered], r"answered is no gate: call it, answered\(\.\.\.\)"),
        ([Gate], r"Gate is no gate: call it"),
        (["answered"], "'answered' is no gate"),
        ([[answered()]], "a list of 1 is no gate"),
    ],
    ids=["gate", "text", "none", "mapping", "function", "class", "name", "list"],
)
def test_what_is_no_list_of_gates_is_refused_where_it_is_given(
    given: Any, problem: str, folder: Path
) -> None:
    """With what was probably meant; the same of a single call."""
    call = good_call().record()
    for ask in (lambda: evaluate(folder, given), lambda: call.check(given)):
        with pytest.raises(errors.ConfigurationError, match=problem):
            ask()
    with pytest.raises(errors.ConfigurationError, match="no gate"):
        call.require([answered()])  # type: ignore[arg-type]


def test_a_gate_that_raises_falls_and_the_others_are_asked(folder: Path) -> None:
    """A mistake in one of a thousand calls loses no other."""
    gates = [Gate(name="odd", measure=is_odd), answered()]
    good, _, torn = sorted(evaluate(folder, gates), key=lambda score: score.name)
    (reason,) = good.verdicts["odd"].reasons

    assert ("odd",) == good.fallen
    assert "the gate raised ZeroDivisionError" in reason
    assert "(test_evaluator.py, line " in reason
    assert not torn.verdicts


@pytest.mark.parametrize("given", [None, True, "passed"])
def test_a_gate_that_gives_no_verdict_falls(given: object) -> None:
    gate = Gate(name="mine", measure=lambda call: given)  # type: ignore
    (score,) = evaluate(good_call().record(), [gate])

    reasons = score.verdicts["mine"].reasons

    assert (f"the gate gave {given!r}, and no Verdict",) == reasons


def is_odd(call: object) -> Verdict:
    """A gate with a mistake in it."""
    return Verdict(gate="odd", passed=bool(1 / 0))


def test_gates_of_one_name_are_refused(folder: Path) -> None:
    """One would hide the other."""
    with pytest.raises(errors.ConfigurationError, match="answered"):
        evaluate(folder, [answered(), answered()])


def test_executors_give_the_same_table(folder: Path) -> None:
    """Here, in threads, and in processes of our own where there are many."""
    told: list[tuple[int, int]] = []
    with ThreadPoolExecutor(2) as pool:
        threads = evaluate(
            folder, GATES, executor=pool, progress=lambda n, of: told.append((n, of))
        )
    many = evaluate([folder] * 3, GATES)

    assert [score.to_dict() for score in evaluate(folder, GATES)] == [
        score.to_dict() for score in threads
    ]
    assert [(1, 3), (2, 3), (3, 3)] == told
    assert 9 == len(many)
    assert 6 == len(many.failed)


def test_a_gate_that_no_process_can_be_sent_is_named(folder: Path) -> None:
    """A function within a function: a few recordings are read here, and need none."""
    gate = Gate(name="mine", measure=lambda call: Verdict(gate="mine", passed=True))

    assert evaluate(folder, [gate])
    with pytest.raises(errors.ConfigurationError, match="'mine' cannot be sent"):
        evaluate([folder] * 3, [answered(), gate])
    with ThreadPoolExecutor(2) as pool:
        assert 9 == len(evaluate([folder] * 3, [gate], executor=pool))


class Ending(Executor):
    """Takes two calls, which it never reads, and has ended then."""

    def __init__(self) -> None:
        self.taken: list[Future[Any]] = []

    def submit(self, *call: Any, **more: Any) -> Future[Any]:  # type: ignore[override]
        if len(self.taken) == 2:
            raise BrokenExecutor("it has ended")
        self.taken.append(Future())
        return self.taken[-1]


def test_an_executor_that_ends_is_told_and_keeps_nothing(folder: Path) -> None:
    """Where some calls have been given to it already."""
    executor = Ending()
    with pytest.raises(BrokenExecutor, match="it has ended"):
        evaluate(folder, [answered()], executor=executor)

    assert [True, True] == [each.cancelled() for each in executor.taken]


def test_a_script_that_processes_would_run_again_is_told_so(folder: Path) -> None:
    """They import it; without the usual line each would begin anew."""
    script = folder / "score.py"
    script.write_text(
        "from realtime_sync.evaluation import evaluate, problems\n"
        f"evaluate([{str(folder)!r}] * 3, [problems()])\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=300
    )

    assert done.returncode
    assert "ConfigurationError: a process that reads" in done.stderr
    assert 'below if __name__ == "__main__"' in done.stderr


def test_calls_that_were_made_just_now_are_scored_too(tmp_path: Path) -> None:
    """And shown on the page with their sound."""
    table = evaluate([good_call().record("now"), spoken().record("then")], GATES)
    text = table.to_html(tmp_path / "a.html").read_text(encoding="utf-8")

    assert ["now", "then"] == [score.name for score in table]
    assert 2 == text.count("<audio")


def test_gates_of_ones_own_are_gates(folder: Path) -> None:
    """A function of a call, with a name."""
    gate = Gate(name="short", measure=is_short)

    assert (True, True) == tuple(
        bool(score.verdicts["short"])
        for score in evaluate(folder, [gate])
        if not score.error
    )


def is_short(call: object) -> Verdict:
    """Whether a call is over soon."""
    seconds: float = getattr(call, "seconds")
    return Verdict(gate="short", passed=seconds < 60, value=seconds)


def test_two_recordings_in_one_file_are_none(tmp_path: Path) -> None:
    """Their times begin anew, so that what was said when would be anybody's guess."""
    lines = "".join(line + "\n" for line in good_call().text())
    (tmp_path / "two.jsonl").write_text(lines * 2, "utf-8")
    (score,) = evaluate(tmp_path / "two.jsonl", [answered()])

    assert "another recording begins here" in score.error
    assert f"line {len(lines.splitlines()) + 1}" in score.error
