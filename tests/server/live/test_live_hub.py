"""Several connections to one session, forks, and what goes wrong on the wire."""

from __future__ import annotations

import base64
import random
import threading
from contextlib import ExitStack
from typing import Any, Callable

import pytest

from realtime_sync.server import Delegate, ManualClock, Server, open_engine
from realtime_sync.server.agents import Echo
from realtime_sync.server.live.context import ATTACHED, PRIMARY
from realtime_sync.server.live.engine import LiveEngine
from realtime_sync.server.live.hub import SessionHub

from ..clients import Client, client, opened
from ..sounds import b64, loud, silence
from .live_talk import QUESTION, RESPONSES, LiveTalk, check, error, of, only, types

PATH = "/v1/live/sessions"


def started(**arguments: Any) -> LiveTalk:
    talk = LiveTalk(**arguments)
    talk.start()
    return talk


def wire_started(one: Client, **session: Any) -> dict[str, Any]:
    """Start a session over a real socket."""
    one.send("session.start", session={"model": "gpt-live-1", **session})
    return check(one.until("session.started")[-1])


def hear(one: Client, pcm: bytes) -> None:
    for at in range(0, len(pcm), 4800):
        one.send("session.input_audio.append", audio=b64(pcm[at : at + 4800]))


# -- attached connections ----------------------------------------------------------


def test_an_attached_connection_hears_both_sides() -> None:
    """The user's audio unmuted, the model's with its times, 200 ms each."""
    talk = started(script=["Hello."])
    side = talk.attach()
    talk.send("session.input_audio.mute")
    talk.hear(loud(600))
    frames = side.later(0)
    heard = of(frames, "session.input_audio.append")
    said = of(frames, "session.output_audio.delta")

    assert loud(600) == b"".join(base64.b64decode(each["audio"]) for each in heard)
    assert {frozenset({"type", "audio"})} == set(map(frozenset, heard))
    assert [(0, 200), (200, 400), (400, 600)] == [
        (each["start_ms"], each["end_ms"]) for each in said
    ]


def test_attached_audio_is_pcm_at_24_khz_whatever_the_session_has() -> None:
    """Eight kilohertz of the telephone become twenty-four."""
    talk = LiveTalk()
    talk.start(audio={"format": {"type": "audio/pcmu", "rate": 8000}})
    side = talk.attach()
    talk.hear(b"\xff" * 1600)
    (frame,) = of(side.later(0), "session.output_audio.delta")

    assert bytes(9600) == base64.b64decode(frame["delta"])


def test_attaching_tells_what_has_just_happened_under_the_same_ids() -> None:
    """What is older than a few seconds is not told: it is no snapshot."""
    talk = started()
    (muted,) = talk.send("session.input_audio.mute")
    again = talk.attach().opening
    talk.later(2)
    (unmuted,) = talk.send("session.input_audio.unmute")
    talk.later(1.5)
    late = talk.attach().opening

    assert ["session.started", "session.input_audio.muted"] == types(again)
    assert muted["event_id"] == again[-1]["event_id"]
    assert [unmuted["event_id"]] == [frame["event_id"] for frame in late]


def test_what_happens_while_somebody_attaches_is_told_once() -> None:
    """Between the handshake and the first frame, nothing is lost or doubled."""
    talk = started()
    side = talk.participant.hub.join(ATTACHED)
    (muted,) = talk.send("session.input_audio.mute")
    told = side.open(talk.now)

    assert ["session.started", "session.input_audio.muted"] == types(told)
    assert muted == told[-1]


def test_who_attaches_in_the_middle_hears_whole_stretches() -> None:
    """Of 200 ms on the grid, whenever that is."""
    talk = started()
    talk.hear(silence(300))
    side = talk.attach()
    talk.hear(silence(500))
    frames = of(side.later(0), "session.output_audio.delta")

    assert [400, 600] == [frame["start_ms"] for frame in frames]


def test_a_late_connection_gets_the_session_by_an_empty_update() -> None:
    """The way that the guides name."""
    talk = started(options={"replay_seconds": 0.0})
    talk.later(1)
    side = talk.attach()
    (frame,) = side.send("session.update", session={})

    assert [] == side.opening
    assert talk.participant.session_id == frame["session"]["id"]


@pytest.mark.parametrize("kind", ["session.start", "session.input_audio.append"])
def test_what_is_the_primary_connections_is_refused(kind: str) -> None:
    """By an error that only the sender gets."""
    talk = started()
    side = talk.attach()
    frames = side.send(kind, audio="", session={})

    assert "type" == error(frames)["param"]
    assert [] == talk.later(0)


