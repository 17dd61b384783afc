"""What the mirror of a GPT-Live session makes of what a server says."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from attrs.exceptions import FrozenInstanceError

from realtime_sync.protocol.codec import Codec
from realtime_sync.protocol.registry import LIVE_ROWS, event_class
from realtime_sync.state.live import fragments as pieces
from realtime_sync.state.live.fragments import Fragment, Fragments, FragmentTimeline
from realtime_sync.state.live.reduce import (
    LONGEST,
    MOST,
    MOST_MODELS,
    MOST_OF_ONE,
    NOT_MIRRORED,
    OTHERS,
    REDUCERS,
    reduce_live,
    reduce_live_command,
)
from realtime_sync.state.live.snapshot import LiveSnapshot, recent_messages

CODEC = Codec(session_type="live")
FRAMES = Path(__file__).parents[2] / "frames" / "live" / "server"

Frame = dict[str, Any]


def after(*frames: Any, start: LiveSnapshot = LiveSnapshot()) -> LiveSnapshot:
    """The mirror after frames and commands."""
    snapshot = start
    for each in frames:
        if isinstance(each, dict):
            snapshot = reduce_live(snapshot, CODEC.structure(each))
        else:
            snapshot = reduce_live_command(snapshot, each)
    return snapshot


def command(kind: str, **fields: Any) -> Any:
    """A command as the session sends it."""
    cls = event_class(kind, session_type="live", direction="client")
    return cls(**fields)


def started(name: str = "live_1") -> Frame:
    """The first thing that a server says."""
    return {"type": "session.started", "session": {"id": name, "status": "active"}}


def said(who: str, start: int, end: int, text: str, **more: Any) -> Frame:
    """A piece of a transcript."""
    kind = "input" if who == "u" else "output"
    return {
        "type": f"session.{kind}_transcript.delta",
        "event_id": f"{who}{start}",
        "delta": text,
        "start_ms": start,
        "end_ms": end,
        **more,
    }


def delegated(target: str = "responses", name: str = "item_1") -> Frame:
    """Work is handed on."""
    return {
        "type": "session.delegation.created",
        "offset_ms": 3800,
        "delegation": {
            "type": "delegation",
            "id": name,
            "target": target,
            **({"response_id": "resp_1"} if target == "responses" else {}),
        },
    }


def backend(kind: str, **fields: Any) -> Frame:
    """The backend says something about its work."""
    event = {"type": f"response.{kind}", **fields}
    return {"type": "response.event", "delegation_id": "item_1", "event": event}


def response(name: str, **fields: Any) -> Frame:
    """A response of the backend."""
    return {"response": {"id": name, "model": "m", **fields}}


CALL = {"type": "function_call", "call_id": "call_1", "name": "forecast"}
CALL |= {"arguments": '{"city":"Oslo"}', "status": "completed"}

QUESTION = (
    started(),
    said("u", 600, 800, "Will"),
    said("u", 800, 1000, " it"),
    said("u", 1200, 1400, " rain"),
    said("u", 3600, 3800, " in"),
    said("u", 3800, 4000, " Oslo?"),
    delegated(),
    backend("created", **response("resp_1")),
    backend("in_progress", **response("resp_1")),
    said("a", 4000, 4200, "Let me"),
    said("a", 4200, 4400, " look."),
    backend("output_item.added", item={**CALL, "arguments": "", "status": "x"}),
    backend("function_call_arguments.delta", delta="{"),
    backend("output_item.done", item=CALL),
)

ANSWER = (
    command(
        "response.item.create",
        item={"type": "function_call_output", "call_id": "call_1", "output": "18"},
    ),
    command("response.create"),
    said("a", 4600, 4800, " One moment."),
    backend(
        "completed",
        **response(
            "resp_1", output=[], usage={"input_tokens": 805, "output_tokens": 19}
        ),
    ),
    backend("created", **response("resp_2", previous_response_id="resp_1")),
    backend("output_item.added", item={"type": "message", "phase": "final_answer"}),
    backend("output_text.delta", delta="It "),
    backend("output_text.delta", delta="will."),
    backend("output_item.done", item={"type": "message"}),
    backend(
        "completed",
        **response("resp_2", usage={"input_tokens": 846, "output_tokens": 19}),
    ),
    {
        "type": "session.usage.updated",
        "usage": {"seconds": 14.0},
        "context_window": {"usage_ratio": 0.0103203125},
    },
)


def test_every_event_is_mirrored_or_has_a_reason_not_to_be() -> None:
    """A new row without a reducer is found here."""
    names = {row.name for row in LIVE_ROWS if row.direction == "server"}

    assert names == set(REDUCERS) | set(NOT_MIRRORED)
    assert not set(REDUCERS) & set(NOT_MIRRORED)


@pytest.mark.parametrize("path", sorted(FRAMES.iterdir()), ids=lambda path: path.stem)
def test_every_example_frame_is_followed_whole_and_in_pieces(path: Path) -> None:
    """No frame raises, with or without any of its members."""
    frame = json.loads(path.read_text(encoding="utf-8"))

    snapshot = after(frame)

    assert (1 if frame["type"] in REDUCERS else 0) >= snapshot.version
    for name in set(frame) - {"type"}:
        after({key: value for key, value in frame.items() if key != name})
        after({**frame, name: None}, {**frame, name: {}}, {**frame, name: 7})


def test_a_call_of_the_backend_is_open_until_its_output_is_sent() -> None:
    """As captured: the request, the call, its output, the continuation, the answer."""
    asked = after(*QUESTION)
    sent = after(ANSWER[0], start=asked)
    done = after(*ANSWER, start=asked)

    assert "open" == asked.delegations["item_1"].calls["call_1"].state
    assert "answered" == sent.delegations["item_1"].calls["call_1"].state
    assert sent.version == asked.version
    work = done.delegations["item_1"]
    assert ("answered", ("resp_1", "resp_2"), "It will.") == (
        work.state,
        work.response_ids,
        work.text,
    )
    assert ("responses", 3800) == (work.target, work.offset_ms)
    assert {"m": (1651, 38)} == done.usage.backend
    assert (14.0, 0.0103203125) == (done.usage.seconds, done.usage.context_ratio)


def test_a_response_that_called_something_has_not_answered() -> None:
    """Its output is empty whether it called or not; only its items tell."""
    ended = backend("completed", **response("resp_1"))

    assert "open" == after(*QUESTION, ended).delegations["item_1"].state
    late = after(*QUESTION, *ANSWER[:5], ended)
    assert "open" == late.delegations["item_1"].state


def test_a_text_of_the_backend_that_never_ends_is_cut_and_noted_once() -> None:
    """Handlers get every piece."""
    more = backend("output_text.delta", delta="x" * (LONGEST // 2 + 1))
    snapshot = after(*QUESTION, more, more, more)

    assert LONGEST == len(snapshot.delegations["item_1"].text)
    (noted,) = snapshot.anomalies
    assert f"{LONGEST} characters" in noted


@pytest.mark.parametrize("end", ["failed", "incomplete"])
def test_calls_of_a_response_that_ends_badly_are_dropped(end: str) -> None:
    """Outputs for them would be refused; what was answered before stays."""
    other = backend("output_item.done", item={**CALL, "call_id": "call_2"})

    work = after(*QUESTION, ANSWER[0], other, backend(end, **response("resp_1")))

    calls = work.delegations["item_1"].calls
    assert ("answered", "dropped") == (calls["call_1"].state, calls["call_2"].state)
    assert "failed" == work.delegations["item_1"].state


@pytest.mark.parametrize("end", ["failed", "incomplete"])
@pytest.mark.parametrize(
    ("name", "state", "calls"),
    [
        ("resp_1", "open", ("dropped", "open")),
        ("resp_2", "failed", ("dropped", "dropped")),
        ("resp_9", "failed", ("dropped", "dropped")),
        (None, "failed", ("dropped", "dropped")),
    ],
)
def test_bad_end_of_a_response_that_another_has_followed_ends_its_own_calls_alone(
    end: str, name: Any, state: str, calls: tuple[str, str]
) -> None:
    """The work goes on in the one that has followed; one unknown may be the latest."""
    created = backend("created", **response("resp_2"))
    other = backend("output_item.done", item={**CALL, "call_id": "call_2"})
    work = after(*QUESTION, created, other, backend(end, **response(name)))

    told = work.delegations["item_1"]
    assert state == told.state
    assert calls == tuple(each.state for each in told.calls.values())


@pytest.mark.parametrize("end", ["failed", "incomplete"])
def test_answer_stays_one_when_an_earlier_response_is_said_to_have_failed(
    end: str,
) -> None:
    """What the voice was given is not taken back."""
    late = backend(end, **response("resp_1"))
    done = after(*QUESTION, *ANSWER, late).delegations["item_1"]

    assert ("answered", "answered") == (done.state, done.calls["call_1"].state)


def test_a_call_that_is_incomplete_is_dropped_and_one_said_twice_is_one() -> None:
    """Neither must run."""
    cut = backend("output_item.done", item={**CALL, "status": "incomplete"})
    again = backend("output_item.done", item=CALL)

    work = after(cut, again)

    (call,) = work.delegations["item_1"].calls.values()
    assert ("dropped", None) == (call.state, call.response_id)
    assert work.delegations == after(ANSWER[0], start=work).delegations


def test_client_work_is_answered_by_commentary_of_its_own() -> None:
    """A note is progress, commentary of nobody's is a remark."""
    note = command(
        "session.thinking.append", event_id="n", content="wait", delegation_id="item_1"
    )
    free = command("session.commentary.append", event_id="f", content="Hi")
    answer = command(
        "session.commentary.append", event_id="c", content="B12", delegation_id="item_1"
    )
    span = {"start_ms": 600, "end_ms": 800}
    noted = {"type": "session.thinking.appended", "client_event_id": "n", **span}
    spoken = {"type": "session.commentary.appended", **span}

    begun = after(started(), delegated("client"), note, free, answer, noted, spoken)
    done = after({**spoken, "client_event_id": "c"}, start=begun)

    assert "open" == begun.delegations["item_1"].state
    assert [True, True, False] == [each.acknowledged for each in begun.context]
    assert "answered" == done.delegations["item_1"].state
    assert (600, 800, "B12") == (
        done.context[2].start_ms,
        done.context[2].end_ms,
        done.context[2].content,
    )
    assert 4 == len(after(spoken, start=done).context)
    foreign = {**spoken, "client_event_id": "z"}
    assert 4 == len(after(foreign, start=begun).context)


