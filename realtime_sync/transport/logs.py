"""
The library's loggers: what they are told cannot forge a line, be obeyed, or hold a
key, and a server that says much fills no log.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Optional, Union

from ..protocol.escape import one_line, terminal_text
from .log_writer import hand_to_log_writer, is_written_by_log_writer
from .redaction import redact

LONGEST = 500
"""Characters of one argument; how many more there were is said."""


class Block(str):
    """Text of our own that takes several lines of a log, such as a stack."""


class Bounded(str):
    """Text whose length whoever made it has bounded."""


def area_logger(name: str) -> logging.Logger:
    """
    A logger that shows controls and line breaks in its arguments as text.

    Args:
        name: such as ``realtime_sync.connection.connection``.
    """
    logger = logging.getLogger(name)
    logger.addFilter(_escaped_log_record)
    return logger


def _escaped_log_record(record: logging.LogRecord) -> bool:
    """
    Rewrite one record before any handler sees it; False if another thread shows it.
    """
    if is_written_by_log_writer(record):
        return True
    try:
        if isinstance(record.args, Mapping):
            record.args = {
                name: _shown_log_argument(arg) for name, arg in record.args.items()
            }
        else:
            record.args = tuple(map(_shown_log_argument, record.args or ()))
        if record.exc_info and not record.exc_text:
            record.exc_text = _log_traceback(record.exc_info)
    except Exception:  # a text that cannot be made: logging itself reports that
        pass
    return not hand_to_log_writer(record, _write_log_record)


def _write_log_record(record: logging.LogRecord) -> None:
    """Give a record to the handlers; it comes by `_escaped_log_record` once more."""
    logging.getLogger(record.name).handle(record)


def _shown_log_argument(arg: object) -> object:
    if arg is None or isinstance(arg, (int, float)):
        return arg
    if isinstance(arg, Block):
        return terminal_text(redact(arg))
    if isinstance(arg, Bounded):
        return one_line(redact(arg))
    if isinstance(arg, str):
        return _short_log_line(arg)
    shown = _Shown(_short_log_line(str(arg)), _short_log_line(repr(arg)))
    # Handlers that look at arguments should meet the object where that is safe.
    return arg if (str(shown), repr(shown)) == (str(arg), repr(arg)) else shown


def _short_log_line(text: str) -> str:
    """One short line without keys; they are taken out before anything is cut."""
    text = redact(text)
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}... ({len(text)} characters)"
    return one_line(text)


class _Shown:
    """Stands for an argument whose own text is not safe."""

    def __init__(self, text: str, representation: str) -> None:
        self._text = text
        self._representation = representation

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return self._representation


ExcInfo = Union[
    tuple[type[BaseException], BaseException, Optional[TracebackType]],
    tuple[None, None, None],
]


def _log_traceback(exc_info: ExcInfo) -> Optional[str]:
    """A traceback in which every message is one line; None if the usual one is."""
    usual = logging.Formatter().formatException(exc_info)
    text = usual
    for exc in _logged_exception_chain(exc_info[1]):
        for words in (str(exc), *getattr(exc, "__notes__", ())):
            if words:
                text = text.replace(words, _short_log_line(words))
    text = terminal_text(redact(text))
    return None if text == usual else text


def _logged_exception_chain(exc: Optional[BaseException]) -> Iterator[BaseException]:
    """An exception and those that it came from."""
    waiting, seen = [exc], set()
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]
