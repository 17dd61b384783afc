"""The figures of a process in the text format that Prometheus reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from .calls import BUCKETS, ENDED, CallRow, ProcessCalls

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Of the answer to a scrape."""

_COUNTERS = (
    ("calls", "calls", "Sessions that were seen."),
    ("turns", "turns", "Turns that were answered."),
    ("errors", "errors", "Errors, failed handlers and lost connections."),
    ("billed_seconds", "billed_seconds", "Seconds that are billed as such."),
)
_TOKENS = (
    ("input", "input_tokens"),
    ("cached", "cached_tokens"),
    ("output", "output_tokens"),
)


def metrics_text(calls: ProcessCalls) -> str:
    """
    Return the figures of all sessions of the process together, as a page to scrape.

    There are no figures of single sessions, because each would be a new time series.

    Args:
        calls: whose figures; this counts as a look, so with a scrape every minute
            turns and errors are always counted.
    """
    rows, totals = calls.reading()
    lines = [
        *_prometheus_sessions([row for row in rows if row.state != ENDED]),
        *(
            line
            for attribute, name, about in _COUNTERS
            for line in _prometheus_metric(
                f"{name}_total", "counter", about, [("", getattr(totals, attribute))]
            )
        ),
        *_prometheus_metric(
            "tokens_total",
            "counter",
            "Tokens; cached ones are among the input as well.",
            [(f'{{kind="{kind}"}}', getattr(totals, name)) for kind, name in _TOKENS],
        ),
        *_prometheus_metric(
            "first_output_seconds",
            "histogram",
            "From the end of speech to the first output of the answer.",
            [
                *(
                    (f'_bucket{{le="{most}"}}', count)
                    for most, count in zip((*BUCKETS, "+Inf"), totals.first_output)
                ),
                ("_sum", totals.first_output_seconds),
                ("_count", totals.first_output[-1]),
            ],
        ),
    ]
    return "\n".join(lines) + "\n"


def _prometheus_sessions(rows: Sequence[CallRow]) -> Iterable[str]:
    states = Counter(_prometheus_label(row.state) for row in rows)
    yield from _prometheus_metric(
        "sessions",
        "gauge",
        "Sessions that are open, by what happens in them.",
        [(f'{{state="{state}"}}', count) for state, count in sorted(states.items())],
    )
    queued = sum(row.queued for row in rows)
    about = "Deliveries that wait for handlers, of all open sessions."
    yield from _prometheus_metric("queued_deliveries", "gauge", about, [("", queued)])


def _prometheus_metric(
    name: str, kind: str, about: str, samples: Iterable[tuple[str, float]]
) -> Iterable[str]:
    yield f"# HELP realtime_sync_{name} {about}"
    yield f"# TYPE realtime_sync_{name} {kind}"
    for suffix, value in samples:
        yield f"realtime_sync_{name}{suffix} {value}"


def _prometheus_label(state: str) -> str:
    """A word of a server's as the value of a label."""
    return "".join(each if each.isalnum() else "_" for each in state)[:30]