def test_seconds_of_epochs_before_are_kept_apart() -> None:
    """The service counts each session from zero; what was lost is billed too."""

    def used(seconds: float) -> dict[str, Any]:
        usage = {"seconds": seconds}
        return {"type": "session.usage.updated", "usage": usage}

    usages = [
        after(*frames).usage
        for frames in (
            [started(), used(14.0), used(29.5)],
            [started(), used(29.5), started()],
            [started(), used(29.5), started("live_2")],
            [started(), used(29.5), started("live_2"), used(3.0), used(4.0)],
            [started(), used(29.5), started("live_2"), used(4.0), started("live_3")],
        )
    ]

    assert [(29.5, 0), (29.5, 0), (0, 29.5), (4.0, 29.5), (0, 33.5)] == [
        (each.seconds, each.earlier_seconds) for each in usages
    ]
    assert [29.5, 29.5, 29.5, 33.5, 33.5] == [each.total_seconds for each in usages]


def test_a_fork_begins_a_new_epoch_and_abandons_what_was_open() -> None:
    """As captured: the clock begins anew; nothing pretends to have resumed."""
    muted = {"type": "session.input_audio.muted"}

    first = after(*QUESTION, delegated("client", "item_2"), muted)
    again = after(started(), start=first)
    forked = after(started("live_2"), said("u", 800, 1000, "Still"), start=first)

    assert (0, first.delegations) == (again.epoch, again.delegations)
    assert (("live_1", "live_2"), "live_2", 1) == (
        forked.epochs,
        forked.id,
        forked.epoch,
    )
    assert {"abandoned"} == {each.state for each in forked.delegations.values()}
    assert (True, False) == (first.audio.muted, forked.audio.muted)
    assert (1000, "Still") == (
        forked.user.last_ms,
        forked.user.between(0, 5000, epoch=1),
    )
    assert "open" == first.delegations["item_1"].state
    assert forked.delegations == after(started("live_3"), start=forked).delegations


