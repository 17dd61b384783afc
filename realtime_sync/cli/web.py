"""``realtime-sync web``: a page to talk in, in the browser of this machine."""

from __future__ import annotations

import argparse
import ssl
import sys
import threading
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import frozen

from ..errors import ConfigurationError
from .json_output import Commands
from .serve import add_port_option, end_of_serving
from .server_options import add_server_options, refuse_dialect_of_live, server_url

Show = Callable[[str], object]
"""Shows an address to a person; true if it could."""


@frozen(kw_only=True)
class Door:
    """Where the page listens, and who comes in."""

    host: str = "127.0.0.1"
    port: int = 0
    password: str | None = None
    tls: ssl.SSLContext | None = None
    allowed_hosts: Sequence[str] = ()


def add_web_command(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "web",
        help="serve a page to talk in, until Ctrl-C",
        description="Serve a page to talk in to browsers of this machine until Ctrl-C "
        "or SIGTERM. Its address, which is printed, holds the token that opens it; "
        "each window that starts has a session of its own.",
    )
    add_server_options(parser)
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; other machines need TLS and a password "
        "(default: %(default)s)",
    )
    add_port_option(parser)
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="HOST",
        help="another name that browsers may call this machine by; may be repeated",
    )
    parser.add_argument(
        "--certificate",
        type=Path,
        metavar="FILE.pem",
        help="speak TLS with this certificate; its key is in the file or --private-key",
    )
    parser.add_argument(
        "--private-key",
        type=Path,
        metavar="FILE.pem",
        help="key of the certificate",
    )
    parser.add_argument(
        "--password-file",
        type=Path,
        metavar="FILE",
        help="file whose first line opens the page to whoever types it; needs TLS",
    )
    parser.set_defaults(run=run_web)


def run_web(options: argparse.Namespace, stop: threading.Event | None = None) -> int:
    """
    Run the command.

    Args:
        options: as the parser gives them.
        stop: setting it ends the page, as Ctrl-C does.
    """
    door = Door(
        host=options.host,
        port=options.port,
        password=_web_password(options.password_file),
        tls=_web_tls(options.certificate, options.private_key),
        allowed_hosts=options.allow_host,
    )
    with server_url(options) as url:
        return serve_web_page(url, options, door, stop)


def talk_on_web_page(
    url: str | None,
    options: argparse.Namespace,
    stop: threading.Event | None = None,
    show: Show = webbrowser.open,
) -> int:
    """
    Serve the page and open it in this machine's browser.

    Args:
        url: of the server.
        options: as the parser gives them.
        stop: setting it ends the page, as Ctrl-C does.
        show: opens the browser.
    """
    return serve_web_page(url, options, Door(), stop, show)


def serve_web_page(
    url: str | None,
    options: argparse.Namespace,
    door: Door,
    stop: threading.Event | None,
    show: Show | None = None,
) -> int:
    """Serve the page until it is told to end."""
    from .. import RealtimeClient, live, web
    from .live_talk import answer_delegations

    is_live = live.is_live_model(options.model)
    if is_live:
        refuse_dialect_of_live(options)
    dialect = None if is_live else options.dialect
    client = RealtimeClient(base_url=url, dialect=dialect, timeout=options.timeout)
    with end_of_serving(stop) as wait, web.serve(
        client,
        options.model,
        on_session=answer_delegations if is_live else None,
        host=door.host,
        port=door.port,
        password=door.password,
        tls=door.tls,
        allowed_hosts=door.allowed_hosts,
    ) as page:
        print(f"open {page.url()}", flush=True)
        if show is not None and not show(page.url()):
            print("no browser could be opened: do it by hand", file=sys.stderr)
        wait()
    return 0


def _web_password(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not text in UTF-8") from None
    return lines[0].strip() if lines else ""


def _web_tls(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if certificate is None:
        if key is not None:
            raise ConfigurationError("--private-key is of no use without --certificate")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except FileNotFoundError as exc:
        # OpenSSL's own error does not name the file.
        missing = key if key is not None and certificate.exists() else certificate
        raise ConfigurationError(f"no such file: {missing}") from exc
    except ssl.SSLError as exc:
        raise ConfigurationError(f"{certificate} is no certificate: {exc}") from exc
    except OSError as exc:
        reason = exc.strerror or exc
        raise ConfigurationError(f"{certificate} cannot be read: {reason}") from exc
    return context
