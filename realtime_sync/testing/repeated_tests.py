"""Tests that run several times, and must pass so many of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional, cast

import pytest

# pytest has no public name for "run this test once"; every plugin that runs a test
# again takes this one.
from _pytest.runner import runtestprotocol
from attrs import frozen

MARKER = "realtime_repeat"


@frozen(kw_only=True)
class Repeats:
    """
    How often a test runs, and how often it must pass.

    Attributes:
        times: runs, each with fixtures of its own.
        pass_rate: share of them that must pass.
    """

    times: int
    pass_rate: float = 1.0

    def __attrs_post_init__(self) -> None:
        if isinstance(self.times, bool) or not isinstance(self.times, int):
            raise ValueError(f"times is a whole number, not {self.times!r}")
        if self.times < 1:
            raise ValueError(f"times is 1 or more, not {self.times!r}")
        if isinstance(self.pass_rate, bool) or not 0 < self.pass_rate <= 1:
            raise ValueError(f"pass_rate is above 0, to 1, not {self.pass_rate!r}")


Run = Sequence[pytest.TestReport]
"""The reports of one run: of setup, call and teardown."""


def repeats_of(item: pytest.Item) -> Optional[Repeats]:
    """
    What the marker of a test says; None without a marker.

    Raises:
        pytest.UsageError: it says what cannot be.
    """
    marker = item.get_closest_marker(MARKER)
    if marker is None:
        return None
    try:
        return Repeats(*marker.args, **marker.kwargs)
    except (TypeError, ValueError) as exc:
        raise pytest.UsageError(
            f"{item.nodeid}: the marker {MARKER}(times=5, pass_rate=0.8): {exc}"
        ) from None


def run_repeated(
    item: pytest.Item, nextitem: Optional[pytest.Item], repeats: Repeats
) -> None:
    """Run a test as often as its marker says, and report it once."""
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    runs: list[Run] = []
    for number in range(1, repeats.times + 1):
        # Between two runs the fixtures of the test go, and those of its module stay,
        # which is what teardown does for a next test under the same parent.
        last = number == repeats.times
        following = nextitem if last else cast("pytest.Item", item.parent)
        runs.append(runtestprotocol(item, log=False, nextitem=following))
    for report in _report_of_repeats(runs, repeats):
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)


def _report_of_repeats(runs: Sequence[Run], repeats: Repeats) -> Run:
    """The reports of all runs as those of one; a run that is skipped does not count."""
    counted = [run for run in runs if not any(report.skipped for report in run)]
    if not counted:
        return runs[-1]
    failures = {
        number: failed
        for number, run in enumerate(counted, 1)
        if (failed := next((each for each in run if each.failed), None)) is not None
    }
    passed = len(counted) - len(failures)
    enough = passed / len(counted) >= repeats.pass_rate
    summary = f"{passed} of {len(counted)} runs passed"
    call = _last_call_of_repeats(counted, failures, enough)
    call.duration = sum(report.duration for run in runs for report in run)
    call.sections += _sections_of_repeats(failures, summary, repeats.pass_rate)
    setup = _repeat_as_passed(runs[-1][0], "setup")
    teardown = _repeat_as_passed(runs[-1][-1], "teardown")
    # JUnit's report takes the properties of this one.
    teardown.user_properties = [*runs[-1][-1].user_properties, (MARKER, summary)]
    return [setup, call, teardown]


def _last_call_of_repeats(
    runs: Sequence[Run], failures: dict[int, pytest.TestReport], enough: bool
) -> pytest.TestReport:
    if not enough:
        # The first failure is shown in full, wherever in its run it was.
        report = next(iter(failures.values()))
        report.when = "call"
        return report
    return next(run for number, run in enumerate(runs, 1) if number not in failures)[1]


def _sections_of_repeats(
    failures: dict[int, pytest.TestReport], summary: str, pass_rate: float
) -> list[tuple[str, str]]:
    """What is known of each run that failed; the first is shown in full already."""
    lines = [f"{summary}, {pass_rate:g} of them must"]
    found: list[tuple[str, str]] = []
    for place, (number, report) in enumerate(failures.items()):
        lines.append(f"run {number} failed: {_reason_of_failed_repeat(report)}")
        if place:
            found += [(f"run {number}: {name}", said) for name, said in report.sections]
    return [("repeats", "\n".join(lines)), *found]


def _reason_of_failed_repeat(report: pytest.TestReport) -> str:
    """Why a run failed, in one line."""
    crash = getattr(report.longrepr, "reprcrash", None)
    told = str(getattr(crash, "message", report.longreprtext)).strip().splitlines()
    return told[0] if told else report.outcome


def _repeat_as_passed(report: pytest.TestReport, when: str) -> pytest.TestReport:
    """The report of a phase; what failed in it is told with the call."""
    return pytest.TestReport(
        nodeid=report.nodeid,
        location=report.location,
        keywords=report.keywords,
        outcome="passed",
        longrepr=None,
        when=when,  # type: ignore[arg-type]
        duration=0.0,
        start=report.start,
        stop=report.start,
    )
