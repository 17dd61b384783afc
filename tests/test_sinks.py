"""
Every place where a server's or a caller's words leave the process: they stay words.

One table. The words clear a screen, set a title, forge a line of a log, turn the order
of letters, open a script, close an attribute, and hold half a pair that no encoding
takes. A place is a function that lets them out and says what came out.
"""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from realtime_sync import Router, connect, errors, report, webhooks
from realtime_sync.cli.main import main
from realtime_sync.connection.wire_log import frame_for_wire_log
from realtime_sync.jupyter.html import html_of
from realtime_sync.state.snapshot import Snapshot
from realtime_sync.testing import Close, MemoryTransport
from tests.rawserver import Peer, RawServer

WORDS = (
    "\x1b[2J\x1b]0;title\x07 a\r\nWARNING forged\r \x9b2J \x85 \u202eevil\u2066 "
    "\u2028next\u2029 </script><script>alert(1)</script><img src=x onerror=alert(1)>"
    "\" onload='alert(1)' & ]]> \x00 \x7f \ud800 end"
)
CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


class Place(NamedTuple):
    """Where words come out, and what must hold there."""

    let_out: Callable[[Any], str]
    check: Callable[[str], None]


class Page(HTMLParser):
    """The elements and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        """Note what could be run."""
        self.found += [f"{tag} {name}" for name, _ in attrs if name.startswith("on")]
        self.found += [f"{tag} {value}" for _, value in attrs if value == "x"]


def is_terminal_text(text: str) -> None:
    """Only line feeds and tabs are obeyed; what a terminal shows can be encoded."""
    assert not CONTROL.search(text)
    text.encode()


def is_lines(text: str) -> None:
    """As on a terminal, and no line begins as ours do and is none of ours."""
    is_terminal_text(text)
    assert not [line for line in text.splitlines() if line.startswith("WARNING forged")]


def is_page(text: str) -> None:
    """No element and no attribute that runs something."""
    page = Page()
    page.feed(text)

    assert [] == page.found
    assert "<script>alert" not in text and "<img src=x" not in text
    text.encode()


def is_json_lines(text: str) -> None:
    """Each line is an object of JSON, however odd the words."""
    for line in text.split("\n"):
        assert not line or isinstance(json.loads(line), dict)


def is_one_error(text: str) -> None:
    """A text of an exception of ours, by which a header could not be forged."""
    assert text


# -- what says them ----------------------------------------------------------------


def frames(words: str) -> list[dict[str, Any]]:
    """A server that says nothing else, wherever it says something."""
    message = {
        "id": words,
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": words}],
    }
    call = {"id": "c", "type": "function_call", "name": words, "call_id": words}
    answer = {
        "id": "a",
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": words}],
    }
    output = [answer, {**call, "arguments": words}]
    details = {"type": "failed", "error": {"code": words, "message": words}}
    response = {"id": "r", "status": "failed", "status_details": details}
    return [
        {"type": "session.created", "session": {"id": words, "model": words}},
        {"type": "conversation.item.added", "item": message},
        {"type": "response.created", "response": {"id": "r", "status": "in_progress"}},
        {"type": "response.output_text.delta", "item_id": "a", "delta": words},
        {"type": "response.done", "response": {**response, "output": output}},
        {"type": "error", "error": {"message": words, "code": words, "type": words}},
        {"type": words, "x": words},
        {"type": "rate_limits.updated", "rate_limits": [{"name": words}]},
        {"type": "conversation.item.deleted", "item_id": words},
    ]


def spoken(path: Path, **options: Any) -> tuple[Any, str]:
    """Hold a session with that server; its mirror, and what was logged."""
    told = io.StringIO()
    handler = logging.StreamHandler(told)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
    library = logging.getLogger("realtime_sync")
    library.addHandler(handler)
    level, library.level = library.level, logging.DEBUG
    memory = MemoryTransport(greeting=False)

    def fail(event: Any) -> None:
        raise ValueError(f"cannot use {event.raw}")

    try:
        router = Router()
        router.on("error", fail)
        with connect(
            "m",
            transport=memory,
            router=router,
            dispatch="inline",
            wait_created=False,
        ) as session:
            with session.record(path / "a.jsonl", **options):
                # Half a pair makes a frame unknown, so most are said without it.
                for frame in frames(WORDS) + frames(WORDS.replace("\ud800", "")):
                    memory.feed(json.dumps(frame))
                memory.feed(f"no JSON {WORDS}".encode("utf-8", "surrogatepass"))
            snapshot = session.snapshot
            memory.feed(Close(4000, "\x1b[2J \u202eevil"))
    finally:
        library.removeHandler(handler)
        library.level = level
    return snapshot, told.getvalue()


def command(*arguments: str) -> Callable[[Any], str]:
    """What a command of the terminal writes for a recording of that server."""

    def let_out(scene: Any) -> str:
        spoken(scene.path)
        main([each.format(path=scene.path) for each in arguments])
        out, err = scene.capture.readouterr()
        return f"{out}{err}"

    return let_out


def page(scene: Any) -> str:
    """The page that `report` writes."""
    spoken(scene.path)
    return report.html(scene.path / "a.jsonl", title=WORDS)


def notebook(scene: Any) -> str:
    """What a notebook shows of a snapshot and what is in it."""
    snapshot: Snapshot = spoken(scene.path)[0]
    shown = [html_of("snapshot", snapshot)]
    shown += [html_of("item", each) for each in snapshot.items]
    shown += [html_of("response", each) for each in snapshot.responses.values()]
    return "".join(shown)


def log(scene: Any) -> str:
    """What is logged, with every level on."""
    text = spoken(scene.path)[1]

    assert "forged" in text
    return text


def recording(scene: Any) -> str:
    """The lines of a recording."""
    spoken(scene.path)
    return (scene.path / "a.jsonl").read_text("utf-8")


def refused_headers(scene: Any) -> str:
    """Headers, query and URL that are made of the words: none is sent."""
    told = []
    for options in (
        {"extra_headers": {"X-Who": WORDS}},
        {"extra_headers": {WORDS: "x"}},
        {"safety_identifier": WORDS},
        {"api_key": WORDS},
        {"base_url": f"ws://127.0.0.1/{WORDS}"},
    ):
        with RawServer(Peer.greet) as server:
            options = {"base_url": server.url, **options}
            with pytest.raises(
                (errors.ConfigurationError, errors.RealtimeError)
            ) as got:
                connect("m", router=Router(), **options)  # type: ignore[arg-type]
            assert [] == server.heads
        told.append(str(got.value))
    return "\n".join(told)


def wire(scene: Any) -> str:
    """A frame in the log of frames."""
    told = io.StringIO()
    logger = logging.getLogger("realtime_sync.wire")
    handler = logging.StreamHandler(told)
    logger.addHandler(handler)
    try:
        logger.warning("%s", frame_for_wire_log({"type": WORDS, WORDS: [WORDS]}))
    finally:
        logger.removeHandler(handler)
    return told.getvalue()


def webhook(scene: Any) -> str:
    """A webhook that is refused."""
    headers = {
        "webhook-id": "x",
        "webhook-timestamp": WORDS,
        "webhook-signature": "v1,",
    }
    with pytest.raises(errors.WebhookRejected) as refused:
        webhooks.unwrap(b"{}", headers, "secret")
    return str(refused.value)


def no_file(scene: Any) -> str:
    """A file's name in the line of an error."""
    main(["replay", str(scene.path / "\x1b[2J\u202eno\nWARNING forged.jsonl")])
    return "".join(scene.capture.readouterr())


PLACES = {
    "log": Place(log, is_lines),
    "log of frames": Place(wire, is_lines),
    "terminal: replay": Place(command("replay", "{path}/a.jsonl"), is_terminal_text),
    "terminal: tail": Place(command("tail", "{path}/a.jsonl"), is_terminal_text),
    "terminal: report": Place(
        command("report", "{path}/a.jsonl", "-o", "{path}/r.html"), is_terminal_text
    ),
    "terminal: name of a file": Place(no_file, is_lines),
    "report": Place(page, is_page),
    "notebook": Place(notebook, is_page),
    "recording": Place(recording, is_json_lines),
    "headers, query, URL": Place(refused_headers, is_one_error),
    "error: webhook": Place(webhook, is_lines),
}


SILENT = ("terminal: report", "headers, query, URL", "error: webhook")
"""Places that say what is wrong, and do not repeat the words."""


class Scene(NamedTuple):
    """What a place needs."""

    path: Path
    capture: Any


@pytest.mark.parametrize("name", PLACES)
def test_words_stay_words(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wherever they come out."""
    place = PLACES[name]
    text = place.let_out(Scene(tmp_path, capsys))
    place.check(text)

    assert "forged" in text or name in SILENT
