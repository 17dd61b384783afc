"""Many calls against many gates: tables, files, comparisons."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from realtime_sync import errors
from realtime_sync.evaluation import (
    CallRecord,
    Gate,
    Score,
    Table,
    Verdict,
    answered,
    evaluate,
    first_audio_ms,
    tool_called,
    wer,
)

from .calls import Call, good_call

GATES = [first_audio_ms(p95=900), tool_called("book", times=1), answered()]
HOSTILE = "<script>alert(1)</script>\x00\u202e&amp;"


def spoken(answer: str = "Hello.", *, late: float = 0.0) -> Call:
    """One turn, without the tool."""
    call = Call(seconds=5.0)
    call.user(0.5, 1.5, "hello", said="Hello.")
    call.answer(2.0 + late, answer, seconds=1.0)
    return call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two calls, of which one has faults, and a file that is none."""
    calls = tmp_path / "calls"
    calls.mkdir()
    for name, call in (("good", good_call()), ("late", spoken(HOSTILE, late=0.5))):
        text = "\n".join(call.text())
        (calls / f"{name}.jsonl").write_text(text, encoding="utf-8")
    (calls / "torn.jsonl").write_text("not JSON\n", encoding="utf-8")
    return calls


def test_a_table_says_which_calls_fell_and_why(folder: Path) -> None:
    """A file that cannot be read is a failed call, and no exception."""
    table = evaluate(folder, GATES)
    late, torn = table.failed

    assert ["good", "late", "torn"] == [score.name for score in table]
    assert ("first_audio_ms", "tool_called book") == late.fallen
    assert "JSON" in torn.error
    assert 1 / 3 == pytest.approx(table.pass_rate)
    assert "answered: 2 of 2" in str(table)
    assert "turn 1 at 0.5 s" in str(table)


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
    assert "(test_scores.py, line " in reason
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


def test_calls_that_were_made_just_now_are_scored_too(tmp_path: Path) -> None:
    """And shown on the page with their sound."""
    table = evaluate([good_call().record("now"), spoken().record("then")], GATES)
    text = table.to_html(tmp_path / "a.html").read_text(encoding="utf-8")

    assert ["now", "then"] == [score.name for score in table]
    assert 2 == text.count("<audio")


def test_calls_of_one_name_are_shown_each_with_its_own_turns(tmp_path: Path) -> None:
    """A caller that has no name, and no record, makes a call named "call"."""
    calls = [spoken("The first answer.").record(), spoken("The second.").record()]
    text = evaluate(calls, [answered()]).to_html(tmp_path / "a.html").read_text()

    assert 1 == text.count("The first answer.") == text.count("The second.")


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


def test_lines_of_json_are_read_again(folder: Path, tmp_path: Path) -> None:
    """So that a later run can be compared with them."""
    table = evaluate(folder, GATES)
    again = Table.load(table.to_jsonl(tmp_path / "run.jsonl"))

    assert [score.to_dict() for score in table] == [s.to_dict() for s in again]
    assert table.pass_rate == again.pass_rate
    for text in ("[]\n", "{}\n", '{"name": "x", "verdicts": 5}\n', "x"):
        (tmp_path / "bad.jsonl").write_text(text, encoding="utf-8")
        with pytest.raises(errors.ConfigurationError):
            Table.load(tmp_path / "bad.jsonl")


def test_junit_has_a_case_for_each_gate_of_each_call(
    folder: Path, tmp_path: Path
) -> None:
    """With the turn in the message; whatever a server says stays XML."""
    path = evaluate(folder, [*GATES, wer(most=0.1)]).to_junit(tmp_path / "out.xml")
    top = ElementTree.parse(path).getroot()
    late = top.find("testsuite[@name='late']")
    assert late is not None
    failure = late.find("testcase[@name='first_audio_ms']/failure")

    assert ("9", "2", "1") == tuple(
        top.attrib[name] for name in ("tests", "failures", "errors")
    )
    assert failure is not None and failure.text is not None
    assert "turn 1 at 0.5 s" in failure.text
    assert "alert(1)" in failure.text


