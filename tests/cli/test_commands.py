"""The commands beside demo, talk and serve: from arguments to exit code."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from realtime_sync import Snapshot, connect
from realtime_sync.cli import main, microphone, tail, transcribe
from realtime_sync.cli.doctor_checks import QUESTIONS, DoctorExamination
from realtime_sync.cli.main import command_line_parser
from realtime_sync.cli.plain_screen import plain_table
from realtime_sync.cli.transcript_files import TranscriptStreamOutput
from realtime_sync.cli.transcript_formats import (
    TranscribedSegment,
    transcript_srt,
    transcript_text,
    transcript_vtt,
)
from realtime_sync.protocol.dialects.server_quirks import NULL_PREDECESSORS
from realtime_sync.protocol.escape import one_line, terminal_text
from realtime_sync.server import Server

ROOT = Path(__file__).parent.parent.parent
Output = pytest.CaptureFixture[str]
MODEL = "gpt-realtime-2.1"
SEGMENTS = [
    TranscribedSegment(0.0, 1.5, "One & two"),
    TranscribedSegment(3661.25, 3662.0, "a\n\nb --> c", "B & co"),
]

pytestmark = pytest.mark.usefixtures("key")


@pytest.fixture
def log(server: Server, tmp_path: Path) -> Path:
    """A recording of one question and its answer."""
    path = tmp_path / "call.jsonl"
    with connect(MODEL, base_url=server.url) as session:
        session.record(path)
        session.ask("Hello there", timeout=10)
    return path


def test_ask_reads_the_standard_input(
    server: Server, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question can come through a pipe; JSON has the tokens too."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("Hello from a pipe\n"))
    code = main(["ask", "--url", server.url, "--json"])
    said = json.loads(capsys.readouterr().out)

    assert 0 == code
    assert ("Hello from a pipe", "completed") == (said["text"], said["status"])
    assert said["output_tokens"] > 0


def test_ask_without_a_question_is_bad_input(
    server: Server, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is connected for nothing."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("  \n"))

    assert 2 == main(["ask", "-", "--url", server.url])
    assert "no question" in capsys.readouterr().err


@pytest.mark.parametrize("dialect", ["ga", "beta"])
def test_transcribe_prints_what_was_said(
    server: Server, loud: Path, dialect: str, capsys: Output
) -> None:
    """Nothing but the text, so that it can be piped."""
    code = main(["transcribe", str(loud), "--url", server.url, "--dialect", dialect])
    out, err = capsys.readouterr()

    assert (0, "") == (code, err)
    assert 1 == len(out.splitlines())


@pytest.mark.parametrize(("form", "mark"), [("srt", " --> "), ("vtt", "WEBVTT")])
def test_transcribe_writes_subtitles(
    server: Server, loud: Path, tmp_path: Path, form: str, mark: str
) -> None:
    """The times are those of the file."""
    target = tmp_path / "out"
    code = main(
        ["transcribe", str(loud), "--url", server.url, "--format", form]
        + ["-o", str(target)]
    )

    assert 0 == code
    assert mark in target.read_text(encoding="utf-8")


def test_transcribe_of_a_folder_is_a_table(
    server: Server, loud: Path, tmp_path: Path, capsys: Output
) -> None:
    """A file that cannot be read is a line of it, and the others are done."""
    (tmp_path / "broken.wav").write_bytes(b"no audio")
    code = main(["transcribe", str(tmp_path), "--url", server.url])
    lines = capsys.readouterr().out.splitlines()

    assert 1 == code
    firsts = [line.split()[0] for line in lines]
    assert ["file", "broken.wav", "loud.wav", "wrote"] == firsts
    assert "not an audio file" in lines[1]
    assert (tmp_path / "loud.txt").exists()
    assert not (tmp_path / "broken.txt").exists()


def test_transcribe_of_an_empty_folder_is_bad_input(
    tmp_path: Path, capsys: Output
) -> None:
    """A mistyped path does not look like success."""
    assert 2 == main(["transcribe", str(tmp_path)])
    assert "no audio file" in capsys.readouterr().err


def test_transcribe_as_json_has_times(
    server: Server, loud: Path, capsys: Output
) -> None:
    """Seconds from the beginning of the file."""
    main(["transcribe", str(loud), "--url", server.url, "--json"])
    told = json.loads(capsys.readouterr().out)
    (segment,) = told["segments"]

    assert 0 <= segment["start"] < segment["end"] <= told["seconds"]


def test_subtitles_are_well_formed() -> None:
    """Hours, no empty lines within a block, nothing that is markup."""
    assert "One & two\nB & co: a\n\nb --> c\n" == transcript_text(SEGMENTS)
    assert (
        "1\n00:00:00,000 --> 00:00:01,500\nOne & two\n\n"
        "2\n01:01:01,250 --> 01:01:02,000\nB & co: a b --> c\n"
    ) == transcript_srt(SEGMENTS)
    assert (
        "01:01:01.250 --> 01:01:02.000\n<v B &amp; co>a b --&gt; c\n"
    ) in transcript_vtt(SEGMENTS)


def test_report_is_written_beside_the_recording(log: Path, capsys: Output) -> None:
    """Or where one wants it."""
    assert 0 == main(["report", str(log)])
    assert 0 == main(["report", str(log), "-o", str(log.parent / "r.html"), "--json"])
    first, second = capsys.readouterr().out.splitlines()

    assert f"wrote {log.with_suffix('.html')}" == first
    assert json.loads(second)["bytes"] > 1000
    assert "Hello there" in (log.parent / "r.html").read_text(encoding="utf-8")


def test_report_of_something_else_is_bad_input(tmp_path: Path, capsys: Output) -> None:
    """One line says which line is wrong."""
    bad = tmp_path / "notes.txt"
    bad.write_text("hello\n", encoding="utf-8")

    assert 2 == main(["report", str(bad)])
    assert "line 1" in capsys.readouterr().err


def test_replay_prints_the_conversation(log: Path, capsys: Output) -> None:
    """Both sides, and what it took; as JSON the mirror."""
    assert 0 == main(["replay", str(log)])
    lines = capsys.readouterr().out.splitlines()

    assert ["you     Hello there", "server  Hello there"] == lines[:2]
    assert "2 items, 1 response," in lines[3]
    assert 0 == main(["replay", str(log), "--json"])
    assert 2 == len(json.loads(capsys.readouterr().out)["items"])


def test_tail_prints_one_line_per_event(log: Path, capsys: Output) -> None:
    """Time, direction, type, and what it is about."""
    assert 0 == main(["tail", str(log), "-n", "3"])
    lines = capsys.readouterr().out.splitlines()

    assert 3 == len(lines)
    assert "recording.ended" in lines[-1]


def test_tail_does_not_drown_in_audio(tmp_path: Path, capsys: Output) -> None:
    """A run of blocks is its first, and how many came after it."""
    log = tmp_path / "loud.jsonl"
    sent = ("out", {"type": "input_audio_buffer.append", "audio": "AAAA"})
    heard = ("in", {"type": "response.output_audio.delta", "delta": "AAAA"})
    commit = ("out", {"type": "input_audio_buffer.commit"})
    events = [sent, sent, heard, sent, heard, commit, sent, sent]
    log.write_text(
        "".join(
            json.dumps({"t": at, "dir": direction, "frame": frame}) + "\n"
            for at, (direction, frame) in enumerate(events)
        )
    )
    main(["tail", str(log)])
    lines = capsys.readouterr().out.splitlines()
    main(["tail", str(log), "-n", "2"])

    assert [
        "    0.000 > input_audio_buffer.append  <3 bytes>",
        "    2.000 < response.output_audio.delta  <3 bytes>",
        "          > input_audio_buffer.append  ... and 2 more",
        "          < response.output_audio.delta  ... and 1 more",
        "    5.000 > input_audio_buffer.commit",
        "    6.000 > input_audio_buffer.append  <3 bytes>",
        "          > input_audio_buffer.append  ... and 1 more",
    ] == lines
    assert lines[-2:] == capsys.readouterr().out.splitlines()


def test_output_that_nobody_reads_is_no_complaint(log: Path) -> None:
    """As in ``realtime-sync tail LOG | head -1``."""
    command = [sys.executable, "-m", "realtime_sync.cli", "tail", str(log)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    with process.stderr:
        said = process.stderr.read()

    assert (141, b"") == (process.wait(30), said)


def test_tail_follows_until_the_recording_ends(
    log: Path, tmp_path: Path, capsys: Output
) -> None:
    """What is written later is printed later, half lines when they are whole."""
    text = log.read_bytes()
    growing = tmp_path / "growing.jsonl"
    half = len(text) // 2
    growing.write_bytes(text[:half])
    options = command_line_parser().parse_args(["tail", str(growing), "-f", "--json"])
    thread = threading.Thread(target=tail.run_tail, args=(options,))
    thread.start()
    with growing.open("ab") as file:
        file.write(text[half:])
    thread.join(10)

    assert not thread.is_alive()
    assert list(map(json.loads, text.decode("utf-8").splitlines())) == list(
        map(json.loads, capsys.readouterr().out.splitlines())
    )


def test_tail_loses_no_line_with_separators_in_it(
    tmp_path: Path, capsys: Output
) -> None:
    """JSON holds characters that end a line elsewhere."""
    log = tmp_path / "separators.jsonl"
    frame = {"type": "response.output_text.delta", "delta": "a\u2028b\x85c"}
    line = json.dumps({"t": 0, "dir": "in", "frame": frame}, ensure_ascii=False)
    log.write_text(f"{line}\n{line}\n", encoding="utf-8")
    main(["tail", str(log)])

    assert 2 == capsys.readouterr().out.count("response.output_text.delta")


def test_tail_of_nothing_is_bad_input(capsys: Output) -> None:
    """It says what it needs."""
    assert 2 == main(["tail"])
    assert "--call" in capsys.readouterr().err


def test_tail_shows_nothing_that_a_terminal_obeys(
    tmp_path: Path, capsys: Output
) -> None:
    """A recording cannot move the cursor."""
    log = tmp_path / "evil.jsonl"
    frame = {"type": "error", "error": {"message": "\x1b[2Jgone\u202e"}}
    log.write_text(json.dumps({"t": 1, "dir": "in", "frame": frame}) + "\n")
    main(["tail", str(log)])
    out = capsys.readouterr().out

    assert "\x1b" not in out and "\u202e" not in out
    assert "gone" in out


EVIL = "a\x1b[2J\x1b]0;title\x07b\x9b2J\u202ec\rd"


@pytest.mark.parametrize("command", ["ask", "ask --json", "replay", "replay --json"])
def test_an_answer_cannot_clear_the_screen(
    command: str, server: Server, tmp_path: Path, capsys: Output
) -> None:
    """It is shown, and for programs it means the same as it did."""
    log = tmp_path / "evil.jsonl"
    with connect(MODEL, base_url=server.url) as session:
        session.record(log)
        session.ask(EVIL, timeout=10)
    name, *as_json = command.split()
    rest = [EVIL, "--url", server.url] if name == "ask" else [str(log)]
    assert 0 == main([name, *rest, *as_json])
    out = capsys.readouterr().out

    assert terminal_text(out) == out
    assert "2J" in out
    if name == "ask" and as_json:
        assert EVIL == json.loads(out)["text"]


@pytest.mark.parametrize("member", ["type", "item_id", "message", "code"])
def test_no_member_of_an_event_reaches_the_terminal_as_it_is(
    member: str, tmp_path: Path, capsys: Output
) -> None:
    """As a line for people and as the JSON that it was."""
    log = tmp_path / "evil.jsonl"
    line = {"t": 1, "dir": "in", "frame": {"type": "error", member: EVIL + "\n"}}
    log.write_text(json.dumps(line, ensure_ascii=False) + "\n", encoding="utf-8")
    main(["tail", str(log)])
    people = capsys.readouterr().out
    main(["tail", "--json", str(log)])
    programs = capsys.readouterr().out

    assert [1, 1] == [people.count("\n"), programs.count("\n")]
    assert [people, programs] == [terminal_text(people), terminal_text(programs)]
    assert line == json.loads(programs)


def test_a_transcript_and_its_problem_are_shown(capsys: Output) -> None:
    """A server that transcribes says whatever it likes."""

    class Heard:
        ready = done = [TranscribedSegment(0, 1, EVIL)]
        recognized = 1.0

    output = TranscriptStreamOutput("txt", sys.stdout)
    output.open(1.0)
    output.finish(Heard(), complete=True)
    source = transcribe.SourceToTranscribe(Path("a"), Path("a\n.wav"))
    bad = transcribe.TranscribeResult(source, 1.0, problem=EVIL)
    assert 1 == transcribe._transcribe_exit_code([bad], None, False)
    captured = capsys.readouterr()

    assert terminal_text(EVIL) + "\n" == captured.out
    assert f"realtime-sync: {one_line(EVIL)}\n" == captured.err
    shown = plain_table(transcribe.transcribe_table([bad]))
    assert 1 == shown.count("\n")
    assert one_line(EVIL) in shown


def test_an_error_line_is_one_line_of_text(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Errors of the system, too, quote what somebody else has said."""

    def fail(options: object) -> int:
        raise OSError(1, EVIL, "name\nrealtime-sync: all is well")

    monkeypatch.setattr(tail, "run_tail", fail)
    assert 2 == main(["tail"])
    err = capsys.readouterr().err

    assert err == terminal_text(err)
    assert 1 == err.count("\n")


