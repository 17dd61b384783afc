"""
What a peer can make grow, how far, and what happens there.

``bound-table::`` prints `BOUNDS`; ``tests/test_bounds.py`` reaches every one of them.
"""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any, NamedTuple, Union

import attrs

from realtime_sync.session.options import SessionOptions


class Bound(NamedTuple):
    """
    One bound.

    Attributes:
        what: is bounded.
        where: the constant: ``module:NAME``, ``module:Class.attribute`` (its
            default), ``module:function(argument)`` (its default), or the name of an
            option of a session.
        unit: of the constant; bytes are shown as MiB or KiB where that is whole.
        then: what happens at the bound.
    """

    what: str
    where: str
    unit: str
    then: str

    @property
    def option(self) -> bool:
        """Whether `connect` takes it."""
        return ":" not in self.where

    def value(self) -> Any:
        """The constant, as it is in the library."""
        if self.option:
            return getattr(SessionOptions(), self.where)
        module, _, name = self.where.partition(":")
        found: Any = import_module(f"realtime_sync.{module}")
        name, _, argument = name.rstrip(")").partition("(")
        *owners, last = name.split(".")
        for owner in owners:
            found = getattr(found, owner)
        if attrs.has(found) if owners else False:
            return getattr(attrs.fields(found), last).default
        found = getattr(found, last)
        if argument:
            return inspect.signature(found).parameters[argument].default
        return found

    def shown(self) -> str:
        """The constant, for people."""
        value = self.value()
        return f"{_sized(value) if self.unit == 'bytes' else f'{value:,} {self.unit}'}"


def _sized(value: int) -> str:
    for shift, name in ((20, "MiB"), (10, "KiB")):
        if value >= 1 << shift and value % (1 << shift) == 0:
            return f"{value >> shift:,} {name}"
    return f"{value:,} bytes"


Rows = tuple[Bound, ...]
Constant = Union[int, float]

SESSION: Rows = (
    Bound(
        "one message",
        "max_frame_size",
        "bytes",
        "the connection is closed with code 1009 and counts as lost",
    ),
    Bound(
        "deliveries that wait for handlers",
        "queue_limit",
        "deliveries",
        "the session ends with ``DispatchOverflow``, after ``dispatch.lagging``",
    ),
    Bound(
        "frames that wait for handlers",
        "queue_bytes",
        "bytes",
        "the session ends with ``DispatchOverflow``, after ``dispatch.lagging``",
    ),
    Bound(
        "pongs that wait to be sent",
        "transport.outbox:MOST_PONGS",
        "pong",
        "a later one takes its place: it answers for those before it",
    ),
    Bound(
        "events of a stream that nobody reads",
        "dispatch.streams:_MOST_UNREAD",
        "events",
        "the stream ends with ``DispatchOverflow``, the session goes on",
    ),
    Bound(
        "commands of a kind that wait for an answer",
        "connection.pending:_MOST_PENDING",
        "commands",
        "the oldest fails with ``LocalProtocolError``",
    ),
    Bound(
        "commands of a kind that nothing acknowledges, and an error may name",
        "connection.pending:_MOST_UNANSWERED",
        "commands",
        "an error that names the oldest is an event, and no longer its handle's",
    ),
    Bound(
        "commands that wait for a new connection",
        "session.reconnect_policy:ReconnectPolicy.queue_limit",
        "commands",
        "the next one raises ``ConnectionLost``",
    ),
    Bound(
        "calls of a live session's backend that wait for their outputs",
        "session.live.backend:MOST_OPEN",
        "calls",
        "the next one is not run, with a warning in the log; its event is delivered",
    ),
    Bound(
        "responses, delegations and calls of a live session's backend that are known",
        "session.live.backend:MOST_NAMED",
        "of each",
        "the oldest are forgotten, with a warning in the log; their events were "
        "delivered",
    ),
    Bound(
        "delegations of a live session that wait for a function",
        "session.live.delegations:MOST_WAITING",
        "delegations",
        "the oldest is given up, with a warning in the log and "
        "``delegation.finished``",
    ),
    Bound(
        "delegations of a live session that telemetry follows",
        "telemetry.live_work:MOST_OPEN",
        "delegations",
        "the oldest ends as ``abandoned``; its events are delivered",
    ),
    Bound(
        "unknown types of events, by name",
        "connection.connection:_MOST_UNKNOWN",
        "types",
        "the rest are counted as ``(others)``; their events are delivered",
    ),
    Bound(
        "name of an unknown type, where it is counted",
        "connection.connection:LONGEST_TYPE",
        "characters",
        "it is cut there; the event has the whole one",
    ),
    Bound(
        "depth of JSON",
        "protocol.jsontext:MAX_DEPTH",
        "levels",
        "the frame is an ``UnknownEvent``",
    ),
    Bound(
        "the end of a session",
        "close_timeout",
        "seconds",
        "the connection is broken off; ``CloseReport`` says what was left",
    ),
)

