"""Time travel: what was known at any event of a recording."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from realtime_sync import (
    RealtimeClient,
    ReconnectPolicy,
    Session,
    Steps,
    connect,
    replay,
)
from realtime_sync.errors import ConfigurationError
from realtime_sync.server import serve
from realtime_sync.testing import MemoryTransport, frames
from tests.report.recordings import head, line, spoken_turn
from tests.session.live.live_session import delegated, live_session, said

PCM = b"\0\1" * 2400
FAULTS: tuple[list[str], ...] = (
    [],
    ["duplicate:response.output_audio.delta", "null_ids", "unknown_fields"],
    ["missing:response.created", "swap:conversation.item.added", "no_ids"],
    ["bad_json:6", "non_object:9", "unknown_event:12", "null_fields"],
    ["cut:response.done:20"],
    ["drop_after:25"],
)

Seen = list[tuple[Any, Any]]
"""Each event, and the snapshot that its handler was given."""


def watched(session: Any) -> Seen:
    """What handlers are told from now on."""
    seen: Seen = []
    session.on("*", lambda event, ctx: seen.append((event, ctx.snapshot)), inline=True)
    return seen


def speak(session: Session) -> None:
    """Spoken turns, an item at the head, a deletion; the connection may break."""

    def ask(answer: Any) -> None:
        try:
            answer()
        except Exception:
            pass  # The fault broke it; the recording is what is looked at.

    for text in ("one", "two", "three"):
        ask(lambda: session.input_audio_buffer.append(PCM))
        ask(lambda: session.input_audio_buffer.commit().acknowledged(0.5))
        ask(lambda: session.response.create().result(0.5))
        ask(lambda: session.ask(text, timeout=0.5))
    item = {
        "type": "message",
        "role": "system",
        "content": [{"type": "input_text", "text": "Be brief"}],
    }
    create = session.conversation.item.create
    ask(lambda: create(item, previous_item_id="root").acknowledged(0.5))
    last = session.snapshot.items[-1].id
    ask(lambda: session.conversation.item.delete(last).acknowledged(0.5))


def compared(steps: Steps, seen: Seen) -> Iterator[tuple[Any, Any]]:
    """Each snapshot of then, and of now at the line that brought the same event."""
    numbers = (step.number for step in steps if step.direction == "in")
    for event, snapshot in seen:
        for number in numbers:
            found = steps.line(number)
            if found.frame == (event.raw or event.received) and event.type:
                break
            if not event.type and event.received in (found.frame, found.data):
                break
        else:
            raise AssertionError(f"{event.type} is not in the recording")
        yield snapshot, steps.snapshot(number)


@pytest.mark.parametrize("faults", FAULTS, ids="+".join)
def test_snapshot_at_every_event_is_the_one_that_its_handler_had(
    faults: list[str], tmp_path: Path
) -> None:
    """Spoken and written turns, whatever went wrong, reconnects included."""
    path = tmp_path / "call.jsonl"
    with serve(agent="echo", faults=faults) as server:
        policy = ReconnectPolicy(base=0.0, attempts=2)
        client = RealtimeClient(base_url=server.url, reconnect=policy)
        session = client.session("gpt-realtime")
        # Before it is open: no event comes between the one and the other.
        session.record(path)
        seen = watched(session)
        session.open()
        speak(session)
        session.close()
    steps = Steps(path)
    pairs = list(compared(steps, seen))

    assert len(pairs) > 20
    assert [] == [a.version for a, b in pairs if a.to_dict() != b.to_dict()]
    assert session.snapshot == steps.snapshot(-1) == replay(path)


def test_snapshot_at_every_event_of_a_live_session_is_the_one_of_then(
    tmp_path: Path,
) -> None:
    """Sound, texts, work handed on and a session that takes the place of another."""
    path = tmp_path / "call.jsonl"
    policy = ReconnectPolicy(base=0.001, cap=0.001)
    with live_session(reconnect=policy) as (session, server):
        session.record(path)
        seen = watched(session)
        for number in range(5):
            session.input_audio.append(PCM)
            server.feed(said("user", "Which gate?", 200 + number))
            session.note("VIP").acknowledged()
            session.input_audio.append(PCM)
            server.feed(delegated(f"item_{number}"))
            session.say("B12.", delegation_id=f"item_{number}").acknowledged()
            server.feed({"type": "session.output_audio.delta", "delta": "AAAA"})
        server.session["id"] = "live_2"
        server.transport.cut(1006)
        server.feed(said("assistant", "Again", 100))
        session.close()
    steps = Steps(path)
    pairs = list(compared(steps, seen))

    assert "live" == steps.session_type
    assert len(pairs) > 25
    assert [] == [a.version for a, b in pairs if a.to_dict() != b.to_dict()]
    assert session.snapshot.to_dict() == steps.snapshot(-1).to_dict()


def test_command_noted_after_the_next_event_came_counts_from_the_event_after(
    tmp_path: Path,
) -> None:
    """A thread may be between writing a command and the mirror's being told."""
    told = [{"type": "session.started", "session": {"id": "live_1"}}]
    told += [{"type": "session.resumed"}, {"type": "session.resumed"}]
    append = {"type": "session.input_audio.append", "audio": "AAAA"}
    path = tmp_path / "call.jsonl"
    rows: list[dict[str, Any]] = [{"dir": "in", "frame": told[0], "noted": 0}]
    rows += [{"dir": "out", "frame": append}]
    rows += [{"dir": "in", "frame": each, "noted": n} for n, each in enumerate(told)]
    lines = [head(session_type="live"), *(json.dumps({"t": 1, **r}) for r in rows)]
    path.write_text("\n".join(lines))
    steps = Steps(path)
    heard = [steps.snapshot(number).audio for number in range(5)]  # type: ignore

    assert [0, 0, 0, 3, 3] == [each.sent_bytes for each in heard]
    assert replay(path).to_dict() == steps.snapshot(4).to_dict()


