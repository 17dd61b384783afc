"""
How the vocabulary is spelt on the wire: GA, the beta before it, and vendors.

A `Dialect` is a value made of tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Optional

from attrs import evolve, field, frozen

from ...errors import ConfigurationError
from ..registry import ALIASES, ROWS, TRANSCRIPTION_SPELLINGS, canonical
from .field_moves import View, in_turn, moves, same
from .server_quirks import MENDS
from .tables import CLIENT, RESPONSE_ASKED, SERVER, SESSION_ASKED, SESSION_SAID
from .vendor_commands import DASHSCOPE_COMMANDS, DASHSCOPE_EVENTS, XAI_COMMANDS

Frame = dict[str, Any]

_SPELLINGS = {name: spelt for spelt, name in TRANSCRIPTION_SPELLINGS.items()}


@frozen
class Dialect:
    """
    How the vocabulary is spelt on the wire.

    The four functions take and give decoded frames, and never change their
    argument. Lifting accepts either spelling, whatever the dialect, because
    servers mix them.

    Attributes:
        name: ``"ga"``, ``"beta"``, ``"xai"`` or ``"dashscope"``.
    """

    name: str
    _server_names: Mapping[str, Optional[str]] = field(repr=False, eq=False)
    _flat: bool = field(repr=False)
    _commands: Mapping[str, View] = field(factory=dict, repr=False, eq=False)
    _events: Mapping[str, View] = field(factory=dict, repr=False, eq=False)

    def has(self, event_type: str) -> bool:
        """Tell whether a server that speaks the dialect says this event."""
        return self._server_names.get(event_type, event_type) is not None

    def lift_server(self, frame: Mapping[str, Any]) -> Frame:
        """Turn a server's frame into the canonical shape."""
        return _canonical_name_in_dialect(
            self.server_lift(frame.get("type"))(dict(frame))
        )

    def server_lift(self, spelt: object) -> View:
        """
        Return what puts the fields of this server's frame right, by its wire type.

        It is `server_lift` after what the vendor alone means by its words.
        """
        lift = server_lift(spelt)
        said = self._events.get(spelt) if isinstance(spelt, str) else None
        return lift if said is None else in_turn([said, lift])

    def lift_client(self, frame: Mapping[str, Any]) -> Frame:
        """
        Turn a client's frame into the canonical shape.

        In the beta, a session is of type ``realtime`` unless the event says
        otherwise; in GA it is for the client to say.
        """
        lifted = _canonical_name_in_dialect(client_lift(frame.get("type"))(dict(frame)))
        return with_session_type(lifted) if self._flat else lifted

    def lower_client(self, frame: Mapping[str, Any]) -> Frame:
        """Turn a client's canonical frame into the shape for the wire."""
        lowered: Frame = self.client_lower(frame["type"])(dict(frame))
        return lowered

    def client_lower(self, name: str) -> View:
        """Return what spells a client's frame for the wire, by its canonical type."""
        lens = CLIENT.get(name)
        if lens is None:
            return same
        down = lens.down
        steps: list[View] = [lens.up]
        if name == "session.update":
            steps.append(with_session_type)
        if self._flat:
            steps.append(lambda frame: _dialect_lowered_session(frame, down))
        if name in self._commands:
            steps.append(self._commands[name])
        return in_turn(steps)

    def lower_server(self, frame: Mapping[str, Any]) -> Optional[Frame]:
        """
        Turn a server's canonical frame into the shape for the wire.

        Returns None if the dialect has no such event.
        """
        spelt = self._server_names.get(frame["type"], frame["type"])
        if spelt is None:
            return None
        lens = SERVER.get(frame["type"])
        if lens is None or not self._flat:
            return {**frame, "type": spelt}
        return _dialect_lowered_session({**frame, "type": spelt}, lens.down)

    def lower_session(self, session: Mapping[str, Any]) -> Frame:
        """Turn a canonical session configuration into this dialect's, for REST."""
        lifted = lift_session(session)
        if not self._flat:
            return {"type": "realtime", **lifted}
        lowered: Frame = moves(SESSION_ASKED).down(lifted)
        return {name: each for name, each in lowered.items() if name != "type"}


