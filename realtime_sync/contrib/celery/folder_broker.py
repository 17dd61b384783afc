"""
A folder as broker and result backend: for trying a fleet, where nothing else runs.

The transport is kombu's for file systems, made safe for several processes: its own
takes a message that is still being written, which is lost then, and empties a list of
queues that two processes begin at the same time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any, Union
from uuid import uuid4

from kombu.exceptions import ChannelError
from kombu.transport import TRANSPORT_ALIASES, filesystem

SCHEME = "realtime-sync-folder"
"""How the URL of a broker begins that is such a folder."""

POLL = 0.05
"""Seconds between two looks into the folder."""


def folder_settings(folder: Union[str, os.PathLike[str]]) -> dict[str, Any]:
    """
    Settings of Celery with which a folder carries everything.

    ``app.conf.update(folder_settings("queue"))``. For one machine: messages are looked
    for many times a second, and what a process that was killed had asked for stays.

    Args:
        folder: is made if it is not there.
    """
    place = Path(folder).resolve()
    parts = {name: place / name for name in ("messages", "control", "results")}
    for part in parts.values():
        part.mkdir(parents=True, exist_ok=True)
    return {
        "broker_url": f"{SCHEME}://localhost",
        "result_backend": parts["results"].as_uri(),
        "broker_transport_options": {
            "data_folder_in": str(parts["messages"]),
            "data_folder_out": str(parts["messages"]),
            "control_folder": str(parts["control"]),
            "polling_interval": POLL,
        },
    }


class FolderChannel(filesystem.Channel):
    """Writes beside the place where others read, and then moves it there."""

    # Both classes above have it, and disagree about the names of its arguments.
    def _put(  # type: ignore[override]
        self, queue: str, payload: Mapping[str, Any], **options: Any
    ) -> None:
        # Named as those of kombu, which sorts by the name and goes by its end.
        name = f"{round(monotonic() * 1000)}_{uuid4()}.{queue}.msg"
        _write_whole_broker_file(Path(self.data_folder_out, name), json.dumps(payload))

    def _queue_bind(
        self, exchange: str, routing_key: str, pattern: str, queue: str
    ) -> None:
        file = Path(self.control_folder, f"{exchange}.exchange")
        if not file.exists():
            _write_whole_broker_file(file, "[]", replace=False)
        super()._queue_bind(  # type: ignore[no-untyped-call]
            exchange, routing_key, pattern, queue
        )


class FolderTransport(filesystem.Transport):
    """What kombu finds by `SCHEME`."""

    Channel = FolderChannel


def _write_whole_broker_file(path: Path, text: str, *, replace: bool = True) -> None:
    """Write a file that is there whole or not at all."""
    part = path.with_name(f"{path.name}.{uuid4().hex}.part")
    try:
        part.write_text(text, encoding="utf-8")
        if replace:
            part.replace(path)
            return
        with suppress(FileExistsError):  # Another process was quicker.
            os.link(part, path)
        part.unlink()
    except OSError as exc:
        raise ChannelError(f"cannot write {path}: {exc}") from exc


TRANSPORT_ALIASES[SCHEME] = f"{__name__}:{FolderTransport.__name__}"