def test_the_state_follows_events_and_never_the_status() -> None:
    """A closed session calls itself active still."""
    closed = {
        "type": "session.closed",
        "reason": "expired",
        "session": {"id": "live_1", "status": "active"},
        "usage": {"seconds": 18.0},
    }
    steps: list[tuple[Any, str]] = [
        (started(), "active"),
        ({"type": "session.paused"}, "paused"),
        ({"type": "session.resumed"}, "active"),
        ({"type": "session.updated", "session": {"id": "live_1"}}, "active"),
        (command("session.close"), "closing"),
        (closed, "closed"),
        (command("session.close"), "closed"),
    ]
    snapshot = LiveSnapshot()

    for step, state in steps:
        snapshot = after(step, start=snapshot)
        assert state == snapshot.state
    assert ("expired", 18.0) == (snapshot.close_reason, snapshot.usage.seconds)


def test_overlapping_speech_is_found_and_is_no_interruption() -> None:
    """As captured from aside: the assistant begins while the last words arrive."""
    snapshot = after(
        started(),
        said("u", 600, 800, "May I check"),
        said("u", 2400, 2600, " my seat"),
        said("a", 2400, 2600, "It seems"),
        said("u", 2600, 2700, " now"),
        said("a", 2600, 3000, " to be"),
        said("u", 2800, 3000, "?"),
        said("a", 3200, 3400, " 4C."),
    )

    assert [(2400, 2700), (2800, 3000)] == [
        (each.start_ms, each.end_ms) for each in snapshot.overlaps()
    ]
    assert "It seems to be 4C." == snapshot.assistant.text
    assert "It seems to be" == snapshot.assistant.between(0, 3000)
    assert () == after(started()).overlaps()


