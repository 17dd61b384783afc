"""The report as people get it: one page, from whatever there is of a session."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Optional

import pytest

from realtime_sync import connect, report
from realtime_sync.errors import ConfigurationError
from realtime_sync.server import serve

from .recordings import HOSTILE, head, line, recording, spoken_turn

MODEL = "gpt-realtime-2.1"
VOID = {"meta", "br", "circle", "line", "path", "rect"}


class Reader(HTMLParser):
    """Collects elements, and what is not balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.unclosed = list(self._open)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element without content."""
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        """Close an element."""
        assert tag == self._open.pop()

    def handle_data(self, data: str) -> None:
        """Note text."""
        self.text += data


def test_recording_becomes_a_page_with_everything_on_it() -> None:
    """Transcript, players, waveform, latencies, tokens and events, balanced."""
    page = Reader(report.html(recording(spoken_turn(0.5, 1), spoken_turn(4.0, 2))))

    assert [] == page.unclosed
    assert 4 == page.tags.count("audio")
    assert 1 == page.tags.count("svg")
    for words in ("Hello", "Good day", "gpt-realtime-2.1", "p95", "of it cached"):
        assert words in page.text
    assert ("name", "viewport") in page.attributes


def test_page_loads_nothing() -> None:
    """No address but data, no script, and a policy that forbids both."""
    text = report.html(recording(spoken_turn(0.5, 1)))
    page = Reader(text)
    links = [v for n, v in page.attributes if n in ("src", "href", "srcset", "action")]

    assert {"data:audio/wav;base64"} == {link.partition(",")[0] for link in links}
    assert not {"script", "link", "iframe", "img", "object"} & set(page.tags)
    assert "url(" not in text
    assert any("default-src 'none'" in value for _, value in page.attributes)


def test_hostile_text_stays_text() -> None:
    """What users, servers and files say cannot become an element."""
    lines = recording(
        spoken_turn(0.5, 1, said=HOSTILE, answer=HOSTILE),
        [
            line(3.0, "in", "error", error={"message": HOSTILE, "code": HOSTILE}),
            line(3.1, "in", HOSTILE, anything={HOSTILE: HOSTILE}),
            line(3.2, "note", "handler.failed", handler=HOSTILE, error=HOSTILE),
        ],
    )
    text = report.html(lines, title=HOSTILE + "\ud800")
    page = Reader(text)

    assert not {"script", "img"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "<script>alert('x')</script>" in page.text
    assert "\x00" not in text
    text.encode("utf-8")


def test_secrets_of_others_recordings_are_not_shown() -> None:
    """Our own recordings have none; files of other programs may."""
    key = "sk-proj-abcdefghijklmnop"
    tool = {"type": "mcp", "authorization": "hunter2", "headers": {"X": "hunter3"}}
    update = {"type": "session.update", "session": {"tools": [tool]}}
    error = {"type": "error", "error": {"message": f"wrong key {key}"}}
    text = report.html([update, error])

    assert "session.update" in text
    assert not [each for each in (key, "hunter2", "hunter3") if each in text]


def test_audio_beyond_the_limit_is_left_out_and_the_page_says_so() -> None:
    """A long call still makes a page that opens."""
    text = report.html(recording(spoken_turn(0.5, 1)), max_audio=50_000)
    page = Reader(text)

    assert 1 == page.tags.count("audio")
    assert "1 recordings are left out" in page.text


def test_session_makes_a_report_without_times(tmp_path: Path) -> None:
    """The mirror has the transcript and the tokens; the page says what it lacks."""
    with serve(agent="echo") as server:
        with connect(MODEL, base_url=server.url, name="front-desk") as session:
            session.ask("Hello <there>", timeout=10)
            path = report.write(session, tmp_path / "report.html")
    text = path.read_text(encoding="utf-8")

    assert "Session front-desk" in text
    assert "Hello &lt;there&gt;" in text
    assert "record the session" in text


@pytest.mark.parametrize("dialect", ["ga", "beta"])
def test_recording_under_way_makes_a_report(tmp_path: Path, dialect: str) -> None:
    """Both dialects, a path or the recording itself."""
    log = tmp_path / "call.jsonl"
    with serve(agent="echo") as server:
        with connect(MODEL, base_url=server.url, dialect=dialect) as session:
            with session.record(log) as recorded:
                session.ask("Hello there", timeout=10)
                early = report.tell(recorded)
    late = report.tell(log)

    assert ["Hello there", "Hello there"] == [each.text for each in early.utterances]
    assert late.utterances == early.utterances
    assert ["completed"] == [turn.status for turn in late.turns]
    assert (late.turns[0].after_ms("done") or 0) > 0
    assert late.tokens.total > 0


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    """The message says what is wrong, and no page is written."""
    bad = tmp_path / "bad.jsonl"
    bad.write_text("hello\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="line 1"):
        report.write(bad, tmp_path / "out.html")

    assert not (tmp_path / "out.html").exists()


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("call.jsonl", "call.jsonl"),
        ("call.jsonl", "../calls/call.jsonl"),
        ("call.jsonl", "link.html"),
        ("call.html", None),
    ],
)
def test_a_report_never_takes_the_place_of_its_recording(
    tmp_path: Path, name: str, target: Optional[str]
) -> None:
    """A slip of the hand must not cost the call, whatever name leads to it."""
    folder = tmp_path / "calls"
    folder.mkdir()
    log = folder / name
    log.write_text("\n".join(recording(spoken_turn(0.5, 1))), encoding="utf-8")
    (folder / "link.html").symlink_to(log)
    before = log.read_bytes()
    with pytest.raises(ConfigurationError, match="is the recording itself"):
        report.write(log, None if target is None else folder / target)

    assert before == log.read_bytes()


def test_a_session_does_not_overwrite_what_it_records_to(tmp_path: Path) -> None:
    """Its recording is not given, but known."""
    log = tmp_path / "call.jsonl"
    with serve(agent="echo") as server:
        with connect(MODEL, base_url=server.url) as session, session.record(log):
            session.ask("Hello", timeout=10)
            with pytest.raises(ConfigurationError, match="is the recording itself"):
                report.write(session, log)

    assert report.tell(log).utterances


def test_recording_of_nothing_makes_a_page() -> None:
    """A session that was closed at once is worth a report too."""
    page = Reader(report.html([head()]))

    assert [] == page.unclosed
    assert not re.search(r"nan|None", page.text)
