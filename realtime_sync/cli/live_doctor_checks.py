"""What `doctor` finds out about a server that speaks GPT-Live."""

from __future__ import annotations

import time

from .. import audio
from ..errors import CommandRejected, WaitTimeout
from .doctor_checks import (
    BAD,
    ODD,
    OK,
    DoctorExamination,
    Questions,
    check_session_limit,
    check_told_session,
    check_unknown_events,
)


def _check_live_format(exam: DoctorExamination) -> tuple[str, str]:
    wire = audio.session_format(exam.session, "output")
    told = getattr(getattr(exam.session.config, "audio", None), "format", None)
    return OK if told else ODD, f"{wire.name} at {wire.rate} Hz, both ways"


def _check_live_clock(exam: DoctorExamination) -> tuple[str, str]:
    """Audio comes while audio, or silence, is sent."""
    began = time.monotonic()
    exam.session.wait_for("session.output_audio.delta", timeout=exam.timeout)
    return OK, f"audio after {(time.monotonic() - began) * 1000:.0f} ms"


def _check_live_note(exam: DoctorExamination) -> tuple[str, str]:
    handle = exam.session.note("The caller is patient.")
    answer = handle.acknowledged(exam.timeout)
    if answer.client_event_id != handle.event_id:
        return ODD, "answers do not name the command: taken to be about the oldest"
    return OK, f"taken up at {answer.start_ms} ms of the session"


def _check_live_mute(exam: DoctorExamination) -> tuple[str, str]:
    exam.session.input_audio.mute().acknowledged(exam.timeout)
    exam.session.input_audio.unmute().acknowledged(exam.timeout)
    return OK, "both are acknowledged"


def _check_live_speech(exam: DoctorExamination) -> tuple[str, str]:
    began = time.monotonic()
    handle = exam.session.say("Say hello.")
    exam.session.wait_for("session.output_transcript.delta", timeout=exam.timeout)
    took = (time.monotonic() - began) * 1000
    handle.acknowledged(exam.timeout)
    said = exam.session.snapshot.assistant.text.strip()
    return OK, f"first words after {took:.0f} ms: {said}"


def _check_live_refusal(exam: DoctorExamination) -> tuple[str, str]:
    handle = exam.session.note("Nobody asked.", delegation_id="item_that_is_not_there")
    try:
        handle.acknowledged(exam.timeout)
    except CommandRejected as exc:
        return OK, f"an error names the command: {exc.code or exc.type}"
    except WaitTimeout:
        return ODD, "a command that cannot work is not answered with its event_id"
    return ODD, "a note on work that is not there is acknowledged"


def _check_live_anomalies(exam: DoctorExamination) -> tuple[str, str]:
    anomalies = exam.session.snapshot.anomalies
    return (ODD, "; ".join(anomalies[:4])) if anomalies else (OK, "none were seen")


def _check_live_close(exam: DoctorExamination) -> tuple[str, str]:
    report = exam.session.close()
    if not report.confirmed:
        return BAD, "the end is not confirmed, nor what is billed"
    return OK, f"{report.reason}, {report.seconds:g} s billed"


LIVE_QUESTIONS: Questions = (
    ("session", check_told_session),
    ("session limit", check_session_limit),
    ("audio format", _check_live_format),
    ("clock", _check_live_clock),
    ("notes", _check_live_note),
    ("mute", _check_live_mute),
    ("speech", _check_live_speech),
    ("errors", _check_live_refusal),
    ("unknown events", check_unknown_events),
    ("deviations", _check_live_anomalies),
    ("close", _check_live_close),
)
"""Asked in this order; each finds the session as the ones before left it."""
