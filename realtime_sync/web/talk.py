"""The page to talk in: one session for each browser window that starts one."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .. import RealtimeClient, audio
from ..errors import ConfigurationError
from .channel import Channel
from .conversation import Talking
from .functions import check_page_function
from .host import WebHost

if TYPE_CHECKING:
    from .. import Session, live

    AnySession = Session | live.LiveSession
    Prepare = Callable[[Session], object] | Callable[[live.LiveSession], object]

MODEL = "gpt-realtime-2.1"
"""The model of a page that does not name one."""


def serve(
    client: RealtimeClient,
    model: str | None = MODEL,
    *,
    config: Mapping[str, Any] | live.LiveConfig | None = audio.TALK_CONFIG,
    host: str = "127.0.0.1",
    port: int = 0,
    token: str | None = None,
    password: str | None = None,
    tls: ssl.SSLContext | None = None,
    allowed_hosts: Iterable[str] = (),
    allowed_origins: Iterable[str] = (),
    on_session: Prepare | None = None,
) -> WebHost:
    """
    Serve a page to talk in, at the address that `WebHost.url` gives.

    Each window that presses Start has a session of its own, which ends with it. The
    microphone, the loudspeaker and the cancelling of echo are the browser's; the key
    never goes there. Returns at once; close the host to end it.

    Args:
        client: makes the sessions; their options are its defaults.
        model: see `RealtimeClient.session`.
        config: of the sessions; None for the client's. The default is for Realtime:
            sessions of GPT-Live get none.
        host, port: where to listen; 0 takes a free port.
        token: instead of a random one.
        password, tls: what other machines need, both of them.
        allowed_hosts: names that the page is called by, beside this machine's.
        allowed_origins: origins of pages beside its own.
        on_session: called with each session before it is opened: the place for
            handlers and tools. On a thread of the page's.

    Raises:
        ConfigurationError: the port cannot be had, other machines would come in
            without a password, an option or the configuration does not fit the model,
            there is no key, or that is no client.
        TypeError: the configuration has no such field, or *on_session* takes no
            session.
    """
    # What is wrong is told here, and not to whoever presses Start.
    if not isinstance(client, RealtimeClient):
        raise ConfigurationError(
            f"sessions are made by a RealtimeClient, not by {type(client).__name__}"
        )
    if on_session is not None:
        check_page_function("on_session", on_session, "a session")
    options: dict[str, Any] = {}
    is_live = client.session(model).session_type == "live"
    if is_live and config is audio.TALK_CONFIG:
        config = None
    if config is not None:
        options["config"] = dict(config) if isinstance(config, Mapping) else config
        client.session(model, **options)

    def session() -> AnySession:
        made: Any = client.session(model, **options)
        if on_session is not None:
            on_session(made)
        opened: AnySession = made.open()
        return opened

    web = WebHost(
        host=host,
        port=port,
        token=token,
        password=password,
        tls=tls,
        allowed_hosts=allowed_hosts,
        allowed_origins=allowed_origins,
    )
    try:
        client.endpoint.websocket_url()
        client.endpoint.resolve_key()
        add_talk(web, session)
    except BaseException:
        web.close()
        raise
    return web


def add_talk(
    web: WebHost, open_session: Callable[[], AnySession], *, owns: bool = True
) -> None:
    """
    Serve the page to talk in, at ``/``.

    Args:
        web: serves it.
        open_session: gives an open session for each window that starts; may wait.
        owns: close a session when the conversation of its window is over.

    Raises:
        ConfigurationError: something is served there already.
        TypeError: *open_session* takes arguments, or is no function.
    """
    check_page_function("open_session", open_session)

    def talking(channel: Channel) -> Talking:
        return Talking(open_session, channel.send, owns=owns)

    web.page("/", "talk.html")
    web.socket("/talk/socket", talking)