def test_mere_agreement_is_left_out_of_segments_and_of_nothing_else() -> None:
    """Grouping loses; the fragments and the transcript do not."""
    snapshot = after(
        started(),
        said("u", 0, 400, "Then we"),
        said("a", 400, 600, "mhm"),
        said("u", 600, 1200, " went home"),
    )

    assert ["Then we went home"] == [each.text for each in snapshot.segments]
    assert "mhm" in [each.text for each in snapshot.grouped(lossless=True)]
    assert ("assistant", "mhm") in snapshot.transcript()


def test_pieces_that_are_said_twice_are_kept_once() -> None:
    """Who attaches again hears the last seconds again, under the same ids."""
    piece = said("u", 0, 200, "Hello")

    once = after(started(), piece)

    assert once is after(piece, start=once)
    assert "HelloHello" == after({**piece, "event_id": "x"}, start=once).user.text
    assert once is after({**piece, "event_id": "y", "delta": ""}, start=once)


@pytest.mark.parametrize("who", ["u", "a"])
def test_a_piece_without_its_time_goes_to_the_end(who: str) -> None:
    """Nothing that was said is lost, and the oddity is told."""
    odd = {**said(who, 0, 0, " there"), "event_id": "odd", "start_ms": None}

    snapshot = after(started(), said(who, 0, 200, "Hello"), odd)

    side = snapshot.user if who == "u" else snapshot.assistant
    assert ("Hello there", 200) == (side.text, side.last_ms)
    assert "no interval" in snapshot.anomalies[-1]


def test_snapshots_are_values_that_do_not_touch_each_other() -> None:
    """Two ways on from one snapshot have nothing in common but their past."""
    begun = after(*QUESTION)

    one = after(said("a", 5000, 5200, "One"), start=begun)
    two = after(said("a", 5000, 5200, "Two"), start=begun)

    assert one.assistant.text.endswith("One") and two.assistant.text.endswith("Two")
    assert "Let me look." == begun.assistant.text
    assert begun.version + 1 == one.version == two.version
    with pytest.raises(FrozenInstanceError):
        begun.state = "closed"  # type: ignore[misc]
    with pytest.raises(TypeError):
        begun.delegations["x"] = None  # type: ignore[index]


def test_audio_is_counted_and_not_kept() -> None:
    """Both directions; a recording is playing until it was played."""
    snapshot = after(
        started(),
        command("session.input_audio.append", audio=bytes(4800)),
        {"type": "session.output_audio.delta", "delta": "AAECAwQF"},
        {"type": "session.output_audio.fixture.playing"},
    )
    played = after({"type": "session.output_audio.fixture.played"}, start=snapshot)

    assert (4800, 6, True) == (
        snapshot.audio.sent_bytes,
        snapshot.audio.received_bytes,
        snapshot.audio.fixture,
    )
    assert not played.audio.fixture


