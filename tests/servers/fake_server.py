"""Fake servers, made like those that deviate: a table of who says what to what."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, Optional

from attrs import field, frozen

from realtime_sync import Router, connect
from tests.rawserver import BINARY, CLOSE, TEXT, Gone, Peer, RawServer

Frame = dict[str, Any]

SOUND = b"\x01\x02" * 240
"""10 ms of a model's voice at 24 kHz."""

VOICE = base64.b64encode(SOUND).decode()


class Close(NamedTuple):
    """A close frame in place of an event."""

    code: int
    reason: str = ""


class Drop(NamedTuple):
    """The end of the TCP connection in place of an event."""


Answer = Callable[[Frame], Iterable[Any]]
"""A command of the client -> what the server says to it."""


@frozen(kw_only=True)
class FakeServer:
    """
    One server, as far as its deviations go.

    Attributes:
        name: whose they are.
        greeting: what it says first.
        answers: command type -> what it says to it; nothing to the others.
        unknown: what it says to a command that is not in the table; None to
            say nothing.
        opcode: of its frames.
        headers: of its answer to the upgrade.
        options: how `connect` is to be called.
        text: what it answers to a question.
        sound: what that sounds like.
        lines: the transcript of one turn.
        strange: types of unknown events that it says.
        anomalies: kinds of anomalies that are noted.
    """

    name: str
    greeting: tuple[Any, ...] = ()
    answers: Mapping[str, Answer] = field(factory=dict)
    unknown: Optional[Answer] = None
    opcode: int = TEXT
    headers: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(factory=dict)
    text: str = "Lima."
    sound: Optional[bytes] = None
    lines: tuple[tuple[str, str], ...] = (("user", "Peru?"), ("assistant", "Lima."))
    strange: tuple[str, ...] = ()
    anomalies: frozenset[str] = frozenset()


class ServerRun:
    """
    A fake server at work, and everything that it has said and heard.

    Attributes:
        said: the events, in order.
        heard: the commands, in order.
    """

    def __init__(self, server: FakeServer) -> None:
        self.said: list[Any] = []
        self.heard: list[Frame] = []
        self._server = server
        self._turn = 0

    def __call__(self, peer: Peer) -> None:
        """Play the server on one connection."""
        peer.read_head()
        peer.raw(peer.accepted(*self._server.headers))
        self._say(peer, self._server.greeting)
        while True:
            opcode, payload = peer.read()
            if opcode == CLOSE:
                peer.frame(payload, CLOSE)
                return
            if opcode not in (TEXT, BINARY):
                continue
            command = json.loads(payload)
            self.heard.append(command)
            self._turn += command["type"] == "response.create"
            answer = self._server.answers.get(command["type"], self._server.unknown)
            if answer is not None:
                self._say(peer, answer(command))

    def _say(self, peer: Peer, frames: Iterable[Any]) -> None:
        for frame in frames:
            if isinstance(frame, Close):
                peer.close(frame.code, frame.reason)
                peer.rest()
                raise Gone
            if isinstance(frame, Drop):
                raise Gone
            frame = _in_turn(frame, self._turn)
            self.said.append(frame)
            peer.say(frame, self._server.opcode)


def _in_turn(frame: Any, turn: int) -> Any:
    """A frame with the ids of this turn: every answer is written as the first."""
    if isinstance(frame, dict):
        return {k: _in_turn(v, turn) for k, v in frame.items()}
    if isinstance(frame, list):
        return [_in_turn(each, turn) for each in frame]
    return f"{frame[0]}{turn}" if frame in ("r1", "a1") else frame


class Seen:
    """What handlers saw, under every spelling."""

    SPELLINGS = (
        ("response.text.delta", "response.output_text.delta"),
        ("response.audio.delta", "response.output_audio.delta"),
        ("response.audio_transcript.delta", "response.output_audio_transcript.delta"),
        ("conversation.item.created", "conversation.item.added"),
    )

    def __init__(self, strange: Iterable[str]) -> None:
        self.router = Router("seen")
        self.all: list[Any] = []
        self.by_name: dict[str, list[Any]] = {}
        self.failed: list[Any] = []
        self._strange = tuple(strange)
        self.router.on("*", lambda event: self.all.append(event.raw))
        self.router.on("handler.failed", self.failed.append)
        for pair in self.SPELLINGS:
            for name in pair:
                self._note(name, unknown=False)
        for name in strange:
            self._note(name, unknown=True)

    def _note(self, name: str, *, unknown: bool) -> None:
        found = self.by_name.setdefault(name, [])
        self.router.on(name, lambda event: found.append(event.raw), unknown=unknown)

    def check(self, served: ServerRun) -> None:
        """Nothing that was said is missing, doubled, or out of order."""
        assert served.said == self.all
        assert [] == self.failed
        for old, new in self.SPELLINGS:
            expected = [f for f in served.said if f.get("type") in (old, new)]
            assert expected == self.by_name[old] == self.by_name[new]
        for name in self._strange:
            expected = [f for f in served.said if f["type"] == name]
            assert expected
            assert expected == self.by_name[name]


@contextmanager
def connected(server: FakeServer, **options: Any) -> Any:
    """
    A session with a fake server.

    Yields:
        The session, what the server says, and what handlers see.
    """
    served = ServerRun(server)
    seen = Seen(server.strange)
    with RawServer(served) as raw:
        options = {"timeout": 5, "connect_timeout": 5, **server.options, **options}
        model = options.pop("model", "m")
        session = connect(model, base_url=raw.url, router=seen.router, **options)
        try:
            yield session, served, seen
        finally:
            report = session.close()
        assert report.complete


def lines(session: Any) -> tuple[tuple[str, str], ...]:
    """The transcript as pairs."""
    return tuple((line.role, line.text) for line in session.snapshot.transcript())
