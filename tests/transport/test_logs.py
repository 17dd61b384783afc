"""What the library logs cannot forge a line or be obeyed by a terminal."""

from __future__ import annotations

import ast
import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from realtime_sync.errors import CommandRejected
from realtime_sync.transport.logs import Block, area_logger
from tests.test_architecture import ROOT, label, sources

EVIL = "x\x1b[2J\nINFO forged\u202e"
SHOWN = r"x\x1b[2J\nINFO forged\u202e"


class Named:
    """Something whose text holds what a server said."""

    def __str__(self) -> str:
        return EVIL

    def __repr__(self) -> str:
        return EVIL


@pytest.fixture
def written() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """A logger, and what an ordinary handler makes of its records."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    logger = area_logger("realtime_sync.test_logs")
    logger.addHandler(handler)
    yield logger, out
    logger.removeHandler(handler)


@pytest.mark.parametrize(
    "arg", [EVIL, Named(), CommandRejected(EVIL), ValueError(EVIL)]
)
def test_argument_is_shown_in_one_line(written: Any, arg: object) -> None:
    """A text, an object, an error of ours or of somebody else."""
    logger, out = written
    logger.warning("! %s failed with %s", "a", arg)

    assert f"! a failed with {SHOWN}\n" == out.getvalue()


def test_repr_and_mapping_are_shown_as_well(written: Any) -> None:
    """The ways in which logging takes arguments."""
    logger, out = written
    logger.warning("%r", Named())
    logger.warning("%(a)s %(b)d", {"a": EVIL, "b": 3})
    logger.warning("%5.1f %s", 2, None)

    assert f"{SHOWN}\n{SHOWN} 3\n  2.0 None\n" == out.getvalue()


def test_lines_of_our_own_stay_lines(written: Any) -> None:
    """A stack is read by people."""
    logger, out = written
    logger.warning("stack\n%s", Block("one\ntwo\x1b"))

    assert "stack\none\ntwo\\x1b\n" == out.getvalue()


def test_messages_in_a_traceback_are_one_line_each(written: Any) -> None:
    """The cause's too; the frames stay as they are."""
    logger, out = written
    try:
        try:
            raise KeyError("first")
        except KeyError as exc:
            raise ValueError(EVIL) from exc
    except ValueError:
        logger.exception("! failed")
    text = out.getvalue()

    assert text.endswith(f"ValueError: {SHOWN}\n")
    assert "KeyError: 'first'\n" in text
    assert 'test_logs.py", line' in text


def test_argument_without_a_text_does_not_stop_the_caller(written: Any) -> None:
    """Logging reports it, as it always does."""

    class Mute:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    logger, out = written
    raising, logging.raiseExceptions = logging.raiseExceptions, False
    try:
        logger.warning("%s", Mute())
    finally:
        logging.raiseExceptions = raising

    assert "" == out.getvalue()


@pytest.mark.parametrize("path", sources(), ids=label)
def test_no_module_makes_a_logger_of_its_own(path: Path) -> None:
    """Or what it logs would go out as it came."""
    homes = {"transport/logs.py", "cli/main.py", "cli/serve.py"}
    calls = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "getLogger"
    ]

    assert not calls or path.relative_to(ROOT / "realtime_sync").as_posix() in homes
