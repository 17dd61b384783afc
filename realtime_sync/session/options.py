"""How a session is to behave: every argument of `connect`, checked."""

from __future__ import annotations

import contextvars
import ssl
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Optional,
    TypedDict,
    Union,
    cast,
    get_args,
)

from attrs import Attribute, evolve, field, fields_dict, frozen

from ..errors import ConfigurationError
from ..protocol.caller_checks import configurable_by_caller
from ..types import UNSET, Dialect, DispatchMode, IdleAudio, SessionType, Unset
from .threads import Threads

if TYPE_CHECKING:
    import os

    from ..protocol.sessions import (
        SessionConfig,
        TranscriptionConfig,
        TranslationConfig,
    )
    from ..state.snapshot import Snapshot
    from ..transport.base import Transport
    from .live.config import LiveConfig
    from .reconnect_policy import ReconnectPolicy

    Config = Union[
        SessionConfig,
        TranscriptionConfig,
        TranslationConfig,
        LiveConfig,
        Mapping[str, Any],
        None,
    ]
    Saved = Union[
        Snapshot, Mapping[str, Any], str, os.PathLike[str], Iterable[Any], None
    ]
    OpenTransport = Union[Transport, Callable[[], Transport], None]


def _option_one_of(*allowed: Optional[str]) -> Callable[[Any, Any, Any], None]:
    def check(instance: object, attribute: Attribute[Any], value: object) -> None:
        if value not in allowed:
            names = ", ".join(repr(name) for name in allowed if name is not None)
            raise ConfigurationError(
                f"{attribute.name} must be one of {names}, not {value!r}"
            )

    return check


def _check_positive_option(
    instance: object, attribute: Attribute[Any], value: object
) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    # Greater than nothing, which not-a-number is not either.
    if not number or not cast(float, value) > 0:
        raise ConfigurationError(
            f"{attribute.name} must be a positive number, not {value!r}"
        )


def _check_positive_or_none_option(
    instance: object, attribute: Attribute[Any], value: object
) -> None:
    if value is not None:
        _check_positive_option(instance, attribute, value)


def _check_context_option(
    instance: object, attribute: Attribute[Any], value: object
) -> None:
    if not isinstance(value, (contextvars.Context, Unset, type(None))):
        raise ConfigurationError(f"context must be a contextvars.Context: {value!r}")


def _check_transport_option(
    instance: object, attribute: Attribute[Any], value: object
) -> None:
    if value is not None and not callable(value) and not hasattr(value, "begin_close"):
        raise ConfigurationError(
            f"transport must be a Transport, or open one when called: {value!r}"
        )


def _check_text_option(
    instance: object, attribute: Attribute[Any], value: object
) -> None:
    if value is not None and not isinstance(value, str):
        raise ConfigurationError(f"{attribute.name} must be text, not {value!r}")


def _check_threads_option(
    instance: object, attribute: Attribute[Any], value: object
) -> None:
    if value is not None and not isinstance(value, Threads):
        raise ConfigurationError(f"threads must be Threads or None, not {value!r}")


