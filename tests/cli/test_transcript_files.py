"""Where transcripts go: names, checks before the work, and files that grow."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from attrs import define

from realtime_sync.cli.transcript_files import (
    TranscriptFileOutput,
    TranscriptStreamOutput,
    read_transcript_part,
    transcript_file_names,
    transcript_file_outputs,
)
from realtime_sync.cli.transcript_formats import TranscribedSegment
from realtime_sync.errors import ConfigurationError

ONE, TWO, THREE = (TranscribedSegment(at, at + 1.0, f"turn {at}") for at in (1, 2, 3))


@define
class Heard:
    """What is recognized at one moment."""

    ready: list[TranscribedSegment]
    done: list[TranscribedSegment]

    @property
    def recognized(self) -> float:
        """The end of the beginning."""
        return max((each.end for each in self.ready), default=0.0)


@pytest.mark.parametrize(
    ("audio", "folder", "expected"),
    [
        (["x/a.wav", "x/b.wav"], None, ["x/a.txt", "x/b.txt"]),
        (["x/a.flac", "x/a.wav"], None, ["x/a.flac.txt", "x/a.wav.txt"]),
        (["x/a.wav", "y/a.wav"], None, ["x/a.txt", "y/a.txt"]),
        (["x/a.wav", "y/a.wav"], "o", ["o/x_a.wav.txt", "o/y_a.wav.txt"]),
        (["x/a.wav", "y/a.flac"], "o", ["o/a.wav.txt", "o/a.flac.txt"]),
        (["x/A.wav", "x/a.wav"], None, ["x/x_A.wav.txt", "x/x_a.wav.2.txt"]),
        (["x/A.wav", "x/a.flac"], None, ["x/A.wav.txt", "x/a.flac.txt"]),
        (["x/\u00e9.wav", "x/e\u0301.au"], None, ["x/é.wav.txt", "x/e\u0301.au.txt"]),
        (
            ["x/a.wav", "x/a.au", "x/a.au.mp3"],
            None,
            ["x/a.wav.txt", "x/a.au.txt", "x/a.au.mp3.txt"],
        ),
        (
            ["x/q/a.wav", "y/q/a.wav", "z/q/a.wav"],
            "o",
            ["o/q_a.wav.txt", "o/q_a.wav.2.txt", "o/q_a.wav.3.txt"],
        ),
    ],
)
def test_no_two_transcripts_have_one_name(
    audio: list[str], folder: str | None, expected: list[str]
) -> None:
    """Not by their endings, folders, capitals or accents, on any file system."""
    found = transcript_file_names(
        [Path(each) for each in audio], "txt", folder and Path(folder)
    )

    assert [Path(each) for each in expected] == found


def lines(path: Path) -> list[dict[str, Any]]:
    """What a part has."""
    text = path.read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines() if line]


def test_turns_are_written_as_they_come_and_in_their_order(tmp_path: Path) -> None:
    """A turn that is understood late goes between those that are there already."""
    output = TranscriptFileOutput("txt", tmp_path / "a.txt")
    output.open(9.0)
    output.update(Heard([ONE], [ONE]), [ONE])
    first = lines(output.part)
    output.update(Heard([ONE], [ONE, THREE]), [THREE])
    second = lines(output.part)
    output.update(Heard([ONE, TWO, THREE], [ONE, TWO, THREE]), [TWO])
    found = output.finish(Heard([], [ONE, TWO, THREE]), complete=True)

    assert ["turn 1"] == [each["text"] for each in first[1:]]
    assert ["turn 1", "turn 3"] == [each["text"] for each in second[1:]]
    assert found == tmp_path / "a.txt"
    assert "turn 1\nturn 2\nturn 3\n" == found.read_text(encoding="utf-8")
    assert [found] == list(tmp_path.iterdir())


def interrupted(path: Path, *heard: Heard, tail: str = "") -> None:
    """Leave a part behind, as an attempt does that does not come to its end."""
    output = TranscriptFileOutput("txt", path)
    output.open(9.0)
    known: list[TranscribedSegment] = []
    for each in heard:
        new = [segment for segment in each.done if segment not in known]
        known += new
        output.update(each, new)
    output.finish(heard[-1], complete=False)
    with output.part.open("a", encoding="utf-8") as file:
        file.write(tail)


@pytest.mark.parametrize(
    "tail", ["", '{"start": 4.0, "en', "\n", '"text"\n', "\x00\x00"]
)
def test_what_was_recognized_is_gone_on_from(tmp_path: Path, tail: str) -> None:
    """Up to the first gap, also where a line was cut off when everything ended."""
    target = tmp_path / "a.txt"
    interrupted(target, Heard([ONE], [ONE]), Heard([ONE], [ONE, THREE]), tail=tail)
    output = TranscriptFileOutput("txt", target, resume=True)
    kept = output.open(9.0)
    heard = Heard([ONE, TWO], [ONE, TWO])
    output.update(heard, [TWO])
    output.finish(heard, complete=False)
    again = read_transcript_part(output.part, 9.0)

    assert ([ONE], 2.0) == (kept.segments, kept.until)
    assert ([ONE, TWO], 3.0) == (again.segments, again.until)


def test_an_attempt_that_fails_at_once_loses_nothing(tmp_path: Path) -> None:
    """Also of what was recognized behind a gap, and of a beginning with one."""
    target = tmp_path / "a.txt"
    interrupted(target, Heard([], [TWO]))
    before = target.with_name("a.txt.part").read_text(encoding="utf-8")
    output = TranscriptFileOutput("txt", target, resume=True)
    kept = output.open(9.0)
    found = output.finish(Heard([], kept.segments), complete=False)

    assert ([], None) == (kept.segments, found)
    assert output.part.read_text(encoding="utf-8").startswith(before)


@pytest.mark.parametrize(
    "content",
    [
        "turn 1\n",
        '{"seconds": 8.0, "from": 0}\n',
        '{"seconds": 9.0}\n',
        "[]\n",
        '{"seconds": 9.0, "from": 0}\n{"start": 1}\n',
        '{"seconds": "x", "from": 0}\n',
    ],
)
def test_a_part_of_something_else_is_refused(tmp_path: Path, content: str) -> None:
    """It is not ours to add to."""
    target = tmp_path / "a.txt"
    part = target.with_name("a.txt.part")
    part.write_text(content, encoding="utf-8")

    with pytest.raises(ConfigurationError, match="a.txt.part is"):
        TranscriptFileOutput("txt", target, resume=True).open(9.0)
    assert content == part.read_text(encoding="utf-8")


def test_a_transcript_that_is_there_is_finished(tmp_path: Path) -> None:
    """Where one goes on, and nowhere else."""
    target = tmp_path / "a.txt"
    target.write_text("mine", encoding="utf-8")
    (resumed,) = transcript_file_outputs("txt", [target], [], resume=True)
    (forced,) = transcript_file_outputs("txt", [target], [], force=True)

    assert (target, None) == (resumed.finished, forced.finished)


@pytest.mark.parametrize("times", [1, 2])
def test_an_interrupted_attempt_to_overwrite_is_gone_on_from(
    tmp_path: Path, times: int
) -> None:
    """However often: what was to be overwritten is not the result."""
    target = tmp_path / "a.txt"
    target.write_text("old", encoding="utf-8")
    for options in [{"force": True}, {"resume": True}][:times]:
        (output,) = transcript_file_outputs("txt", [target], [], **options)
        output.open(9.0)
        output.update(Heard([ONE], [ONE]), [ONE])
        output.finish(Heard([ONE], [ONE]), complete=False)
    before = target.read_text(encoding="utf-8")
    (output,) = transcript_file_outputs("txt", [target], [], resume=True)
    went_on = output.finished is None
    kept = output.open(9.0)
    written = output.finish(Heard([ONE, TWO], [ONE, TWO]), complete=True)

    assert ("old", True, [ONE]) == (before, went_on, kept.segments)
    assert target == written
    assert "turn 1\nturn 2\n" == target.read_text(encoding="utf-8")
    assert [target] == list(tmp_path.iterdir())


@pytest.mark.parametrize("force", [False, True])
def test_a_file_that_came_after_an_interrupted_attempt_is_left(
    tmp_path: Path, force: bool
) -> None:
    """Nobody said that this one may be overwritten."""
    target = tmp_path / "a.txt"
    (output,) = transcript_file_outputs("txt", [target], [], force=force)
    output.open(9.0)
    output.update(Heard([ONE], [ONE]), [ONE])
    output.finish(Heard([ONE], [ONE]), complete=False)
    target.write_text("mine", encoding="utf-8")
    (resumed,) = transcript_file_outputs("txt", [target], [], resume=True)

    assert target == resumed.finished


@pytest.mark.parametrize("form", ["txt", "srt", "vtt"])
def test_a_stream_has_each_turn_once(form: str) -> None:
    """What is printed cannot be moved: a turn waits for those before it."""
    out = io.StringIO()
    output = TranscriptStreamOutput(form, out)
    output.open(9.0)
    output.update(Heard([ONE], [ONE, THREE]), [ONE, THREE])
    early = out.getvalue()
    output.finish(Heard([ONE], [ONE, THREE]), complete=False)

    assert "turn 1" in early and "turn 3" not in early
    assert out.getvalue().startswith(early)
    assert [1, 1] == [out.getvalue().count(each) for each in ("turn 1", "turn 3")]


def test_a_name_that_is_taken_meanwhile_is_left_alone(tmp_path: Path) -> None:
    """Somebody else's file is as safe at the end as at the beginning."""
    target = tmp_path / "a.txt"
    (output,) = transcript_file_outputs("txt", [target], [])
    output.open(9.0)
    output.update(Heard([ONE], [ONE]), [ONE])
    target.write_text("mine", encoding="utf-8")

    with pytest.raises(ConfigurationError, match="a.txt.part"):
        output.finish(Heard([ONE], [ONE]), complete=True)
    assert "mine" == target.read_text(encoding="utf-8")
    assert "turn 1" == lines(tmp_path / "a.txt.part")[1]["text"]