def test_an_answer_is_told_to_everybody_and_an_error_to_its_sender() -> None:
    """Under one id."""
    talk = started()
    side = talk.attach()
    (muted,) = side.send("session.input_audio.mute", event_id="m")
    refused = side.send("session.thinking.append", content="", delegation_id="x")

    assert [muted] == talk.later(0)
    assert ["error"] == types(refused)


def test_the_end_is_told_to_everybody() -> None:
    """By default an attached socket is cut, with graceful_close it is closed."""
    talk = started()
    sides = [talk.attach(), talk.attach(graceful=True)]
    talk.send("session.close")
    codes = [side.participant.closing for side in sides]
    ends = [types(side.later(0)) for side in sides]
    after = [side.participant.closing for side in sides]

    assert [None, None] == codes
    assert [["session.closed"]] * 2 == ends
    assert [(1006, ""), (1000, "")] == after


def test_a_session_ends_with_its_primary_connection() -> None:
    """The attached are told; one of them going changes nothing."""
    talk = started()
    one, two = talk.attach(), talk.attach()
    one.participant.close()
    still = talk.hear(silence(100))
    talk.participant.close()

    assert 1 == len(still)
    assert "connection_lost" == only(two.later(0), "session.closed")["reason"]


def test_a_connection_that_reads_too_slowly_is_cut_off_alone() -> None:
    """Its queue is bounded; the session and the others go on."""
    talk = started()
    slow, other = talk.attach(), talk.attach()
    slow.participant.congested = lambda: True
    talk.hear(silence(1000))

    assert 1013 == (slow.participant.closing or (0, ""))[0]
    assert [] == slow.later(0)
    assert 10 == len(other.later(0))


def test_work_for_a_connection_that_goes_has_failed() -> None:
    """The session hears of it, and thinks again at the next turn."""
    talk = started(script=["Hi."])
    side = talk.attach()
    side.send_only("session.commentary.append", content="Hi.", delegation_id=None)
    (job,) = side.participant.take_jobs()
    held_up = talk.hear(silence(100))
    side.participant.close()

    assert "speak" == job.name
    assert [] == held_up
    assert 1 == len(talk.later(0))


# -- a session without media -------------------------------------------------------


def test_the_clock_of_a_session_without_a_socket_moves_while_somebody_listens() -> None:
    """With silence, in the time of the clock on the wall."""
    engine = LiveEngine(Echo(), now=0.0)
    engine.start_media("webrtc", {"model": "gpt-live-1"})
    hub = SessionHub(engine, replay_seconds=3.0)
    engine.tick(10.0)
    side = LiveTalk(participant=hub.join(ATTACHED), now=10.0)
    frames = side.later(1.0)

    assert (
        "format"
        not in only(side.opening or frames, "session.started")["session"]["audio"]
    )
    assert 1000 == engine.truth()["clock_ms"]
    assert 5 == len(of(frames, "session.input_audio.append"))
    assert 11.1 == pytest.approx(side.participant.deadline())


def test_a_browsers_session_pauses_and_wakes_when_somebody_speaks() -> None:
    """The attached are told; time goes on, at another price."""
    engine = LiveEngine(Echo(), now=0.0)
    session = {"model": "gpt-live-1", "idle_timeout_s": 5}
    engine.start_media("webrtc", session)
    hub = SessionHub(engine, replay_seconds=3.0)
    side = LiveTalk(participant=hub.join(ATTACHED), now=0.0)
    active = side.later(5.0)
    paused = side.later(10.0)
    hub.act(side.now, lambda engine: engine.hear(QUESTION, side.now))
    woken = side.later(0)
    usage = engine.truth()["usage"]

    assert ["session.started", "session.paused"] == types(side.opening + active)
    assert [] == of(paused, "session.output_audio.delta")
    assert 50 == len(of(paused, "session.input_audio.append"))
    assert "session.resumed" == types(woken)[0]
    assert (10, 17.0) == (usage["paused_seconds"], usage["seconds"])
    assert usage["seconds"] == usage["active_seconds"] + usage["paused_seconds"]


# -- on the wire -------------------------------------------------------------------


def test_both_protocols_are_served_on_one_port(start: Callable[..., Server]) -> None:
    """Realtime greets, GPT-Live waits to be started."""
    server = start()
    with client(server) as realtime, client(server, path=PATH + "?") as live:
        greeting = realtime.receive()
        wire_started(live)
        server.wait_idle()

    assert "session.created" == greeting["type"]
    assert 1 == len(server.sessions[1].sent)


def test_a_model_of_the_other_protocol_is_refused(start: Callable[..., Server]) -> None:
    """In both directions."""
    server = start()
    path = "/v1/realtime?model=gpt-live-1"
    with client(server, path=path) as realtime, client(server, path=PATH + "?") as live:
        first = realtime.receive()
        live.send("session.start", session={"model": "gpt-realtime-2.1"})
        second = live.receive()

    assert ["invalid_model"] * 2 == [e["error"]["code"] for e in (first, second)]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (PATH + "/live_nobody/attach", 404),
        (PATH + "/live_nobody/fork", 404),
        (PATH + "/live_nobody/dance", 404),
    ],
)
def test_what_is_not_there_is_404(
    start: Callable[..., Server], path: str, status: int
) -> None:
    """An HTTP answer: no socket is opened."""
    with pytest.raises(Exception, match=str(status)):
        opened(start(), path)