@frozen(kw_only=True)
class SessionOptions:
    """
    Options of one session; the keyword arguments of `connect`.

    Attributes:
        dialect: ``"ga"``, ``"beta"``, ``"xai"``, ``"dashscope"``, or None for
            the endpoint's.
        session_type: ``"realtime"``, ``"transcription"``, ``"translation"`` or
            ``"live"``, which is chosen by the model's name too.
        config: sent as the first `session.update` and waited for; of a live
            session in `session.start`.
        tools: functions that the model may call; see `Session.tool`.
        call_id: attach to a WebRTC or SIP call instead of opening a session; of
            GPT-Live the id of the session.
        fork_of: id of a stored live session to go on from in a new one.
        idle_audio: of a live session: ``"silence"`` is sent while the program sends
            no audio, because audio is the session's clock; None sends nothing.
        dispatch: where handlers run: ``"thread"``, ``"manual"``, ``"inline"``.
        reconnect: a `ReconnectPolicy`; None for no reconnecting.
        connect_timeout: seconds until the session is open.
        close_timeout: seconds that `Session.close` may take.
        ping_interval: seconds of silence before a ping; the second one means
            that the connection is lost. None for no check.
        timeout: default of every wait, in seconds.
        response_idle_timeout: seconds without an event of a response after
            which waiting for it fails; None for no such limit.
        wait_created: wait for `session.created`; False for servers without.
        wait_config: wait until `config` is acknowledged.
        queue_limit: most deliveries that may wait for handlers.
        queue_bytes: most bytes of frames that may wait for handlers.
        drop_stale_audio: discard queued audio of interrupted responses.
        max_frame_size: largest inbound message in bytes.
        extra_headers: request headers of the handshake.
        extra_query: query parameters of the handshake.
        safety_identifier: stable id of the end user, for the service.
        proxy: proxy URL (``http://``, ``socks5://``...); ``""`` for none; None
            goes by the environment, which never applies to this machine.
        ssl_context: TLS settings.
        insecure: let a key travel in clear text beyond this machine.
        transport: use this open transport, or what this function opens, instead
            of a socket.
        context: contextvars for handlers; None for none, `UNSET` captures.
        name: shows in thread names, logs and the repr.
        history: a conversation to begin with: a `Snapshot` or its `to_dict`; the path
            of a recording; items of a snapshot or of events, their mappings, or
            chat-completions messages. `Session.history_report` says what became of it.
        threads: `Threads` to share with other sessions; None for threads of its own.
    """

    dialect: Optional[str] = field(
        default=None, validator=_option_one_of(None, *get_args(Dialect))
    )
    session_type: SessionType = field(
        default="realtime",
        validator=_option_one_of(*get_args(SessionType)),
    )
    config: Any = field(default=None, repr=False)
    call_id: Optional[str] = None
    fork_of: Optional[str] = field(default=None, validator=_check_text_option)
    idle_audio: Optional[IdleAudio] = field(
        default="silence", validator=_option_one_of(None, "silence")
    )
    tools: Sequence[Any] = ()
    dispatch: DispatchMode = field(
        default="thread", validator=_option_one_of("thread", "manual", "inline")
    )
    reconnect: Any = None
    connect_timeout: Optional[float] = field(
        default=10.0, validator=_check_positive_or_none_option
    )
    close_timeout: float = field(default=5.0, validator=_check_positive_option)
    ping_interval: Optional[float] = field(
        default=20.0, validator=_check_positive_or_none_option
    )
    timeout: Optional[float] = field(
        default=30.0, validator=_check_positive_or_none_option
    )
    response_idle_timeout: Optional[float] = field(
        default=None, validator=_check_positive_or_none_option
    )
    wait_created: bool = True
    wait_config: bool = True
    queue_limit: int = field(default=100_000, validator=_check_positive_option)
    queue_bytes: int = field(default=256 << 20, validator=_check_positive_option)
    drop_stale_audio: bool = False
    max_frame_size: Optional[int] = field(
        default=64 << 20, validator=_check_positive_or_none_option
    )
    extra_headers: Optional[Mapping[str, str]] = field(default=None, repr=False)
    extra_query: Optional[Mapping[str, str]] = field(default=None, repr=False)
    safety_identifier: Optional[str] = field(default=None, repr=False)
    proxy: Optional[str] = field(default=None, repr=False)
    ssl_context: Optional[ssl.SSLContext] = None
    insecure: bool = False
    transport: Any = field(default=None, validator=_check_transport_option)
    context: Union[contextvars.Context, None, Unset] = field(
        default=UNSET, validator=_check_context_option
    )
    name: Optional[str] = field(default=None, validator=_check_text_option)
    history: Any = field(default=None, repr=False)
    threads: Optional[Threads] = field(default=None, validator=_check_threads_option)


_CLIENTS = ("api_key", "base_url", "endpoint", "max_retries", "organization", "project")
"""What is said once, to a client, and not for every session."""

_MEANT = {
    "additional_headers": "extra_headers",
    "default_headers": "extra_headers",
    "default_query": "extra_query",
    "header": "extra_headers",
    "headers": "extra_headers",
    "http_proxy": "proxy",
    "key": "api_key",
    "open_timeout": "connect_timeout",
    "params": "extra_query",
    "query": "extra_query",
    "query_params": "extra_query",
    "ssl": "ssl_context",
    "sslopt": "ssl_context",
    "token": "api_key",
    "uri": "base_url",
    "url": "base_url",
    "websocket_base_url": "base_url",
}
"""What other libraries call an option -> its name here."""