def test_the_page_holds_everything_and_lets_nothing_in(
    folder: Path, tmp_path: Path
) -> None:
    """Players, drawings, the faulty turn; and no element that a server made up."""
    path = evaluate(folder, GATES).to_html(tmp_path / "out.html", title=HOSTILE)
    text = path.read_text(encoding="utf-8")

    assert 2 == text.count("data:audio/wav")
    assert 2 == text.count('class="rs-wave"')
    assert "<script" not in text
    assert "alert(1)" in text
    assert not re.search(r'(src|href)="(?!data:audio)', text)
    assert "ev-marked" in text


@pytest.mark.parametrize("count", [0, 1])
def test_the_page_has_a_table_of_calls_where_there_are_some(
    count: int, tmp_path: Path
) -> None:
    table = Table([asked("a")] * count)
    text = table.to_html(tmp_path / "a.html").read_text("utf-8")

    assert 2 * count == text.count("<table")
    assert count == text.count("(100%)")
    assert "(0%)" not in text


def test_a_recording_without_its_sound_has_no_player(tmp_path: Path) -> None:
    """What is left of the audio is its length: nobody would hear anything."""
    lines = [json.loads(line) for line in spoken().text()]
    for line in lines:
        frame = line.get("frame", {})
        for name in {"audio", "delta"} & frame.keys():
            if "transcript" not in frame["type"]:
                frame[name] = {"audio_bytes": len(frame[name]) * 3 // 4}
    call = CallRecord.load(lines, name="silent")
    text = evaluate(call, []).to_html(tmp_path / "a.html").read_text("utf-8")

    assert "The recording was made without audio." in text
    assert "<audio" not in text and "rs-wave" not in text.split("</style>")[-1]
    assert "Hello." in text


def test_the_page_shows_what_was_understood_where_it_differs(tmp_path: Path) -> None:
    """Case and punctuation are no difference; a word is, and silence is."""
    call = Call(seconds=8.0)
    call.user(0.5, 1.5, "at eight", said="At eight.")
    call.user(2.5, 3.5, "for four", said="For two.")
    call.user(4.5, 5.5, "", said="Hello?")
    path = evaluate([call.record()], []).to_html(tmp_path / "out.html")
    text = path.read_text(encoding="utf-8")

    assert "understood: at eight" not in text
    assert "understood: for four" in text
    assert "understood: (nothing)" in text


def test_players_of_the_failed_calls_come_first(folder: Path, tmp_path: Path) -> None:
    """A page of a thousand calls stays a page."""
    path = evaluate(folder, GATES).to_html(tmp_path / "out.html", most_players=1)
    text = path.read_text(encoding="utf-8")

    assert 1 == text.count('class="ev-call"')
    assert "1 of 3 calls are shown" in text


def test_a_data_frame_has_a_row_for_each_call(folder: Path) -> None:
    """Figures and gates as columns of their own, whatever the gates are called."""
    frame = evaluate(folder, [*GATES, wer(most=0.0)]).to_dataframe()

    assert ["good", "late", "torn"] == list(frame["call"])
    assert [True, True] == list(frame["gate answered"])[:2]
    assert [True, False] == list(frame["gate first_audio_ms"])[:2]
    assert [0.0, 0.0] == list(frame["wer"])[:2]


def test_without_pandas_the_error_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no part of the extra: most programs have it, or do not want it."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(errors.ConfigurationError, match="pandas"):
        evaluate(folder, GATES).to_dataframe()


def run_of(*latencies: float, name: str = "call") -> Table:
    """A run of repeats of one call."""
    return Table(
        Score(name=f"{name}.{number}", figures={"first_audio_p50_ms": latency})
        for number, latency in enumerate(latencies, 1)
    )


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        ((500, 510, 505), (900, 910, 905), "worse"),
        ((900, 910, 905), (500, 510, 505), "better"),
        ((500, 900, 505), (700, 710, 705), "as before"),
        ((500,), (515,), "as before"),
        ((500,), (530,), "as before"),
        ((500,), (560,), "worse"),
        ((10,), (25,), "as before"),
    ],
)
def test_a_change_counts_if_it_is_more_than_the_spread(
    before: tuple[float, ...], after: tuple[float, ...], word: str
) -> None:
    """The mean alone would call noise a regression."""
    (change,) = run_of(*after).compare(run_of(*before)).changes

    assert f"({word}" in str(change)


