"""Recordings: what is in them, what never is, and that nothing gets lost."""

from __future__ import annotations

import gc
import json
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from weakref import ref

import pytest

from realtime_sync import (
    RealtimeClient,
    ReconnectPolicy,
    Router,
    Session,
    Snapshot,
    Threads,
    connect,
    replay,
)
from realtime_sync.errors import (
    ConfigurationError,
    ConnectFailed,
    LocalProtocolError,
)
from realtime_sync.recording.lines import line_may_hold_secret, line_without_secrets
from realtime_sync.recording.recorder import Recording
from realtime_sync.server import serve
from realtime_sync.testing import MemoryTransport, frames
from realtime_sync.transport.redaction import HIDDEN
from tests.rawserver import Peer
from tests.session.test_refused_threads import refusing
from tests.stress.sequenced_server import Place, library_threads, wait_until

KEY = "sk-proj-0123456789abcdef"

pytestmark = pytest.mark.usefixtures("arrangement")


def opened(transport: MemoryTransport, **options: Any) -> Session:
    """A session in one thread, with short waits."""
    return connect(transport=transport, dispatch="inline", timeout=0.2, **options)


def lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a finished recording."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def recorded_frames(path: Path, direction: str) -> list[Any]:
    """The frames of one direction."""
    return [line["frame"] for line in lines(path) if line.get("dir") == direction]


@pytest.fixture
def transport() -> MemoryTransport:
    """A transport that acknowledges everything."""
    return MemoryTransport(on_send=frames.acknowledged)


@pytest.fixture
def session(transport: MemoryTransport) -> Iterator[Session]:
    """An open session over it."""
    with opened(transport) as session:
        yield session


def test_first_line_says_what_the_file_is(session: Session, tmp_path: Path) -> None:
    """A reader of any kind can tell the format, its version and the dialect."""
    with session.record(tmp_path / "a.jsonl") as recording:
        pass
    head = lines(recording.path)[0]

    assert ("realtime-sync-recording", 1) == (head["format"], head["version"])
    assert ("ga", "realtime") == (head["dialect"], head["session_type"])


def test_both_directions_are_recorded_in_order_with_times(
    session: Session, transport: MemoryTransport, tmp_path: Path
) -> None:
    """Commands stand before what they brought about; times never go back."""
    with session.record(tmp_path / "a.jsonl") as recording:
        session.conversation.add_message("Hello")
        transport.feed({"type": "response.sparkle"})
    found = [line for line in lines(recording.path)[1:] if line["dir"] != "note"]

    assert ["out", "in", "in", "in"] == [line["dir"] for line in found]
    assert "response.sparkle" == found[-1]["frame"]["type"]
    assert sorted(line["t"] for line in found) == [line["t"] for line in found]
    assert 4 == recording.lines == lines(recording.path)[-1]["note"]["frames"]


def test_frames_are_recorded_as_they_came(
    session: Session, transport: MemoryTransport, tmp_path: Path
) -> None:
    """Spaces, the order of keys and numbers stay; only a line break goes."""
    with session.record(tmp_path / "a.jsonl") as recording:
        transport.feed(b'{"z": 1.50,\n "type": "response.sparkle", "a": []}')

    assert (
        b'"frame":{"z": 1.50,  "type": "response.sparkle", "a": []}}'
        in recording.path.read_bytes()
    )


def test_messages_that_are_no_json_are_recorded(
    session: Session, transport: MemoryTransport, tmp_path: Path
) -> None:
    """Text stays text; what is not even text is base64."""
    with session.record(tmp_path / "a.jsonl") as recording:
        transport.feed('{"type": "respo', b"\xff\xfe", "[1]")
    found = [line for line in lines(recording.path) if line.get("dir") == "in"]

    assert '{"type": "respo' == found[0]["text"]
    assert "//4=" == found[1]["base64"]
    assert [1] == found[2]["frame"]


def test_a_message_nested_too_deep_for_a_line_is_recorded_as_text(
    session: Session, transport: MemoryTransport, tmp_path: Path
) -> None:
    """The line must be JSON that can be read."""
    deep = '{"type":"response.sparkle","a":' + "[" * 1020 + "]" * 1020 + "}"
    with session.record(tmp_path / "a.jsonl") as recording:
        transport.feed(deep)

    assert deep == lines(recording.path)[-2]["text"]


