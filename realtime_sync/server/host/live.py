"""
The sessions of GPT-Live: who is in them, and what REST does to them.
"""

from __future__ import annotations

import random
import threading
from typing import Any, Callable, Final, Mapping, Optional

import attrs

from ...errors import ConfigurationError
from ..agents.base import Agent
from ..clock import Clock
from ..engine.context import Options
from ..engine.ids import Ids
from ..engine.refusal import Refusal
from ..live.context import ATTACHED, PRIMARY
from ..live.engine import LiveEngine, Source
from ..live.hub import HubParticipant, SessionHub
from .handshake import Admission, AdmissionRefused

MOST_SESSIONS: Final = 200
"""Sessions that are remembered; the oldest that have ended are not found any more."""
_MOST_RECORDINGS: Final = 20
"""Recordings of sessions that have ended."""
_INNER_FAULTS: Final = frozenset({"handoff", "no_client_ids", "no_credit"})


@attrs.define(eq=False)
class RingingCall:
    """
    A call from outside that nobody has answered.

    Attributes:
        id: ``live_...``.
        status: ``ringing``, ``rejected`` or ``accepted``.
        detail: the status code of a rejection.
    """

    id: str
    status: str = "ringing"
    detail: Optional[int] = None


class LiveSessions:
    """
    The sessions of GPT-Live of one server. May be used from any thread.

    Args:
        agent: answers in all of them.
        clock: the server's.
        options: behaviour beyond the protocol.
        models: models that are served; None serves every name.
        rng: makes the random source of a session.
        ids: source of the ids of calls.
    """

    def __init__(
        self,
        agent: Agent,
        *,
        clock: Clock,
        options: Options,
        models: Optional[frozenset[str]],
        rng: Callable[[], random.Random],
        ids: Ids,
    ) -> None:
        self._agent = agent
        self._clock = clock
        self._options = options
        self._models = models
        self._rng = rng
        self._ids = ids
        # Guards the two below.
        self._lock = threading.Lock()
        self._hubs: dict[str, SessionHub] = {}
        self._ringing: dict[str, RingingCall] = {}

    # -- connections -----------------------------------------------------------

    def admit(self, admission: Admission, faults: frozenset[str]) -> HubParticipant:
        """
        Return what a new connection has of its session.

        Raises:
            AdmissionRefused: there is no such session, or too many are attached.
        """
        if admission.attach is not None:
            hub = self.find(admission.attach)
            if not hub.running:
                raise live_session_not_found(admission.attach)
            try:
                return hub.join(ATTACHED, graceful=admission.graceful)
            except Refusal as refusal:
                raise AdmissionRefused(refusal, status=429) from None
        source = None
        if admission.fork is not None:
            source = self._source(admission.fork)
        return self._open(source, faults & _INNER_FAULTS).join(PRIMARY)

    # -- calls -----------------------------------------------------------------

    def ring(self) -> str:
        """Let a call come in, as a SIP trunk would; returns its session's id."""
        with self._lock:
            call = RingingCall(self._ids.new("live_u1"))
            self._ringing[call.id] = call
            while len(self._ringing) > MOST_SESSIONS:
                del self._ringing[next(iter(self._ringing))]
        return call.id

    def create(self, session: Mapping[str, Any]) -> str:
        """
        Begin a session whose audio would come over WebRTC; returns its id.

        Raises:
            Refusal: the configuration is wrong.
        """
        return self._begin("webrtc", session, None).session_id

    def fork(self, session_id: str, session: Mapping[str, Any]) -> str:
        """
        Go on from a stored session; returns the id of the new one.

        Raises:
            AdmissionRefused: there is no such session.
            Refusal: the configuration is wrong.
        """
        source = self._source(session_id)
        return self._begin("webrtc", session, source).session_id

    def accept(self, session_id: str, session: Mapping[str, Any]) -> None:
        """
        Answer a call that rings.

        Raises:
            AdmissionRefused: there is no such call.
            Refusal: it was decided about before, or the configuration is wrong.
        """
        call = self._undecided(session_id)
        self._begin("sip", session, None, session_id)
        call.status = "accepted"

    def reject(self, session_id: str, status_code: int) -> None:
        """
        Refuse a call that rings.

        Raises:
            AdmissionRefused: there is no such call.
            Refusal: it was decided about before.
        """
        call = self._undecided(session_id)
        call.status, call.detail = "rejected", status_code

    def refer(self, session_id: str) -> None:
        """
        Hand a call on to another telephone, which ends it here.

        Raises:
            AdmissionRefused: there is no such session.
            Refusal: it is no telephone call.
        """
        hub = self._running(session_id)
        if hub.engine.media != "sip":
            raise Refusal("Only SIP sessions can be referred.")
        self._end(hub, "remote_hangup")

    def hang_up(self, session_id: str) -> None:
        """
        End a session.

        Raises:
            AdmissionRefused: there is no such session, or it has ended.
        """
        self._end(self._running(session_id), "close_requested")

    def speak(self, session_id: str, pcm: bytes) -> None:
        """
        Let the other side of a session that began over REST, or of a call, speak.

        Args:
            session_id: of the session.
            pcm: 16-bit mono at 24 kHz.

        Raises:
            ConfigurationError: there is no such session, or it has ended.
        """
        now = self._clock.now()
        self._known(session_id).act(now, lambda engine: engine.hear(pcm, now))

    def press(self, session_id: str, key: str) -> None:
        """
        Let the other side of a telephone call press a key.

        Raises:
            ConfigurationError: there is no such session, or it has ended.
        """
        now = self._clock.now()
        self._known(session_id).act(now, lambda engine: engine.press(key, now))

    def recording(self, session_id: str) -> bytes:
        """
        Return the recording of a stored session as a WAV file.

        Raises:
            AdmissionRefused: there is none.
        """
        hub = self.stored(session_id)
        with hub.lock:
            if hub.engine.recording.full:
                raise live_session_not_found(session_id)
            return hub.engine.recording.wav()

    # -- finding ---------------------------------------------------------------

    def find(self, session_id: str) -> SessionHub:
        """
        Return the session of that id.

        Raises:
            AdmissionRefused: there is none.
        """
        with self._lock:
            hub = self._hubs.get(session_id)
        if hub is None:
            raise live_session_not_found(session_id)
        return hub

    def stored(self, session_id: str) -> SessionHub:
        """
        Return the session of that id, which is stored.

        Raises:
            AdmissionRefused: there is none, or it is not stored.
        """
        hub = self.find(session_id)
        with hub.lock:
            stored = hub.engine.started and hub.engine.settings.store
        if not stored:
            raise live_session_not_found(session_id)
        return hub

    def _source(self, session_id: str) -> Source:
        hub = self.stored(session_id)
        with hub.lock:
            return hub.engine.as_source()

    def _running(self, session_id: str) -> SessionHub:
        hub = self.find(session_id)
        if not hub.running:
            raise live_session_not_found(session_id)
        return hub

    def _known(self, session_id: str) -> SessionHub:
        """The session that a program names, which has to know better."""
        try:
            return self._running(session_id)
        except AdmissionRefused as exc:
            raise ConfigurationError(str(exc)) from None

    def _undecided(self, session_id: str) -> RingingCall:
        with self._lock:
            call = self._ringing.get(session_id)
        if call is None:
            raise live_session_not_found(session_id)
        if call.status != "ringing":
            raise Refusal(
                f"The call was {call.status} already.", code="decision_already_made"
            )
        return call

    # -- inside ----------------------------------------------------------------

    def _open(
        self,
        source: Optional[Source],
        faults: frozenset[str] = frozenset(),
        session_id: Optional[str] = None,
    ) -> SessionHub:
        """
        Add a session that has not begun.

        Raises:
            AdmissionRefused: too many run.
        """
        engine = LiveEngine(
            self._agent,
            now=self._clock.now(),
            options=self._options,
            rng=self._rng(),
            models=self._models,
            source=source,
            faults=faults,
            session_id=session_id,
        )
        hub = SessionHub(engine, replay_seconds=self._options.replay_seconds)
        self._end_expired()
        with self._lock:
            self._hubs[hub.session_id] = hub
            self._forget_old()
            full = len(self._hubs) > MOST_SESSIONS
            if full:
                del self._hubs[hub.session_id]
        if full:
            refusal = Refusal("Too many sessions.", code="rate_limit_exceeded")
            raise AdmissionRefused(refusal, status=429)
        return hub

    def _end_expired(self) -> None:
        """End sessions whose time is up, though nobody is connected who would."""
        now = self._clock.now()
        with self._lock:
            hubs = list(self._hubs.values())
        for hub in hubs:
            if hub.expired(now):
                hub.act(now, lambda engine: engine.hang_up("expired", now))

    def _forget_old(self) -> None:
        """Forget the oldest that have ended, and recordings of some that are kept."""
        assert self._lock.locked()
        ended = [key for key, each in self._hubs.items() if each.engine.ended]
        for key in ended[: max(0, len(self._hubs) - MOST_SESSIONS)]:
            del self._hubs[key]
        for key in ended[:-_MOST_RECORDINGS]:
            hub = self._hubs.get(key)
            if hub is not None:
                with hub.lock:
                    hub.engine.recording.forget()

    def _begin(
        self,
        kind: str,
        session: Mapping[str, Any],
        source: Optional[Source],
        session_id: Optional[str] = None,
    ) -> SessionHub:
        hub = self._open(source, session_id=session_id)
        try:
            hub.act(self._clock.now(), lambda engine: engine.start_media(kind, session))
        except Refusal:
            with self._lock:
                del self._hubs[hub.session_id]
            raise
        return hub

    def _end(self, hub: SessionHub, reason: str) -> None:
        now = self._clock.now()
        hub.act(now, lambda engine: engine.hang_up(reason, now))


def live_session_not_found(session_id: str) -> AdmissionRefused:
    """Refuse what means a session that there is not."""
    return AdmissionRefused(
        Refusal(
            f"No session with id '{session_id[:200]}' was found.",
            code="session_id_not_found",
            param="session_id",
        ),
        status=404,
    )