def test_a_comparison_names_calls_that_came_and_went() -> None:
    """And gates that fell, by their share of the repeats."""
    before = Table([asked("a.1"), asked("a.2"), asked("b")])
    after = Table([asked(name, passed=False) for name in ("a.1", "a.2", "c")])
    comparison = after.compare(before)

    assert [("a", "gate answered", 0.0, 1.0)] == [
        (each.call, each.what, each.before, each.after) for each in comparison.worse
    ]
    assert (("b",), ("c",)) == (tuple(comparison.missing), tuple(comparison.added))
    assert "nothing changed" == str(before.compare(before))
    assert "a: gate answered: 0% -> 100% (worse)" in str(comparison)
    assert "a: gate answered: 100% -> 0% (better)" in str(before.compare(after))


def asked(name: str, *, passed: bool = True) -> Score:
    """A call that one gate was asked of."""
    verdict = Verdict(gate="answered()", passed=passed)
    return Score(name=name, verdicts={"answered": verdict}, figures={"wer": 0.0})


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        ((0, 1), (1, 1), "worse"),
        ((1, 1), (0, 1), "better"),
        ((0, 12), (1, 12), "as before"),
        ((3, 12), (1, 12), "as before"),
        ((0, 10), (2, 10), "as before"),
        ((0, 10), (3, 10), "worse"),
        ((10, 20), (1, 20), "better"),
        ((1, 2), (1, 2), "as before"),
    ],
)
def test_a_gate_got_worse_if_it_fell_more_often_than_by_chance(
    before: tuple[int, int], after: tuple[int, int], word: str
) -> None:
    """One call of twelve that fell today, and none yesterday, says nothing."""

    def run(fallen: int, count: int) -> Table:
        return Table(asked(f"a.{n}", passed=n >= fallen) for n in range(count))

    (change,) = (
        each for each in run(*after).compare(run(*before)).changes if each.is_share
    )

    assert f"({word}" in str(change)


def test_a_gate_that_only_one_run_has_asked_is_no_change() -> None:
    """A new gate that falls says nothing of what was before."""
    before, after = Table([Score(name="a")]), Table([asked("a", passed=False)])

    assert () == after.compare(before).changes == before.compare(after).changes


def test_a_call_that_cannot_be_read_any_more_got_worse() -> None:
    """Its repeats are compared all the same, whichever of them is the first."""
    before = Table([asked("a.1"), asked("a.2")])
    figures = {"wer": 0.5}
    after = Table([Score(name="a.1", error="gone"), Score(name="a.2", figures=figures)])
    comparison = after.compare(before)

    assert [("not read", 0.0, 0.5), ("wer", 0.0, 0.5)] == [
        (each.what, each.before, each.after) for each in comparison.worse
    ]


def test_the_page_has_units_for_what_changed(tmp_path: Path) -> None:
    before = Table([*run_of(500, 520), asked("b")])
    after = Table([*run_of(900, 910), asked("b", passed=False)])
    text = after.to_html(tmp_path / "a.html", before=before).read_text("utf-8")

    for cell in ("500 ms", "900 ms", "20 ms", "0.0 %", "100.0 %"):
        assert f"<td>{cell}</td>" in text, cell


def test_scores_are_json(folder: Path) -> None:
    """Every number is finite, every text is text."""
    for score in evaluate(folder, GATES):
        assert json.loads(json.dumps(score.to_dict(), allow_nan=False))


def test_very_long_words_leave_the_reports_readable(tmp_path: Path) -> None:
    """A model may answer with a book; how much of it is left out is said."""
    call = Call(seconds=2.0)
    call.user(0.2, 0.8, "x " * 50_000, said="hello")
    table = evaluate(call.record(), [wer(most=0.0)])
    written = table.to_junit(tmp_path / "out.xml").read_text("utf-8")

    for told in (str(table), written):
        assert len(told) < 20_000
        assert "more characters)" in told


def test_two_recordings_in_one_file_are_none(tmp_path: Path) -> None:
    """Their times begin anew, so that what was said when would be anybody's guess."""
    lines = "".join(line + "\n" for line in good_call().text())
    (tmp_path / "two.jsonl").write_text(lines * 2, "utf-8")
    (score,) = evaluate(tmp_path / "two.jsonl", [answered()])

    assert "another recording begins here" in score.error
    assert f"line {len(lines.splitlines()) + 1}" in score.error