def options_with_keywords(
    options: SessionOptions, keywords: Mapping[str, Any]
) -> SessionOptions:
    """
    Options with some of them given by name.

    Args:
        options: the others.
        keywords: as the caller wrote them.

    Raises:
        ConfigurationError: a value is wrong.
        TypeError: there is no such option; the message says what is meant.
    """
    known = fields_dict(SessionOptions)
    for name in keywords:
        if name not in known:
            raise TypeError(
                f"there is no option {name}={_hint_for_option(name, tuple(known))}"
            )
    return evolve(options, **keywords)


def _hint_for_option(name: str, known: tuple[str, ...]) -> str:
    """What to write instead of an option that there is not, if that is known."""
    right = _MEANT.get(name, name)
    if right in known:
        return f"; write {right}=..."
    if right in _CLIENTS:
        return f"; write {right}=... in connect or RealtimeClient"
    if right in configurable_by_caller():
        return f"; it is configuration: write config={{{name!r}: ...}}"
    near = get_close_matches(name, (*known, *_CLIENTS), n=1)
    return f"; did you mean {near[0]}=...?" if near else ""


_USELESS = {
    "realtime": ("fork_of",),
    "transcription": ("tools", "history", "fork_of"),
    "translation": ("tools", "history", "fork_of"),
    "live": ("dialect", "drop_stale_audio", "history"),
}
"""Options that sessions of a type have no use for."""


def is_live(model: Optional[str]) -> bool:
    """Tell by its name whether a model speaks GPT-Live alone."""
    # The Realtime model that writes down what it hears is called alike.
    name = model or ""
    return name.startswith("gpt-live-") and not name.startswith("gpt-live-transcribe")


def options_for_model(
    options: SessionOptions, model: Optional[str], *, chosen: bool
) -> SessionOptions:
    """
    The options of a session with a model, checked.

    Args:
        options: as they were given.
        model: that the session is with.
        chosen: the caller has named the type of session.

    Raises:
        ConfigurationError: an option is given that the type of session has no use
            for, or the type and the model do not go together.
    """
    live = options.session_type == "live"
    if is_live(model) and not live:
        if chosen:
            raise ConfigurationError(
                f"model {model!r} needs a GPT-Live session (/v1/live/sessions): leave "
                "session_type out, or pass session_type='live'"
            )
        options, live = evolve(options, session_type="live"), True
    if live and (model or "").startswith("gpt-realtime"):
        raise ConfigurationError(
            f"model {model!r} speaks Realtime, not GPT-Live: leave session_type out, "
            "or use a model such as 'gpt-live-1'"
        )
    if live and not options.wait_created:
        raise ConfigurationError(
            "a live session has no use for wait_created=False: nothing may be sent "
            "before session.started"
        )
    if options.call_id and options.fork_of:
        raise ConfigurationError("pass call_id to attach, or fork_of, not both")
    for name in _USELESS[options.session_type]:
        if getattr(options, name):
            raise ConfigurationError(
                f"a {options.session_type} session has no use for {name}="
            )
    return options


class AskKeywords(TypedDict, total=False):
    """
    Options of a session as keyword arguments, apart from its default timeout.
    """

    dialect: Optional[Dialect]
    session_type: SessionType
    config: Config
    call_id: Optional[str]
    fork_of: Optional[str]
    idle_audio: Optional[IdleAudio]
    tools: Sequence[Callable[..., Any]]
    dispatch: DispatchMode
    reconnect: Optional[ReconnectPolicy]
    connect_timeout: Optional[float]
    close_timeout: float
    ping_interval: Optional[float]
    response_idle_timeout: Optional[float]
    wait_created: bool
    wait_config: bool
    queue_limit: int
    queue_bytes: int
    drop_stale_audio: bool
    max_frame_size: Optional[int]
    extra_headers: Optional[Mapping[str, str]]
    extra_query: Optional[Mapping[str, str]]
    safety_identifier: Optional[str]
    proxy: Optional[str]
    ssl_context: Optional[ssl.SSLContext]
    insecure: bool
    transport: OpenTransport
    context: Union[contextvars.Context, None, Unset]
    name: Optional[str]
    history: Saved
    threads: Optional[Threads]


class SessionKeywords(AskKeywords, total=False):
    """
    Options of a session as keyword arguments: those of `SessionOptions`.
    """

    timeout: Optional[float]
