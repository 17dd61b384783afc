"""
The server: a port, its sessions, and their end.
"""

from __future__ import annotations

import json
import random
import ssl
import threading
import time
from types import TracebackType
from typing import Any, Callable, Iterable, Literal, Mapping, Optional, Union

from ...errors import ConfigurationError
from ...protocol.dialects import BETA
from ...transport.logs import area_logger
from ..agents.base import Agent
from ..agents.tools import McpTool
from ..clock import Clock, SystemClock
from ..engine.context import Options
from ..engine.ids import Ids
from ..engine.refusal import Refusal
from ..live.hub import HubParticipant
from .calls import HostedCalls
from .close_reason import (
    flush_before_close,
    refuse_with_close_reason,
    turn_away_with_close_reason,
)
from .connection import ConnectionEngine, HostConnection
from .engines import engine_for
from .fault_injector import Fault, FaultInjector
from .handshake import (
    Admission,
    AdmissionRefused,
    HandshakeGate,
    HandshakeRequest,
    handshake_protocol,
    handshake_refusal,
)
from .listener import HostListener, ListenerHandler
from .live import LiveSessions
from .origin import AllowedOrigins, is_local_host_of_origin
from .rest import HostRest
from .secrets import EphemeralSecrets
from .sessions import ServerSession, SessionFrameLog, session_frame_size
from .turnlog import TurnLog
from .websocket import HostWebSocket
from .workers import HostWorkers

_log = area_logger("realtime_sync.server")
_ENDED_SESSIONS = 100
_CONGESTED = 16 << 20
"""Bytes that wait for a connection that is attached to a session."""


