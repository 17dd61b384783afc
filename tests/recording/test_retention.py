"""Recordings are deleted after their time, and nothing else is."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from realtime_sync import connect, delete_recordings
from realtime_sync.cli.main import main
from realtime_sync.errors import ConfigurationError
from realtime_sync.testing import MemoryTransport

DAY = 24 * 3600.0


def recorded(path: Path, days: float) -> Path:
    """A recording that ended so many days ago."""
    with connect("m", transport=MemoryTransport(), dispatch="inline") as session:
        with session.record(path):
            session.input_audio_buffer.clear()
    return aged(path, days)


def aged(path: Path, days: float) -> Path:
    """A file whose last line is so many days old."""
    then = time.time() - days * DAY
    os.utime(path, (then, then))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Recordings of today and of before, and files of other kinds."""
    (tmp_path / "below").mkdir()
    for name, days in (("old", 31), ("new", 29), ("below/older", 400)):
        recorded(tmp_path / f"{name}.jsonl", days)
    for name, text in {
        "events.jsonl": json.dumps({"type": "session.created"}),
        "other.jsonl": json.dumps({"format": "another"}),
        "list.jsonl": "[1]",
        "broken.jsonl": '{"format": "realtime-sync-rec',
        "empty.jsonl": "",
        "binary.jsonl": "\x00\x01",
        "old.txt": (tmp_path / "old.jsonl").read_text(),
    }.items():
        (tmp_path / name).write_text(text)
        aged(tmp_path / name, 400)
    return tmp_path


def names(folder: Path) -> set[str]:
    """Files that there are."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix() for path in found}


def test_only_recordings_that_are_old_enough_are_deleted(folder: Path) -> None:
    """Also below the folder; what is no recording of ours stays."""
    before = names(folder)
    deleted = delete_recordings(folder, older_than=30 * DAY)

    assert [folder / "below/older.jsonl", folder / "old.jsonl"] == deleted
    assert before - {"old.jsonl", "below/older.jsonl"} == names(folder)
    assert [] == delete_recordings(folder, older_than=30 * DAY)


def test_a_dry_run_deletes_nothing(folder: Path) -> None:
    """And says what would be."""
    before = names(folder)
    found = delete_recordings(folder, older_than=30 * DAY, dry_run=True)

    assert 2 == len(found)
    assert before == names(folder)


def test_a_recording_that_is_being_written_stays(tmp_path: Path) -> None:
    """It is as old as its last line."""
    path = tmp_path / "call.jsonl"
    with connect("m", transport=MemoryTransport(), dispatch="inline") as session:
        with session.record(path) as recording:
            recording.flush()
            deleted = delete_recordings(tmp_path, older_than=60.0)

    assert [] == deleted
    assert path.exists()


def test_links_are_not_followed(folder: Path, tmp_path_factory: Any) -> None:
    """What they lead to belongs to somebody else."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    far = recorded(elsewhere / "far.jsonl", 400)
    (folder / "link.jsonl").symlink_to(far)
    (folder / "linked").symlink_to(elsewhere)

    assert 2 == len(delete_recordings(folder, older_than=30 * DAY))
    assert far.exists()


def test_one_that_cannot_be_deleted_does_not_keep_the_others(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said in the end."""
    unlink = Path.unlink

    def refuse(path: Path) -> None:
        if path.name == "older.jsonl":
            raise PermissionError(path.name)
        unlink(path)

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(PermissionError, match="older"):
        delete_recordings(folder, older_than=30 * DAY)

    assert "old.jsonl" not in names(folder)


def test_one_that_is_gone_meanwhile_is_nobodys_loss(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two jobs may clear the same folder."""

    def gone(path: Path) -> None:
        raise FileNotFoundError(path.name)

    monkeypatch.setattr(Path, "unlink", gone)

    assert [] == delete_recordings(folder, older_than=30 * DAY)


@pytest.mark.parametrize("older_than", [-1.0, float("nan"), float("inf"), True])
def test_what_is_no_length_of_time_is_refused(tmp_path: Path, older_than: Any) -> None:
    """Before anything is deleted."""
    with pytest.raises(ConfigurationError, match="older_than"):
        delete_recordings(tmp_path, older_than=older_than)


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """A misspelt name must not look like a job that is done."""
    with pytest.raises(ConfigurationError, match="no folder"):
        delete_recordings(tmp_path / "misspelt", older_than=1)


def test_the_command_says_what_it_deletes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In lines for people, or for programs."""
    assert 0 == main(["prune", str(folder), "--days", "30", "--dry-run"])
    tried = capsys.readouterr().out
    assert 0 == main(["prune", str(folder), "--days", "30", "--json"])
    done = json.loads(capsys.readouterr().out)
    assert 0 == main(["prune", str(folder), "--days", "0.5"])
    rest = capsys.readouterr().out

    assert "would delete 2 recordings" in tried
    assert [False, 2] == [done["dry"], len(done["deleted"])]
    assert rest.endswith("new.jsonl\ndeleted 1 recording\n")


@pytest.mark.parametrize("days", ["-1", "nan", "inf"])
def test_the_command_refuses_what_is_no_number_of_days(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], days: str
) -> None:
    """In one line."""
    assert 2 == main(["prune", str(tmp_path), f"--days={days}"])
    assert "--days" in capsys.readouterr().err
