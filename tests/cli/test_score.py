"""``score``: gates by options, files by options, exit codes for CI."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from realtime_sync.cli import main
from tests.evaluation.calls import Call, good_call

Output = pytest.CaptureFixture[str]


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """A folder with one good call."""
    folder = tmp_path / "calls"
    folder.mkdir()
    text = "\n".join(good_call().text())
    (folder / "good.jsonl").write_text(text, encoding="utf-8")
    return folder


def add_late(folder: Path) -> None:
    """Put a call with a slow answer and no tool beside it."""
    call = Call(seconds=6.0)
    call.user(0.5, 1.5, "hello", said="Hello.")
    call.answer(3.5, "Hello.", seconds=1.0)
    text = "\n".join(call.text())
    (folder / "late.jsonl").write_text(text, encoding="utf-8")


GATES = (
    "--max-wer 0.1 --first-audio-p50 900 --first-audio-p95 900 --first-audio-max 900 "
    "--stop-within 300 --max-silence 5000 --max-talk-over 500 --max-turns 4 "
    "--tool book --no-tool cancel"
).split()


def test_score_passes_good_calls(calls: Path, capsys: Output) -> None:
    """Exit code 0, and what was asked."""
    code = main(["score", str(calls), *GATES, "--says", "what time"])
    told = capsys.readouterr().out

    assert 0 == code
    assert "1 calls, 1 passed (100%)" in told
    assert "tool_called book: 1 of 1" in told


def test_score_fails_with_the_turn_and_writes_its_files(
    calls: Path, tmp_path: Path, capsys: Output
) -> None:
    """Exit code 1, JUnit, a page, lines of JSON to compare the next run with."""
    before = tmp_path / "before.jsonl"
    main(["score", str(calls), *GATES, "--jsonl", str(before)])
    add_late(calls)
    junit, page = tmp_path / "out.xml", tmp_path / "out.html"
    code = main(
        [
            "score",
            str(calls),
            *GATES,
            "--never-says",
            "refund",
            "--against",
            str(before),
        ]
        + ["--junit", str(junit), "--html", str(page)]
    )
    told = capsys.readouterr().out

    assert 1 == code
    assert "late: first_audio_ms, tool_called book" in told
    assert "turn 1 at 0.5 s" in told
    assert "late: new" in told
    assert "<failure" in junit.read_text(encoding="utf-8")
    assert "Since the run before" in page.read_text(encoding="utf-8")


def test_score_prints_json_for_programs(calls: Path, capsys: Output) -> None:
    """A line for each call, with every figure."""
    assert 0 == main(["score", str(calls), "--json"])
    (line,) = capsys.readouterr().out.splitlines()
    score = json.loads(line)

    assert (True, 3) == (score["passed"], score["figures"]["turns"])


@pytest.mark.parametrize(
    ("option", "gate"),
    [
        ("--allow-silent-turns", "answered"),
        ("--allow-cut-answers", "heard_whole"),
        ("--allow-problems", "problems"),
    ],
)
def test_what_every_call_must_be_can_be_allowed(
    calls: Path, capsys: Output, option: str, gate: str
) -> None:
    """Three gates need no threshold, and are asked unless one says otherwise."""
    main(["score", str(calls), "--json"])
    main(["score", str(calls), "--json", option])
    all_gates, fewer = map(json.loads, capsys.readouterr().out.splitlines())

    assert {gate} == set(all_gates["verdicts"]) - set(fewer["verdicts"])


def test_score_of_nothing_is_bad_input(tmp_path: Path, capsys: Output) -> None:
    """A mistyped folder must not make CI green."""
    assert 2 == main(["score", str(tmp_path)])
    assert "no recordings" in capsys.readouterr().err


def test_score_knows_what_calls_cost(calls: Path, tmp_path: Path) -> None:
    """By a price list; one without a limit, and a file that is none, are refused."""
    prices = tmp_path / "prices.json"
    prices.write_text('{"output_audio": 64}', encoding="utf-8")
    told = ["score", str(calls), "--prices", str(prices)]

    assert 0 == main([*told, "--max-cost", "0.05"])
    assert 2 == main(told)

    prices.write_text("cheap", encoding="utf-8")

    assert 2 == main([*told, "--max-cost", "0.05"])