def test_commands_told_before_they_were_written_are_not_counted_twice(
    tmp_path: Path,
) -> None:
    """What a connection was held for is told to its mirror first, and written then."""
    append = {"type": "session.input_audio.append", "audio": "AAAA"}
    resumed = {"type": "session.resumed"}
    rows: list[dict[str, Any]] = [{"dir": "in", "frame": resumed, "noted": 1}]
    rows += [{"dir": "out", "frame": append}, {"dir": "out", "frame": append}]
    rows += [{"dir": "in", "frame": resumed, "noted": 0}]
    rows += [{"dir": "in", "frame": resumed, "noted": 1}]
    lines = [head(session_type="live"), *(json.dumps({"t": 1, **r}) for r in rows)]
    steps = Steps(lines)
    heard = [steps.snapshot(number).audio for number in range(5)]  # type: ignore

    assert [0, 0, 0, 3, 6] == [each.sent_bytes for each in heard]


def long_call(turns: int) -> list[str]:
    """A call of some hundred events."""
    lines = [head()]
    for number in range(1, turns + 1):
        lines += spoken_turn(5.0 * number, number)
    return lines


def test_any_order_of_looks_gives_the_same_snapshots() -> None:
    """Forwards, backwards, at random: a look changes nothing for the next."""
    lines = long_call(50)
    forwards = Steps(lines)
    expected = [forwards.snapshot(number) for number in range(len(forwards))]
    order = list(range(len(expected)))
    order = random.Random(19).sample(order, 50)
    steps = Steps(lines)

    assert len(expected) > 3 * 256
    assert [] == [each for each in order if steps.snapshot(each) != expected[each]]
    assert expected[-1].to_dict() == replay(lines).to_dict()


class Counted(dict[str, Any]):
    """A line that counts how often any of its kind is read."""

    read = 0

    def get(self, name: Any, default: Any = None) -> Any:
        """Count one reading for each look at the direction."""
        Counted.read += name == "dir"
        return super().get(name, default)


def test_look_anywhere_reads_no_more_than_lies_between_two_kept_points() -> None:
    """Once the end was seen, a seek does not depend on how long the call is."""
    steps = Steps([Counted(json.loads(each)) for each in long_call(60)])
    steps.snapshot(-1)
    costs = []
    for number in (len(steps) - 2, 300, 0, 600, 255, 256, 511, 512):
        Counted.read = 0
        steps.snapshot(number)
        costs.append(Counted.read)

    assert max(costs) <= 257
    assert costs[2] <= 1 and costs[5] <= 1  # The points themselves.


