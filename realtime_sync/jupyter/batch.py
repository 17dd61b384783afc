"""Many questions at once: files and prompts, with a bar."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Optional, Union, overload

from attrs import frozen

from .. import Audio
from ..report import element
from ..telemetry import data_frame, token_columns
from .html import framed_html

if TYPE_CHECKING:
    from pandas import DataFrame

    from .. import Reply, Session

LONGEST: Final = 60
"""Characters of a question that name it."""

Questions = Union[Iterable[Any], Mapping[str, Any]]
"""What `Session.ask` takes, each; with names of one's own, or without."""


@frozen(kw_only=True)
class Answer:
    """
    What one of many questions came to.

    Attributes:
        name: of the question: the key, the name of the file, or its first words.
        reply: the answer, None if there is none.
        error: why not, or None.
        seconds: how long it took, waiting for others not counted.
    """

    name: str
    reply: Optional[Reply] = None
    error: Optional[Exception] = None
    seconds: float = 0.0

    @property
    def text(self) -> str:
        """What was answered, empty if nothing was."""
        return "" if self.reply is None else self.reply.text


class Answers(Sequence[Answer]):
    """The answers, in the order of the questions; a notebook shows them as a table."""

    def __init__(self, answers: Iterable[Answer]) -> None:
        self._answers = tuple(answers)

    def __repr__(self) -> str:
        return f"<Answers: {len(self)}, {len(self.failed)} failed>"

    def __len__(self) -> int:
        return len(self._answers)

    @overload
    def __getitem__(self, place: int) -> Answer: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Answer]: ...

    def __getitem__(self, place: Union[int, slice]) -> Union[Answer, Sequence[Answer]]:
        return self._answers[place]

    def __iter__(self) -> Iterator[Answer]:
        return iter(self._answers)

    @property
    def failed(self) -> Sequence[Answer]:
        """Those that have an error."""
        return tuple(each for each in self._answers if each.error is not None)

    def to_dataframe(self) -> DataFrame:
        """
        A row for each question: answer, seconds, tokens by kind, error.

        Raises:
            ConfigurationError: pandas is not installed.
        """
        rows = [
            {
                "question": each.name,
                "answer": each.text,
                "status": None if each.reply is None else each.reply.status,
                "seconds": each.seconds,
                "error": "" if each.error is None else str(each.error),
                **token_columns(None if each.reply is None else each.reply.usage),
            }
            for each in self._answers
        ]
        columns = ("question", "answer", "status", "seconds", "error")
        return data_frame(rows, (*columns, *token_columns(None)))

    def _repr_html_(self) -> str:
        rows = [
            element(
                "tr",
                element("td", each.name, class_="rs-words"),
                element("td", each.text or str(each.error), class_="rs-words"),
                element("td", f"{each.seconds:.1f} s"),
            )
            for each in self._answers
        ]
        names = ("question", "answer")
        head = [element("th", name, class_="rs-words") for name in names]
        top = element("thead", element("tr", head, element("th", "took")))
        table = element("table", top, element("tbody", rows))
        return framed_html(element("div", table, class_="rs-scroll"))


def ask_each(
    session: Session,
    questions: Questions,
    *,
    workers: int = 4,
    progress: Optional[bool] = None,
    **options: Any,
) -> Answers:
    """
    Ask many questions, several at a time, each by itself.

    By default with ``conversation="none"``: an answer knows nothing of the other
    questions, and they leave no trace. One that fails does not stop the others.
    Ctrl-C asks no more, waits for those that were asked, and is raised.

    Args:
        session: open.
        questions: each is what `Session.ask` takes: a text, a `pathlib.Path` of a
            sound file, `Audio`, a list of these; or a mapping of names to such.
        workers: how many are asked at once.
        progress: a bar of tqdm; by default if that is installed.
        **options: what `Session.ask` takes: ``timeout``, ``instructions``, ....

    Raises:
        ImportError: a bar was asked for, and tqdm is not installed.
    """
    named = dict(_named_batch_questions(questions))
    options.setdefault("conversation", "none")
    with ThreadPoolExecutor(workers, thread_name_prefix="realtime-sync asking") as pool:
        futures: dict[Future[Answer], str] = {
            pool.submit(_asked_in_batch, session, name, question, options): name
            for name, question in named.items()
        }
        try:
            for _ in _shown_batch_steps(as_completed(futures), len(futures), progress):
                pass
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return Answers(future.result() for future in futures)


def _asked_in_batch(session: Session, name: str, question: Any, options: Any) -> Answer:
    began = time.monotonic()
    reply: Optional[Reply] = None
    failed: Optional[Exception] = None
    try:
        reply = session.ask(question, **options)
    except Exception as exc:  # What a question may fail with is the row's to tell.
        failed = exc
    seconds = round(time.monotonic() - began, 3)
    return Answer(name=name, reply=reply, error=failed, seconds=seconds)


def _named_batch_questions(questions: Questions) -> Iterator[tuple[str, Any]]:
    """Questions by names, each of which is there once."""
    if isinstance(questions, Mapping):
        yield from ((str(name), each) for name, each in questions.items())
        return
    seen: dict[str, int] = {}
    for question in questions:
        name = _batch_question_name(question)
        seen[name] = seen.get(name, 0) + 1
        yield (name if seen[name] == 1 else f"{name} ({seen[name]})"), question


def _batch_question_name(question: Any) -> str:
    if isinstance(question, os.PathLike):
        return Path(question).name
    if isinstance(question, str):
        return question if len(question) <= LONGEST else f"{question[:LONGEST]}…"
    if isinstance(question, Audio):
        return f"{question.seconds:.1f} s of sound"
    if isinstance(question, (list, tuple)) and question:
        return _batch_question_name(question[0])
    return type(question).__name__


def _shown_batch_steps(
    steps: Iterable[Any], total: int, progress: Optional[bool]
) -> Iterable[Any]:
    """The same steps, with a bar if it is wanted."""
    if progress is False:
        return steps
    try:
        with warnings.catch_warnings():
            # It warns where it cannot draw in a notebook, and draws with letters.
            warnings.simplefilter("ignore")
            from tqdm.auto import tqdm
    except ImportError:
        if progress:
            raise
        return steps
    # Without the thread that tqdm keeps for bars which nobody moves.
    quiet: Any = type("Bar", (tqdm,), {"monitor_interval": 0})
    bar: Iterable[Any] = quiet(steps, total=total, unit="question")
    return bar