MIRROR: Rows = (
    Bound(
        "items, and events parked for items that have not come",
        "state.snapshot_parts:Limits.max_items",
        "items",
        "the oldest are forgotten; events about them are delivered",
    ),
    Bound(
        "responses",
        "state.snapshot_parts:Limits.max_responses",
        "responses",
        "the oldest that have ended are forgotten; if too few have, the oldest, with "
        "the anomaly ``endless_response``",
    ),
    Bound(
        "items of one response",
        "state.reducers.attribution:MOST_OUTPUT",
        "items",
        "the oldest are no longer listed in the response, and stay in the "
        "conversation",
    ),
    Bound(
        "anomalies",
        "state.snapshot_parts:Limits.max_anomalies",
        "anomalies",
        "the latest are kept; the same one in a row is counted",
    ),
    Bound(
        "a text, a transcript or arguments that come in pieces",
        "state.growing_text:MOST_TEXT",
        "characters",
        "what comes then is left out, with the anomaly ``endless_text``, until the "
        "server tells the whole; handlers get every piece",
    ),
    Bound(
        "the text of one delegation of a live session",
        "state.live.reduce:LONGEST",
        "characters",
        "what comes then is left out, with an anomaly; handlers get every piece",
    ),
    Bound(
        "responses and calls of one delegation of a live session",
        "state.live.reduce:MOST_OF_ONE",
        "of each",
        "the oldest are not listed any more; ``Delegation.dropped`` counts them, and "
        "an anomaly says so once",
    ),
    Bound(
        "delegations, added texts, decisions and anomalies of a live session",
        "state.live.reduce:MOST",
        "of each",
        "the oldest are forgotten, of delegations those that are over; with an anomaly "
        "if all are open",
    ),
    Bound(
        "models of a live session's backend whose tokens are told apart",
        "state.live.reduce:MOST_MODELS",
        "models",
        "the tokens of further ones are counted as ``(others)``",
    ),
    Bound(
        "what both sides of a live session said",
        "state.live.fragments:MOST_BLOCKS",
        "blocks of 64 pieces",
        "the oldest are forgotten, and counted; three hours without a pause",
    ),
    Bound(
        "detail of an anomaly",
        "state.snapshot_changes:LONGEST_DETAIL",
        "characters",
        "it is cut, and says how long it was",
    ),
    Bound(
        "rate limits",
        "state.reducers.session:MOST_RATE_LIMITS",
        "names",
        "the rest are left out of the snapshot; the event has them",
    ),
    Bound(
        "items asked for at the head that have not come",
        "state.reducers.conversation:MOST_ASKED",
        "items",
        "the oldest are forgotten: such an item goes where the server's words put it",
    ),
    Bound(
        "parts of an item",
        "state.item_merge:FURTHEST_PART",
        "as the largest index",
        "what is beyond is left out, with the anomaly ``bad_index``",
    ),
)

TEXTS: Rows = (
    Bound(
        "one argument of a line of a log",
        "transport.logs:LONGEST",
        "characters",
        "it is cut, and says how long it was",
    ),
    Bound(
        "records of a loop that the handlers of the log have not taken",
        "transport.log_writer:MOST_RECORDS",
        "records",
        "the rest are left out, and a line of the log says how many",
    ),
    Bound(
        "a frame in the log of frames",
        "connection.wire_log:_LONGEST",
        "characters",
        "it is cut, and says how long it was",
    ),
    Bound(
        "a server's words in an error of HTTP",
        "transport.http_errors:_MOST_WORDS",
        "characters",
        "they are cut",
    ),
    Bound(
        "an entry in a report",
        "report.timeline_builder:LONGEST_TEXT",
        "characters",
        "it is cut; the recording has the whole one",
    ),
)

