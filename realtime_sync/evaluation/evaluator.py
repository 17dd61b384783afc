"""Hold many calls against gates: here, in processes, or on other machines."""

from __future__ import annotations

import glob
import multiprocessing
import os
import pickle
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Optional, Union

from ..errors import ConfigurationError
from . import arguments
from .call_record import CallRecord, Check, checked_gates
from .score import Call, Score, score_call
from .table import Table

Calls = Union[Call, Iterable[Call]]

_INLINE = 8
"""So many recordings are read here; starting processes would take longer."""


def evaluate(
    recordings: Calls,
    gates: Sequence[Check],
    *,
    executor: Optional[Executor] = None,
    progress: Optional[Callable[[int, int], object]] = None,
) -> Table:
    """
    Hold many calls against gates.

    A recording that cannot be read is a failed call, and says why.

    Args:
        recordings: a pattern such as ``"calls/*.jsonl"``, a folder, a file, a
            `CallRecord`, or several of them.
        gates: frozen values, with names that differ. Without any, calls are measured
            and pass. One that raises falls, and says so.
        executor: where recordings are read: any executor of `concurrent.futures`, a
            thread pool, or that of Dask's ``Client.get_executor()``. By default local
            processes, one for each CPU, if there are more than a few; a script needs
            ``if __name__ == "__main__"`` for them.
        progress: called with how many calls are done, and of how many; by default a
            bar on the standard error, if that is a terminal.

    Raises:
        ConfigurationError: there are no recordings, or none at one of the patterns and
            folders; what is given are no gates, two of one name, or one that cannot be
            sent to a process; a process that reads recordings has ended.
        concurrent.futures.BrokenExecutor: *executor* has ended; no call is read on.
    """
    gates = checked_gates(gates)
    names = [gate.name for gate in gates]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigurationError(
            f"two gates are called {twice[0]!r}: give one of them another name, with "
            "attrs.evolve(gate, name=...)"
        )
    found = list(_calls_to_evaluate(recordings))
    if not found:
        raise ConfigurationError("no recordings are given")
    if not any(isinstance(each, CallRecord) or os.path.exists(each) for each in found):
        first = arguments.shown(str(found[0]))
        raise ConfigurationError(f"there are no recordings at {first}")
    progress = progress or _show_evaluation_progress
    if executor is None and len(found) <= _INLINE:
        scores = []
        for number, call in enumerate(found, 1):
            scores.append(score_call(call, gates))
            progress(number, len(found))
    elif executor is None:
        _check_gates_for_evaluator(gates)
        workers = min(os.cpu_count() or 1, len(found))
        # A forked child would have locks that threads of this process hold.
        context = multiprocessing.get_context("spawn")
        try:
            with ProcessPoolExecutor(workers, mp_context=context) as own:
                scores = _scores_by_executor(own, found, gates, progress)
        except BrokenProcessPool as exc:
            raise ConfigurationError(
                "a process that reads recordings has ended: a script that calls "
                'evaluate does so below if __name__ == "__main__":, or passes an '
                "executor, such as a ThreadPoolExecutor"
            ) from exc
    else:
        scores = _scores_by_executor(executor, found, gates, progress)
    records = {
        place: call for place, call in enumerate(found) if isinstance(call, CallRecord)
    }
    return Table(scores, records)


def _check_gates_for_evaluator(gates: Sequence[Check]) -> None:
    """Refuse a gate that cannot be sent to a process, before any is started."""
    for gate in gates:
        try:
            pickle.dumps(gate)
        except Exception as exc:
            # Pickle raises of half a dozen classes, and so may the gate's own methods.
            raise ConfigurationError(
                f"gate {arguments.shown(gate.name)} cannot be sent to a process: its "
                "functions are those of a module; or pass executor="
                f"ThreadPoolExecutor() ({exc})"
            ) from exc


def _scores_by_executor(
    executor: Executor,
    calls: Sequence[Call],
    gates: Sequence[Check],
    progress: Callable[[int, int], object],
) -> list[Score]:
    futures: list[Future[Score]] = []
    scores = []
    try:
        for call in calls:
            futures.append(executor.submit(score_call, call, gates))
        for number, future in enumerate(futures, 1):
            scores.append(future.result())
            progress(number, len(calls))
    finally:
        for future in futures:
            future.cancel()
    return scores


def _calls_to_evaluate(calls: object) -> Iterator[Call]:
    if isinstance(calls, CallRecord):
        yield calls
    elif isinstance(calls, (str, os.PathLike)):
        yield from _recordings_to_evaluate(os.fspath(calls))
    elif isinstance(calls, Iterable) and not isinstance(calls, (bytes, Mapping)):
        for each in calls:
            yield from _calls_to_evaluate(each)
    else:
        raise ConfigurationError(
            "recordings are paths, patterns, folders and CallRecords, not "
            f"{arguments.shown(calls)}"
        )


def _recordings_to_evaluate(name: str) -> Sequence[Path]:
    """The recordings that a path, a folder or a pattern stands for."""
    # Those of os.path take what no file can be called for one that is not there.
    if os.path.isdir(name):
        found = sorted(Path(name).glob("*.jsonl"))
    elif glob.has_magic(name) and not os.path.exists(name):
        found = sorted(map(Path, glob.glob(name, recursive=True)))
    else:
        # One that is not there is a failed call among others, as a torn one is.
        return [Path(name)]
    if not found:
        raise ConfigurationError(f"there are no recordings at {arguments.shown(name)}")
    return found


def _show_evaluation_progress(done: int, total: int) -> None:
    if not sys.stderr.isatty():
        return
    cells = round(24 * done / total)
    end = "\r\x1b[K" if done == total else ""
    bar = "█" * cells + "·" * (24 - cells)
    sys.stderr.write(f"\r\x1b[K[{bar}] {done} of {total} calls{end}")
    sys.stderr.flush()
