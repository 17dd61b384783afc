"""Talk with a session in the output of a cell."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .. import Session, live
from ..errors import ConfigurationError, LocalProtocolError, install_command
from ..web import Talking, bundled, static_text

if TYPE_CHECKING:
    from ..web import WebHost

    AnySession = Session | live.LiveSession

MOST_VIEWS = 16
"""Windows that show one output and are remembered; the oldest is let go."""


class Talk:
    """
    Microphone, loudspeaker and live transcript of a session, as the output of a cell.

    Sound goes through the kernel's own channel, so it works where the kernel is on
    another machine. Where the notebook's window may not use a microphone, it says so
    and offers a page (`realtime_sync.web`). Press Start, in one window at a time:
    another that starts takes over.

    A kernel that runs a cell hears nothing, unless it answers widgets meanwhile
    (ipykernel 7 with JupyterLab 4.4 does); the output says so, and goes on after it.

    Args:
        session: of either protocol, open or not; it is opened by Start, and stays open
            afterwards.

    Raises:
        ConfigurationError: anywidget is not installed, or that is no session.

    Attributes:
        widget: what is shown, for layouts of ipywidgets.
    """

    def __init__(self, session: AnySession) -> None:
        if not isinstance(session, (Session, live.LiveSession)):
            raise ConfigurationError(
                f"one talks with a session, not with {type(session).__name__}: "
                "realtime_sync.jupyter.connect(...) gives one"
            )
        self._session = session
        # Guards the windows and the page; messages may come on several threads.
        self._lock = threading.Lock()
        self._views: dict[str, Talking] = {}
        self._page: WebHost | None = None
        self.widget = _talk_widget()
        self.widget.on_msg(self._received)

    def __repr__(self) -> str:
        return f"<Talk with {self._session.name!r}>"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """What a notebook shows."""
        return self.widget._repr_mimebundle_(**options)

    def close(self) -> None:
        """End the conversation and take the output away; the session stays open."""
        with self._lock:
            views, self._views = list(self._views.values()), {}
            page, self._page = self._page, None
        for view in views:
            view.close()
        if page is not None:
            page.close()
        self.widget.close()

    def _received(
        self, widget: object, message: Mapping[str, Any], buffers: Sequence[Any]
    ) -> None:
        """Take what a window says; on the thread on which the kernel takes messages."""
        name = message.get("view")
        if not isinstance(name, str):
            return
        if message.get("kind") == "page":
            self._offer_page(name)
            return
        self._view(name).receive(message, bytes(buffers[0]) if buffers else b"")

    def _view(self, name: str) -> Talking:
        with self._lock:
            view = self._views.get(name)
            if view is not None:
                return view
            view = self._views[name] = Talking(
                self._opened,
                lambda message, sound=b"": self._send(name, message, sound),
                owns=False,
            )
            old = [self._views.pop(each) for each in list(self._views)[:-MOST_VIEWS]]
        for each in old:
            each.close()
        return view

    def _opened(self) -> AnySession:
        """The session, open; in the thread of the conversation."""
        if self._session.closed:
            raise ConfigurationError(
                "The session is over: run the cell that connects, and this one, again."
            )
        if self._session.is_open:
            return self._session
        try:
            return self._session.open()
        except LocalProtocolError as exc:
            # Another window or a cell has opened it a moment ago, or it reconnects.
            raise ConfigurationError(
                "The session is connecting: start again in a moment."
            ) from exc

    def _send(self, name: str, message: Mapping[str, Any], sound: bytes) -> None:
        buffers = [sound] if sound else None
        self.widget.send({**message, "view": name}, buffers=buffers)

    def _offer_page(self, name: str) -> None:
        from ..web import WebHost, add_talk

        with self._lock:
            if self._page is None:
                self._page = WebHost()
                add_talk(self._page, self._opened, owns=False)
            url = self._page.url()
        self._send(name, {"kind": "page", "url": url}, b"")


def _talk_widget() -> Any:
    """A widget that runs the page's own modules."""
    try:
        import anywidget
    except ImportError as exc:
        raise ConfigurationError(
            f"talking in a notebook needs anywidget: {install_command('jupyter')}"
        ) from exc
    base: Any = anywidget.AnyWidget
    script = bundled("talk_widget.js", AUDIO_WORKLET="audio_worklet.js")
    members = {"_esm": script, "_css": static_text("talk.css")}
    return type("TalkWidget", (base,), members)()
