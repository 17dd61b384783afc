"""A table of calls: text, files, a page."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from attrs import evolve

from realtime_sync import errors
from realtime_sync.evaluation import (
    CallRecord,
    Gate,
    Table,
    Verdict,
    answered,
    evaluate,
    wer,
)

from .calls import GATES, HOSTILE, Call, asked, spoken


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


def test_calls_of_one_name_are_shown_each_with_its_own_turns(tmp_path: Path) -> None:
    """A caller that has no name, and no record, makes a call named "call"."""
    calls = [spoken("The first answer.").record(), spoken("The second.").record()]
    text = evaluate(calls, [answered()]).to_html(tmp_path / "a.html").read_text()

    assert 1 == text.count("The first answer.") == text.count("The second.")


def test_lines_of_json_are_read_again(folder: Path, tmp_path: Path) -> None:
    """So that a later run can be compared with them."""
    table = evaluate(folder, GATES)
    again = Table.load(table.to_jsonl(tmp_path / "run.jsonl"))

    assert [score.to_dict() for score in table] == [s.to_dict() for s in again]
    assert table.pass_rate == again.pass_rate


def verdict(**changed: object) -> dict[str, object]:
    """The verdicts of a score, with one that is otherwise than it must be."""
    told = {"gate": "answered", "passed": True, **changed}
    return {"verdicts": {"answered": told}}


@pytest.mark.parametrize(
    "changed",
    [
        {"name": 5},
        {"path": None},
        {"error": 4},
        {"figures": 5},
        {"figures": {"wer": "low"}},
        {"figures": {"wer": [0.1]}},
        {"verdicts": 5},
        {"verdicts": {"answered": 5}},
        {"verdicts": {"answered": {"gate": "answered"}}},
        {"verdicts": {"answered": {"gate": "a", "passed": True, "value": "x"}}},
        {"verdicts": {"answered": {"gate": "a", "passed": True, "turns": ["x"]}}},
        {"passed": "no"},
        {"passed": 0},
        {"passed": False},
        {"error": "torn"},
        {"figure": {}},
        {"figures": {"wer": True}},
        {"figures": {"wer": "0.5"}},
        {"figures": {"wer": 10**400}},
        verdict(passed="no"),
        verdict(passed="false"),
        verdict(passed=1),
        verdict(passed=None),
        verdict(value="5"),
        verdict(limit=True),
        verdict(unit=5),
        verdict(reasons="late"),
        verdict(reasons=[5]),
        verdict(turns="12"),
        verdict(turns=[1.5]),
        verdict(turns=[True]),
        verdict(gate=None),
        verdict(pased=True),
    ],
    ids=lambda changed: str(changed)[:90],
)
def test_a_line_that_is_no_score_is_refused_when_it_is_read(
    changed: dict[str, object], tmp_path: Path
) -> None:
    """And not when somebody compares it, or writes a page of it."""
    good = json.dumps(asked("a").to_dict())
    bad = json.dumps({**asked("a").to_dict(), **changed})
    text = "\n".join([good, "", bad, good])
    (tmp_path / "bad.jsonl").write_text(text, encoding="utf-8")

    problem = r"bad\.jsonl is no table of scores: line 3: "
    with pytest.raises(errors.ConfigurationError, match=problem) as raised:
        Table.load(tmp_path / "bad.jsonl")
    assert len(str(raised.value)) < 1000


def test_a_separator_of_lines_within_a_text_ends_no_line(tmp_path: Path) -> None:
    """Other programs write it as it is; to Python alone it ends a line."""
    score = evolve(asked("a"), name="a\u2028b\x85c")
    text = json.dumps(score.to_dict(), ensure_ascii=False)
    (tmp_path / "a.jsonl").write_text(f"{text}\r\n", encoding="utf-8", newline="")

    assert (score,) == Table.load(tmp_path / "a.jsonl").scores


@pytest.mark.parametrize("text", ["[]\n", "{}\n", "x", "\x00", "[" * 100_000])
def test_a_file_that_is_no_table_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text(text, encoding="utf-8")

    with pytest.raises(errors.ConfigurationError, match="no table of scores"):
        Table.load(tmp_path / "bad.jsonl")


@pytest.mark.parametrize("before", ["run.jsonl", 5, [asked("a")]], ids=type)
def test_a_run_is_compared_with_a_run(before: Any, tmp_path: Path) -> None:
    """The name of its file is none; nothing is written then."""
    table = Table([asked("a")])
    for compare in (
        lambda: table.compare(before),
        lambda: table.to_html(tmp_path / "a.html", before=before),
    ):
        with pytest.raises(errors.ConfigurationError, match="earlier run is a Table"):
            compare()

    assert not (tmp_path / "a.html").exists()


@pytest.mark.parametrize("reasons", [(), ("",), (" ", "late"), "late"], ids=repr)
def test_whatever_reasons_a_gate_gives_are_read_again(
    reasons: Any, tmp_path: Path
) -> None:
    """Else the run of a night could not be compared with anything."""
    given = Verdict(gate="loud", passed=False, reasons=reasons)
    table = evaluate(spoken().record(), [Gate(name="loud", measure=lambda call: given)])
    again = Table.load(table.to_jsonl(tmp_path / "run.jsonl"))

    assert table.scores[0].verdicts == again.scores[0].verdicts


def test_a_gate_may_give_what_numpy_gives(tmp_path: Path) -> None:
    """Which is True, or a number, and neither a bool nor JSON."""
    given = Verdict(
        gate="loud",
        passed=np.float32(3) < 2,
        value=np.float32(3),
        limit=np.int64(2),
        turns=np.array([1, 2]),
    )
    table = evaluate(spoken().record(), [Gate(name="loud", measure=lambda call: given)])
    again = Table.load(table.to_jsonl(tmp_path / "run.jsonl"))

    assert not given
    assert table.scores[0].verdicts == again.scores[0].verdicts
    assert ("loud",) == again.scores[0].fallen


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


def test_what_is_printed_obeys_nobody() -> None:
    """Words of a server, names of files and of gates may be read on a terminal."""
    odd = "\x1b[2J\u202e\x07"
    name = f"{odd}\udcff\nforged: passed"
    call = spoken(odd).record(name)
    fallen = Verdict(gate=name, passed=False, reasons=(str(call),))
    table = evaluate(call, [Gate(name=name, measure=lambda call: fallen)])
    before = Table([asked(name), asked(f"gone {name}")])
    comparison = Table([asked(name, passed=False)]).compare(before)
    told = [str(each) for each in (table, comparison, call, fallen)]

    assert not re.findall("[\x07\x1b\u202e\ud800-\udfff]", "".join(told))
    assert not re.findall("^forged", "\n".join(told[:2]), re.MULTILINE)
    assert "x1b[2J" in told[0] and "gone" in told[1]


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