def test_secrets_never_reach_the_file(
    session: Session, transport: MemoryTransport, tmp_path: Path
) -> None:
    """Neither by their place, nor by their looks, nor spelt with escapes."""
    tool = {
        "type": "mcp",
        "server_label": "shop",
        "server_url": "http://shop.invalid",
        "authorization": "hunter2hunter2",
        "headers": {"X-Pass": "letmein-please"},
    }
    escaped = '{"type":"vendor.thing","\\u0061uthorization":"escaped-secret-1"}'
    with session.record(tmp_path / "a.jsonl") as recording:
        session.update(tools=[tool])
        transport.feed(frames.error(f"Incorrect API key provided: {KEY}")({})[0])
        transport.feed(
            {"type": "session.updated", "session": {"client_secret": {"value": "abc1"}}}
        )
        transport.feed(escaped)
    text = recording.path.read_text()

    for secret in ("hunter2", "letmein", KEY, "abc1", "escaped-secret"):
        assert secret not in text
    assert "http://shop.invalid" in text
    assert HIDDEN in text


@pytest.mark.parametrize("options", [{}, {"audio": False}, {"mask": True}], ids=str)
@pytest.mark.parametrize("beside", ["", "audio", KEY], ids=["text", "audio", "key"])
def test_halves_of_characters_end_no_recording(
    transport: MemoryTransport, tmp_path: Path, options: Any, beside: str
) -> None:
    """A server that counts as UTF-16 does cuts an emoji between two deltas."""
    with opened(transport) as session:
        with session.record(tmp_path / "a.jsonl", **options) as recording:
            for half in ("\\ud83d", "\\ude00 and more"):
                transport.feed(
                    '{"type":"response.output_text.delta","item_id":"a",'
                    f'"x":"{beside}","delta":"{half}"}}'
                )
        live = session.snapshot
    again = replay(recording.path)

    assert KEY not in recording.path.read_text()
    assert "recording.ended" == lines(recording.path)[-1]["note"]["type"]
    assert "\ufffd\ufffd and more" == live.item("a").text
    if not options.get("mask"):
        assert live.item("a").text == again.item("a").text


def test_keys_that_were_used_never_reach_the_file(tmp_path: Path) -> None:
    """A key of whatever looks is known once it has been sent."""
    key = "not-like-any-key-you-know"
    with serve() as server:
        with connect("gpt-realtime", base_url=server.url, api_key=key) as session:
            with session.record(tmp_path / "a.jsonl") as recording:
                session.update(instructions=f"My key is {key}.").acknowledged(5)

    assert key not in recording.path.read_text()
    assert "My key is" in recording.path.read_text()


def test_a_schema_with_a_property_called_authorization_stays_whole() -> None:
    """Only text is a secret; a description of one is not."""
    properties = {"authorization": {"type": "string"}, "api_key": None}
    frame = {"type": "session.update", "session": {"tools": [properties]}}

    assert frame == line_without_secrets(frame)


def test_frames_without_telltales_are_not_looked_into() -> None:
    """Audio, the bulk of a session, is written as it came."""
    delta = {"type": "response.output_audio.delta", "delta": "sk" + "A" * 100_000}

    assert not line_may_hold_secret(json.dumps(delta).encode())
    assert line_may_hold_secret(b'{"Authorization":"x"}')


def test_audio_can_be_left_out_and_its_length_stays(
    session: Session, transport: MemoryTransport, tmp_path: Path
) -> None:
    """In both directions; a replay then has silence of the same length."""
    with session.record(tmp_path / "a.jsonl", audio=False) as recording:
        session.input_audio_buffer.append(bytes(2400))
        transport.feed(*frames.answer(spoken="Hi", audio=bytes(4801))({}))
    out, into = (recorded_frames(recording.path, way) for way in ("out", "in"))
    deltas = [f["delta"] for f in into if f["type"] == "response.output_audio.delta"]

    assert {"audio_bytes": 2400} == out[0]["audio"]
    assert [{"audio_bytes": 4801}] == deltas
    assert "Hi" in [f.get("delta") for f in into]


