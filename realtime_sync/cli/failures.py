"""What went wrong, in one line, and the exit code that says whose fault it is."""

from __future__ import annotations

import errno
import os
import re

from ..errors import (
    AuthenticationFailed,
    ConfigurationError,
    ConnectFailed,
    RealtimeError,
    WaitTimeout,
)

BAD_INPUT = 2
FAILED = 1
INTERRUPTED = 130
UNREAD = 141
"""As programs end that SIGPIPE ends."""


WORDS = (
    # What a program is told to pass, as the option of a command.
    (r'dialect="(\w+)"', r"--dialect \1"),
    (
        r"pass api_key or set (OPENAI_API_KEY);.*",
        r"set \1, or use --local, which needs no key",
    ),
    (
        r"no session\.created in time.*",
        "the server took the connection, but did not greet in time: it may be one of "
        "another protocol",
    ),
    (
        r"no acknowledgement of response\.create \(\S*\) in time",
        "the server has not begun to answer in time",
    ),
    (r"no acknowledgement of (\S+) \(\S*\) in time", r"\1 was not confirmed in time"),
    (r"no event (\S+) in time", r"\1 did not come in time"),
    (r"in time: \d+ events of response \S+ came", "in time"),
    (
        r"scripted:FILE or chat:URL; realtime_sync\.testing\.cassette .*",
        "cassette:FILE, scripted:FILE or chat:URL",
    ),
    (
        r"(cannot connect to (?:127\.0\.0\.1|localhost|\[::1\]):\d+: .*refused.*)",
        r"\1; is `realtime-sync serve` running?",
    ),
)
"""What a message of the library is for somebody who types commands."""


def explain_failure(error: BaseException) -> tuple[int | None, str]:
    """
    Exit code and line for an exception.

    The code is None for what is a bug and deserves its traceback.
    """
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, str(error) or "interrupted"
    if isinstance(error, BrokenPipeError) or _is_failure_of_windows_pipe(error):
        return UNREAD, "nobody reads the output"
    if isinstance(error, AuthenticationFailed):
        return BAD_INPUT, f"authentication failed: {failure_on_one_line(error)}"
    if isinstance(error, (ConfigurationError, ConnectFailed)):
        return BAD_INPUT, failure_on_one_line(error)
    if isinstance(error, WaitTimeout):
        return FAILED, f"{failure_on_one_line(error)}; --timeout waits longer"
    if isinstance(error, RealtimeError):
        return FAILED, failure_on_one_line(error)
    if isinstance(error, OSError):
        return BAD_INPUT, _os_failure_line(error)
    if isinstance(error, UnicodeDecodeError):
        return BAD_INPUT, "that is not text: a file of another kind, or not in UTF-8"
    return None, ""


def _is_failure_of_windows_pipe(error: BaseException) -> bool:
    """There, a pipe that nobody reads any more is an invalid argument."""
    if os.name != "nt" or not isinstance(error, OSError):
        return False
    return error.errno == errno.EINVAL and error.filename is None


def failure_on_one_line(error: BaseException) -> str:
    """The message of an exception without line breaks, for who types commands."""
    line = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, RealtimeError):
        for pattern, words in WORDS:
            line = re.sub(pattern, words, line)
    return line


def _os_failure_line(error: OSError) -> str:
    words = {
        errno.ENOENT: "no such file",
        errno.EISDIR: "that is a folder",
        errno.EEXIST: "that is a file, where a folder is wanted",
        errno.ENOTDIR: "that is no folder",
        errno.EACCES: "not allowed",
        errno.EADDRINUSE: "the port is in use; choose another with --port",
    }
    what = words.get(error.errno or 0) or error.strerror or failure_on_one_line(error)
    return f"{what}: {error.filename}" if error.filename else what