@pytest.mark.parametrize("dialect", ["ga", "beta"])
def test_doctor_finds_the_local_server_well(
    server: Server, dialect: str, capsys: Output
) -> None:
    """Every question has an answer, and none is bad."""
    code = main(["doctor", "--url", server.url, "--dialect", dialect, "--json"])
    findings = json.loads(capsys.readouterr().out)["findings"]
    verdicts = {each["name"]: each["verdict"] for each in findings}

    assert 0 == code
    assert {"ok", "odd"} >= set(verdicts.values())
    for name in ("dialect ga", "dialect beta", "answer", "errors", "close"):
        assert "ok" == verdicts[name]


def test_doctor_names_the_habits_that_a_server_was_caught_at() -> None:
    """In words, as the page on servers has them."""
    habits = frozenset({NULL_PREDECESSORS})
    session = SimpleNamespace(snapshot=Snapshot(habits=habits))
    exam = DoctorExamination(session=session, timeout=1)
    verdict, detail = dict(QUESTIONS)["habits"](exam)

    assert "odd" == verdict
    assert "no predecessor in the middle" in detail


def test_doctor_of_nothing_is_bad_input(capsys: Output) -> None:
    """A server that is not there is one line."""
    assert 2 == main(["doctor", "--url", "http://127.0.0.1:9/v1"])
    assert 1 == len(capsys.readouterr().err.splitlines())