HTTP: Rows = (
    Bound(
        "a REST call, with all its attempts",
        "timeout",
        "seconds",
        "``RestError``, however slowly the answer trickles",
    ),
    Bound(
        "an answer's body, unpacked",
        "rest.response_limits:LARGEST_ANSWER",
        "bytes",
        "``RestError``",
    ),
    Bound(
        "from the first packet to ``session.created``",
        "connect_timeout",
        "seconds",
        "``ConnectFailed`` or ``WaitTimeout``, and no thread is left",
    ),
    Bound(
        "an answer to the handshake",
        "transport.final_answer:LONGEST_ANSWER",
        "bytes",
        "``ConnectFailed``",
    ),
    Bound(
        "answers before the one that counts",
        "transport.final_answer:MOST_INTERIM",
        "answers",
        "``ConnectFailed``",
    ),
)

RECORDINGS: Rows = (
    Bound(
        "a line of a recording that is read",
        "recording.reader:LONGEST_LINE",
        "bytes",
        "``ConfigurationError``",
    ),
    Bound(
        "what waits for the disk while recording",
        "recording.recorder:MOST_WAITING_BYTES",
        "bytes",
        "the recording ends, says so in its last line and the log; the session goes on",
    ),
)

SERVER: Rows = (
    Bound(
        "sessions at a time",
        "server:serve(max_sessions)",
        "sessions",
        "HTTP 429",
    ),
    Bound(
        "connections whose request is not complete",
        "server.host.listener:MOST_WAITING",
        "connections",
        "the oldest is dropped",
    ),
    Bound(
        "a request, until it is complete",
        "server.host.listener:_HEAD_SECONDS",
        "seconds",
        "the connection is dropped",
    ),
    Bound(
        "a request's body",
        "server.host.rest:_BODY_LIMIT",
        "bytes",
        "HTTP 413",
    ),
    Bound(
        "depth of a client's JSON",
        "protocol.jsontext:MAX_DEPTH",
        "levels",
        "HTTP 400, or an ``error`` event; the session goes on",
    ),
    Bound(
        "one message of a client",
        "server:serve(max_frame_size)",
        "bytes",
        "close code 1009",
    ),
    Bound(
        "output that a client does not read",
        "server.host.connection:_BUFFER_HIGH",
        "bytes",
        "nothing more is read from it until it reads",
    ),
    Bound(
        "ephemeral keys",
        "server.host.secrets:MOST_KEYS",
        "keys",
        "the oldest is no longer valid",
    ),
    Bound(
        "calls",
        "server.host.calls:MOST_CALLS",
        "calls",
        "the oldest is forgotten",
    ),
)

PAGES: Rows = (
    Bound(
        "one message of a page",
        "web.host:LARGEST_MESSAGE",
        "bytes",
        "close code 1009; other pages go on",
    ),
    Bound(
        "pages at a time",
        "web.host:MOST_CHANNELS",
        "WebSockets",
        "HTTP 503",
    ),
    Bound(
        "what waits for a page that does not read",
        "web.channel:MOST_WAITING",
        "bytes",
        "the page is let go, its conversation ends",
    ),
    Bound(
        "wrong passwords in a minute",
        "web.access:MOST_GUESSES",
        "guesses",
        "none is looked at, be it right",
    ),
    Bound(
        "sound of a microphone that the session does not take",
        "web.browser_audio:KEEP",
        "seconds",
        "the oldest is dropped, and counted",
    ),
    Bound(
        "lines of a conversation in a page",
        "web.view:MOST_LINES",
        "lines",
        "the latest are shown",
    ),
    Bound(
        "windows of one output in a notebook",
        "jupyter.talk:MOST_VIEWS",
        "windows",
        "the conversation of the oldest ends",
    ),
)

BOUNDS = {
    "session": SESSION,
    "mirror": MIRROR,
    "texts": TEXTS,
    "http": HTTP,
    "recordings": RECORDINGS,
    "server": SERVER,
    "pages": PAGES,
}
