"""``realtime-sync web`` and ``talk --browser``: a page until Ctrl-C."""

from __future__ import annotations

import threading
from pathlib import Path
from urllib.request import urlopen

import pytest
import websocket

from realtime_sync import live, open_sessions
from realtime_sync.cli import main
from realtime_sync.cli.main import command_line_parser
from realtime_sync.cli.web import talk_on_web_page
from realtime_sync.server import serve


class Visitor(threading.Event):
    """Stands in for Ctrl-C: looks at the page that was printed, then ends it."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        super().__init__()
        self._capsys = capsys
        self.url = ""
        self.page = ""

    def wait(self, timeout: float | None = None) -> bool:
        """Visit the page."""
        self.url = self._capsys.readouterr().out.removeprefix("open ").strip()
        with urlopen(self.url, timeout=10) as answer:
            self.page = answer.read().decode()
        return True


def test_page_is_served_at_the_address_that_is_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With its token, until the command is ended; then there is nothing."""
    options = command_line_parser().parse_args(
        ["web", "--url", "http://127.0.0.1:1/v1"]
    )
    visitor = Visitor(capsys)

    assert 0 == options.run(options, visitor)
    assert visitor.url.startswith("http://127.0.0.1:")
    assert "token=" in visitor.url
    assert "talk_page.js" in visitor.page
    with pytest.raises(OSError):
        urlopen(visitor.url, timeout=10)


def test_talk_opens_the_page_in_the_browser(capsys: pytest.CaptureFixture[str]) -> None:
    """The address that is printed, for whoever wants another browser."""
    options = command_line_parser().parse_args(["talk", "--browser"])
    visitor, shown = Visitor(capsys), []

    def show(url: str) -> bool:
        shown.append(url)
        return True

    assert 0 == talk_on_web_page("http://127.0.0.1:1/v1", options, visitor, show)
    assert [visitor.url] == shown


class Talker(Visitor):
    """Presses Start in the page, and looks at the session that it opens."""

    def wait(self, timeout: float | None = None) -> bool:
        """Visit the page, and begin a conversation."""
        super().wait(timeout)
        there = self.url.replace("http", "ws", 1).replace("/?", "/talk/socket?")
        socket = websocket.create_connection(there, timeout=10, suppress_origin=True)
        socket.send('{"kind": "start"}')
        while b'"waiting"' not in socket.recv():
            pass
        self.sessions = open_sessions()
        socket.close()
        return True


@pytest.mark.usefixtures("no_other_sessions")
def test_page_of_a_live_session_answers_what_is_handed_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As the terminal does: there is no program here that could look anything up."""
    with serve(agent="echo", port=0) as server:
        arguments = ["web", "--model", "gpt-live-1", "--url", server.url]
        options = command_line_parser().parse_args(arguments)
        visitor = Talker(capsys)

        assert 0 == options.run(options, visitor)
    [session] = visitor.sessions
    assert isinstance(session, live.LiveSession)
    assert session.answering is not None


def test_without_a_browser_it_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """On a machine without a screen, for example."""
    options = command_line_parser().parse_args(["talk", "--browser"])
    stop = threading.Event()
    stop.set()

    assert 0 == talk_on_web_page(
        "http://127.0.0.1:1/v1", options, stop, lambda url: False
    )
    assert "no browser could be opened" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["web"], ["talk", "--browser"]], ids=" ".join)
def test_without_a_key_no_page_is_served(
    capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    """It could not talk; the way that needs no key is named."""
    assert 2 == main(command)
    printed = capsys.readouterr()
    assert "set OPENAI_API_KEY, or use --local" in printed.err
    assert (1, "") == (printed.err.count("\n"), printed.out)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "0.0.0.0"], "other machines"),
        (["--password-file", "{folder}/password"], "tls"),
        (["--certificate", "{folder}/password"], "certificate"),
        (["--password-file", "{folder}/nothing"], "nothing"),
        (["--certificate", "{folder}/nothing"], "nothing"),
        (["--private-key", "{folder}/password"], "--certificate"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_bad_ways_in_are_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    """What would let others in, or cannot be read."""
    (tmp_path / "password").write_text("correct horse\n")
    given = [each.format(folder=tmp_path) for each in arguments]

    assert 2 == main(["web", *given])
    printed = capsys.readouterr().err
    assert said in printed
    assert 1 == printed.count("\n")
