"""How IPython shows the library's objects: as HTML that is made when asked for."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

KINDS = {
    ("realtime_sync.session.session", "Session"): "session",
    ("realtime_sync.session.live.session", "LiveSession"): "live session",
    ("realtime_sync.state.live.snapshot", "LiveSnapshot"): "live snapshot",
    ("realtime_sync.session.reply", "Reply"): "reply",
    ("realtime_sync.state.snapshot", "Snapshot"): "snapshot",
    ("realtime_sync.state.snapshot_parts", "ResponseState"): "response",
    ("realtime_sync.state.items", "Item"): "item",
    ("realtime_sync.session.audio", "Audio"): "audio",
}
"""Module and name of a class -> what `html_of` calls it."""


def register_formatters() -> None:
    """
    Tell the running IPython how to show the classes of `KINDS`.

    They are named, not imported. Outside of IPython this does nothing.
    """
    ipython: Any = sys.modules.get("IPython")
    shell = ipython and ipython.get_ipython()
    if not shell:
        return
    html = shell.display_formatter.formatters["text/html"]
    for (module, name), kind in KINDS.items():
        html.for_type_by_name(module, name, partial(_formatted_html, kind))


def _formatted_html(kind: str, value: object) -> str:
    from .html import html_of

    return html_of(kind, value)