def test_half_a_character_does_not_cost_the_text(tmp_path: Path) -> None:
    """JSON can hold what UTF-8 cannot."""
    output = TranscriptFileOutput("txt", tmp_path / "a.txt")
    output.open(9.0)
    heard = [TranscribedSegment(0, 1, "bad \ud800"), TWO]
    output.update(Heard(heard, heard), heard)
    part = read_transcript_part(output.part, 9.0)
    output.finish(Heard(heard, heard), complete=True)
    written = (tmp_path / "a.txt").read_text(encoding="utf-8")

    assert heard == part.segments
    assert "bad \\ud800\nturn 2\n" == written


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """The file that it leads to is written."""
    real, link = tmp_path / "real.txt", tmp_path / "link.txt"
    real.write_text("old", encoding="utf-8")
    link.symlink_to(real)
    (output,) = transcript_file_outputs("txt", [link], [], force=True)
    output.open(9.0)
    output.finish(Heard([ONE], [ONE]), complete=True)

    assert link.is_symlink()
    assert "turn 1\n" == real.read_text(encoding="utf-8")


def test_the_audio_is_never_overwritten(tmp_path: Path) -> None:
    """Not even by force, and not through a link."""
    audio, link = tmp_path / "a.wav", tmp_path / "link"
    audio.touch()
    link.symlink_to(audio)
    for target in (audio, link):
        with pytest.raises(ConfigurationError, match="is the audio"):
            transcript_file_outputs("txt", [target], [audio], force=True)


def test_what_cannot_be_written_is_found_before_the_work(tmp_path: Path) -> None:
    """Nothing is left behind by the check."""
    (tmp_path / "folder.txt").mkdir()
    (tmp_path / "file").touch()
    for bad in ("folder.txt", "file/a.txt", "n" * 252 + ".txt"):
        with pytest.raises((OSError, ConfigurationError)):
            transcript_file_outputs("txt", [tmp_path / bad], [], force=True)
    transcript_file_outputs("txt", [tmp_path / "new" / "a.txt"], [], force=False)

    assert {"folder.txt", "file", "new"} == {each.name for each in tmp_path.iterdir()}
    assert [] == list((tmp_path / "new").iterdir())
