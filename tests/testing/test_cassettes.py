"""Cassettes: a recording in a server's place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from realtime_sync import ReconnectPolicy, Session, connect
from realtime_sync.cli.serve import agent_to_serve
from realtime_sync.errors import CommandRejected, ConnectionLost
from realtime_sync.server import serve
from realtime_sync.testing import (
    Cassette,
    MemoryTransport,
    ScenarioFailed,
    cassette,
    frames,
    silence,
    tone,
)


def record(path: Path, act: Callable[[Session], Any], **options: Any) -> Session:
    """Record what a program does with an echoing server."""
    arguments = {key: options.pop(key) for key in ("faults",) if key in options}
    with serve(agent="echo", **arguments) as server:
        session = connect("gpt-realtime", base_url=server.url, timeout=5, **options)
        session.record(path)
        act(session)
        session.close()
    return session


def converse(session: Session) -> None:
    """A program: configuration, an item, two questions."""
    session.update(instructions="Be brief.").acknowledged()
    item = session.conversation.item.create(frames.message("Note", id="item_mine"))
    item.acknowledged()
    session.conversation.add_message("Without waiting")
    session.ask("Hello")
    session.ask("Hello again")


def in_memory(tape: Cassette, **options: Any) -> Session:
    """A session with a cassette in one thread."""
    transport = MemoryTransport(tape, dialect=options.get("dialect", "ga"))
    options = {"dispatch": "inline", "timeout": 0.5, **options}
    session: Session = connect(transport=transport, **options)
    return session


def texts(session: Session) -> list[tuple[str, str]]:
    """What was said in a session."""
    return [(line.role, line.text) for line in session.snapshot.transcript()]


def test_program_runs_again_against_its_recording(tmp_path: Path) -> None:
    """The same program gets the same answers, over a socket and without one."""
    path = tmp_path / "a.jsonl"
    original = record(path, converse)
    tape = cassette(path)
    with serve(agent=tape) as server:
        with connect("gpt-realtime", base_url=server.url, timeout=5) as again:
            converse(again)
    once_more = in_memory(tape)
    converse(once_more)

    tape.verify()
    assert texts(original) == texts(again) == texts(once_more)
    assert () == again.snapshot.anomalies


def test_command_line_form_serves_a_recording(tmp_path: Path) -> None:
    """``serve --agent cassette:FILE`` says it by name."""
    path = tmp_path / "a.jsonl"
    record(path, lambda session: session.ask("Hello"))
    with serve(agent=agent_to_serve(f"cassette:{path}")) as server:
        with connect("gpt-realtime", base_url=server.url, timeout=5) as session:
            assert "Hello" == session.ask("Hello").text


@pytest.mark.parametrize("name", ["echo", "scripted:a.json", "cassette:", "cassette"])
def test_other_names_are_left_to_the_server(name: str) -> None:
    """It knows its own agents, and complains about what is none."""
    assert name == agent_to_serve(name)


def test_ids_of_the_client_are_put_in_the_place_of_the_recorded(
    tmp_path: Path,
) -> None:
    """Items and commands are made anew each time, and answered by their new ids."""
    path = tmp_path / "a.jsonl"

    def act(session: Session) -> Any:
        handle = session.conversation.add_message("Hello")
        with pytest.raises(CommandRejected) as refused:
            session.conversation.item.delete("item_nowhere").acknowledged()
        return handle, refused.value

    original = record(path, act)
    session = in_memory(cassette(path))
    handle, refused = act(session)

    assert handle.acknowledged().item.id == handle.command.item.id
    assert refused.event_id != handle.event_id
    assert original.snapshot.items[0].id != session.snapshot.items[0].id


@pytest.mark.parametrize(("recorded", "wanted"), [("beta", "ga"), ("ga", "beta")])
def test_recording_serves_clients_of_the_other_dialect(
    recorded: Any, wanted: Any, tmp_path: Path
) -> None:
    """An old recording still tests a program that has moved on."""
    path = tmp_path / "a.jsonl"
    record(path, lambda session: session.ask("Hello"), dialect=recorded)
    tape = cassette(path)
    session = in_memory(tape, dialect=wanted)

    assert "Hello" == session.ask("Hello").text
    tape.verify()


def test_command_that_was_not_recorded_is_refused(tmp_path: Path) -> None:
    """The message says what came and what was expected."""
    path = tmp_path / "a.jsonl"
    record(path, lambda session: session.ask("Hello"))
    tape = cassette(path)
    session = in_memory(tape)
    with pytest.raises(CommandRejected, match="not what was recorded") as caught:
        session.update(instructions="Surprise").acknowledged()

    assert "conversation.item.create" in str(caught.value)
    with pytest.raises(ScenarioFailed) as failed:
        tape.verify()
    assert "Surprise" in str(failed.value)
    assert 2 == str(failed.value).count("never came")


def test_contents_are_compared_if_wanted(tmp_path: Path) -> None:
    """By default only the type counts; ``match`` sees both commands."""
    path = tmp_path / "a.jsonl"
    record(
        path, lambda session: session.conversation.add_message("Hello").acknowledged()
    )

    def same_text(recorded: Any, now: Any) -> bool:
        return bool(recorded["item"]["content"] == now["item"]["content"])

    strict = in_memory(cassette(path, match=same_text))
    with pytest.raises(CommandRejected):
        strict.conversation.add_message("Goodbye").acknowledged()
    strict.conversation.add_message("Hello").acknowledged()
    in_memory(cassette(path)).conversation.add_message("Goodbye").acknowledged()


def test_cassette_that_was_not_played_fails(tmp_path: Path) -> None:
    """A test that forgot its client is no test."""
    path = tmp_path / "a.jsonl"
    record(path, lambda session: session.ask("Hello"))

    with pytest.raises(ScenarioFailed, match="never played"):
        cassette(path).verify()


def speak(session: Session, *, chunk: int) -> None:
    """Say something loud and wait until it was answered."""
    with session.expect("response.done") as answered:
        sound = tone(0.6) + silence(0.8)
        for at in range(0, len(sound), chunk):
            session.input_audio_buffer.append(sound[at : at + chunk])
    answered.result()


def test_audio_counts_by_its_length(tmp_path: Path) -> None:
    """However it is cut, turns are found where they were found."""
    path = tmp_path / "a.jsonl"
    original = record(path, lambda session: speak(session, chunk=4800))
    tape = cassette(path)
    session = in_memory(tape)
    speak(session, chunk=960)

    tape.verify()
    assert texts(original) == texts(session)


def test_less_audio_does_not_hold_up_a_commit(tmp_path: Path) -> None:
    """A shorter file still gets through what was recorded."""
    path = tmp_path / "a.jsonl"

    def act(session: Session, size: int = 9600) -> None:
        session.update(turn_detection=None).acknowledged()
        session.input_audio_buffer.append(bytes(size))
        session.input_audio_buffer.commit().acknowledged()

    record(path, act)
    tape = cassette(path)
    act(in_memory(tape), size=4800)

    tape.verify()


def test_connection_that_broke_breaks_again(tmp_path: Path) -> None:
    """And the next one is played to the client that reconnects."""
    path = tmp_path / "a.jsonl"
    policy = ReconnectPolicy(base=0.0)

    def act(session: Session, cut: Callable[[], None]) -> None:
        restored = session.expect("connection.restored")
        session.conversation.add_message("Remember me").acknowledged()
        session.flush()
        cut()
        restored.result()
        session.ask("Still there?")

    with serve(agent="echo") as server:
        url = server.url
        original = connect("m", base_url=url, timeout=5, reconnect=policy)
        original.record(path)
        act(original, lambda: server.sessions[-1].drop())
        original.close()
    tape = cassette(path)
    with serve(agent=tape) as server:
        url = server.url
        session = connect("m", base_url=url, timeout=5, reconnect=policy)
        act(session, lambda: None)
        session.close()

    tape.verify()
    assert texts(original) == texts(session)


def test_end_by_the_server_is_played(tmp_path: Path) -> None:
    """With its close code."""
    path = tmp_path / "a.jsonl"

    def act(session: Session) -> None:
        with pytest.raises(ConnectionLost):
            session.ask("Hello")

    record(path, act, faults=["close_after:response.created:1011"])
    session = in_memory(cassette(path))
    act(session)

    assert 1011 == session.close_report.code


def test_what_was_no_json_is_said_again(tmp_path: Path) -> None:
    """Byte for byte, over a socket as well."""
    path = tmp_path / "a.jsonl"
    record(path, lambda session: session.ask("Hello"), faults=["bad_json:4"])
    problems = []
    with serve(agent=cassette(path)) as server:
        with connect("gpt-realtime", base_url=server.url, timeout=5) as session:
            session.on("*", lambda event: problems.append(event.raw == {}))
            session.ask("Hello")
            session.flush()

    assert 1 == problems.count(True)


def test_session_lasts_as_long_as_it_lasted_then(tmp_path: Path) -> None:
    """A recording of last year is not expired."""
    path = tmp_path / "a.jsonl"
    record(path, lambda session: session.update(instructions="x").acknowledged())
    old = path.read_text()
    head, _, rest = old.partition("\n")
    started = float(head.partition('"started":')[2].partition(",")[0])
    path.write_text(head.replace(str(started), str(started - 1e8)) + "\n" + rest)
    session = in_memory(cassette(path))
    session.update(instructions="x").acknowledged()

    assert (session.snapshot.expires_at or 0) > started + 9e7


def test_lines_of_other_programs_can_be_played() -> None:
    """Whatever `read_recording` reads."""
    lines = [
        {"dir": "in", "event": frames.session_created(id="sess_other")},
        {"dir": "out", "event": {"type": "response.create"}},
        *({"dir": "in", "event": frame} for frame in frames.answer("Hi")({})),
    ]
    tape = Cassette(lines)
    session = in_memory(tape)

    assert "sess_other" == session.id
    assert "Hi" == session.response.create().result().text
    tape.verify()
