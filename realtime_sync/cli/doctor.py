"""``realtime-sync doctor``: how a server behaves, and where it differs."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from attrs import asdict

from ..errors import AuthenticationFailed, ConfigurationError, RealtimeError
from ..protocol import escape
from .doctor_checks import (
    BAD,
    ODD,
    OK,
    QUESTIONS,
    DoctorExamination,
    Finding,
    Questions,
)
from .failures import failure_on_one_line
from .json_output import Commands, add_json_option, print_json
from .server_options import (
    PLAIN,
    add_server_options,
    live_session_by_options,
    server_url,
    session_by_options,
)

if TYPE_CHECKING:
    from .. import Session, live

SIGNS = {OK: "ok ", ODD: "odd", BAD: "BAD"}
WRONG_MODEL = "no-such-model"
PATIENCE = 10.0


def add_doctor_command(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "doctor",
        help="examine a server: dialects, limits, close codes, deviations",
        description="Connect to a server and try what it can do: dialects, limits, "
        "acknowledgements, errors, close codes. Takes a handful of tokens. The exit "
        "code is 0 if it can be worked with, 1 if not.",
    )
    add_server_options(parser)
    add_json_option(parser)
    parser.set_defaults(run=run_doctor)


def run_doctor(options: argparse.Namespace) -> int:
    """Run the command."""
    from .. import live

    with server_url(options) as url:
        if live.is_live_model(options.model):
            findings = _examine_live_server(url, options)
        else:
            findings = [*_doctor_dialects(url, options), _doctor_refusal(url, options)]
            session = session_by_options(url, options, {"turn_detection": None})
            findings += _examined_by_doctor(session, options, QUESTIONS)
    if options.json:
        print_json({"findings": [asdict(each) for each in findings]})
    else:
        _print_doctor_findings(findings)
    return 1 if any(each.verdict == BAD for each in findings) else 0


def _examine_live_server(url: str | None, options: argparse.Namespace) -> list[Finding]:
    from .live_doctor_checks import LIVE_QUESTIONS

    session = live_session_by_options(url, options, None)
    return _examined_by_doctor(session, options, LIVE_QUESTIONS)


def _examined_by_doctor(
    session: Session | live.LiveSession,
    options: argparse.Namespace,
    questions: Questions,
) -> list[Finding]:
    """What a session is like, from its connecting to its end."""
    began = time.monotonic()
    with session:
        took = f"{(time.monotonic() - began) * 1000:.0f} ms"
        exam = DoctorExamination(session, min(options.timeout, PATIENCE), questions)
        exam.run()
    return [Finding("connect", OK, f"ready after {took}"), *exam.findings]


def _print_doctor_findings(findings: list[Finding]) -> None:
    width = max(len(each.name) for each in findings)
    for each in findings:
        sign = SIGNS.get(each.verdict, " - ")
        print(f"{sign}  {each.name:<{width}}  {escape.one_line(each.detail)}")
    odd = sum(each.verdict == ODD for each in findings)
    bad = sum(each.verdict == BAD for each in findings)
    print()
    print(f"{len(findings)} checks, {odd} odd, {bad} bad")


def _doctor_dialects(url: str | None, options: argparse.Namespace) -> list[Finding]:
    """
    Which dialects it speaks; the one that was asked for must be among them.

    Raises:
        AuthenticationFailed: the key will not do, in whatever dialect.
        ConfigurationError: there is nothing to connect with.
    """
    found = []
    for dialect in PLAIN:
        asked = argparse.Namespace(**{**vars(options), "dialect": dialect})
        try:
            with session_by_options(url, asked, {}) as session:
                detail = f"spoken; session {session.id}"
                found.append(Finding(f"dialect {dialect}", OK, detail))
        except (AuthenticationFailed, ConfigurationError):
            raise
        except RealtimeError as exc:
            if dialect == options.dialect:
                raise
            found.append(Finding(f"dialect {dialect}", ODD, failure_on_one_line(exc)))
    return found


def _doctor_refusal(url: str | None, options: argparse.Namespace) -> Finding:
    """How it says no: HTTP status, or error and close code."""
    asked = argparse.Namespace(**{**vars(options), "model": WRONG_MODEL})
    try:
        with session_by_options(url, asked, {}):
            return Finding("refusal", ODD, "a model that does not exist is accepted")
    except RealtimeError as exc:
        status = getattr(exc, "status", None)
        code = getattr(exc, "code", None)
        how = f"HTTP {status}" if status else "after the handshake"
        detail = f"a wrong model: {how}, {code or type(exc).__name__}"
        return Finding("refusal", OK, detail)
