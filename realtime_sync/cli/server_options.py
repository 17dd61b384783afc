"""Options that say which server to talk to, and the session they give."""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from ..errors import ConfigurationError
from ..types import Dialect, ServedDialect

if TYPE_CHECKING:
    from .. import Session, live

MODEL = "gpt-realtime-2.1"
DIALECT = "ga"
DIALECTS = get_args(Dialect)
SERVED = get_args(ServedDialect)
PLAIN = tuple(name for name in DIALECTS if name in SERVED)
"""The dialects of the protocol itself, which the local server speaks, too."""


def add_server_options(parser: argparse.ArgumentParser) -> None:
    """Give a command ``--url``, ``--model``, ``--dialect`` and ``--local``."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--url",
        help="base URL of the server, http(s) or ws(s), such as "
        "http://127.0.0.1:8765/v1; without it OPENAI_BASE_URL, else OpenAI",
    )
    where.add_argument(
        "--local",
        action="store_true",
        help="start the local voice server and talk to that: no key, no network",
    )
    parser.add_argument(
        "--model",
        type=text_option,
        default=MODEL,
        help="model to ask for (default: %(default)s); one such as gpt-live-1 makes a "
        "session of GPT-Live",
    )
    parser.add_argument(
        "--dialect",
        choices=DIALECTS,
        default=DIALECT,
        help="dialect of the protocol (default: %(default)s)",
    )
    add_timeout_option(parser)


def add_timeout_option(parser: argparse.ArgumentParser, default: float = 30.0) -> None:
    """Give a command ``--timeout``, which `failures.explain_failure` refers to."""
    parser.add_argument(
        "--timeout",
        type=timeout_option,
        default=default,
        metavar="SECONDS",
        help="how long to wait for the server, at each step (default: %(default)s)",
    )


def text_option(text: str) -> str:
    """Words that can be sent: with something in them, and nothing but text."""
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty")
    if any("\ud800" <= each <= "\udfff" for each in text):
        # So Python reads bytes that are none in the encoding of the terminal.
        raise argparse.ArgumentTypeError("it holds bytes that are no text")
    return text


def timeout_option(text: str) -> float:
    """A time that can be waited for: finite and more than nothing."""
    value = float(text)
    if not 0 < value < threading.TIMEOUT_MAX:
        raise argparse.ArgumentTypeError(f"{text} is no time that can be waited for")
    return value


@contextmanager
def server_url(options: argparse.Namespace) -> Iterator[str | None]:
    """The URL to connect to, of a local server that ends with the block if asked."""
    if not options.local:
        yield options.url
        return
    say_while_server_starts("starting the local voice server")
    load_local_voice()
    from ..server import serve

    with serve(agent="voice", port=0) as server:
        yield server.url


def load_local_voice() -> None:
    """
    Load the ears of the local voice server, before anything else of it.

    Where they are missing so is the rest as a rule, and the extra that their message
    names has all of it; that of the rest would be the first of two.

    Raises:
        ConfigurationError: the extra ``demo`` is not installed.
    """
    from ..server.voice import default_recognizer

    default_recognizer()


def say_while_server_starts(text: str) -> None:
    """Tell what takes a second or two, if somebody is looking."""
    if sys.stderr.isatty():
        print(f"{text} ...", file=sys.stderr, flush=True)


def session_by_options(
    url: str | None,
    options: argparse.Namespace,
    config: Mapping[str, Any],
    **more: Any,
) -> Session:
    """A session that is not open yet."""
    from .. import RealtimeClient

    client = RealtimeClient(base_url=url)
    # A transcription has its model in the configuration, and no other.
    transcribes = more.get("session_type") == "transcription"
    return client.session(
        None if transcribes else options.model,
        dialect=options.dialect,
        config=dict(config),
        timeout=options.timeout,
        connect_timeout=options.timeout,
        **more,
    )


def live_session_by_options(
    url: str | None,
    options: argparse.Namespace,
    config: live.LiveConfig | Mapping[str, Any] | None,
    **more: Any,
) -> live.LiveSession:
    """
    A session of GPT-Live that is not open yet.

    Raises:
        ConfigurationError: a dialect is asked for, which it has not.
    """
    from .. import RealtimeClient

    refuse_dialect_of_live(options)
    session: live.LiveSession = RealtimeClient(base_url=url).session(
        options.model,
        session_type="live",
        config=config,
        timeout=options.timeout,
        connect_timeout=options.timeout,
        **more,
    )
    return session


def refuse_dialect_of_live(options: argparse.Namespace) -> None:
    """
    Refuse what GPT-Live cannot be asked for.

    Raises:
        ConfigurationError: another dialect than the usual one is given.
    """
    if options.dialect != DIALECT:
        raise ConfigurationError(
            f"GPT-Live has no dialects: leave --dialect {options.dialect} out"
        )


@contextmanager
def record_session(session: Session | live.LiveSession, folder: Path) -> Iterator[None]:
    """
    Write what a session says and hears to ``session.jsonl`` in a folder.

    That of an earlier run is replaced once there is something to write.

    Raises:
        KeyboardInterrupt: the block was interrupted; the message names the file.
        OSError: it cannot be written.
    """
    path = folder / "session.jsonl"
    with session.record(path) as recording:
        try:
            yield
        except KeyboardInterrupt:
            if not recording.lines:
                raise
            told = f"interrupted; what was said until then is in {path}"
            raise KeyboardInterrupt(told) from None
