"""What went wrong, in one line, and the exit code that says whose fault it is."""

from __future__ import annotations

import errno

from ..errors import (
    AuthenticationFailed,
    ConfigurationError,
    ConnectFailed,
    RealtimeError,
)

BAD_INPUT = 2
FAILED = 1
INTERRUPTED = 130
UNREAD = 141
"""As programs end that SIGPIPE ends."""


def explain(error: BaseException) -> tuple[int | None, str]:
    """
    Exit code and line for an exception.

    The code is None for what is a bug and deserves its traceback.
    """
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, "interrupted"
    if isinstance(error, BrokenPipeError):
        return UNREAD, "nobody reads the output"
    if isinstance(error, AuthenticationFailed):
        return BAD_INPUT, f"authentication failed: {one_line(error)}"
    if isinstance(error, (ConfigurationError, ConnectFailed)):
        return BAD_INPUT, one_line(error) + _without_key(error)
    if isinstance(error, RealtimeError):
        return FAILED, one_line(error)
    if isinstance(error, OSError):
        return BAD_INPUT, _os_line(error)
    if isinstance(error, UnicodeDecodeError):
        return BAD_INPUT, "that is not text: a file of another kind, or not in UTF-8"
    return None, ""


def _without_key(error: BaseException) -> str:
    """What else can be done where a key is missing."""
    missing = "set OPENAI_API_KEY" in str(error)
    return ", or use --local, which needs no key" if missing else ""


def one_line(error: BaseException) -> str:
    """The message of an exception without line breaks."""
    return " ".join(str(error).split()) or type(error).__name__


def _os_line(error: OSError) -> str:
    words = {
        errno.ENOENT: "no such file",
        errno.EISDIR: "that is a folder",
        errno.EACCES: "not allowed",
        errno.EADDRINUSE: "the port is in use; choose another with --port",
    }
    what = words.get(error.errno or 0) or error.strerror or one_line(error)
    return f"{what}: {error.filename}" if error.filename else what
