"""What ``realtime-sync transcribe`` does to files, and when it does not end well."""

from __future__ import annotations

import _thread
import io
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event

import pytest

from realtime_sync import audio
from realtime_sync.cli import main
from realtime_sync.cli.transcript_files import FoundTranscript, TranscriptFileOutput
from realtime_sync.cli.transcript_formats import TranscribedSegment
from realtime_sync.server import Server, serve
from realtime_sync.server.agents.echo import Echo

Output = pytest.CaptureFixture[str]
NOBODY = "http://127.0.0.1:9/v1"

pytestmark = pytest.mark.usefixtures("key")


class CountingRecognizer:
    """Writes down which turn it is; falls silent after a number of them."""

    def __init__(self, turns: int) -> None:
        self.left = turns
        self.heard = 0
        self.released = Event()

    def transcribe(self, pcm: bytes, rate: int) -> str:
        """Return the number of the turn, or wait until the test is over."""
        if self.heard == self.left:
            self.released.wait(20)
        self.heard += 1
        return f"turn {self.heard}"


@pytest.fixture
def forgetful() -> Iterator[Server]:
    """A server that recognizes two turns and no more."""
    agent = Echo()
    agent.recognizer = recognizer = CountingRecognizer(2)
    with serve(agent=agent) as running:
        yield running
        recognizer.released.set()


@pytest.fixture
def meeting(tmp_path: Path) -> Path:
    """Four turns of speech in a folder of their own."""
    path = tmp_path / "in" / "meeting.wav"
    path.parent.mkdir()
    turn = audio.tone(440, 0.3, level=-6) + audio.silence(0.7)
    audio.write_wav(path, turn * 4)
    return path


def texts(part: str) -> list[str]:
    """What was recognized, from a part."""
    lines = map(json.loads, filter(None, part.splitlines()))
    return [each["text"] for each in lines if "text" in each]


def files(folder: Path) -> set[str]:
    """Names in a folder."""
    return {each.name for each in folder.iterdir()}