def test_a_recording_that_begins_late_begins_with_the_snapshot(
    session: Session, tmp_path: Path
) -> None:
    """Whoever reads it knows the conversation so far, also if nothing more comes."""
    session.conversation.add_message("Before")
    with session.record(tmp_path / "a.jsonl") as recording:
        pass
    notes = [line["note"] for line in lines(recording.path)[1:]]

    assert ["recording.snapshot", "recording.ended"] == [n["type"] for n in notes]
    assert session.snapshot.to_dict() == notes[0]["snapshot"]


def test_notices_are_recorded_unless_unwanted(
    session: Session, transport: MemoryTransport, tmp_path: Path
) -> None:
    """Failed handlers and finished turns can be seen in the recording."""

    def fail(event: Any) -> None:
        raise RuntimeError(f"with a key: {KEY}")

    session.on("response.done", fail)
    chatty = session.record(tmp_path / "a.jsonl")
    quiet = session.record(tmp_path / "b.jsonl", notices=False)
    transport.feed(*frames.answer("Hi")({}))
    session.close()
    kinds = [[n["note"]["type"] for n in lines(r.path)[1:] if n["dir"] == "note"]
             for r in (chatty, quiet)]  # fmt: skip

    assert {"handler.failed", "turn.finished", "connection.closed"} < set(kinds[0])
    assert {"recording.snapshot", "recording.ended"} == set(kinds[1])
    assert KEY not in chatty.path.read_text()


def test_the_session_ends_the_recording_and_waits_for_the_file(tmp_path: Path) -> None:
    """After `close` the file is whole, and no thread is left."""
    with serve() as server:
        session = connect("gpt-realtime", base_url=server.url)
        recording = session.record(tmp_path / "a.jsonl")
        session.ask("Hello", timeout=5)
        report = session.close()
        names = [thread.name for thread in threading.enumerate()]

    assert report.complete
    own = [name for name in names if "shared" not in name]
    assert not [name for name in own if "recorder" in name]
    end = lines(recording.path)[-1]["note"]
    assert ("recording.ended", 1000) == (end["type"], end["code"])


def test_nothing_is_lost_or_reordered_under_load(tmp_path: Path) -> None:
    """Twenty thousand frames arrive in the file as they arrived in the session."""
    transport = MemoryTransport()
    session = opened(transport)
    recording = session.record(tmp_path / "a.jsonl")
    total, chunk = 20_000, 500
    for at in range(0, total, chunk):
        transport.feed(
            *({"type": "response.sparkle", "n": n} for n in range(at, at + chunk))
        )
    recording.close()
    session.close()
    found = [frame["n"] for frame in recorded_frames(recording.path, "in")]

    assert list(range(total)) == found


def test_recordings_of_sessions_that_share_threads_need_none_of_their_own(
    tmp_path: Path,
) -> None:
    """Fifty are written by two, each whole and in its order."""
    with Threads(workers=2) as threads:
        transports = [MemoryTransport() for _ in range(50)]
        sessions = [opened(each, threads=threads) for each in transports]
        paths = [tmp_path / f"{number}.jsonl" for number in range(50)]
        recordings = [s.record(path) for s, path in zip(sessions, paths)]
        for number in range(100):
            for each in transports:
                each.feed({"type": "response.sparkle", "n": number})
        recordings[0].flush()
        writers = [t for t in threading.enumerate() if "recorder" in t.name]
        for session in sessions:
            session.close()
        found = [[f["n"] for f in recorded_frames(path, "in")] for path in paths]

    assert 1 <= len(writers) <= 2
    assert [list(range(100))] * 50 == found
    assert [None] * 50 == [recording.error for recording in recordings]


