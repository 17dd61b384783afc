"""The page that steps through a recording: what it is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from realtime_sync.errors import ConfigurationError
from realtime_sync.web import Debugger, WebHost
from realtime_sync.web.debug import MOST_CHANGES, MOST_LISTED, debug_differences
from tests.report.recordings import HOSTILE, head, line, spoken_turn
from tests.session.live.live_session import delegated, live_session, said

Start = Callable[..., WebHost]


def call(turns: int = 3) -> list[str]:
    """A recording with a tool and something odd in it."""
    lines = [head()]
    for number in range(1, turns + 1):
        lines += spoken_turn(5.0 * number, number, said=f"Hello {HOSTILE}")
    tool = {"id": "t", "type": "function_call", "name": "weather", "call_id": "c"}
    tool = {**tool, "arguments": '{"city": "Lima"}', "status": "completed"}
    output = {"id": "o", "type": "function_call_output", "call_id": "c", "output": "20"}
    for at, item in ((90.0, tool), (91.0, output)):
        lines.append(line(at, "in", "conversation.item.added", item=item))
    late = {"id": "late", "type": "message", "role": "assistant"}
    odd = {"response_id": "resp_1", "item": late, "api_key": "sk-secret"}
    lines.append(line(92.0, "in", "response.output_item.added", **odd))
    lines.append(json.dumps({"t": 93.0, "dir": "in", "text": "no json"}))
    lines.append(line(94.0, "note", "connection.lost", code=1006))
    return lines


@pytest.fixture
def debugger(start_host: Start) -> Debugger:
    """The page of that call."""
    return Debugger(start_host(), call())


def test_about_tells_what_the_recording_is(debugger: Debugger) -> None:
    """For the head of the page."""
    about = debugger.about()

    assert (56, 94.0) == (about["events"], about["seconds"])
    assert ("realtime", "ga") == (about["session_type"], about["dialect"])
    assert not about["downloadable"]  # Lines are not a file.


def test_log_is_filtered_by_word_direction_and_sound(debugger: Debugger) -> None:
    """Most of a call is sound, and seldom what is looked for."""
    kinds = [each[3] for each in debugger.events(0, sound=False)["events"]]
    done = debugger.events(0, words=["response", "done"])
    notes = debugger.events(0, directions=["note"])
    nothing = debugger.events(3, words=["nothing"])

    assert 56 == len(debugger.events(0)["events"])
    assert 56 - 33 == len(kinds) and "input_audio_buffer.append" not in kinds
    assert ["response.done"] * 3 == [each[3] for each in done["events"]]
    assert [[55, 94.0, "note", "connection.lost"]] == notes["events"]
    assert ([], None, None) == tuple(
        nothing[name] for name in ("events", "previous", "next")
    )


def test_neighbours_are_those_that_fit_the_filter(debugger: Debugger) -> None:
    """Previous and next pass over what is hidden."""
    places = [each[0] for each in debugger.events(0, words=["done"])["events"]]
    at_first = debugger.events(places[0], words=["done"])
    between = debugger.events(places[0] + 2, words=["done"])

    assert (None, places[1]) == (at_first["previous"], at_first["next"])
    assert (places[0], places[1]) == (between["previous"], between["next"])


def test_long_log_is_told_in_part_around_the_event(start_host: Start) -> None:
    """And says how much there is on either side."""
    debugger = Debugger(start_host(), [line(n, "in", "pong") for n in range(900)])
    for around in (0, 1, 500, 850, 10_000):
        told = debugger.events(around)
        numbers = [each[0] for each in told["events"]]

        assert MOST_LISTED == len(numbers)
        assert told["before"] == numbers[0]
        assert told["before"] + MOST_LISTED + told["after"] == 900
        assert min(around, 899) in numbers


def test_step_has_the_event_the_session_as_of_it_and_what_changed(
    debugger: Debugger,
) -> None:
    """Sound by its length, no secret, tool calls with their outputs."""
    sound = debugger.step(0)
    output = debugger.step(52)
    odd = debugger.step(53)
    broken = debugger.step(54)

    assert sound["frame"]["audio"].startswith("<") and [] == sound["changes"]
    assert [("weather", "20")] == [(c["name"], c["output"]) for c in output["calls"]]
    changed = [each["path"] for each in output["changes"]]
    assert "version" == changed[0] and "items[7]" in changed
    assert output["facts"]["items"] == 8 and 6 == len(output["lines"])
    assert "sk-secret" not in json.dumps(odd)
    assert "no json" == broken["frame"]
    assert any("late_event" in each for each in odd["problems"])
    assert HOSTILE in output["lines"][0]["text"]


def test_step_of_a_live_session_shows_its_work_and_seconds(
    tmp_path: Path, start_host: Start
) -> None:
    """There are no items; there are delegations."""
    path = tmp_path / "call.jsonl"
    with live_session() as (session, server):
        session.record(path)
        server.feed(said("user", "Which gate?", 200), delegated("work_1"))
        session.say("B12.", delegation_id="work_1").acknowledged()
        server.feed(said("assistant", "B12.", 900))
        session.close()
    debugger = Debugger(start_host(), path)
    last = debugger.step(len(debugger.steps) - 1)

    assert "closed" == last["facts"]["state"]
    assert "18" == last["facts"]["billed seconds"]
    assert ["Which gate?", "B12."] == [each["text"] for each in last["lines"]]
    assert ["delegation to client"] == [each["name"] for each in last["calls"]]
    assert last["snapshot"] == session.snapshot.to_dict()


def test_differences_are_told_by_path_and_have_a_bound() -> None:
    """An event may change everything, such as a restore."""
    before = {"a": 1, "b": [1, {"c": "x"}], "same": [1]}
    after = {"a": 1, "b": [2, {"c": "y" * 3000}, 3], "same": [1], "new": None}
    found = {each["path"]: each for each in debug_differences(before, after)}
    many = list(debug_differences({}, {str(n): n for n in range(500)}))

    assert ["b[0]", "b[1].c", "b[2]"] == list(found)
    assert (1, 2) == (found["b[0]"]["before"], found["b[0]"]["after"])
    assert found["b[1].c"]["after"].endswith("… (3000 characters)")
    assert [] == list(debug_differences(after, after))
    assert MOST_CHANGES + 1 == len(many) and "and more" == many[-1]["path"]


def answered(url: str) -> tuple[int, Any, Any]:
    """Status, headers and body."""
    try:
        with urlopen(url, timeout=10) as answer:
            return answer.status, answer.headers, answer.read()
    except HTTPError as exc:
        with exc:
            return exc.code, exc.headers, exc.read()


def test_page_is_served_with_what_it_asks_for(
    tmp_path: Path, start_host: Start
) -> None:
    """By number or by time; the file is downloaded as it is."""
    path = tmp_path / "call.jsonl"
    path.write_text("\n".join(call()) + "\n")
    host = start_host()
    debugger = Debugger(host, path)
    _, _, page = answered(debugger.url)
    _, _, events = answered(
        host.url("/debug/events", around="3", words="Done", directions="in", sound="no")
    )
    _, _, step = answered(host.url("/debug/step", at="6.95"))
    _, headers, file = answered(host.url("/debug/recording"))
    statuses = [
        answered(host.url("/debug/step", number="56"))[0],
        answered(host.url("/debug/step", at="soon"))[0],
        answered(f"{debugger.url.split('?')[0]}/recording")[0],
    ]

    assert b"<ol id=" in page and b"Lima" not in page
    assert 3 == len(json.loads(events)["events"])
    assert "response.done" == json.loads(step)["type"]
    assert path.read_bytes() == file
    assert "call.jsonl" in headers["Content-Disposition"]
    assert [404, 400, 403] == statuses


def test_lines_can_be_looked_at_but_not_downloaded(debugger: Debugger) -> None:
    """There is no file."""
    status, _, _ = answered(debugger.url.replace("/debug?", "/debug/recording?"))

    assert 404 == status


def test_what_is_no_recording_is_refused_before_anything_is_served(
    tmp_path: Path, start_host: Start
) -> None:
    """At the line that asks for it."""
    path = tmp_path / "empty.jsonl"
    path.write_text("")
    with pytest.raises(ConfigurationError, match="no recording"):
        Debugger(start_host(), path)
    with pytest.raises(OSError):
        Debugger(start_host(), tmp_path / "none.jsonl")