@pytest.mark.parametrize(
    ("present", "arguments"),
    [
        ("in/meeting.txt", ["in"]),
        ("in/meeting.txt.part", ["in"]),
        ("in/meeting.srt", ["in", "--format", "srt"]),
        ("notes.txt", ["in/meeting.wav", "-o", "notes.txt"]),
        ("out/meeting.txt", ["in", "-o", "out"]),
        ("in/meeting.txt", ["in/meeting.wav", "-o", "in"]),
        ("stdin.txt", ["in", "-"]),
    ],
)
def test_a_file_of_the_user_is_not_overwritten(
    meeting: Path,
    tmp_path: Path,
    present: str,
    arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: Output,
) -> None:
    """It is found before anything is connected, and named in one line."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    Path(present).parent.mkdir(exist_ok=True)
    Path(present).write_text("mine", encoding="utf-8")
    code = main(["transcribe", *arguments, "--url", NOBODY])
    (line,) = capsys.readouterr().err.splitlines()

    assert 2 == code
    assert str(Path(present)) in line and "--force" in line
    assert "mine" == Path(present).read_text(encoding="utf-8")


def test_force_overwrites(server: Server, meeting: Path, capsys: Output) -> None:
    """Who says so means it."""
    target = meeting.with_suffix(".txt")
    target.write_text("old", encoding="utf-8")
    folder = str(meeting.parent)

    assert 0 == main(["transcribe", folder, "--url", server.url, "--force"])
    assert 4 == len(target.read_text(encoding="utf-8").splitlines())
    assert {"meeting.wav", "meeting.txt"} == files(meeting.parent)
    assert f"wrote 1 transcript to {folder}" in capsys.readouterr().out


def test_many_files_and_folders_and_the_standard_input(
    server: Server,
    loud: Path,
    meeting: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Output,
) -> None:
    """Each once, in a folder that is made, under names of their own."""
    raw = io.BytesIO(loud.read_bytes())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(raw))
    (meeting.parent / "loud.wav").write_bytes(loud.read_bytes())
    out = tmp_path / "deep" / "out"
    arguments = [str(loud), str(meeting.parent), "-", str(meeting), "-o", str(out)]
    code = main(["transcribe", *arguments, "--url", server.url])

    assert 0 == code
    assert files(out) == {
        f"{tmp_path.name}_loud.wav.txt",
        "in_loud.wav.txt",
        "meeting.txt",
        "stdin.txt",
    }
    lines = capsys.readouterr().out.splitlines()
    assert 6 == len(lines)
    assert lines[-1] == f"wrote 4 transcripts to {out}"


@pytest.mark.parametrize(
    ("inner", "named", "told"),
    [
        ("monday/call.wav", False, True),
        ("monday/call.FLAC", False, True),
        ("monday/call.wav", True, False),
        ("monday/notes.txt", False, False),
    ],
)
def test_a_folder_within_a_folder_is_not_left_out_silently(
    server: Server,
    meeting: Path,
    inner: str,
    named: bool,
    told: bool,
    capsys: Output,
) -> None:
    """Nobody believes that everything was heard when it was not."""
    folder = meeting.parent
    (folder / inner).parent.mkdir()
    (folder / inner).write_bytes(meeting.read_bytes())
    paths = [str(folder), *([str((folder / inner).parent)] if named else [])]

    assert 0 == main(["transcribe", *paths, "--url", server.url])
    line = f"realtime-sync: {folder / 'monday'} is left out; name it as well\n"
    assert told == (line in capsys.readouterr().err)


def test_a_folder_of_folders_names_what_to_give(meeting: Path, capsys: Output) -> None:
    """As a command line that can be copied."""
    folder = meeting.parent
    (folder / "on monday").mkdir()
    meeting.rename(folder / "on monday" / meeting.name)

    assert 2 == main(["transcribe", str(folder), "--local"])
    assert f"'{folder / 'on monday'}'" in capsys.readouterr().err


def test_standard_input_is_printed(
    server: Server, loud: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    """As in ``record | realtime-sync transcribe - | grep``; no audio is one line."""
    code = {}
    for name, raw in (("good", loud.read_bytes()), ("bad", b"no audio")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
        code[name] = main(["transcribe", "-", "--url", server.url])
    out, err = capsys.readouterr()

    assert {"good": 0, "bad": 2} == code
    assert 1 == len(out.splitlines()) == len(err.splitlines())


@pytest.mark.parametrize("bad", ["nowhere.wav", "empty", "in/meeting.wav/x"])
def test_a_mistyped_path_is_found_before_the_work(
    meeting: Path, tmp_path: Path, bad: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is connected, and nothing is made."""
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()

    assert 2 == main(["transcribe", "in", bad, "--url", NOBODY, "-o", "out"])
    assert not Path("out").exists()


def test_many_transcripts_do_not_go_into_one_file(
    meeting: Path, tmp_path: Path, capsys: Output
) -> None:
    """The output of many is a folder."""
    target = tmp_path / "out.txt"
    target.touch()
    arguments = ["transcribe", str(meeting.parent), "-o", str(target), "--force"]

    assert 2 == main([*arguments, "--url", NOBODY])
    assert "out.txt is a file" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["txt", "vtt"])
def test_a_timeout_keeps_what_was_recognized(
    forgetful: Server, meeting: Path, form: str, capsys: Output
) -> None:
    """In a file that nobody takes for a whole one; the message names it."""
    target = meeting.with_suffix(f".{form}")
    code = main(
        ["transcribe", str(meeting), "-o", str(target), "--format", form]
        + ["--url", forgetful.url, "--timeout", "1"]
    )
    part = target.with_name(target.name + ".part")

    assert 1 == code
    assert str(part) in capsys.readouterr().err
    assert "turn 2" in part.read_text(encoding="utf-8")
    assert not target.exists()


def test_a_timeout_keeps_what_json_would_have_had(
    forgetful: Server, meeting: Path, capsys: Output
) -> None:
    """The one line that comes at the end comes then, too."""
    arguments = ["transcribe", str(meeting), "--json", "--timeout", "1"]
    code = main([*arguments, "--url", forgetful.url])
    told = json.loads(capsys.readouterr().out)

    assert 1 == code
    assert ["turn 1", "turn 2"] == [each["text"] for each in told["segments"]]
    assert "no transcript" in told["problem"]


