"""What `doctor` finds out about a server, one question at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from attrs import define, field

from ..errors import CommandRejected, RealtimeError
from ..protocol.dialects.server_quirks import HABITS, OWN_IDS
from .failures import failure_on_one_line

OK, ODD, BAD, SKIPPED = "ok", "odd", "bad", "skipped"


@define
class Finding:
    """
    The answer to one question.

    Attributes:
        name: the question, short.
        verdict: ``ok``; ``odd``, which differs from the protocol and is coped
            with; ``bad``; or ``skipped``.
        detail: what was seen.
    """

    name: str
    verdict: str
    detail: str


@define
class DoctorExamination:
    """
    The findings about one server.

    Attributes:
        session: an open session.
        timeout: seconds for each question.
        questions: asked in this order; those of Realtime by default.
        findings: so far.
        item_id: of the item that it puts in, by the server's name for it.
    """

    session: Any
    timeout: float
    questions: Questions = field(factory=lambda: QUESTIONS)
    findings: list[Finding] = field(factory=list)
    item_id: str = "item_doctor"

    def run(self) -> None:
        """Ask every question; one that fails does not stop the others."""
        for name, question in self.questions:
            if self.session.closed:
                self.findings.append(Finding(name, SKIPPED, "the session is over"))
                continue
            try:
                verdict, detail = question(self)
            except RealtimeError as exc:
                verdict, detail = (
                    BAD,
                    f"{type(exc).__name__}: {failure_on_one_line(exc)}",
                )
            self.findings.append(Finding(name, verdict, detail))


def check_told_session(exam: DoctorExamination) -> tuple[str, str]:
    """Say which session and which model it is."""
    config = exam.session.config
    model = getattr(config, "model", None) or "not told"
    return OK, f"{exam.session.id or 'without an id'}, model {model}"


def check_session_limit(exam: DoctorExamination) -> tuple[str, str]:
    """Say how long a session may last."""
    expires = getattr(exam.session.config, "expires_at", None)
    if not expires:
        return ODD, "the server does not say when it will end the session"
    return OK, f"{(expires - time.time()) / 60:.0f} minutes per session"


def _check_formats(exam: DoctorExamination) -> tuple[str, str]:
    audio = getattr(exam.session.config, "audio", None) or None
    told = []
    for side in ("input", "output"):
        wire = getattr(getattr(audio, side, None), "format", None)
        kind, rate = getattr(wire, "type", None), getattr(wire, "rate", None)
        told.append(f"{side} {kind or 'not told'}{f' {rate} Hz' if rate else ''}")
    return OK if audio else ODD, ", ".join(told)


def _check_update(exam: DoctorExamination) -> tuple[str, str]:
    exam.session.update(instructions="Be brief.").acknowledged(exam.timeout)
    told = getattr(exam.session.config, "instructions", None)
    if told != "Be brief.":
        return ODD, "session.updated does not say what was set"
    return OK, "session.update is acknowledged"


def _check_own_ids(exam: DoctorExamination) -> tuple[str, str]:
    item = {
        "id": exam.item_id,
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "Say hello."}],
    }
    handle = exam.session.conversation.item.create(item)
    exam.item_id = handle.acknowledged(exam.timeout).item.id or exam.item_id
    if OWN_IDS in exam.session.snapshot.habits:
        return ODD, "the server gives items ids of its own"
    return OK, "the client's item ids are kept"


def _check_answer(exam: DoctorExamination) -> tuple[str, str]:
    began = time.monotonic()
    handle = exam.session.response.create(output_modalities=["text"])
    first = None
    for _ in handle.text_deltas(timeout=exam.timeout):
        first = first or time.monotonic() - began
    reply = handle.result(timeout=exam.timeout)
    took = time.monotonic() - began
    pieces = f"first text after {first * 1000:.0f} ms, " if first else ""
    verdict = OK if first else ODD
    return (
        verdict,
        f"{pieces}done after {took * 1000:.0f} ms, {len(reply.text)} letters",
    )


def _check_usage(exam: DoctorExamination) -> tuple[str, str]:
    usage = exam.session.snapshot.usage
    if not usage.total_tokens:
        return ODD, "response.done has no usage"
    return OK, f"{usage.input_tokens} tokens in, {usage.output_tokens} out"


def _check_rates(exam: DoctorExamination) -> tuple[str, str]:
    limits = exam.session.snapshot.rate_limits
    if not limits:
        return ODD, "no rate_limits.updated"
    told = [f"{each.name} {each.remaining}/{each.limit}" for each in limits]
    return OK, ", ".join(told)


def _check_delete(exam: DoctorExamination) -> tuple[str, str]:
    exam.session.conversation.item.delete(exam.item_id).acknowledged(exam.timeout)
    return OK, "conversation.item.delete is acknowledged"


def _check_errors(exam: DoctorExamination) -> tuple[str, str]:
    handle = exam.session.conversation.item.delete("item_that_is_not_there")
    try:
        handle.acknowledged(exam.timeout)
    except CommandRejected as exc:
        return OK, f"an error names the command: {exc.code or exc.type}"
    except TimeoutError:
        return ODD, "a command that cannot work is not answered with its event_id"
    return ODD, "deleting an item that is not there is acknowledged"


def _check_buffer(exam: DoctorExamination) -> tuple[str, str]:
    exam.session.input_audio_buffer.clear().acknowledged(exam.timeout)
    return OK, "input_audio_buffer.clear is acknowledged"


def check_unknown_events(exam: DoctorExamination) -> tuple[str, str]:
    """Name the events that the protocol does not have."""
    unknown = exam.session.stats.unknown
    if unknown:
        told = ", ".join(f"{name} ({count})" for name, count in unknown.items())
        return ODD, f"events that the protocol does not have: {told}"
    return OK, "every event is known"


def _check_anomalies(exam: DoctorExamination) -> tuple[str, str]:
    anomalies = exam.session.snapshot.anomalies
    if not anomalies:
        return OK, "none were seen"
    told = [f"{each.event_type}: {each.detail}" for each in anomalies[:4]]
    return ODD, "; ".join(told)


def _check_close(exam: DoctorExamination) -> tuple[str, str]:
    exam.session.close()
    report = exam.session.close_report
    verdict = OK if report.code == 1000 else ODD
    return verdict, f"code {report.code} {report.reason}".strip()


def _check_habits(exam: DoctorExamination) -> tuple[str, str]:
    shown = exam.session.snapshot.habits
    told = [
        f"{_habit_without_markup(habit.does)}: {_habit_without_markup(habit.ours)}"
        for habit in HABITS
        if habit.name in shown
    ]
    return (ODD, "; ".join(told)) if told else (OK, "none that matter were seen")


def _habit_without_markup(text: str) -> str:
    """Return a text of the table of servers without its markup."""
    return text.replace("``", "")


Question = Callable[[DoctorExamination], tuple[str, str]]
Questions = tuple[tuple[str, Question], ...]

QUESTIONS: Questions = (
    ("session", check_told_session),
    ("session limit", check_session_limit),
    ("audio formats", _check_formats),
    ("configuration", _check_update),
    ("item ids", _check_own_ids),
    ("answer", _check_answer),
    ("usage", _check_usage),
    ("delete", _check_delete),
    # Told after the answer, so what was answered since comes later still.
    ("rate limits", _check_rates),
    ("errors", _check_errors),
    ("audio buffer", _check_buffer),
    ("unknown events", check_unknown_events),
    ("deviations", _check_anomalies),
    ("habits", _check_habits),
    ("close", _check_close),
)
"""Asked in this order; each finds the session as the ones before left it."""