def test_a_disk_that_does_not_answer_holds_up_no_session_that_shares_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor another recording; its own is late, and says so."""
    write, stuck, go = Recording._write_all, threading.Event(), threading.Event()

    def slow(recording: Recording, data: memoryview) -> None:
        if recording.path.stem == "slow":
            stuck.set()
            assert go.wait(10)
        write(recording, data)

    monkeypatch.setattr(Recording, "_write_all", slow)
    with Threads(workers=2) as threads:
        first, second = MemoryTransport(), MemoryTransport()
        one, other = opened(first, threads=threads), opened(second, threads=threads)
        late, quick = one.record(tmp_path / "slow.jsonl"), other.record(
            tmp_path / "quick.jsonl"
        )
        assert stuck.wait(10)
        first.feed({"type": "response.sparkle", "n": 1})
        second.feed({"type": "response.sparkle", "n": 2})
        quick.close()
        with pytest.raises(TimeoutError):
            late.flush(0.01)
        go.set()
        one.close()
        other.close()

    assert 1 == len(recorded_frames(quick.path, "in"))
    assert 1 == len(recorded_frames(late.path, "in"))


def test_commands_of_many_threads_are_all_recorded(tmp_path: Path) -> None:
    """Each thread's commands stand in its order."""
    session = opened(MemoryTransport())
    recording = session.record(tmp_path / "a.jsonl")

    def send(who: int) -> None:
        for n in range(100):
            session.send({"type": "vendor.note", "who": who, "n": n})

    threads = [threading.Thread(target=send, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    session.close()
    found = recorded_frames(recording.path, "out")

    for who in range(4):
        assert list(range(100)) == [f["n"] for f in found if f["who"] == who]


def test_flush_waits_for_the_file(
    session: Session, transport: MemoryTransport, tmp_path: Path
) -> None:
    """While the recording goes on, its file can be brought up to date."""
    recording = session.record(tmp_path / "a.jsonl")
    transport.feed({"type": "response.sparkle"})
    recording.flush()

    assert 1 == len(recorded_frames(recording.path, "in"))
    recording.close()
    recording.flush()


def test_a_disk_that_fails_ends_the_recording_and_not_the_session(
    session: Session,
    transport: MemoryTransport,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The reason is logged, kept, and raised by `close`."""
    recording = session.record(tmp_path / "a.jsonl")
    recording.flush()
    recording._file.close()
    transport.feed({"type": "response.sparkle"})

    with pytest.raises(ValueError, match="closed"):
        recording.close()
    assert isinstance(recording.error, ValueError)
    assert "is given up" in caplog.text
    session.conversation.add_message("still here").acknowledged()


def test_a_disk_that_is_too_slow_ends_the_recording_loudly(
    session: Session,
    transport: MemoryTransport,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The reader is not held up, memory stays bounded, and the file says so."""
    go_on = threading.Event()
    write = Recording._write

    def slow(self: Recording, batch: Any) -> None:
        go_on.wait(5)
        write(self, batch)

    monkeypatch.setattr(Recording, "_write", slow)
    recording = session.record(tmp_path / "a.jsonl", limit=10_000)
    for _ in range(20):
        transport.feed({"type": "response.sparkle", "glow": "x" * 1000})
    go_on.set()

    with pytest.raises(OverflowError, match="wait to be written"):
        recording.close()
    assert "recording.failed" == lines(recording.path)[-1]["note"]["type"]


def test_closing_within_with_does_not_hide_another_error(
    session: Session, tmp_path: Path
) -> None:
    """The first error is the one that is seen."""
    with pytest.raises(KeyError):
        with session.record(tmp_path / "a.jsonl") as recording:
            recording.error = OSError("full")
            raise KeyError("mine")
    with pytest.raises(OSError, match="full"):
        recording.close()


def test_a_path_that_cannot_be_written_raises_at_once(
    session: Session, tmp_path: Path
) -> None:
    """The mistake shows at the caller's line."""
    with pytest.raises(OSError):
        session.record(tmp_path / "no" / "such" / "folder.jsonl")


def test_a_session_that_is_over_cannot_be_recorded(tmp_path: Path) -> None:
    """There would be nothing in it."""
    session = opened(MemoryTransport())
    session.close()

    with pytest.raises(LocalProtocolError, match="over"):
        session.record(tmp_path / "a.jsonl")


def test_a_session_can_be_recorded_before_it_opens(tmp_path: Path) -> None:
    """Then the greeting is in the recording."""
    client = RealtimeClient(base_url="ws://127.0.0.1:9")
    session = client.session(transport=MemoryTransport(), dispatch="inline")
    recording = session.record(tmp_path / "a.jsonl")
    with session:
        pass

    assert "session.created" == recorded_frames(recording.path, "in")[0]["type"]


def refuse(peer: Peer) -> None:
    """A server that has no room."""
    peer.refuse("503 Service Unavailable")


def answer_the_close(peer: Peer) -> None:
    """Greet, and leave it at that."""
    peer.greet()
    peer.answer_close()


EARLIER = b'{"type": "session.created"}\n'
"""What a run before has recorded."""


def earlier_recording(folder: Path) -> Path:
    """The file of a run before."""
    path = folder / "a.jsonl"
    path.write_bytes(EARLIER)
    return path


def test_an_earlier_recording_stays_when_no_connection_comes_about(
    tmp_path: Path,
) -> None:
    """However often it is tried; the one that comes about takes its place."""
    path = earlier_recording(tmp_path)
    with Place(refuse, refuse, answer_the_close) as place:
        session = place.session()
        recording = session.record(path)
        for _ in range(2):
            with pytest.raises(ConnectFailed):
                session.open()
        kept = path.read_bytes()
        # That of the handshake is still on its way out.
        wait_until(lambda: not library_threads(), "the end of all threads")
        with session.open():
            pass

    assert EARLIER == kept
    assert "session.created" == recorded_frames(path, "in")[0]["type"]
    assert recording.error is None


ENDS: dict[str, Callable[[Session, Recording], object]] = {
    "the session": lambda session, recording: session.close(),
    "the recording": lambda session, recording: recording.close(),
    "both": lambda session, recording: (session.close(), recording.close()),
}


@pytest.mark.parametrize("end", ENDS)
def test_what_was_never_connected_is_closed_and_leaves_the_file(
    end: str, tmp_path: Path
) -> None:
    """Nor does a thread go on; that of another file has where it began and ended."""
    path, other = earlier_recording(tmp_path), tmp_path / "new.jsonl"
    with Place(refuse) as place:
        session = place.session()
        for each in (path, other):
            recording = session.record(each)
            ENDS[end](session, recording)
            recording.flush()
        threads = library_threads()

    assert EARLIER == path.read_bytes()
    kinds = [line["note"]["type"] for line in lines(other)[1:]]
    assert ["recording.ended"] == kinds
    assert [] == threads


def test_a_note_of_the_program_replaces_an_earlier_recording(tmp_path: Path) -> None:
    """It is something to record, before there is a connection as well."""
    path = earlier_recording(tmp_path)
    with Place(refuse) as place:
        session = place.session()
        recording = session.record(path)
        recording.note({"type": "dialled"})
        recording.flush()
        first = lines(path)[0]["format"]
        session.close()
        threads = library_threads()

    assert "realtime-sync-recording" == first
    assert "dialled" == lines(path)[1]["note"]["type"]
    assert [] == threads


def test_a_recording_of_an_open_session_replaces_an_earlier_one(
    session: Session, tmp_path: Path
) -> None:
    """What is known so far is something to record."""
    path = earlier_recording(tmp_path)
    session.record(path).close()

    assert "recording.snapshot" == lines(path)[1]["note"]["type"]


def test_an_unopened_session_that_is_let_go_takes_its_recording_with_it(
    tmp_path: Path,
) -> None:
    """Nobody is told, since nothing had begun; the file is closed."""
    path = earlier_recording(tmp_path)
    with Place(refuse) as place, warnings.catch_warnings():
        warnings.simplefilter("error")
        session = place.session()
        gone = ref(session.record(path))
        del session
        gc.collect()
        threads = library_threads()

    assert gone() is None
    assert [] == threads
    assert EARLIER == path.read_bytes()


def test_recordings_on_threads_without_a_session_are_written(tmp_path: Path) -> None:
    """The threads come for them, and those that have ended are not waited for."""
    paths = [tmp_path / f"{number}.jsonl" for number in range(2)]
    with Place(refuse) as place, Threads(workers=1) as threads:
        sessions = [place.session(threads=threads) for _ in paths]
        first, second = [s.record(path) for s, path in zip(sessions, paths)]
        first.close()
        threads.close()
        second.close()
        with pytest.raises(LocalProtocolError, match="closed"):
            sessions[0].record(tmp_path / "late.jsonl")

    for path in paths:
        assert "recording.ended" == lines(path)[-1]["note"]["type"]


def test_a_recording_takes_a_thread_as_soon_as_there_is_one(tmp_path: Path) -> None:
    """What came meanwhile is kept for it."""
    transport = MemoryTransport()
    session = RealtimeClient(api_key="k").session(
        transport=transport, dispatch="inline", threads=None
    )
    recording = session.record(tmp_path / "a.jsonl")
    with refusing(" recorder") as refused:
        session.open()
        transport.feed({"type": "response.sparkle", "n": 1})
    transport.feed({"type": "response.sparkle", "n": 2})
    session.close()
    numbers = [frame.get("n") for frame in recorded_frames(recording.path, "in")]

    assert refused
    assert [None, 1, 2] == numbers
    assert recording.error is None


def test_a_restored_connection_is_recorded_as_one_of_its_own(tmp_path: Path) -> None:
    """What rebuilt the conversation is in the recording, under its number."""
    transport = MemoryTransport(on_send=frames.acknowledged)
    session = opened(transport, reconnect=ReconnectPolicy(base=0.0))
    recording = session.record(tmp_path / "a.jsonl")
    session.conversation.add_message("Hello")
    transport.cut()
    session.close()
    second = [line for line in lines(recording.path)[1:] if line.get("conn") == 2]
    kinds = [line.get("frame", line.get("note"))["type"] for line in second]

    assert kinds.index("session.created") < kinds.index("conversation.item.create")
    assert kinds.index("conversation.item.added") < kinds.index("recording.switched")
    assert kinds.index("recording.switched") < kinds.index("connection.restored")


def test_a_program_can_put_notes_into_a_recording(
    session: Session, tmp_path: Path
) -> None:
    """With their time, among those of the library, and without secrets."""
    with session.record(tmp_path / "a.jsonl") as recording:
        recording.note({"type": "caller.said", "text": f"my key is {KEY}"})
    (note,) = [
        line
        for line in lines(recording.path)
        if line.get("note", {}).get("type") == "caller.said"
    ]

    assert f"my key is {HIDDEN}" in note["note"]["text"]
    assert 0 <= note["t"] < 60
    assert Snapshot() != replay(recording.path)


@pytest.mark.parametrize(
    "note", [{}, {"type": 5}, {"type": "recording.ended"}, {"type": "x", "y": object()}]
)
def test_what_is_no_note_is_refused(
    session: Session, tmp_path: Path, note: dict[str, Any]
) -> None:
    """At the line that gives it, and the recording goes on."""
    with session.record(tmp_path / "a.jsonl") as recording:
        with pytest.raises(ConfigurationError):
            recording.note(note)

    assert recording.error is None


WORDS = "Zebedee dialled 55501"


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "response.output_text.delta", "delta": WORDS},
        {"type": "response.output_audio_transcript.done", "transcript": WORDS},
        {"type": "input_audio_buffer.dtmf_event_received", "event": WORDS[-5:]},
        {"type": "response.function_call_arguments.done", "arguments": f'"{WORDS}"'},
        {
            "type": "conversation.item.added",
            "item": {
                "id": "i",
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": WORDS}],
            },
        },
        {
            "type": "conversation.item.input_audio_transcription.completed",
            "item_id": "i",
            "transcript": WORDS,
            "logprobs": [{"token": WORDS, "bytes": [90, 101], "logprob": -1.0}],
        },
        {"type": "response.output_audio.delta", "delta": "WmViZWRlZQ=="},
        "Zebedee is no JSON 55501",
    ],
    ids=lambda frame: frame["type"] if isinstance(frame, dict) else "no JSON",
)
def test_what_is_said_and_dialled_is_masked(
    session: Session, transport: MemoryTransport, tmp_path: Path, frame: Any
) -> None:
    """No word, no number and no sound; the type, the ids and the length stay."""
    with session.record(tmp_path / "a.jsonl", mask=True) as recording:
        transport.feed(frame)
        session.conversation.add_message(WORDS)
    text = recording.path.read_text()

    for word in ("Zebedee", "dialled", "55501", "WmVi", "[90"):
        assert word not in text
    assert "xxxxxxx xxxxxxx 00000" in text  # What we said ourselves.
    assert not isinstance(frame, dict) or frame["type"] in text
    assert replay(recording.path, router=Router()) is not None


def test_a_recording_that_is_not_masked_has_the_words(
    session: Session, transport: MemoryTransport, tmp_path: Path
) -> None:
    """Masking is asked for."""
    with session.record(tmp_path / "a.jsonl") as recording:
        transport.feed({"type": "response.output_text.delta", "delta": WORDS})

    assert WORDS in recording.path.read_text()