def test_a_session_that_is_not_stored_cannot_be_forked(
    start: Callable[..., Server],
) -> None:
    """Nor can one that has ended be attached to."""
    server = start()
    with client(server, path=PATH + "?") as one:
        session = wire_started(one)["session"]
        with pytest.raises(Exception, match="404"):
            opened(server, f"{PATH}/{session['id']}/fork")
        one.send("session.close")
        one.until("session.closed")
        with pytest.raises(Exception, match="404"):
            opened(server, f"{PATH}/{session['id']}/attach")


def test_at_most_eight_are_attached(start: Callable[..., Server]) -> None:
    """The ninth is refused with 429."""
    server = start()
    with client(server, path=PATH + "?") as one:
        path = f"{PATH}/{wire_started(one)['session']['id']}/attach"
        attached = [opened(server, path) for _ in range(8)]
        with pytest.raises(Exception, match="429"):
            opened(server, path)
        for each in attached:
            each.socket.close(timeout=0.2)


def test_the_drop_of_the_primary_is_told_to_the_attached(
    start: Callable[..., Server],
) -> None:
    """Over real sockets."""
    server = start(replay_seconds=60.0)
    with client(server, path=PATH + "?") as one:
        session = wire_started(one)["session"]
        path = f"{PATH}/{session['id']}/attach?graceful_close=true"
        with client(server, path=path) as side:
            side.until("session.started")
            server.sessions[0].drop()
            closed = side.until("session.closed")[-1]
            code, _ = side.receive()

    assert ("connection_lost", 1000) == (closed["reason"], code)


def test_expiry_is_a_reason_and_a_normal_close(start: Callable[..., Server]) -> None:
    """Two hours by the clock of the server."""
    clock = ManualClock()
    server = start(clock=clock)
    with client(server, path=PATH + "?") as one:
        wire_started(one)
        clock.advance(7200)
        closed = one.until("session.closed")[-1]
        code, _ = one.receive()

    assert ("expired", 1000) == (closed["reason"], code)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("expire", "expired"),
        ("content", "content"),
        ("remote_hangup", "remote_hangup"),
        ("connection_lost", "connection_lost"),
    ],
)
def test_a_session_can_be_made_to_end_for_any_reason(
    start: Callable[..., Server], fault: str, reason: str
) -> None:
    """After the frame that the fault names."""
    with client(start(), f"{fault}:session.started", path=PATH + "?") as one:
        wire_started(one)
        closed = check(one.receive())

    assert ("session.closed", reason) == (closed["type"], closed["reason"])


def test_the_socket_can_be_cut_before_the_end_is_told(
    start: Callable[..., Server],
) -> None:
    """So that a client's report has to say: not confirmed."""
    with client(start(), "drop_before:session.closed", path=PATH + "?") as one:
        wire_started(one)
        one.send("session.close")
        with pytest.raises(Exception, match="lost|closed|reset"):
            one.until("session.closed")


def test_a_start_can_be_refused_for_want_of_money(
    start: Callable[..., Server],
) -> None:
    """As the service says it: an error in the place of the session."""
    with client(start(), "no_credit", path=PATH + "?") as one:
        one.send("session.start", session={"model": "gpt-live-1"})
        refused = check(one.receive())["error"]

    assert ("credit_balance_exhausted", "insufficient_quota") == (
        refused["code"],
        refused["type"],
    )


def test_an_error_can_come_that_belongs_to_no_command(
    start: Callable[..., Server],
) -> None:
    """Without a code, which the types do not foresee and the service does."""
    fault = "stray_error:session.input_audio.muted"
    with client(start(), fault, path=PATH + "?") as one:
        wire_started(one)
        one.send("session.input_audio.mute", event_id="m")
        stray, muted = one.receive(), one.receive()

    assert (None, "error") == (stray["error"]["code"], stray["type"])
    assert "m" == muted["client_event_id"]


def test_answers_can_leave_out_the_commands_id(start: Callable[..., Server]) -> None:
    """As Azure's do; errors name it all the same."""
    with client(start(), "no_client_ids", path=PATH + "?") as one:
        wire_started(one)
        one.send("session.input_audio.mute", event_id="m")
        muted = one.receive()
        one.send("nonsense", event_id="n")
        refused = one.receive()

    assert "client_event_id" not in muted
    assert "n" == refused["error"]["client_event_id"]


