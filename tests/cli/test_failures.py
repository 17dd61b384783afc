"""One line and an exit code for everything that goes wrong."""

from __future__ import annotations

import errno

import pytest

from realtime_sync import errors
from realtime_sync.cli import main
from realtime_sync.cli.failures import explain_failure
from realtime_sync.server import serve


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (FileNotFoundError(errno.ENOENT, "x", "q.wav"), 2, "no such file: q.wav"),
        (IsADirectoryError(errno.EISDIR, "x", "here"), 2, "that is a folder: here"),
        (
            FileExistsError(errno.EEXIST, "x", "a.wav"),
            2,
            "that is a file, where a folder is wanted: a.wav",
        ),
        (PermissionError(errno.EACCES, "x", "q.wav"), 2, "not allowed: q.wav"),
        (OSError(errno.ENOSPC, "No space left", "q"), 2, "No space left: q"),
        (OSError("odd"), 2, "odd"),
        (errors.ConfigurationError("no key:\n set one"), 2, r"no key:\n set one"),
        (errors.ConnectFailed("nobody there"), 2, "nobody there"),
        (
            errors.ConnectFailed("cannot connect to localhost:1: Connection refused"),
            2,
            "cannot connect to localhost:1: Connection refused; is `realtime-sync "
            "serve` running?",
        ),
        (
            errors.ConnectFailed("cannot connect to a.example:1: Connection refused"),
            2,
            "cannot connect to a.example:1: Connection refused",
        ),
        (errors.AuthenticationFailed("bad key"), 2, "authentication failed: bad key"),
        (errors.WaitTimeout("too long"), 1, "too long; --timeout waits longer"),
        (errors.ConnectFailed('use dialect="beta"'), 2, "use --dialect beta"),
        (
            errors.ConfigurationError(
                "no key for a.example: pass api_key or set OPENAI_API_KEY; a server ..."
            ),
            2,
            "no key for a.example: set OPENAI_API_KEY, or use --local, which needs no "
            "key",
        ),
        (errors.RealtimeError(), 1, "RealtimeError"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (KeyboardInterrupt("interrupted; ..."), 130, "interrupted; ..."),
        (
            errors.ConfigurationError(
                "unknown agent 'x': echo, scripted:FILE or chat:URL; "
                "realtime_sync.testing.cassette makes one of a recording"
            ),
            2,
            "unknown agent 'x': echo, cassette:FILE, scripted:FILE or chat:URL",
        ),
    ],
)
def test_a_failure_is_one_line_and_an_exit_code(
    error: BaseException, code: int, line: str
) -> None:
    """Bad input is 2, a conversation that failed is 1."""
    assert (code, line) == explain_failure(error)


def test_a_bug_keeps_its_traceback() -> None:
    """What nobody expected must not look like bad input."""
    assert explain_failure(AttributeError("oops"))[0] is None


@pytest.mark.parametrize(("system", "code"), [("nt", 141), ("posix", 2)])
def test_a_pipe_that_nobody_reads_is_known_on_windows(
    system: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has an error of its own there; that of a file is still that of the file."""
    monkeypatch.setattr("realtime_sync.cli.failures.os.name", system)

    assert code == explain_failure(OSError(errno.EINVAL, "Invalid argument"))[0]
    assert 2 == explain_failure(OSError(errno.EINVAL, "Invalid argument", "a:b"))[0]


def test_a_port_in_use_is_explained() -> None:
    """The remedy is an option."""
    code, line = explain_failure(OSError(errno.EADDRINUSE, "Address already in use"))

    assert 2 == code
    assert "--port" in line


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("missing:session.created", "took the connection, but did not greet in time"),
        ("missing:session.updated", "session.update was not confirmed in time"),
        ("stall:response.created", "has not begun to answer in time"),
        ("missing:response.done", "the answer is not complete in time"),
    ],
)
def test_what_does_not_come_in_time_is_told_in_words(
    fault: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody who types a command knows ids, or arguments of Python."""
    with serve(agent="echo", faults=[fault]) as server:
        code = main(["ask", "Hello", "--url", server.url, "--timeout", "0.3"])
    line = capsys.readouterr().err

    assert 1 == code
    assert 1 == line.count("\n")
    assert told in line and "--timeout" in line
    assert "resp_" not in line and "event_" not in line and "wait_created" not in line
