"""Logs that may be kept: nothing in them is a key, or audio."""

from __future__ import annotations

import logging
import re

from ..transport.redaction import redact

_BASE64 = re.compile(r"[A-Za-z0-9+/]{200,}={0,2}")


class RedactingFilter(logging.Filter):
    """
    Takes keys and audio out of log records; lets every record through.

    What the library itself logs has neither. This is for everything else that
    goes to the same place: lines of your own with whole events in them, of other
    libraries with headers in them, tracebacks with arguments in them. Add it to
    a *handler*: a filter of a logger does not see the records of loggers below it.

    Keys are those that this process has sent, and what looks like one. Long runs
    of base64 are replaced by their length.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite one record."""
        try:
            text = record.getMessage()
        except Exception:  # the format does not fit: logging itself reports that
            return True
        clean = without_secrets(text)
        if clean != text:
            record.msg, record.args = clean, None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = without_secrets(record.exc_text)
        if record.stack_info:
            record.stack_info = without_secrets(record.stack_info)
        return True


def without_secrets(text: str) -> str:
    """
    The same text without keys, and with audio replaced by its length.
    """
    shown = _BASE64.sub(lambda found: f"<{len(found[0]) * 3 // 4} bytes>", text)
    return redact(shown)
