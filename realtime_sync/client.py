"""Credentials and defaults, configured once; and the shortest ways to a session."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature, signature
from threading import RLock
from typing import TYPE_CHECKING, Any, Optional, overload

from attrs import evolve, fields

from .dispatch.router import Router
from .errors import ConfigurationError
from .session.close_report import CloseReport
from .session.history import read_history
from .session.options import SessionOptions, options_for_model, options_with_keywords
from .session.reply import Reply
from .session.session import Session
from .transport.endpoint import Endpoint, Key
from .transport.redaction import redacted_url
from .types import UNSET, LiveModel, Timeout

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .protocol.sessions import RealtimeSession, TranscriptionSession
    from .rest.calls import Calls
    from .rest.http import Rest
    from .rest.live import LiveSessions
    from .rest.resources import ClientSecrets, Sessions, Translations
    from .session.ask import Question
    from .session.live.session import LiveSession
    from .session.options import AskKeywords, SessionKeywords

__all__ = ["CloseReport", "RealtimeClient", "connect"]


class RealtimeClient:
    """
    Credentials and defaults for any number of sessions.

    Any thread. Opens nothing by itself. REST requests of one client share a
    pool of connections, which is made when it is first needed.

    Args:
        api_key: a key, an ephemeral key, or a callable asked at every
            connection; None goes by the environment (``OPENAI_API_KEY``).
        base_url: ``http(s)://`` or ``ws(s)://``; None goes by
            ``OPENAI_BASE_URL``, else OpenAI.
        organization: sent as ``OpenAI-Organization``.
        project: sent as ``OpenAI-Project``.
        endpoint: instead of `base_url`: Azure, xAI and others.
        max_retries: how often a REST request may be repeated, where that is
            safe.
        **defaults: any option of `connect`, for every session. Timeouts,
            proxy, headers and TLS settings apply to REST as well.

    Raises:
        ConfigurationError: both `base_url` and `endpoint` are given.
        TypeError: there is no such option.
    """

    def __init__(
        self,
        *,
        api_key: Key = None,
        base_url: Optional[str] = None,
        organization: Optional[str] = None,
        project: Optional[str] = None,
        endpoint: Optional[Endpoint] = None,
        max_retries: int = 2,
        **defaults: Unpack[SessionKeywords],
    ) -> None:
        if endpoint is not None and base_url is not None:
            raise ConfigurationError("pass base_url or endpoint, not both")
        chosen = endpoint or Endpoint.openai(base_url)
        headers = dict(chosen.headers)
        if organization:
            headers["OpenAI-Organization"] = organization
        if project:
            headers["OpenAI-Project"] = project
        if api_key is not None:
            chosen = chosen.with_key(api_key)
        self.endpoint = evolve(chosen, headers=headers)
        self._defaults = options_with_keywords(SessionOptions(), defaults)
        self._kind_chosen = "session_type" in defaults
        self._max_retries = max_retries
        # Guards `_rest`, so that there is one pool of connections. Re-entrant: a signal
        # handler may close it while its thread makes it.
        self._lock = RLock()
        self._rest: Optional[Rest] = None

    def __repr__(self) -> str:
        return f"<RealtimeClient {redacted_url(self.endpoint.url)}>"

    # -- REST ----------------------------------------------------------------

    @property
    def client_secrets(self) -> ClientSecrets:
        """Short-lived keys."""
        from .rest.resources import ClientSecrets

        return ClientSecrets(self._requests())

    @property
    def sessions(self) -> Sessions[RealtimeSession]:
        """Sessions made over REST. Beta only."""
        from .protocol.sessions import RealtimeSession
        from .rest.resources import Sessions

        return Sessions(self._requests(), "realtime", RealtimeSession)

    @property
    def transcription_sessions(self) -> Sessions[TranscriptionSession]:
        """Transcription sessions made over REST. Beta only."""
        from .protocol.sessions import TranscriptionSession
        from .rest.resources import Sessions

        return Sessions(self._requests(), "transcription", TranscriptionSession)

    @property
    def calls(self) -> Calls:
        """Calls over WebRTC and SIP."""
        from .rest.calls import Calls

        return Calls(self._requests())

    @property
    def live(self) -> LiveSessions[LiveSession]:
        """Live sessions: over REST, and sockets that attach to them."""
        from .rest.live import LiveSessions

        return LiveSessions(self._requests(), self.connect)

    @property
    def translations(self) -> Translations:
        """Keys and calls for translation sessions."""
        from .rest.resources import Translations

        return Translations(self._requests())

    def close(self) -> None:
        """
        Close the pooled connections of REST requests.

        Sessions stay open, and a later request opens new connections.
        """
        with self._lock:
            rest = self._rest
        if rest is not None:
            rest.close()

    def _requests(self) -> Rest:
        from .rest.http import Rest

        with self._lock:
            if self._rest is None:
                self._rest = Rest(
                    self.endpoint, self._defaults, max_retries=self._max_retries
                )
            return self._rest

    # -- sessions ------------------------------------------------------------

    @overload
    def session(  # type: ignore[overload-overlap]
        self,
        model: LiveModel,
        *,
        router: Optional[Router] = ...,
        **options: Unpack[SessionKeywords],
    ) -> LiveSession: ...

    @overload
    def session(
        self,
        model: Optional[str] = ...,
        *,
        router: Optional[Router] = ...,
        **options: Unpack[SessionKeywords],
    ) -> Session: ...

    def session(
        self,
        model: Optional[str] = None,
        *,
        router: Optional[Router] = None,
        **options: Unpack[SessionKeywords],
    ) -> Any:
        """
        Make a session that is not open yet: register handlers, then `Session.open`.

        Args:
            model: for example ``"gpt-realtime-2.1"``; a deployment on Azure. One
                of GPT-Live (``"gpt-live-1"``) makes a `LiveSession`.
            router: whose handlers apply beside the session's own; by default
                those of the module-level `on`.
            **options: see `SessionOptions`.

        Raises:
            ConfigurationError: an option is wrong, or does not fit the model.
            OSError: the recording that is given as history cannot be read.
            TypeError: there is no such option, or what is given as configuration
                has no such field.
        """
        _check_kinds(model, router)
        named = self._kind_chosen or "session_type" in options
        chosen = options_for_model(
            options_with_keywords(self._defaults, options), model, chosen=named
        )
        if chosen.session_type == "live":
            from .session.live.session import LiveSession

            live = LiveSession(self.endpoint, model, options=chosen, router=router)
            for tool in chosen.tools:
                live.tool(tool)
            return live
        history = None if chosen.history is None else read_history(chosen.history)
        session = Session(
            self.endpoint, model, options=chosen, router=router, history=history
        )
        for tool in chosen.tools:
            session.tool(tool)
        return session

    @overload
    def connect(  # type: ignore[overload-overlap]
        self,
        model: LiveModel,
        *,
        router: Optional[Router] = ...,
        **options: Unpack[SessionKeywords],
    ) -> LiveSession: ...

    @overload
    def connect(
        self,
        model: Optional[str] = ...,
        *,
        router: Optional[Router] = ...,
        **options: Unpack[SessionKeywords],
    ) -> Session: ...

    def connect(
        self,
        model: Optional[str] = None,
        *,
        router: Optional[Router] = None,
        **options: Unpack[SessionKeywords],
    ) -> Any:
        """
        Open a session; see `connect`, whose arguments and errors it has.
        """
        return self.session(model, router=router, **options).open()

    def ask(
        self,
        question: Question,
        *,
        model: Optional[str] = None,
        router: Optional[Router] = None,
        timeout: Timeout = UNSET,
        **options: Unpack[AskKeywords],
    ) -> Reply:
        """
        Open a session, ask, and close it.

        From any thread.

        Args:
            question: see `Session.ask`.
            model: see `session`.
            router: see `session`.
            timeout: seconds to wait for the answer; by default the session's.
            **options: see `SessionOptions`.

        Raises:
            ConnectFailed: the session could not be opened; see `connect`.
            ResponseError: see `Session.ask`, like the other errors.
        """
        with self.connect(model, router=router, **options) as session:
            return session.ask(question, timeout=timeout)


def _check_kinds(model: object, router: object) -> None:
    if model is not None and not isinstance(model, str):
        raise TypeError(f"model must be text, not {type(model).__name__}")
    if router is not None and not isinstance(router, Router):
        raise TypeError(f"router must be a Router, not {type(router).__name__}")


@overload
def connect(  # type: ignore[overload-overlap]
    model: LiveModel,
    *,
    api_key: Key = ...,
    base_url: Optional[str] = ...,
    endpoint: Optional[Endpoint] = ...,
    organization: Optional[str] = ...,
    project: Optional[str] = ...,
    router: Optional[Router] = ...,
    **options: Unpack[SessionKeywords],
) -> LiveSession: ...


@overload
def connect(
    model: Optional[str] = ...,
    *,
    api_key: Key = ...,
    base_url: Optional[str] = ...,
    endpoint: Optional[Endpoint] = ...,
    organization: Optional[str] = ...,
    project: Optional[str] = ...,
    router: Optional[Router] = ...,
    **options: Unpack[SessionKeywords],
) -> Session: ...


def connect(
    model: Optional[str] = None,
    *,
    api_key: Key = None,
    base_url: Optional[str] = None,
    endpoint: Optional[Endpoint] = None,
    organization: Optional[str] = None,
    project: Optional[str] = None,
    router: Optional[Router] = None,
    **options: Unpack[SessionKeywords],
) -> Any:
    """
    Open a session.

    Returns when `session.created` and, with a configuration, the
    `session.updated` that answers it were seen; of a live session
    `session.started`.

    Args:
        model: for example ``"gpt-realtime-2.1"``. One of GPT-Live (``"gpt-live-1"``)
            gives a `LiveSession`, and so does ``session_type="live"``.
        api_key: a key, an ephemeral key or a callable; None goes by the
            environment. Servers that want no key get none.
        base_url: of another server, ``http(s)://`` or ``ws(s)://``.
        endpoint: Azure, xAI and others; see `Endpoint`.
        organization: sent as ``OpenAI-Organization``.
        project: sent as ``OpenAI-Project``.
        router: a set of handlers instead of the module-level one.
        **options: how the session is to behave, for example ``config=...`` or
            ``reconnect=...``; see `SessionOptions`, which has them all.

    Raises:
        ConnectFailed: the server refused or cannot be reached; its subclass
            says why.
        CommandRejected: the server refused the configuration.
        WaitTimeout: the server stayed silent.
        ConfigurationError: an argument or the environment is wrong.
    """
    client = RealtimeClient(
        api_key=api_key,
        base_url=base_url,
        endpoint=endpoint,
        organization=organization,
        project=project,
    )
    return client.connect(model, router=router, **options)


def _with_options(function: Callable[..., Any]) -> Signature:
    """The signature of a function whose ``**options`` are those of a session."""
    own = [*signature(function).parameters.values()][:-1]
    options = [
        Parameter(
            each.name,
            Parameter.KEYWORD_ONLY,
            default=each.default,
            annotation=each.type,
        )
        for each in fields(SessionOptions)
    ]
    return Signature([*own, *options], return_annotation="Session")


# For whoever asks at run time: help(), notebooks, the documentation.
setattr(connect, "__signature__", _with_options(connect))
