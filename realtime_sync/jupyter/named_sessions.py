"""One session per name, and a recording of each for the pictures."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, overload

from .. import RealtimeClient, Session
from ..errors import ConfigurationError, RealtimeError
from ..report import Story, tell
from ..transport.logs import area_logger
from ..types import LiveModel

if TYPE_CHECKING:
    from .. import live

logger = area_logger("realtime_sync.jupyter")

# Guards the two mappings.
_lock = threading.Lock()
_sessions: dict[str, Session] = {}
_recordings: dict[str, Any] = {}
_folder: Optional[tempfile.TemporaryDirectory[str]] = None

PREFIX = "realtime-sync-"
"""Of the folder with recordings; the number of the process follows."""

_CLIENT = ("api_key", "base_url", "organization", "project")


@overload
def connect(
    model: LiveModel, *, name: str = ..., record: bool = ..., **options: Any
) -> live.LiveSession: ...


@overload
def connect(
    *args: Any, name: str = ..., record: bool = ..., **options: Any
) -> Session: ...


def connect(
    *args: Any, name: str = "notebook", record: bool = True, **options: Any
) -> Any:
    """
    Connect, and close the session that had the same name before.

    For the cell that connects: however often it is run, there is one session.
    Handlers that were registered with the session before are gone with it; those
    of the module-level `realtime_sync.on` stay.

    Args:
        args, options: what `realtime_sync.connect` takes.
        name: of the session.
        record: keep a recording in a temporary file until the session is replaced
            or the kernel ends; `waveform`, `latency` and the players of items are
            made of it.

    Raises:
        RealtimeError: whatever `realtime_sync.connect` raises.
    """
    close(name)
    account = {key: options.pop(key) for key in _CLIENT if key in options}
    client = RealtimeClient(**account)
    session: Session = client.session(*args, name=name, **options)
    with _lock:
        _sessions[name] = session
        if record:
            _recordings[name] = session.record(_named_recording_path(name))
    try:
        return session.open()
    except BaseException:
        close(name)
        raise


def close(name: str = "notebook") -> None:
    """Close the session of a name, if there is one, and drop its recording."""
    with _lock:
        session = _sessions.pop(name, None)
        recording = _recordings.pop(name, None)
    if session is not None:
        # A live one asks for its end: the service says then that no more is billed.
        session.close(drain=session.session_type == "live")
    if recording is not None:
        try:
            recording.close()
        except Exception as exc:  # the disk; the session is over all the same
            logger.warning("! the recording of %s failed: %s", name, exc)
        Path(recording.path).unlink(missing_ok=True)


def sessions() -> dict[str, Session]:
    """The sessions by name, closed ones included until they are replaced."""
    with _lock:
        return dict(_sessions)


def story_of(session: Session) -> Story:
    """
    What happened in a session that `connect` made with a recording.

    Raises:
        ConfigurationError: it was not recorded.
    """
    with _lock:
        known = _sessions.get(session.name) is session
        recording = _recordings.get(session.name) if known else None
    if recording is None:
        raise ConfigurationError(
            f"session {session.name!r} is not recorded: "
            "make it with realtime_sync.jupyter.connect(...)"
        )
    return tell(recording, title=session.name)


def sounds_of(item_ids: Iterable[str]) -> dict[str, tuple[bytes, str, int]]:
    """
    What items sounded like, as far as the sessions by name have them recorded.

    A recording is read once, however many items are asked for.
    """
    wanted, found = set(item_ids), {}
    for session in sessions().values():
        if session.session_type == "live":
            continue  # It has no items.
        known = {each for each in wanted if session.snapshot.item(each) is not None}
        if not known:
            continue
        try:
            story = story_of(session)
        except (RealtimeError, OSError, TimeoutError):
            continue
        for said in story.utterances:
            if said.item_id in known and said.sound is not None:
                found[said.item_id] = said.sound
    return found


def _remove_forgotten_named_recordings() -> None:
    """Remove recordings of kernels that were killed and could not do it."""
    if os.name != "posix":
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        number = folder.name.removeprefix(PREFIX).partition("-")[0]
        if number.isdigit() and not _named_session_is_alive(int(number)):
            shutil.rmtree(folder, ignore_errors=True)


def _named_session_is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True


def _named_recording_path(name: str) -> Path:
    global _folder
    if _folder is None:
        _remove_forgotten_named_recordings()
        prefix = f"{PREFIX}{os.getpid()}-"
        _folder = tempfile.TemporaryDirectory(prefix=prefix)
        atexit.register(_folder.cleanup)
    safe = "".join(c if c.isalnum() else "-" for c in name)
    return Path(_folder.name) / f"{safe}-{abs(hash(name)):x}.jsonl"
