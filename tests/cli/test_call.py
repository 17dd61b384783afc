"""``call``: scripted callers against the local voice server, without a network."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from realtime_sync.cli import main

Output = pytest.CaptureFixture[str]
EXAMPLE = Path(__file__).parent.parent.parent / "docs" / "examples" / "calls.yaml"


def unhurried(text: str) -> str:
    """A script without its limits of time, which a busy machine breaks."""
    return re.sub(r"^ *\w*within_ms: \d+\n", "", text, flags=re.M)


@pytest.mark.parametrize(
    "limits",
    [False, pytest.param(True, marks=pytest.mark.deep)],
    ids=["unhurried", "limits"],
)
def test_five_scripted_calls_with_voices_in_real_time(
    tmp_path: Path, capsys: Output, limits: bool
) -> None:
    """Real speech both ways, one of them interrupted; recordings, JUnit, a page."""
    text = EXAMPLE.read_text("utf-8")
    script = tmp_path / "calls.yaml"
    script.write_text(text if limits else unhurried(text), encoding="utf-8")
    files = [tmp_path / name for name in ("out.xml", "out.html", "out.jsonl")]
    junit, page, lines = map(str, files)
    code = main(
        ["call", str(script), "--local", "--out", str(tmp_path / "calls")]
        + ["--junit", junit, "--html", page, "--jsonl", lines, "--parallel", "3"]
    )
    told = capsys.readouterr().out

    assert (0, True) == (code, "5 calls, 5 passed" in told), told
    assert 5 == len(list((tmp_path / "calls").glob("*.jsonl")))
    assert all(path.stat().st_size for path in files)


def test_a_gate_that_falls_is_exit_code_one(tmp_path: Path, capsys: Output) -> None:
    """And the turn is shown."""
    script = tmp_path / "script.json"
    script.write_text(
        '{"calls": [{"name": "greeting", "steps": '
        '[{"say": "Good morning.", "expect": "goodbye"}]}]}',
        encoding="utf-8",
    )
    code = main(["call", str(script), "--local", "--out", str(tmp_path / "calls")])

    assert 1 == code
    assert "said: Good morning." in capsys.readouterr().out


def test_ctrl_c_names_the_folder_of_the_recordings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    """Calls that were made can be scored; they need not be made again."""

    def interrupted(*given: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("realtime_sync.evaluation.Script.run", interrupted)
    folder = tmp_path / "kept"
    given = ["--url", "http://127.0.0.1:1/v1", "--out", str(folder)]

    assert 130 == main(["call", str(EXAMPLE), *given])
    assert f"interrupted; what was recorded until then is in {folder}\n" in (
        capsys.readouterr().err
    )


def test_the_same_script_calls_gpt_live(tmp_path: Path, capsys: Output) -> None:
    """By the name of the model; what is understood need not be configured there."""
    script = tmp_path / "script.json"
    script.write_text(
        '{"gates": {"answered": true, "problems": true}, "calls": [{"name": "capital", '
        '"steps": [{"say": "What is the capital of Peru?", "expect": "Lima"}]}]}',
        encoding="utf-8",
    )
    out = str(tmp_path / "calls")
    code = main(["call", str(script), "--local", "--model", "gpt-live-1", "--out", out])
    told = capsys.readouterr().out

    assert (0, True) == (code, "1 calls, 1 passed" in told), told


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (["--against", "none.jsonl"], "none.jsonl"),
        (["--against", "calls.yaml"], "is no table of scores"),
        (["--against", "latin.jsonl"], "is no table of scores"),
        (["--junit", "none/out.xml"], "there is no folder none"),
        (["--html", "none/out.html"], "there is no folder none"),
        (["--jsonl", "none/out.jsonl"], "there is no folder none"),
        (["--html", "."], ". is a folder: name a file in it"),
    ],
    ids=["missing", "yaml", "latin", "junit", "html", "jsonl", "folder"],
)
def test_files_are_looked_at_before_anybody_is_called(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Output,
    given: list[str],
    problem: str,
) -> None:
    """After minutes of calls, what they were would be lost for a mistyped name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "calls.yaml").write_bytes(EXAMPLE.read_bytes())
    (tmp_path / "latin.jsonl").write_bytes(b"\xe9\n")

    assert 2 == main(["call", "calls.yaml", "--local", *given])
    assert problem in capsys.readouterr().err
    assert not (tmp_path / "calls").exists()


@pytest.mark.parametrize(
    ("text", "problem"), [("calls: [", "cannot be read"), ("calls: 5", "has calls")]
)
def test_a_script_that_is_none_is_bad_input(
    tmp_path: Path, capsys: Output, text: str, problem: str
) -> None:
    """Said before a server is started."""
    script = tmp_path / "script.yaml"
    script.write_text(text, encoding="utf-8")

    assert 2 == main(["call", str(script), "--local"])
    assert problem in capsys.readouterr().err
    assert 2 == main(["call", str(tmp_path / "none.yaml")])