def test_a_timeout_has_printed_what_was_recognized(
    forgetful: Server, meeting: Path, capsys: Output
) -> None:
    """Without a file, it is on the standard output."""
    arguments = ["transcribe", str(meeting), "--timeout", "1"]

    assert 1 == main([*arguments, "--url", forgetful.url])
    assert "turn 1\nturn 2\n" == capsys.readouterr().out


def test_ctrl_c_keeps_what_was_recognized(
    forgetful: Server, meeting: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    """It is on the disk already when the key is pressed; other files are left."""
    (meeting.parent / "next.wav").write_bytes(meeting.read_bytes())
    part = meeting.with_name("meeting.txt.part")
    seen: list[str] = []
    update = TranscriptFileOutput.update

    def pressed(
        output: TranscriptFileOutput,
        found: FoundTranscript,
        new: Sequence[TranscribedSegment],
    ) -> None:
        update(output, found, new)
        if 2 == len(found.done) and not seen:
            seen.append(part.read_text(encoding="utf-8"))
            _thread.interrupt_main()

    monkeypatch.setattr(TranscriptFileOutput, "update", pressed)
    code = main(["transcribe", str(meeting.parent), "--url", forgetful.url])
    out, err = capsys.readouterr()

    assert 130 == code
    assert ["turn 1", "turn 2"] == texts(seen[0])
    assert seen[0] == part.read_text(encoding="utf-8")
    assert f"interrupted; what was recognized is in {part}" in err
    assert "not begun" in out.splitlines()[2]
    assert {"meeting.wav", "next.wav", part.name} == files(meeting.parent)


def test_ctrl_c_before_anything_is_recognized_leaves_nothing(
    server: Server, meeting: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    """A file without a word would be in the way of the next attempt."""

    def pressed(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("realtime_sync.cli.transcribe.session_by_options", pressed)
    code = main(["transcribe", str(meeting.parent), "--url", server.url])
    out, err = capsys.readouterr()

    assert 130 == code
    assert "realtime-sync: interrupted\n" == err
    assert "interrupted" in out.splitlines()[1]
    assert {"meeting.wav"} == files(meeting.parent)


def test_what_is_complete_is_not_made_again(meeting: Path, capsys: Output) -> None:
    """It is a line of the table, and no server is needed for it."""
    meeting.with_suffix(".txt").write_text("mine", encoding="utf-8")
    code = main(["transcribe", str(meeting.parent), "--url", NOBODY, "--resume"])

    assert 0 == code
    out = capsys.readouterr().out
    assert "complete already" in out
    assert "wrote" not in out
    assert "mine" == meeting.with_suffix(".txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "fault", ["drop_after", "expire", "reset_after", "close_after"]
)
def test_a_lost_server_keeps_what_was_recognized(
    meeting: Path, fault: str, capsys: Output
) -> None:
    """However it goes; each file that it can still be asked for is tried."""
    name = "conversation.item.input_audio_transcription.completed"
    (meeting.parent / "next.wav").write_bytes(meeting.read_bytes())
    with serve(agent="echo", faults=[f"{fault}:{name}"]) as server:
        code = main(["transcribe", str(meeting.parent), "--url", server.url])
    lines = capsys.readouterr().out.splitlines()

    assert 1 == code
    for line, stem in zip(lines[1:], ("meeting", "next")):
        part = meeting.with_name(f"{stem}.txt.part")
        assert str(part) in line
        assert 1 == len(texts(part.read_text(encoding="utf-8")))


def test_a_loss_while_waiting_is_not_a_timeout(meeting: Path, capsys: Output) -> None:
    """Nobody waits for a server that is gone."""
    name = "conversation.item.input_audio_transcription.completed"
    faults = [f"missing:{name}", "drop_after:input_audio_buffer.cleared"]
    with serve(agent="echo", faults=faults) as server:
        code = main(["transcribe", str(meeting), "--url", server.url])

    assert 1 == code
    assert "the connection was lost" in capsys.readouterr().err


def test_without_a_server_nothing_else_is_tried(meeting: Path, capsys: Output) -> None:
    """One line, the exit code of a server that is not there, and a table."""
    (meeting.parent / "next.wav").write_bytes(meeting.read_bytes())
    code = main(["transcribe", str(meeting.parent), "--url", NOBODY])
    out, err = capsys.readouterr()

    assert 2 == code
    assert 1 == len(err.splitlines())
    assert "not begun" in out.splitlines()[2]
    assert {"meeting.wav", "next.wav"} == files(meeting.parent)


@pytest.mark.parametrize("form", ["txt", "srt", "vtt"])
def test_resume_goes_on_where_it_was_interrupted(
    forgetful: Server, meeting: Path, form: str, capsys: Output
) -> None:
    """What was recognized is not sent again, and the times are those of the file."""
    target = meeting.with_suffix(f".{form}")
    arguments = ["transcribe", str(meeting), "-o", str(target), "--format", form]
    first = main([*arguments, "--url", forgetful.url, "--timeout", "1"])
    agent = Echo()
    agent.recognizer = recognizer = CountingRecognizer(9)
    with serve(agent=agent) as server:
        second = main([*arguments, "--url", server.url, "--resume", "--json"])
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    starts = [each["start"] for each in told["segments"]]

    assert (1, 0, 2) == (first, second, recognizer.heard)
    assert ["turn 1", "turn 2"] * 2 == [each["text"] for each in told["segments"]]
    assert [0, 1, 2, 3] == [round(each) for each in starts]
    assert {"meeting.wav", target.name} == files(meeting.parent)


def test_no_speech_is_no_file(server: Server, tmp_path: Path, capsys: Output) -> None:
    """An empty transcript would look like a success."""
    quiet = tmp_path / "quiet.wav"
    audio.write_wav(quiet, audio.silence(0.5))

    assert 1 == main(["transcribe", str(tmp_path), "--url", server.url])
    assert "no speech" in capsys.readouterr().out
    assert {"quiet.wav"} == files(tmp_path)


@pytest.mark.parametrize(
    "options", [["--raw"], ["--raw", "--channels", "2", "--channel", "1"]]
)
def test_samples_without_a_header_are_transcribed(
    server: Server, tmp_path: Path, capsys: Output, options: list[str]
) -> None:
    """Their rate is for the user to say, and which side of a call to hear."""
    turn = audio.tone(440, 0.3, "pcm16", level=-6) + audio.silence(0.7)
    samples = [turn[at : at + 2] for at in range(0, len(turn), 2)]
    path = tmp_path / "call.pcm"
    if "--channels" in options:
        path.write_bytes(b"".join(b"\0\0" + each for each in samples))
    else:
        path.write_bytes(turn)
    code = main(["transcribe", str(path), *options, "--url", server.url])
    out, err = capsys.readouterr()

    assert (0, 1) == (code, len(out.splitlines())), err


def test_the_sides_of_a_call_have_a_transcript_each(
    server: Server, tmp_path: Path, capsys: Output
) -> None:
    """Named after the file and the channel; a side that is silent has none."""
    turn = audio.tone(440, 0.3, "pcm16", level=-6) + audio.silence(0.7)
    samples = [turn[at : at + 2] for at in range(0, len(turn), 2)]
    path = tmp_path / "call.pcm"
    path.write_bytes(b"".join(b"\0\0" + each + each for each in samples))
    channels = [f"--channel={number}" for number in (0, 1, 2)]
    arguments = ["transcribe", str(path), "--raw", "--channels", "3", *channels]
    code = main([*arguments, "--url", server.url, "--json"])
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert 1 == code
    assert [0, 1, 2] == [each["channel"] for each in told]
    assert [0, 1, 1] == [len(each["segments"]) for each in told]
    assert {str(path)} == {each["file"] for each in told}
    assert {"call.pcm", "call.1.txt", "call.2.txt"} == files(tmp_path)


def test_a_channel_that_a_file_does_not_have_is_one_line(
    server: Server, meeting: Path, capsys: Output
) -> None:
    """It names those that there are."""
    code = main(["transcribe", str(meeting), "--channel", "3", "--url", server.url])
    out, err = capsys.readouterr()

    assert 0 != code
    assert "no 3" in err