def test_talk_needs_a_file_or_a_microphone(capsys: Output) -> None:
    """And not both."""
    for arguments in (["talk"], ["talk", "a.wav", "--mic"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)

        assert 2 == caught.value.code
        assert "--mic" in capsys.readouterr().err


def test_talk_as_json_has_the_turns(
    server: Server, loud: Path, tmp_path: Path, capsys: Output
) -> None:
    """Times in milliseconds; the transcript goes to the standard error."""
    code = main(
        ["talk", str(loud), "--url", server.url, "--pace", "full", "--json"]
        + ["--out", str(tmp_path / "out")]
    )
    out, err = capsys.readouterr()
    turn = json.loads(out)

    assert 0 == code
    assert "completed" == turn["status"]
    assert "server" in err


def test_conversation_through_a_microphone(
    server: Server, loud: Path, capsys: Output
) -> None:
    """The microphone of this test is a file, and ends; the sink keeps the answer."""
    from realtime_sync import audio

    heard = bytearray()

    class Mic:
        def __enter__(self) -> object:
            blocks = [*audio.file_blocks(loud), *[audio.silence(0.02)] * 60]
            pacer = audio.Pacer()

            def paced() -> object:
                for number, block in enumerate(blocks):
                    pacer.wait(number * 0.02)
                    yield block

            return paced()

        def __exit__(self, *exc_info: object) -> None:
            pass

    options = command_line_parser().parse_args(["talk", "--mic", "--url", server.url])
    with audio.Player(heard.extend) as player:

        class Loud:
            def __enter__(self) -> audio.Player:
                return player

            def __exit__(self, *exc_info: object) -> None:
                pass

        code = microphone.talk_by_microphone(
            server.url, options, microphone=Mic(), speaker=Loud()
        )

    assert 0 == code
    assert "server" in capsys.readouterr().out
    assert heard