def test_next_event_costs_one_line_if_the_mirror_hears_of_it() -> None:
    """Stepping on is not computed from the last kept point each time."""
    steps = Steps([Counted(json.loads(each)) for each in long_call(20)])
    steps.snapshot(100)
    Counted.read = 0
    for number in range(101, 201):
        steps.snapshot(number)
    heard = [step for step in steps[101:201] if step.direction == "in"]

    assert 30 < len(heard) == Counted.read < 60


def test_step_tells_what_it_is_and_line_what_is_in_it(tmp_path: Path) -> None:
    """From a file, lines are read again where they stand."""
    path = tmp_path / "call.jsonl"
    lines = [*long_call(2), line(30, "note", "turn.finished", status="completed")]
    path.write_text("\n\n".join(lines) + "\n")
    steps = Steps(path)
    last = steps[-1]

    assert 35 == len(steps) == len(list(steps)) == len(steps[:])
    assert (34, 30.0, "note", "turn.finished", 1) == (
        last.number,
        last.at,
        last.direction,
        last.type,
        last.connection,
    )
    assert "completed" == steps.line(34).frame["status"]
    assert [step.number for step in steps[3:7:2]] == [3, 5]
    assert 30.0 == steps.seconds and 1_700_000_000 == steps.started
    assert (0, 0, 9, 34) == tuple(map(steps.number_at, (-1, 5.1, 6.05, 99)))
    assert 30.0 == steps.line(34).at


@pytest.mark.parametrize("number", [5, -6])
def test_step_beyond_the_ends_is_an_index_error(number: int) -> None:
    """As for a list."""
    steps = Steps([line(n, "in", "response.created") for n in range(5)])
    for look in (steps.__getitem__, steps.line, steps.snapshot):
        with pytest.raises(IndexError, match="no step"):
            look(number)


def test_recording_of_another_program_can_be_travelled_too() -> None:
    """Times are guessed as `read_recording` guesses them."""
    answer = list(frames.answer("Hi", response_id="resp_1")({}))
    lines = [{"ts": 10.0 + n, "event": each} for n, each in enumerate(answer)]
    steps = Steps(lines)

    assert 2.0 == steps[2].at == steps.line(2).at
    assert replay(lines).to_dict() == steps.snapshot(-1).to_dict()
    assert "realtime" == Steps(lines).session_type


def test_recording_that_begins_late_begins_with_what_was_known(tmp_path: Path) -> None:
    """The first snapshot has what was said before."""
    transport = MemoryTransport(on_send=frames.acknowledged)
    session = connect(transport=transport, dispatch="inline", timeout=0.2)
    session.conversation.add_message("Before")
    session.record(tmp_path / "call.jsonl")
    session.conversation.add_message("After")
    session.close()
    steps = Steps(tmp_path / "call.jsonl")
    counts = [len(steps.snapshot(step.number).items) for step in steps]  # type: ignore

    assert 2 == counts[-1] and 1 in counts
    assert sorted(counts) == counts


def test_bad_snapshot_in_the_middle_is_found_when_the_recording_is_opened() -> None:
    """Not by whoever comes to it later."""
    lines = long_call(1)
    bad = {"type": "recording.snapshot", "snapshot": {"items": 3}}
    lines.append(json.dumps({"t": 9, "dir": "note", "note": bad}))

    with pytest.raises(ConfigurationError, match="19 lines begins with no proper"):
        Steps(lines)


def test_look_that_failed_spoils_no_other(tmp_path: Path) -> None:
    """The file is a part of what it was, and then whole again."""
    path = tmp_path / "call.jsonl"
    text = "\n".join(long_call(1)) + "\n"
    path.write_text(text)
    steps = Steps(path)
    path.write_text(text[:300])
    with pytest.raises(ConfigurationError):
        steps.snapshot(-1)
    path.write_text(text)

    assert replay(path) == steps.snapshot(-1)


def test_file_that_is_cut_afterwards_says_so(tmp_path: Path) -> None:
    """Lines are read when they are looked at."""
    path = tmp_path / "call.jsonl"
    path.write_text("\n".join(long_call(1)) + "\n")
    steps = Steps(path)
    path.write_text("")

    with pytest.raises(ConfigurationError, match="has changed"):
        steps.line(3)
