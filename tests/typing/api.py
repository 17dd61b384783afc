"""
The public API as a type checker sees it. Checked by mypy, never run.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Callable, Literal, Optional, Union

from celery import Celery
from typing_extensions import assert_type

from realtime_sync import (
    UNSET,
    Audio,
    CloseReport,
    CommandHandle,
    Context,
    Endpoint,
    EventStream,
    RealtimeClient,
    ReconnectPolicy,
    RecordedMirror,
    Reply,
    ResponseHandle,
    Router,
    Session,
    SessionConfig,
    Snapshot,
    Steps,
    Subscription,
    Threads,
    audio,
    call_control,
    connect,
    delete_recordings,
    errors,
    events,
    jupyter,
    live,
    on,
    open_sessions,
    read_recording,
    report,
    telemetry,
    web,
    webhooks,
)
from realtime_sync.audio.telephony import AUDIOSOCKET, PCMU, TELNYX, CallBridge
from realtime_sync.contrib.celery import (
    Call,
    CallLost,
    CallResult,
    CallRow,
    Fleet,
    Limits,
    Line,
    NoAnswer,
    RemoteCall,
    this_call,
)
from realtime_sync.evaluation import (
    Caller,
    CallRecord,
    Verdict,
    cost,
    first_audio_ms,
    problems,
    tool_called,
)
from realtime_sync.server import (
    Delegate,
    LiveSessions,
    Prompt,
    open_engine,
    serve,
)
from realtime_sync.testing import FakeCarrier, ManualClock


@on("response.audio.delta")
def by_name(event: Any) -> None: ...


@on(events.ResponseAudioDelta)
def by_class(event: events.ResponseAudioDelta) -> None:
    audio: bytes = event.delta or b""
    item_id: str = event.item_id or ""
    print(audio, item_id)


@on(events.ResponseDone)
def with_context(event: events.ResponseDone, ctx: Context) -> None:
    session: Session = ctx.session
    snapshot: Snapshot = ctx.snapshot
    print(session, snapshot)


@on("response.done")
@on("response.created")
def stacked(event: Any) -> int:
    return 1


number: int = stacked(None)


@on(events.ResponseDone)
def broad(event: events.ServerEvent) -> None: ...


# The decorator gives back the function unchanged, for a type checker as well.
assert_type(by_class, Callable[[events.ResponseAudioDelta], None])
assert_type(with_context, Callable[[events.ResponseDone, Context], None])
assert_type(events.ResponseDone().type, Literal["response.done"])


class Assistant:
    @on("response.done")
    def finished(self, event: events.ResponseDone) -> None: ...

    @on(events.ResponseCreated)
    def begun(self, event: events.ResponseCreated, ctx: Context) -> None: ...

    @on(events.ResponseTextDelta)
    def piece(self, event: events.ResponseTextDelta) -> None: ...


router = Router()
router.add(Assistant())


@router.on(events.ConversationItemAdded)
def added(event: events.ConversationItemAdded) -> None: ...


def listening(session: Session) -> None:
    @session.on(events.ResponseTextDelta)
    def show(event: events.ResponseTextDelta) -> None:
        print(event.delta, end="")

    session.once("session.updated", by_name)

    @session.once(events.SessionUpdated)
    def configured(event: events.SessionUpdated) -> None:
        print(event.session)

    once: Subscription = session.once(
        events.ResponseDone, with_context, where=lambda event: event.response
    )
    once.cancel()

    @session.on("input_audio_buffer.speech_started", inline=True)
    def hush(event: Any) -> None: ...

    subscription: Subscription = session.on("response.done", with_context)
    subscription.cancel()
    with session.on("response.done", with_context):
        pass
    session.off(show)


def connecting() -> None:
    session: Session = connect("gpt-realtime-2.1")
    session = connect(
        "gpt-realtime-2.1",
        api_key=lambda: "sk-key",
        config=SessionConfig(instructions="Be brief."),
        router=router,
        dispatch="manual",
        timeout=10,
        name="desk",
    )
    session = connect("m", config={"instructions": "Be brief."}, dialect="beta")
    session = connect("m", endpoint=Endpoint.azure("resource", "deployment"))
    connect("m", endpoint=Endpoint.voice_live("resource", token_provider=lambda: "t"))
    session = connect(
        "m",
        session_type="transcription",
        reconnect=ReconnectPolicy(attempts=3),
        connect_timeout=None,
        ping_interval=None,
        queue_limit=1000,
        extra_headers={"X-Desk": "7"},
        tools=[stacked],
        context=None,
    )
    deleted = delete_recordings(Path("calls"), older_than=30 * 86400.0, dry_run=True)
    assert_type(deleted, list[Path])
    client = RealtimeClient(
        api_key="sk-key", base_url="https://example.com/v1", timeout=10, proxy=""
    )
    answer: Reply = client.ask("Hello", model="m", timeout=5, name="one", config=None)
    print(answer.text)
    with client.connect("gpt-realtime-2.1") as opened:
        print(opened.id)
    with Threads(workers=4, dialers=2, tools=4, around=nullcontext) as threads:
        shared = RealtimeClient(threads=threads).connect("m", threads=None)
        waited: float = threads.stats.delay_p99
        assert_type(shared.threads, Optional[Threads])
        print(shared.transport)
        ended: bool = threads.close(timeout=5)
        threads.freeze()
        print(shared, waited, ended)
    unopened: Session = client.session("gpt-realtime-2.1")
    unopened.open()
    report: CloseReport = session.close(drain=False)
    print(report)


def speaking(session: Session) -> None:
    handle: CommandHandle = session.update(instructions="Short.", turn_detection=None)
    handle.acknowledged(timeout=5)
    handle.acknowledged(timeout=None)
    session.input_audio_buffer.append(b"\0\0")
    session.input_audio_buffer.append(bytearray(2))
    session.input_audio_buffer.append(memoryview(b"\0\0"))
    session.input_audio_buffer.commit().acknowledged()
    session.input_audio_buffer.clear()
    session.output_audio_buffer.clear()
    session.conversation.item.create({"type": "message"}, previous_item_id="root")
    session.conversation.item.delete("item_1").acknowledged()
    session.conversation.item.retrieve("item_1")
    session.conversation.item.truncate("item_1", audio_end_ms=120, content_index=0)
    session.conversation.add_message("Hello", role="user")
    session.response.create(instructions="Be brief.", on_conflict="wait")
    session.response.cancel()
    session.send({"type": "vendor.event"})
    session.send(events.InputAudioBufferClear())


def waiting(session: Session) -> None:
    reply: Reply = session.ask("What is the capital of Peru?", timeout=20)
    text: str = reply.text
    sound: Union[Audio, None] = reply.audio
    if sound is not None:
        sound.save("reply.wav")
        seconds: float = sound.seconds
        print(seconds)
    handle: ResponseHandle = session.response.create()
    for piece in handle.text_deltas(timeout=10):
        text += piece
    size = 0
    for chunk in handle.audio_chunks():
        size += len(chunk)
    reply = handle.result(timeout=30, check=False)
    with session.expect("session.updated", where=lambda event: True) as got:
        session.update(instructions="Brief.")
    got.result(timeout=5)
    with session.expect(events.SessionUpdated) as seen:
        session.update(instructions="Brief.")
    assert_type(seen.result(), events.SessionUpdated)
    assert_type(
        got.result(),
        Union[events.SessionUpdated, events.TranslationSessionUpdated],
    )
    event = session.wait_for(events.ResponseDone, timeout=None)
    assert_type(event, events.ResponseDone)
    assert_type(session.wait_for("response.done"), events.ResponseDone)
    for delta in session.events(events.ResponseTextDelta, where=lambda e: e.delta):
        text += delta.delta or ""
    finished: EventStream[events.ResponseDone] = session.events(events.ResponseDone)
    finished.close()
    stream: EventStream = session.events("response.*")
    with stream:
        for one in stream:
            print(one.type)
    session.flush(timeout=UNSET)
    session.pump(timeout=0.1)
    session.run_forever()


def looking(session: Session) -> None:
    snapshot: Snapshot = session.snapshot
    version: int = snapshot.version
    for item in snapshot.items:
        print(item.id)
    for role, text in snapshot.transcript():
        print(role.upper(), text.upper())
    session.wait_changed(version, timeout=5)


def offering(session: Session) -> None:
    @session.tool
    def weather(city: str) -> str:
        return f"sunny in {city}"

    @session.tool(name="rain_in")
    def rain(city: str) -> bool:
        return city == "Bergen"

    assert_type(weather("Lima"), str)
    assert_type(rain("Lima"), bool)
    with session.record("talk.jsonl", audio=False, notices=False, limit=1 << 20):
        pass


def failing(session: Session) -> None:
    try:
        session.ask("Hello")
    except errors.WaitTimeout as error:
        print(error.partial)
    except errors.CommandRejected as error:
        code: Union[str, None] = error.code
        print(code, error.retryable)
    except errors.ConnectFailed as error:
        status: Union[int, None] = error.status
        print(status)


def requesting(client: RealtimeClient) -> None:
    secret = client.client_secrets.create(
        session=SessionConfig(instructions="Be brief."), expires_after=60
    )
    value: str = secret.value or ""
    expires_at: int = secret.expires_at or 0
    with connect(api_key=value) as session:
        print(session.id, expires_at)
    client.translations.client_secrets.create(session={"model": "m"}, timeout=5)
    call = client.calls.create("v=0", {"voice": "marin"})
    sdp: str = call.sdp
    if call.call_id is not None:
        client.calls.refer(call.call_id, "tel:+14155550123")
        client.calls.hangup(call.call_id, timeout=None)
    print(sdp, client.sessions.create(voice="alloy").client_secret)
    try:
        client.calls.reject("rtc_1", status_code=486)
    except errors.RestError as error:
        wait: Union[float, None] = error.retry_after
        print(error.status, error.request_id, wait)
    client.close()


def answering(client: RealtimeClient, body: bytes, headers: dict[str, str]) -> None:
    event = webhooks.unwrap(body, headers, "whsec_c2VjcmV0")
    if isinstance(event, webhooks.RealtimeCallIncoming):
        assert event.data and event.data.call_id
        call_id: str = event.data.call_id
        client.calls.accept(call_id, instructions="Be brief.")
    else:
        print(event.type, event.data)


def saved(snapshot: Snapshot, path: Path) -> None:
    """Sessions that begin with a conversation, and what became of it."""
    connect("m", history=snapshot)
    connect("m", history=snapshot.to_dict())
    connect("m", history=path)
    connect("m", history=snapshot.items[:3])
    connect("m", history=[{"role": "user", "content": "Hello"}])
    with connect("m", history="call.jsonl") as session:
        report = session.history_report
        if report is not None:
            assert_type(report.restored, tuple[str, ...])
            assert_type(report.dropped, Mapping[str, str])
            print(report.changed, report.unconfirmed)
        session.conversation.item.create(snapshot.items[0]).acknowledged()
        reply = session.ask("Hello")
        assert_type(reply.text, str)
        assert_type(reply.commentary, str)
        assert_type(session.snapshot.habits, frozenset[str])
        try:
            session.wait_for("response.done")
        except errors.WaitTimeout as error:
            assert_type(error.errors, tuple[Any, ...])


def local_server() -> None:
    with serve(allowed_hosts=["box.local"], allowed_origins=("app.example",)) as server:
        assert_type(server.url, str)
        assert_type(server.live, LiveSessions)
        server.live.speak(server.ring_live(), b"")


def handing_on(prompt: Prompt) -> Union[Delegate, str]:
    return "Hello." if prompt.delegation is None else Delegate("One moment.")


def live_engine() -> None:
    live = open_engine(handing_on, session_type="live", seed=1, pace=1.0)
    assert_type(live.receive({"type": "session.close"}, 0.0), list[dict[str, Any]])
    assert_type(live.settle(0.0), list[dict[str, Any]])


def telephones(session: Session, ws: Any) -> None:
    """A call joined to a session, and one played in a test."""
    carrier = FakeCarrier(TELNYX, clock=ManualClock(), lag=0.1)
    bridge = CallBridge(session, TELNYX, send=ws.send, output=PCMU)
    carrier.call(bridge)
    bridge.receive(b"")
    heard: Literal["heard", "interrupted", "timeout", "failed"] = bridge.wait_heard(5)
    digits: str = bridge.collect_digits(4, timeout=8, terminator="#")
    bridge.play(b"", interruptible=False)
    with bridge.hold(b""):
        print(heard, digits, bridge.input.format.rate, carrier.ear_ms)
    left: tuple[bytes, ...] = audio.read_file("call.wav", split=True)
    side: bytes = audio.read_file("call.wav", channel=0)
    print(left, side)


def over_rest() -> None:
    """Calls at a carrier."""
    account = call_control.VonageAccount(token=lambda: "token")
    assert_type(call_control.dial(account, "+1415", caller="+1", url="https://x"), str)
    assert_type(call_control.hang_up(account, "id", timeout=None), bool)
    call_control.transfer(account, "id", "+14155550123")
    print(call_control.TwilioAccount(account_sid="AC", auth_token="t").base_url)


def evaluated(session: Session) -> None:
    with Caller(session, voice="deep", noise=-45.0, speech_rate=1.0) as caller:
        greeting: str = caller.hear()
        caller.say("I would like a table for two")
        playing: bool = caller.interrupt("no, for three", after=(0.3, 1.0))
        call: CallRecord = caller.hang_up()
    Caller(session, carrier=FakeCarrier(TELNYX, lag=0.1)).hang_up()
    Caller(session, clock=ManualClock()).hang_up()
    rate: float = call.turns[0].wer("i would like a table for two")
    verdict: Verdict = call.stopped_within_ms(300)
    call.require(first_audio_ms(p95=900), tool_called("book", seats=3), problems())
    prices = telemetry.Prices(input_audio=32.0, output_audio=64.0, currency="USD")
    call.require(cost(prices, most=0.05))
    spent: float = call.cost(prices)
    telemetry.Budget(0.5, measure=prices)
    assert_type(CallRecord.load("call.jsonl"), CallRecord)
    print(greeting, playing, rate, verdict, spent)


def live_sessions(client: RealtimeClient) -> None:
    session: live.LiveSession = connect("gpt-live-1")
    session = client.live.connect("my-deployment")
    session = client.live.attach("live_u0_1")
    session = client.connect(
        "gpt-live-1.1",
        config=live.LiveConfig(
            voice="marin", delegation=live.Responses(model="m", tools=())
        ),
        idle_audio=None,
        fork_of="live_u0_1",
    )
    session.input_audio.append(b"")
    event: object = session.say("Hello").acknowledged(timeout=5)
    snapshot: live.LiveSnapshot = session.snapshot
    speaker, text = snapshot.transcript()[0]
    seconds: float = session.close().seconds

    @session.delegate(timeout=5)
    def work(task: live.Task) -> str:
        return task.text

    answer: Callable[[live.Task], str] = work

    @session.tool
    def forecast(city: str) -> str:
        return city

    print(event, speaker, text, seconds, answer, forecast("Lima"))
    assert_type(session.answering, Optional[live.Answering])
    assert_type(snapshot.delegations["item_1"], live.Delegation)
    assert_type(snapshot.sent_ms, float)
    assert_type(snapshot.context[0], live.Appended)
    watching: Subscription = telemetry.Ledger().watch(session)
    telemetry.OpenTelemetry().watch(session, server="wss://voice.example/v1")
    watching.cancel()
    piece: events.ServerEvent = session.wait_for(live.events.OutputTranscriptDelta)
    print(piece)
    with audio.Player().attach(session) as playing:
        assert_type(playing, audio.LiveAttachment)
        assert_type(audio.SpokenFormat(session).of(), Optional[audio.AudioFormat])
        assert_type(playing.heard, str)
    CallBridge(session, TELNYX, send=print).close()
    Caller(session).hang_up()
    audio.talk(session, [b""], audio.Player())


def time_travel_and_running_calls() -> None:
    """Any event of a recording, and every session of the process."""
    steps = Steps("call.jsonl")
    when: float = steps[-1].at
    kind: str = steps.line(3).type
    known: Snapshot | live.LiveSnapshot = steps.snapshot(3)
    mirror = RecordedMirror(read_recording("call.jsonl"))
    assert_type(mirror.snapshot(), Union[Snapshot, live.LiveSnapshot])
    every: int = sum(each.stats.events for each in open_sessions())
    calls = telemetry.ProcessCalls(linger=10)
    rows: list[telemetry.CallRow] = calls.rows()
    ended: bool = calls.hang_up(rows[0].id)
    text: str = telemetry.metrics_text(calls)
    media_type: str = telemetry.METRICS_TYPE
    with web.WebHost() as host:
        board = web.Board(host, calls, patience=0.5)
        debugger = web.Debugger(host, "call.jsonl")
        print(board.url, board.changes(0)["rows"], debugger.url)
    print(when, kind, known, every, ended, text, media_type)


def make_client() -> RealtimeClient:
    return RealtimeClient(base_url="http://127.0.0.1:9000/v1")


fleet = Fleet(
    Celery("calls"),
    client=make_client,
    calls_per_process=200,
    recordings=Path("recorded"),
    cost=2.5,
    prices={
        "gpt-live-1": {"live_minute": 0.1},
        "m": telemetry.Prices(output_text=16.0),
    },
    line=Line(carrier=AUDIOSOCKET),
)


@fleet.on_limit
def time_is_up(call: Call) -> None:
    backend: live.LiveSession = call.live
    backend.say(f"That was all: {call.limit}")


@fleet.on_call
def answer_call(call: Call) -> str:
    session: Session = call.session
    call.wait(timeout=60)
    return f"{session.name} {call.metadata}"


@fleet.on(events.ResponseDone)
def finished(event: events.ResponseDone) -> None:
    this_call().hang_up()


def many_machines() -> None:
    try:
        call: RemoteCall = fleet.start(
            call_id="rtc_123",
            metadata={"table": 7},
            limits=Limits(cost=0.2, seconds=300),
            timeout=2.5,
        )
    except NoAnswer as refused:
        print(refused.call_id)
        return
    call.say("Good evening.")
    call.note("The caller has a reservation.")
    call.respond(instructions="Ask for the name.")
    lines: list[tuple[str, str]] = call.transcript()
    rows: list[CallRow] = fleet.calls()
    try:
        result: CallResult = call.result(timeout=60)
        cost: Optional[float] = result.cost
        print(result.ended, lines, rows, result.limit, cost)
    except CallLost as lost:
        print(lost.call_id)


class Said:
    """Serves a WebSocket of a page."""

    def __init__(self, channel: web.Channel) -> None:
        self._channel = channel

    def receive(self, message: Mapping[str, Any], sound: bytes) -> None:
        self._channel.send({"kind": "heard", "bytes": len(sound)})

    def close(self) -> None:
        print("gone")


def in_the_browser(session: Session) -> None:
    def prepare(made: Session) -> None:
        print(made.name)

    with web.serve(make_client(), port=0, on_session=prepare) as page:
        assert_type(page.url(), str)
        page.route("/n", lambda asked: web.Answer(body=asked.query.get("n", "")))
        page.socket("/said", Said)
    jupyter.Talk(session).close()


def a_live_session_in_the_browser(session: live.LiveSession) -> None:
    def prepare(made: live.LiveSession) -> None:
        made.delegate(lambda task: "On the second floor.")

    config = live.LiveConfig(instructions="Be brief.")
    with web.serve(make_client(), "gpt-live-1", config=config, on_session=prepare):
        jupyter.Talk(session).close()
    session.show()
    assert_type(jupyter.connect("gpt-live-1", name="voice"), live.LiveSession)
    assert_type(jupyter.connect("gpt-realtime-2.1", name="other"), Session)
    late: float = session.input_audio.ahead
    aside: bool = session.is_attached or session.is_at_work
    with audio.Player().attach(session) as playing:
        spans: tuple[tuple[float, float], ...] = playing.unheard
    said = [report.utterance_of_work(w) for w in session.snapshot.delegations.values()]
    print(late, aside, spans, said)


def tables_of_a_session(session: Session) -> None:
    """For researchers: many questions, flat columns, a report."""
    answers: jupyter.Answers = jupyter.ask_each(session, ["One?", Path("two.wav")])
    reply: Reply | None = answers[0].reply
    failed: list[str] = [each.name for each in answers.failed]
    print(answers.to_dataframe().columns, reply, failed)
    print(report.to_dataframe(session), report.to_dataframe("call.jsonl", "events"))
    page: Path = report.write(session)
    turns: int = jupyter.LiveLatency(session, keep=5).ledger.count
    print(page, turns, session.recording)