def lift_session(session: Mapping[str, Any]) -> Frame:
    """Turn a client's session configuration of either spelling into GA's."""
    lifted: Frame = moves(SESSION_ASKED).up(dict(session))
    return lifted


def lift_server_session(session: Mapping[str, Any]) -> Frame:
    """Turn a server's session of either spelling into GA's."""
    lifted: Frame = moves(SESSION_SAID).up(dict(session))
    return lifted


def lift_response(response: Mapping[str, Any]) -> Frame:
    """Turn the fields of ``response.create`` of either spelling into GA's."""
    lifted: Frame = moves(RESPONSE_ASKED).up(dict(response))
    return lifted


def server_lift(spelt: object) -> View:
    """
    Return what puts the fields of a server's frame right, by its wire type.

    The type itself stays. `same` is returned where nothing is to be done.
    """
    if not isinstance(spelt, str):
        return same
    name = canonical(spelt)
    steps: list[View] = [mend for types, mend in MENDS if name in types]
    if spelt in TRANSCRIPTION_SPELLINGS:
        steps.insert(0, _dialect_transcription)
    if name in SERVER:
        steps.append(SERVER[name].up)
    return in_turn(steps)


def client_lift(spelt: object) -> View:
    """Return what puts the fields of a client's frame right, by its wire type."""
    if not isinstance(spelt, str):
        return same
    name = canonical(spelt)
    steps: list[View] = []
    if spelt in TRANSCRIPTION_SPELLINGS:
        steps.append(_dialect_transcription)
    if name in CLIENT:
        steps.append(CLIENT[name].up)
    return in_turn(steps)


def _canonical_name_in_dialect(frame: Frame) -> Frame:
    spelt = frame.get("type")
    name = ALIASES.get(spelt) if spelt.__class__ is str else None
    return frame if name is None else {**frame, "type": name}


def _dialect_transcription(frame: Frame) -> Frame:
    session = frame.get("session")
    if session.__class__ is not dict:
        return frame
    return {**frame, "session": {**session, "type": "transcription"}}


def with_session_type(frame: Frame, kind: str = "realtime") -> Frame:
    """Say of which kind a session is that does not: without it, it has no class."""
    session = frame.get("session")
    if session.__class__ is not dict or "type" in session:
        return frame
    return {**frame, "session": {"type": kind, **session}}


def _dialect_lowered_session(frame: Frame, down: Callable[[Any], Any]) -> Frame:
    lowered: Frame = down(frame)
    session = lowered.get("session")
    if session.__class__ is not dict:
        return lowered
    spelt = lowered["type"]
    if session.get("type") == "transcription":
        spelt = _SPELLINGS[spelt]
    bare = {name: each for name, each in session.items() if name != "type"}
    return {**lowered, "type": spelt, "session": bare}


GA = Dialect(name="ga", server_names={}, flat=False)
"""The dialect that the vocabulary is written in."""

BETA = Dialect(
    name="beta",
    server_names={
        row.name: row.beta
        for row in ROWS
        if row.direction == "server" and row.family != "translation"
    },
    flat=True,
)
"""The dialect of 2024 and of many compatible servers."""


XAI = evolve(GA, name="xai", commands=XAI_COMMANDS)
"""GA, of which xAI wants the voice and the turn detection at the top."""

DASHSCOPE = evolve(
    BETA, name="dashscope", commands=DASHSCOPE_COMMANDS, events=DASHSCOPE_EVENTS
)
"""The beta, with formats and tools in the words of Alibaba's Qwen-Omni."""


def dialect_named(name: str) -> Dialect:
    """
    Return a dialect by name.

    Raises:
        ConfigurationError: there is no dialect of that name.
    """
    dialects = {each.name: each for each in (GA, BETA, XAI, DASHSCOPE)}
    if name in dialects:
        return dialects[name]
    raise ConfigurationError(f"there is no dialect {name!r}: use 'ga' or 'beta'")