def test_decisions_are_kept_and_answer_their_delegation() -> None:
    """Those of triggers are decisions too."""
    event = {"type": "decision.event", "event": {"type": "decision.completed"}}

    snapshot = after(
        delegated("decisions"), event, {**event, "delegation_id": "item_1"}
    )

    assert 2 == len(snapshot.decisions)
    assert "answered" == snapshot.delegations["item_1"].state


def test_history_for_a_new_session_stays_within_the_limits() -> None:
    """The latest of it, whole messages, at most 128 of them."""
    talk = [said("ua"[n % 2], n * 1000, n * 1000 + 200, f"w{n}") for n in range(300)]
    short = after(started(), *talk).to_messages()
    long = after(
        started(), said("u", 0, 200, "x" * 15_000), said("a", 900, 999, "y" * 9000)
    ).to_messages()

    assert 1 == len(after(started(), talk[0]).to_messages())
    assert (128, "w299") == (len(short), short[-1]["content"][0]["text"])
    assert {"user", "assistant"} == {each["role"] for each in short}
    assert ["assistant"] == [each["role"] for each in long]


def test_pieces_are_bounded_and_what_is_gone_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A peer cannot make the mirror grow without end."""
    monkeypatch.setattr(pieces, "MOST_BLOCKS", 2)
    kept = Fragments()

    for number in range(pieces.BLOCK * 4 + 3):
        text = str(number)
        kept = kept.add(
            Fragment(speaker="user", text=text, start_ms=0, end_ms=1, event_id=text)
        )

    assert (pieces.BLOCK * 2, pieces.BLOCK * 2 + 3) == (kept.dropped, len(kept.all()))
    assert kept.has(text, 0) and not (kept.has("0", 0) or kept.has(text, 1))
    assert 0 == FragmentTimeline().last_ms


def test_work_without_end_is_bounded_too() -> None:
    """The oldest goes."""
    snapshot = after(*(delegated("client", f"item_{n}") for n in range(1001)))

    assert 1000 == len(snapshot.delegations)
    assert "item_0" not in snapshot.delegations


def test_unknown_events_change_nothing_and_work_without_id_is_told() -> None:
    """A vendor may say what it likes."""
    assert LiveSnapshot().version == after({"type": "session.dreamt"}).version
    assert ("session.delegation.created: no id",) == after(
        {"type": "session.delegation.created"}
    ).anomalies
    assert None is LiveSnapshot().id


def test_whoever_attaches_late_learns_of_the_session_by_an_update() -> None:
    """It is told only when it asks; later updates begin no epoch."""
    told = {**started(), "type": "session.updated"}
    snapshot = after(told, told)

    assert "live_1" == snapshot.id
    assert "active" == snapshot.state
    assert ("live_1",) == snapshot.epochs


def test_history_is_counted_whatever_its_parts_are() -> None:
    """A message that is too long leaves out itself and what is older."""
    short = {"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
    long = {"role": "user", "content": [{"type": "input_text", "text": "x" * 20_000}]}
    odd = {"role": "user", "content": [None, {"text": 5}]}

    assert (odd, short) == recent_messages((short, long, odd, short))
    assert () == recent_messages((long,))
    assert 129 - 1 == len(recent_messages((short,) * 129))


def refusal(*, inner: Any = None, outer: Any = None) -> Frame:
    """An error, which names its command at one place or the other, or not at all."""
    error = {"type": "invalid_request_error", "code": None, "message": "no"}
    named = {"client_event_id": outer} if outer else {}
    return {"type": "error", "error": {**error, "client_event_id": inner}, **named}


APPENDS = [
    command("session.commentary.append", content=f"text {name}", event_id=name)
    for name in ("c1", "c2")
]
APPENDED = {"type": "session.commentary.appended", "start_ms": 0, "end_ms": 200}


@pytest.mark.parametrize("where", ["inner", "outer"])
def test_answer_that_names_no_command_is_not_about_one_that_was_refused(
    where: str,
) -> None:
    """The oldest that waits is meant, and a refused one does not wait."""
    error = refusal(**{where: "c1"})
    first, second = after(started(), *APPENDS, error, APPENDED).context

    assert (True, False) == (first.refused, first.acknowledged)
    assert (False, True) == (second.refused, second.acknowledged)
    assert not first.pending and not second.pending


@pytest.mark.parametrize(
    "error", [refusal(), refusal(inner="other"), refusal(outer="other")]
)
def test_error_of_another_command_refuses_no_text(error: Frame) -> None:
    """Nor does one that names none."""
    before = after(started(), *APPENDS)

    assert before is after(error, start=before)


def test_text_that_was_taken_up_is_not_refused_any_more() -> None:
    """An error that names it afterwards is about what became of it."""
    named = {**APPENDED, "client_event_id": "c1"}
    first, _ = after(started(), *APPENDS, named, refusal(inner="c1")).context

    assert (True, False) == (first.acknowledged, first.refused)


def test_answer_of_a_session_is_not_about_what_another_was_told() -> None:
    """The text that the lost one did not take up any more stays as it was."""
    old, new = APPENDS
    first, second = after(started(), old, started("live_2"), new, APPENDED).context

    assert (False, True) == (first.acknowledged, second.acknowledged)


def shape(kind: Any, rate: Any = None) -> Frame:
    """The first thing that a server says, with a format."""
    form = {"type": kind, **({"rate": rate} if rate else {})}
    session = {"id": "live_1", "audio": {"format": form}}
    return {"type": "session.started", "session": session}


@pytest.mark.parametrize(
    ("form", "size"),
    [
        (started(), 4800),
        (shape("audio/pcm", 24_000), 4800),
        (shape("audio/pcm", 16_000), 3200),
        (shape("audio/pcmu"), 800),
        (shape("audio/pcma", 8_000), 800),
        (shape("audio/pcm", 10**9), 4800),
        (shape("audio/opus"), 4800),
    ],
)
def test_clock_goes_by_the_audio_that_came(form: Frame, size: int) -> None:
    """In the format of the session, the usual one where that says nothing."""
    sound = {"type": "session.output_audio.delta", "delta": b64(bytes(size))}

    assert 0 == after(form).clock_ms
    assert 200 == after(form, sound, sound).clock_ms
    asked = command("session.input_audio.append", audio=bytes(size))
    assert (0, 100) == (after(form).sent_ms, after(form, asked).sent_ms)


def b64(data: bytes) -> str:
    """Audio as it is on the wire."""
    return base64.b64encode(data).decode()


def test_answer_is_a_segment_once_silence_has_followed_it() -> None:
    """Not only when another word comes, or the session ends."""
    sound = {"type": "session.output_audio.delta", "delta": b64(bytes(4800))}
    talk = [said("u", 200, 400, "And?"), said("a", 400, 600, "It")]
    before = after(started(), *[sound] * 6, *talk)
    later = after(*[sound] * 6, start=before)

    assert ["user"] == [each.speaker for each in before.segments]
    assert ["user", "assistant"] == [each.speaker for each in later.segments]
    # The clock of a session that took its place begins at zero.
    renewed = after(started("live_2"), said("u", 0, 200, "Hello"), start=later)
    assert "Hello" == renewed.segments[-1].text


TWICE = [
    delegated(),
    backend("created", sequence_number=0, response={"id": "resp_1"}),
    backend(
        "output_item.done",
        sequence_number=1,
        item={"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    ),
    backend(
        "completed",
        sequence_number=2,
        response={"id": "resp_1", "model": "m", "usage": {"input_tokens": 1}},
    ),
    backend("created", sequence_number=0, response={"id": "resp_2"}),
    backend("output_text.delta", sequence_number=3, delta="It rains."),
    backend("output_text.delta", sequence_number=4, delta=" Much."),
    backend(
        "completed",
        sequence_number=5,
        response={"id": "resp_2", "model": "m", "usage": {"input_tokens": 1}},
    ),
    {
        "type": "decision.event",
        "event_id": "d",
        "event": {"type": "decision.completed", "decision": {"answers": []}},
    },
    {"type": "session.thinking.appended", "start_ms": 0, "end_ms": 200},
]


@pytest.mark.parametrize(
    ("first", "last"),
    [(first, last) for last in range(len(TWICE) + 1) for first in range(last + 1)],
)
def test_what_is_told_again_counts_once(first: int, last: int) -> None:
    """Any stretch of the last seconds, to whoever attaches again."""
    once = after(started(), *TWICE)
    twice = after(*TWICE[first:], start=after(started(), *TWICE[:last]))

    [before], [again] = once.delegations.values(), twice.delegations.values()
    assert before == again
    assert once.usage == twice.usage
    assert len(once.decisions) == len(twice.decisions)
    assert once.context == twice.context


def numbered(response: str, *words: str) -> list[dict[str, Any]]:
    """A response whose events are numbered from 0, as those of the service are."""
    inner = {"id": response, "model": "m"}
    every = [
        backend("created", response=inner),
        *(backend("output_text.delta", delta=word) for word in words),
        backend("completed", response={**inner, "usage": {"input_tokens": 1}}),
    ]
    return [
        {
            **frame,
            "event_id": f"event_{response}_{number}",
            "event": {**frame["event"], "sequence_number": number},
        }
        for number, frame in enumerate(every)
    ]


ROUNDS = [
    delegated(),
    *numbered("resp_1", "I", " look", " it", " up."),
    *numbered("resp_2", "It", " rains", " a", " lot", " there."),
]


@pytest.mark.parametrize(
    ("first", "last"),
    [(first, last) for last in range(len(ROUNDS) + 1) for first in range(last + 1)],
)
def test_words_of_the_response_before_are_not_taken_for_those_of_the_next(
    first: int, last: int
) -> None:
    """Each counts its events from 0, and few of them name their response."""
    once = after(started(), *ROUNDS)
    twice = after(
        *ROUNDS[first:last], *ROUNDS[last:], start=after(started(), *ROUNDS[:last])
    )

    [before], [again] = once.delegations.values(), twice.delegations.values()
    assert "I look it up.It rains a lot there." == before.text
    assert before == again
    assert once.usage == twice.usage


@pytest.mark.parametrize("end", ["completed", "failed", "incomplete"])
@pytest.mark.parametrize("heard", [1, 2, 5])
def test_late_end_of_a_response_takes_no_words_from_the_next(
    end: str, heard: int
) -> None:
    """They name no response, and their numbers are lower than that of the end."""
    words = numbered("resp_2", "It", " rains", " a", " lot", " there.")
    [late] = numbered("resp_1")[-1:]
    late["event"] |= {"type": f"response.{end}", "sequence_number": 9}
    first = numbered("resp_1", "I", " look.")[:-1]
    [work] = after(
        started(), delegated(), *first, *words[:heard], late, *words[heard:]
    ).delegations.values()

    assert "I look.It rains a lot there." == work.text


def test_backend_that_numbers_nothing_is_taken_at_its_word() -> None:
    """Or everything with 0: its words are no repetition."""
    for number in ({}, {"sequence_number": 0}):
        words = backend("output_text.delta", delta="no ", **number)
        created = backend("created", response={"id": "r"}, **number)
        snapshot = after(started(), delegated(), created, words, words)

        assert "no no " == snapshot.delegations["item_1"].text
        unnamed = after(started(), words, words)
        assert "no no " == unnamed.delegations["item_1"].text


def test_work_that_the_backend_began_before_it_was_told_of_is_one() -> None:
    """What comes first is kept."""
    created = backend("created", sequence_number=0, response={"id": "resp_0"})
    [work] = after(started(), created, delegated()).delegations.values()

    assert ("resp_1", "resp_0") == work.response_ids
    assert "responses" == work.target


def test_decisions_without_ids_are_all_kept() -> None:
    """Nothing says that one is another told again."""
    decision = {key: value for key, value in TWICE[-2].items() if key != "event_id"}

    assert 2 == len(after(started(), decision, decision).decisions)


@pytest.mark.parametrize("item", [{}, {"call_id": None}, {"call_id": ["call_1"]}])
def test_given_item_that_answers_no_call_changes_nothing(item: Frame) -> None:
    """Recordings hold what was sent, whatever it is; also a command without an item."""
    before = after(*QUESTION)

    given = command("response.item.create", item=item)
    bare = CODEC.command({"type": "response.item.create"})

    assert before is reduce_live_command(before, given)
    assert before is reduce_live_command(before, bare)


def called(number: int) -> Frame:
    """A call of the work ``item_1``."""
    item = {"type": "function_call", "call_id": f"call_{number}", "name": "f"}
    return backend("output_item.done", item={**item, "arguments": "{}"})


def test_backend_without_end_is_listed_up_to_a_bound_and_says_so_once() -> None:
    """The latest are what is asked about."""
    frames = [
        frame
        for number in range(MOST_OF_ONE + 3)
        for frame in (
            backend("created", response={"id": f"r{number}"}, sequence_number=number),
            called(number),
        )
    ]
    [work] = after(started(), *frames).delegations.values()
    snapshot = after(*frames, start=after(started(), *frames))
    [again] = snapshot.delegations.values()

    assert MOST_OF_ONE == len(work.response_ids) == len(work.calls)
    assert MOST_OF_ONE == len(work.sequence)
    assert ("r3", "call_3") == (work.response_ids[0], next(iter(work.calls)))
    assert 6 == work.dropped < again.dropped
    assert 1 == len([x for x in snapshot.anomalies if "not listed" in x])


def test_work_that_is_over_is_forgotten_before_what_is_open() -> None:
    """An open one that is forgotten all the same is told of."""
    frames = [delegated("client", f"item_{number}") for number in range(MOST)]
    done = {"type": "decision.event", "delegation_id": "item_7"}
    full = after(started(), *frames, done)
    more = after(delegated("client", "new_1"), start=full)
    most = after(delegated("client", "new_2"), start=more)

    assert "item_7" not in more.delegations and "item_0" in more.delegations
    assert () == more.anomalies
    assert "item_0" not in most.delegations
    assert ["item_0: forgotten while it is open"] == list(most.anomalies)
    assert MOST == len(most.delegations)


def test_models_of_the_backend_are_told_apart_up_to_a_bound() -> None:
    """No token is lost."""
    frames = [
        backend(
            "completed",
            response={"id": "r", "model": f"m{n}", "usage": {"input_tokens": 1}},
        )
        for n in range(MOST_MODELS + 5)
    ]
    usage = after(started(), *frames).usage.backend

    assert MOST_MODELS + 1 == len(usage)
    assert (5, 0) == usage[OTHERS]


@pytest.mark.parametrize("target, state", [("responses", "failed"), ("client", "open")])
def test_backend_that_fails_without_an_end_has_failed(target: str, state: str) -> None:
    """Only an error says so, and it is about no command."""
    message = {"message": "Responses handoff incomplete."}
    work = (delegated(target), called(1))
    [failed] = after(
        started(), *work, {"type": "error", "error": message}
    ).delegations.values()
    [other] = after(
        started(), *work, {"type": "error", "error": message, "client_event_id": "e"}
    ).delegations.values()

    assert state == failed.state
    assert ("dropped" if state == "failed" else "open") == failed.calls["call_1"].state
    assert "open" == other.state


@pytest.mark.parametrize("odd", [-1, 10**30, 1e308, "18", None])
def test_what_cannot_have_been_taken_counts_as_nothing(odd: Any) -> None:
    """Else a budget would end the session for a number that means nothing."""
    said = {"type": "session.usage.updated", "usage": {"seconds": 14.0}}
    usage = {"input_tokens": odd, "output_tokens": 3}
    end = backend("completed", response={"id": "r", "model": "m", "usage": usage})
    snapshot = after(started(), said, {**said, "usage": {"seconds": odd}}, end)

    assert 14.0 == snapshot.usage.seconds
    assert (0, 3) == snapshot.usage.backend["m"]


@pytest.mark.parametrize("name", [{}, {"event_id": ""}])
def test_texts_without_a_name_are_all_kept(name: Frame) -> None:
    """Recordings of other programs have them, and none takes another's place."""
    snapshot = after(started())
    for content in ("One.", "Two."):
        note = command("session.thinking.append", content=content, **name)
        snapshot = reduce_live_command(snapshot, note)
    again = after(started("live_2"), start=snapshot)
    last = command("session.thinking.append", content="Three.", **name)
    later = reduce_live_command(again, last)

    assert ["One.", "Two."] == [each.content for each in snapshot.context]
    assert [True, True, False] == [each.lost for each in later.context]
