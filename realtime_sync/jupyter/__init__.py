"""
Notebooks: one session per name, live output, sound, pictures.

::

    from realtime_sync import jupyter

    session = jupyter.connect("gpt-realtime-2.1")
    jupyter.LiveTranscript(session)

Needs nothing but IPython, which every notebook has; `Talk` needs the extra ``jupyter``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .batch import Answer, Answers, ask_each
    from .browser_player import BrowserPlayer
    from .html import html_of
    from .live import LiveLatency, LiveTranscript
    from .named_sessions import close, connect, sessions
    from .plots import Picture, latency, waveform
    from .talk import Talk

__all__ = [
    "Answer",
    "Answers",
    "BrowserPlayer",
    "LiveLatency",
    "LiveTranscript",
    "Picture",
    "Talk",
    "ask_each",
    "close",
    "connect",
    "html_of",
    "latency",
    "sessions",
    "waveform",
]

_HOMES = {
    "Answer": "batch",
    "Answers": "batch",
    "BrowserPlayer": "browser_player",
    "LiveLatency": "live",
    "LiveTranscript": "live",
    "Picture": "plots",
    "Talk": "talk",
    "ask_each": "batch",
    "close": "named_sessions",
    "connect": "named_sessions",
    "html_of": "html",
    "latency": "plots",
    "sessions": "named_sessions",
    "waveform": "plots",
}


if not TYPE_CHECKING:  # A checker knows the names, and finds misspelt ones.

    def __getattr__(name: str) -> Any:
        # Loaded late, or telling IPython of `formatters` would load reports too.
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
