"""The page to talk in: one session for each browser window that starts one."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .. import audio, live
from ..errors import ConfigurationError
from .channel import Channel
from .conversation import Talking
from .host import WebHost

if TYPE_CHECKING:
    from .. import RealtimeClient, Session

MODEL = "gpt-realtime-2.1"
"""The model of a page that does not name one."""


def serve(
    client: RealtimeClient,
    model: str | None = MODEL,
    *,
    config: Mapping[str, Any] | None = audio.TALK_CONFIG,
    host: str = "127.0.0.1",
    port: int = 0,
    token: str | None = None,
    password: str | None = None,
    tls: ssl.SSLContext | None = None,
    allowed_hosts: Iterable[str] = (),
    allowed_origins: Iterable[str] = (),
    on_session: Callable[[Session], object] | None = None,
) -> WebHost:
    """
    Serve a page to talk in, at the address that `WebHost.url` gives.

    Each window that presses Start has a session of its own, which ends with it. The
    microphone, the loudspeaker and the cancelling of echo are the browser's; the key
    never goes there. Returns at once; close the host to end it.

    Args:
        client: makes the sessions; their options are its defaults.
        model: see `RealtimeClient.session`.
        config: of the sessions; None for the client's.
        host, port: where to listen; 0 takes a free port.
        token: instead of a random one.
        password, tls: what other machines need, both of them.
        allowed_hosts: names that the page is called by, beside this machine's.
        allowed_origins: origins of pages beside its own.
        on_session: called with each session before it is opened: the place for
            handlers and tools. On a thread of the page's.

    Raises:
        ConfigurationError: the port cannot be had, other machines would come in
            without a password, or the model is one of GPT-Live.
    """

    if live.is_live_model(model):
        raise ConfigurationError(
            f"the page talks to Realtime models, not to {model}: see "
            "realtime_sync.audio.talk, or realtime-sync talk --mic"
        )

    def session() -> Session:
        if config is None:
            made = client.session(model)
        else:
            made = client.session(model, config=dict(config))
        if on_session is not None:
            on_session(made)
        return made.open()

    web = WebHost(
        host=host,
        port=port,
        token=token,
        password=password,
        tls=tls,
        allowed_hosts=allowed_hosts,
        allowed_origins=allowed_origins,
    )
    add_talk(web, session)
    return web


def add_talk(
    web: WebHost, open_session: Callable[[], Session], *, owns: bool = True
) -> None:
    """
    Serve the page to talk in, at ``/``.

    Args:
        web: serves it.
        open_session: gives an open session for each window that starts; may wait.
        owns: close a session when the conversation of its window is over.
    """

    def talking(channel: Channel) -> Talking:
        return Talking(open_session, channel.send, owns=owns)

    web.page("/", "talk.html")
    web.socket("/talk/socket", talking)