class Server:
    """
    A local realtime server; `serve` makes one.

    Every method may be called from any thread.

    Attributes:
        port: the port it listens on.
        url: to be given to clients as their base URL.
        sessions: the sessions since the start, in order of arrival; of those that
            have ended, the last hundred.
        calls: the calls that clients created or `ring` let come in.
        live: the sessions of GPT-Live.
        faults: what goes wrong with the connections to come; may be changed.
    """

    def __init__(
        self,
        agent: Agent,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        dialect: Literal["both", "ga", "beta"] = "both",
        clock: Optional[Clock] = None,
        options: Options = Options(),
        api_keys: Optional[Iterable[str]] = None,
        models: Optional[Iterable[str]] = None,
        refuse_early: bool = False,
        max_sessions: int = 500,
        max_frame_size: int = 32 << 20,
        workers: int = 8,
        seed: Optional[int] = None,
        keep_frames: int = 1000,
        ping_interval: float = 20.0,
        faults: Iterable[Union[str, Fault]] = (),
        faults_by_url: bool = True,
        mcp: Optional[Mapping[str, Iterable[McpTool]]] = None,
        tls: Optional[ssl.SSLContext] = None,
        allowed_hosts: Iterable[str] = (),
        allowed_origins: Iterable[str] = (),
    ) -> None:
        if api_keys is None and not is_local_host_of_origin(host):
            raise ConfigurationError(
                f"other machines reach {host or 'every address'}: give api_keys "
                "(--api-key on the command line) that clients must have"
            )
        keys = None if api_keys is None else frozenset(api_keys)
        if keys is not None and not all(isinstance(k, str) and k.strip() for k in keys):
            # A variable that is not set, as a rule; nobody would have to guess it.
            raise ConfigurationError("a key of api_keys (--api-key) is empty")
        self.clock: Clock = clock or SystemClock()
        self.agent = agent
        self.options = options
        self.sessions: list[ServerSession] = []
        self._max_sessions = max_sessions
        self._max_frame_size = max_frame_size
        self._keep_frames = keep_frames
        self._ping_interval = ping_interval
        self.faults = [Fault.parse(fault) for fault in faults]
        self._faults_by_url = faults_by_url
        self._mcp = {label: tuple(tools) for label, tools in (mcp or {}).items()}
        self._connections = 0
        self._forgotten = 0
        self._rng = random.Random(seed)
        # Guards sessions, _forgotten, _connections, _rng and _closed.
        self._lock = threading.Condition()
        self._closed = False
        ids = Ids(random.Random(self._rng.random()))
        self.calls = HostedCalls(ids)
        self._gate = HandshakeGate(
            dialects=dialect,
            keys=keys,
            models=None if models is None else frozenset(models),
            secrets=EphemeralSecrets(),
            calls=self.calls,
            refuse_early=refuse_early,
            allowed=AllowedOrigins.of(host, allowed_hosts, allowed_origins),
        )
        self.live = LiveSessions(
            agent,
            clock=self.clock,
            options=options,
            models=self._gate.models,
            rng=self._new_rng,
            ids=ids,
        )
        rest = HostRest(
            self._gate, self.clock, ids, self.calls, self._hung_up, self.live
        )
        self._listener = HostListener(host, port, rest, self._upgrade, tls)
        self.host = host
        self.port = self._listener.port
        shown = f"[{host}]" if ":" in host else host
        scheme = "http" if tls is None else "https"
        self.url = f"{scheme}://{shown}:{self.port}/v1"
        self._workers = HostWorkers(f"realtime-server-{self.port}", limit=workers)
        _log.info("= listening on %s", self.url)

    def __repr__(self) -> str:
        return f"<Server {self.url} sessions={len(self.open_sessions())}>"

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self,
        exc_type: Optional[type[BaseException]],
        exc: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    # -- looking ---------------------------------------------------------------

    def open_sessions(self) -> list[ServerSession]:
        """Return the sessions that have not ended."""
        with self._lock:
            return [session for session in self.sessions if session.open]

    def wait_idle(self, timeout: float = 10.0) -> None:
        """
        Wait until every session has dealt with all that has arrived.

        What a client is still about to send is not waited for, nor is output that
        is due at a later time.

        Raises:
            TimeoutError: that took longer than *timeout* seconds.
        """
        ends = time.monotonic() + timeout
        for session in self.open_sessions():
            if not session.connection.wait_idle(max(0.0, ends - time.monotonic())):
                raise TimeoutError(f"the server was still busy after {timeout} s")

    def wait_for_sessions(self, count: int, timeout: float = 10.0) -> None:
        """
        Wait until *count* sessions have been opened since the start.

        Raises:
            TimeoutError: that took longer than *timeout* seconds.
        """
        with self._lock:
            if not self._lock.wait_for(lambda: self._opened >= count, timeout):
                raise TimeoutError(
                    f"{self._opened} of {count} sessions after {timeout} s"
                )

    @property
    def _opened(self) -> int:
        return len(self.sessions) + self._forgotten

    def wait_closed(self, session: ServerSession, timeout: float = 10.0) -> None:
        """
        Wait until a session has ended.

        Raises:
            TimeoutError: that took longer than *timeout* seconds.
        """
        with self._lock:
            if not self._lock.wait_for(lambda: not session.open, timeout):
                raise TimeoutError(f"the session was still open after {timeout} s")

    # -- calls -----------------------------------------------------------------

    def ring(self) -> str:
        """Let a call come in, as a SIP trunk would; returns its id."""
        return self.calls.create(None, "ringing").id

    def ring_live(self) -> str:
        """
        Let a call come in for GPT-Live, as a SIP trunk would; returns its session's id.
        """
        return self.live.ring()

    def _hung_up(self, call_id: str) -> None:
        for session in self.open_sessions():
            if session.admission.call_id == call_id:
                session.close(1000, "call ended")

    # -- closing ---------------------------------------------------------------

    def close(self, timeout: float = 5.0) -> None:
        """
        Close the port, every session (code 1001) and every thread.

        Returns after *timeout* seconds at the latest; only a thread in which an
        agent still blocks may then be left. May be called twice.
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
            sessions = [session for session in self.sessions if session.open]
        ends = time.monotonic() + timeout
        self._listener.stop_accepting()
        for session in sessions:
            session.close(1001, "server is closing")
        # Sessions get half of the time to say goodbye.
        _join_server_threads(self._listener.threads(), time.monotonic() + timeout / 2)
        _join_server_threads(self._listener.drop_connections(), ends)
        self._workers.close(max(0.0, ends - time.monotonic()))
        _log.info("= closed %s", self.url)

    # -- connections -----------------------------------------------------------

    def _upgrade(self, handler: ListenerHandler) -> None:
        """Serve a WebSocket request; runs in the connection's thread."""
        try:
            self._knocked(handler)
        except OSError as exc:
            _log.info("! a connection broke while it was opened: %s", exc)
        except Exception:
            # Should never run: a bad client must not take anything down with it.
            _log.exception("! a connection could not be opened")

    def _knocked(self, handler: ListenerHandler) -> None:
        headers = [(name, value) for name, value in handler.headers.items()]
        knock = HandshakeRequest.of(handler.path, {n.lower(): v for n, v in headers})
        refused: Optional[AdmissionRefused] = None
        faults: tuple[Fault, ...] = ()
        try:
            self._gate.check_caller(handler.caller())
            faults = self._chosen_faults(knock)
            if len(self.open_sessions()) >= self._max_sessions:
                raise AdmissionRefused(
                    Refusal("Too many sessions.", code="rate_limit_exceeded"),
                    status=429,
                )
            admission = self._gate.admit(knock, self.clock.now())
            engine = self._engine(admission, faults)
        except AdmissionRefused as exc:
            refused = exc
            exc.live = knock.is_live
            if exc.close_code is None:
                refuse_with_close_reason(handler, exc)
                return
        early = handler.early_bytes()
        wire = HostWebSocket(
            handler.connection,
            max_size=self._max_frame_size,
            protocol=handshake_protocol(knock),
        )
        if refused is None:
            session = self._session(wire, admission, engine, faults)
            if wire.accept(handler.path, headers):
                self._serve(session, early)
            else:
                engine.close()
                session.connection.release()
                flush_before_close(wire)
        elif wire.accept(handler.path, headers):
            turn_away_with_close_reason(wire, refused)
        else:
            flush_before_close(wire)

    def _chosen_faults(self, knock: HandshakeRequest) -> tuple[Fault, ...]:
        """
        Put together what is to go wrong with a connection.

        Raises:
            AdmissionRefused: that it is refused, or a fault in the URL is unknown.
        """
        with self._lock:
            self._connections += 1
            number = self._connections
        chosen = list(self.faults)
        if self._faults_by_url:
            try:
                chosen += [Fault.parse(text) for text in knock.query.get("fault", ())]
            except ConfigurationError as exc:
                raise AdmissionRefused(Refusal(str(exc), param="fault")) from exc
        for fault in chosen:
            if fault.name == "refuse" and number <= (fault.amount or number):
                raise handshake_refusal(int(fault.where or 401))
        flapping = [
            f for f in chosen if f.name == "flap" and number <= int(f.where or 0)
        ]
        drops = [Fault("drop_after", 1)] if flapping else []
        return (*chosen, *drops)

    def _serve(self, session: ServerSession, early: bytes) -> None:
        with self._lock:
            closed = self._closed
            if not closed:
                self.sessions.append(session)
                self._lock.notify_all()
        if closed:
            session.engine.close()
            session.connection.release()
            return
        _log.info("= session %s opened", session.id)
        try:
            session.connection.run(early)
        except Exception:
            # Should never run: a bad client must not take anything down with it.
            _log.exception("! session %s failed", session.id)
        finally:
            with self._lock:
                session.open = False
                self._forget_old()
                self._lock.notify_all()
            _log.info("= session %s closed", session.id)

    def _forget_old(self) -> None:
        """Let the oldest of many ended sessions go, with all that they hold."""
        ended = [session for session in self.sessions if not session.open]
        for session in ended[: max(0, len(ended) - _ENDED_SESSIONS)]:
            self.sessions.remove(session)
            self._forgotten += 1

    def _new_rng(self) -> random.Random:
        with self._lock:
            return random.Random(self._rng.random())

    def _engine(
        self, admission: Admission, faults: tuple[Fault, ...]
    ) -> ConnectionEngine:
        """
        Return the session's side of a new connection.

        Raises:
            AdmissionRefused: it is to join a session that there is not.
        """
        if admission.session_type == "live" and not hasattr(self.agent, "engine"):
            return self.live.admit(admission, frozenset(f.name for f in faults))
        return engine_for(
            self.agent,
            admission,
            now=self.clock.now(),
            options=self.options,
            rng=self._new_rng(),
            mcp=self._mcp,
        )

    def _session(
        self,
        wire: HostWebSocket,
        admission: Admission,
        engine: ConnectionEngine,
        faults: tuple[Fault, ...],
    ) -> ServerSession:
        received, sent = SessionFrameLog(self._keep_frames), SessionFrameLog(
            self._keep_frames
        )
        session = ServerSession(engine, admission, received, sent)
        turns = TurnLog(f"[{session.id[-4:]}]")

        def sent_out(frame: Mapping[str, Any]) -> None:
            sent.append(frame, session_frame_size(frame))
            turns.sent(frame)

        session.connection = HostConnection(
            wire,
            engine,
            clock=self.clock,
            workers=self._workers,
            sent=sent_out,
            received=lambda data: received.append(_decoded_for_server(data), len(data)),
            saboteur=FaultInjector(
                faults, other=_respelling_for_server(admission.dialect)
            ),
            ping_interval=self._ping_interval,
        )
        if isinstance(engine, HubParticipant):
            engine.wake = session.connection.moved
            engine.congested = lambda: len(wire.buffer) > _CONGESTED
        return session


def _respelling_for_server(dialect: str) -> Callable[[Mapping[str, Any]], Any]:
    """What puts a frame of one dialect into the other."""
    if dialect == "beta":
        return BETA.lift_server
    return BETA.lower_server


def _decoded_for_server(data: bytes) -> Union[Any, bytes]:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return data


def _join_server_threads(threads: list[threading.Thread], ends: float) -> None:
    for thread in threads:
        thread.join(max(0.0, ends - time.monotonic()))
