"""
Live sessions over REST: WebRTC started by you, SIP calls accepted by you.

Nothing here is repeated once the server may have seen it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, Optional, Protocol, TypeVar, Union
from urllib.parse import quote

from ..errors import ConfigurationError
from ..protocol.codec import Codec, to_mapping
from ..transport.credentials import checked_text
from ..types import UNSET, Timeout, Unset
from .bodies import CallReferRequest, LiveCreated, structured_body
from .http import Rest

S = TypeVar("S")

_SESSIONS = "/live/sessions"
_REST_ONLY = ("type", "wake_policy", "idle_timeout_s")
"""Fields of a configuration that no socket takes."""


class Wired(Protocol):
    """A configuration that knows how the wire has it: `LiveConfig`."""

    def wire(self) -> Mapping[str, Any]:
        """Return it as the wire has it."""


LiveConfiguration = Union[Wired, Mapping[str, Any], Unset]


class LiveSessions(Generic[S]):
    """
    Live sessions over REST, and sockets that attach to them. From any thread.

    Args:
        rest: sends requests.
        connect: opens a session, with the options of `RealtimeClient.connect`.
    """

    def __init__(self, rest: Rest, connect: Callable[..., S]) -> None:
        self._rest = rest
        self._connect = connect

    def connect(self, model: Optional[str] = None, **options: Any) -> S:
        """
        Open a session; what `connect` does, with the type that a checker wants.

        Args:
            model: for example ``"gpt-live-1"``; a deployment on Azure.
            **options: as of `connect`.
        """
        return self._connect(model, session_type="live", **options)

    def attach(self, session_id: str, **options: Any) -> S:
        """
        Attach to a session whose audio another connection carries.

        It hears both sides, and may direct the model, answer delegations and press
        keys; it sends no audio.

        Args:
            session_id: of `create`, of a webhook, or of another session.
            **options: as of `connect`.

        Raises:
            ConnectFailed: there is no such session any more, for example.
        """
        return self._connect(session_type="live", call_id=session_id, **options)

    def fork(self, session_id: str, **options: Any) -> S:
        """
        Open a new session that goes on from a stored one.

        Args:
            session_id: of the stored one, which stays as it is.
            **options: as of `connect`; the configuration may change ``store``, the
                audio format and the settings of Responses delegation.

        Raises:
            ConnectFailed: it was not stored, for example.
        """
        return self._connect(session_type="live", fork_of=session_id, **options)

    def create(
        self,
        sdp: str,
        config: LiveConfiguration = UNSET,
        *,
        model: Optional[str] = None,
        timeout: Timeout = UNSET,
        **fields: Any,
    ) -> LiveCreated:
        """
        Start a WebRTC session on behalf of a browser.

        Args:
            sdp: the browser's offer, with its ICE candidates.
            config: of the session.
            model: unless the configuration names it.
            timeout: seconds for the whole request; by default the client's.
            **fields: ``wake_policy``, ``idle_timeout_s``, ``client`` and other fields
                of the wire.

        Returns:
            The SDP answer for the browser, and the id to attach to.

        Raises:
            RestError: the server refused, or there was no answer.
            TypeError: the configuration has no such field.
        """
        session = _configured_live_body(config, {"model": model, **fields})
        body = {"session": session, "transport": {"type": "webrtc", "sdp": sdp}}
        return self._created(_SESSIONS, body, timeout)

    def fork_webrtc(
        self,
        session_id: str,
        sdp: str,
        config: LiveConfiguration = UNSET,
        *,
        timeout: Timeout = UNSET,
        **fields: Any,
    ) -> LiveCreated:
        """
        Start a WebRTC session that goes on from a stored one; see `create`.

        Args:
            session_id: of the stored one.
            sdp: the browser's offer.
            config: what is to be different.
            timeout: seconds for the whole request; by default the client's.
            **fields: fields of the wire.

        Raises:
            RestError: the server refused, or there was no answer.
            TypeError: the configuration has no such field.
        """
        body: dict[str, Any] = {"transport": {"type": "webrtc", "sdp": sdp}}
        if fields or not isinstance(config, Unset):
            body["session"] = _configured_live_body(config, fields)
        return self._created(_live_rest_path(session_id, "fork"), body, timeout)

    def accept(
        self,
        session_id: str,
        config: LiveConfiguration = UNSET,
        *,
        model: Optional[str] = None,
        timeout: Timeout = UNSET,
        **fields: Any,
    ) -> None:
        """
        Take a SIP call. Then `attach` follows it.

        The same call announces itself as one of Realtime too; who accepts first has
        it, and everybody else is refused with ``decision_already_made``.

        Args:
            session_id: of the webhook.
            config: of the session that answers.
            model: unless the configuration names it.
            timeout: seconds for the whole request; by default the client's.
            **fields: fields of the wire.

        Raises:
            RestError: the server refused, or there was no answer.
            TypeError: the configuration has no such field.
        """
        session = {
            **_configured_live_body(config, {"model": model, **fields}),
            "type": "live",
        }
        self._act(session_id, "accept", {"session": session}, timeout)

    def reject(
        self, session_id: str, *, status_code: int = 603, timeout: Timeout = UNSET
    ) -> None:
        """
        Turn a SIP call away.

        Args:
            session_id: of the webhook.
            status_code: SIP status for the caller, 300 to 699; 486 is busy.
            timeout: seconds for the whole request; by default the client's.

        Raises:
            RestError: the server refused, or there was no answer.
            ConfigurationError: there is no such status.
        """
        if not 300 <= status_code <= 699:
            raise ConfigurationError(
                f"status_code must be from 300 to 699, not {status_code!r}"
            )
        self._act(session_id, "reject", {"status_code": status_code}, timeout)

    def refer(
        self, session_id: str, target_uri: str, *, timeout: Timeout = UNSET
    ) -> None:
        """
        Hand a call over to somebody else.

        Args:
            session_id: of the session.
            target_uri: ``tel:+14155550123`` or ``sip:agent@example.com``.
            timeout: seconds for the whole request; by default the client's.

        Raises:
            RestError: the server refused, or there was no answer.
        """
        body = to_mapping(CallReferRequest(target_uri=target_uri))
        self._act(session_id, "refer", body, timeout)

    def hangup(self, session_id: str, *, timeout: Timeout = UNSET) -> None:
        """
        End a session, whatever it runs over.

        Args:
            session_id: of the session.
            timeout: seconds for the whole request; by default the client's.

        Raises:
            RestError: the server refused, or there is no such session any more.
        """
        self._act(session_id, "hangup", UNSET, timeout)

    def download(
        self,
        session_id: str,
        path: Union[str, os.PathLike[str]],
        *,
        timeout: Timeout = UNSET,
    ) -> int:
        """
        Save the recording of a stored session: WAV, the user left, the model right.

        Args:
            session_id: of the session.
            path: is overwritten once the recording is there.
            timeout: seconds for the whole download; by default the client's.

        Returns:
            Its size in bytes.

        Raises:
            RestError: it was not stored, is not kept any more, or broke off.
            OSError: the file cannot be written.
        """
        target = Path(path)
        part = target.with_name(target.name + ".part")
        try:
            with part.open("wb") as file:
                size = self._rest.download(
                    _live_rest_path(session_id, "content"),
                    file,
                    accept="application/binary",
                    timeout=timeout,
                )
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        return size

    def _created(
        self, path: str, body: Mapping[str, Any], timeout: Timeout
    ) -> LiveCreated:
        answer = self._rest.request(
            "POST", path, json=body, repeatable=False, timeout=timeout
        )
        decoded = answer.decoded()
        return structured_body(LiveCreated, decoded, decoded)

    def _act(self, session_id: str, verb: str, body: object, timeout: Timeout) -> None:
        self._rest.request(
            "POST",
            _live_rest_path(session_id, verb),
            json=body,
            accept="*/*",
            repeatable=False,
            timeout=timeout,
        )


def _live_rest_path(session_id: str, verb: str) -> str:
    if not isinstance(session_id, str) or not session_id.strip("."):
        raise ConfigurationError(f"{session_id!r} is no id of a session")
    checked_text("session_id", session_id)
    return f"{_SESSIONS}/{quote(session_id, safe='')}/{verb}"


def _configured_live_body(
    config: LiveConfiguration, fields: Mapping[str, Any]
) -> dict[str, Any]:
    """
    A configuration as the wire has it, checked.

    Raises:
        TypeError: there is no such field, or a value does not fit.
    """
    body: dict[str, Any] = {}
    if not isinstance(config, Unset):
        wired = config if isinstance(config, Mapping) else config.wire()
        body.update(to_mapping(wired))
    body.update({name: each for name, each in fields.items() if each is not None})
    alone = {name: body.pop(name) for name in _REST_ONLY if name in body}
    command = Codec(session_type="live").command(
        {"type": "session.start", "session": body}, strict=True
    )
    return {**to_mapping(command)["session"], **alone}