def test_work_can_be_handed_on_before_its_words_are_told(
    start: Callable[..., Server],
) -> None:
    """As happens in the service: a client has to wait for the sentence."""
    server = start(agent=[Delegate()])
    with client(server, "late_transcripts", path=PATH + "?") as one:
        wire_started(one)
        hear(one, QUESTION)
        frames = one.until("session.input_transcript.delta")

    assert ["session.delegation.created", "session.input_transcript.delta"] == [
        kind for kind in types(frames) if kind != "session.started"
    ]


def test_attached_audio_can_have_gaps(start: Callable[..., Server]) -> None:
    """Every fifth frame is missing; the times tell."""
    server = start(replay_seconds=60.0)
    with client(server, path=PATH + "?") as one:
        path = f"{PATH}/{wire_started(one)['session']['id']}/attach?"
        with client(server, "gaps", path=path) as side:
            side.until("session.started")
            hear(one, silence(2200))
            frames = [side.receive() for _ in range(11 + 9)]
            starts = [f["start_ms"] for f in of(frames, "session.output_audio.delta")]

    assert [0, 200, 400, 600, 1000, 1200, 1400, 1600, 2000] == starts


def test_a_fork_can_fail_where_the_source_ended(start: Callable[..., Server]) -> None:
    """A stored session that dropped is gone on with; the history is there."""
    server = start(agent=["Hello there."])
    with client(server, path=PATH + "?") as one:
        session = wire_started(one, store=True)["session"]
        hear(one, QUESTION + silence(2000))
        one.until("session.output_transcript.delta")
        server.sessions[0].drop()
        server.wait_closed(server.sessions[0])
    with client(server, path=f"{PATH}/{session['id']}/fork?") as fork:
        override = {"audio": {"format": {"type": "audio/pcmu", "rate": 8000}}}
        fork.send("session.start", session={**override, "store": False})
        shown = check(fork.receive())["session"]
        fork.send("session.close")
        fork.until("session.closed")
    truth = server.sessions[1].engine.truth()

    assert "audio/pcmu" == shown["audio"]["format"]["type"]
    assert not shown["store"]
    assert ["user", "assistant"] == [item["role"] for item in truth["items"]]


@pytest.mark.parametrize(
    "override", [{"model": "gpt-live-1"}, {"instructions": "x"}, {"input": []}]
)
def test_a_fork_keeps_what_it_is(override: dict[str, Any]) -> None:
    """Model, instructions and history are the source's."""
    source = LiveTalk()
    source.start(store=True)
    fork = LiveTalk(source=source.engine.as_source())
    frames = fork.send("session.start", session=override)

    assert "unknown_parameter" == error(frames)["code"]


def test_a_key_is_required_where_the_server_has_keys(
    start: Callable[..., Server],
) -> None:
    """The same gate as Realtime's."""
    server = start(api_keys=["sk-right"])
    header = ["Authorization: Bearer sk-right"]
    with client(server, path=PATH + "?") as one:
        refused = check(one.receive())
    with client(server, path=PATH + "?", header=header) as one:
        wire_started(one)

    assert "error" == refused["type"]


def test_everybody_sees_one_order_of_events(start: Callable[..., Server]) -> None:
    """Four connections command at once; each is told all of it, alike."""
    server = start(replay_seconds=60.0)
    with ExitStack() as opened_ones:
        one = opened_ones.enter_context(client(server, path=PATH + "?"))
        path = f"{PATH}/{wire_started(one)['session']['id']}/attach?"
        clients = [one]
        for _ in range(3):
            clients.append(opened_ones.enter_context(client(server, path=path)))
            clients[-1].until("session.started")

        def command(each: Client) -> None:
            for _ in range(50):
                each.send("session.input_audio.mute")

        threads = [threading.Thread(target=command, args=(each,)) for each in clients]
        for thread in threads:
            thread.start()
        seen = [[each.receive()["event_id"] for _ in range(200)] for each in clients]
        for thread in threads:
            thread.join()

    assert [seen[0]] * 4 == seen


def test_the_same_seed_makes_the_same_session() -> None:
    """Frame for frame, ids included."""
    one, two = (
        LiveTalk(script=["Hello."], rng=random.Random(7), now=5.0) for _ in range(2)
    )
    for talk in (one, two):
        talk.start(delegation=RESPONSES)
        talk.ask()
        talk.send("session.close")

    assert one.frames == two.frames


def test_a_primary_port_is_all_that_a_test_needs() -> None:
    """Without a thread, without a socket."""
    participant = open_engine(session_type="live", seed=1)
    frames = participant.receive(
        {"type": "session.start", "session": {"model": "gpt-live-1"}}, 0.0
    )

    assert ["session.started"] == [frame["type"] for frame in frames]
    assert PRIMARY == getattr(participant, "role")
