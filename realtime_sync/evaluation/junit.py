"""Scores as JUnit XML, which every CI shows."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from ..protocol.escape import terminal_text
from .arguments import shortened
from .score import Score


def junit_xml(scores: Sequence[Score]) -> str:
    """
    The text of the file: a test case for each gate of each call.

    A call that could not be read is an error of a case of its own.
    """
    failures = sum(len(score.fallen) for score in scores)
    errors = sum(bool(score.error) for score in scores)
    tests = sum(len(score.verdicts) or 1 for score in scores)
    counts = {"tests": str(tests), "failures": str(failures), "errors": str(errors)}
    top = ElementTree.Element("testsuites", counts)
    for score in scores:
        _add_junit_suite(top, score)
    ElementTree.indent(top)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(
        top, encoding="unicode"
    )


def _add_junit_suite(top: ElementTree.Element, score: Score) -> None:
    seconds = f"{score.figures.get('seconds') or 0:.3f}"
    suite = ElementTree.SubElement(
        top,
        "testsuite",
        name=terminal_text(score.name),
        tests=str(len(score.verdicts) or 1),
        failures=str(len(score.fallen)),
        errors=str(int(bool(score.error))),
        time=seconds,
    )
    if score.error:
        case = _add_junit_case(suite, score.name, "read")
        _add_junit_text(case, "error", score.error)
    for name, verdict in score.verdicts.items():
        case = _add_junit_case(suite, score.name, name)
        if not verdict:
            _add_junit_text(case, "failure", str(verdict))
    if not score.verdicts and not score.error:
        _add_junit_case(suite, score.name, "read")


def _add_junit_case(
    suite: ElementTree.Element, call: str, name: str
) -> ElementTree.Element:
    return ElementTree.SubElement(
        suite, "testcase", classname=terminal_text(call), name=terminal_text(name)
    )


def _add_junit_text(case: ElementTree.Element, kind: str, text: str) -> None:
    lines = [shortened(line) for line in text.splitlines()] or [""]
    told = ElementTree.SubElement(case, kind, message=terminal_text(lines[0]))
    # What is no character of XML would make the file unreadable.
    told.text = "\n".join(terminal_text(line) for line in lines)
