"""
Call an agent by voice, measure the calls, hold them against gates.

::

    from realtime_sync.evaluation import CallRecord, first_audio_ms, problems

    call = CallRecord.load("call.jsonl")
    call.require(first_audio_ms(p95=900), problems())

Needs the extra ``evaluation``. Everything runs offline.

.. versionadded:: 0.1
"""

from __future__ import annotations

from .call_record import CallRecord, Check
from .call_turns import CallTurn, Response, ToolUse
from .caller import Caller
from .caller_sound import Conditions
from .chat_model import ChatModel
from .comparison import Change, Comparison
from .evaluator import evaluate
from .gates import (
    Gate,
    answered,
    cost,
    first_audio_ms,
    heard_whole,
    judge,
    never_says,
    problems,
    says,
    silence_ms,
    stopped_within_ms,
    talk_over_ms,
    tokens,
    tool_called,
    tool_not_called,
    turn_count,
    wer,
)
from .score import FIGURES, Score
from .script import CALL_CONFIG, Script, ScriptedCall, Step
from .speech_intervals import Interval
from .table import Table
from .verdict import Verdict
from .words import WordErrors, word_errors

__all__ = [
    "CALL_CONFIG",
    "CallRecord",
    "CallTurn",
    "Caller",
    "Change",
    "ChatModel",
    "Check",
    "Comparison",
    "Conditions",
    "FIGURES",
    "Gate",
    "Interval",
    "Response",
    "Score",
    "Script",
    "ScriptedCall",
    "Step",
    "Table",
    "ToolUse",
    "Verdict",
    "WordErrors",
    "answered",
    "cost",
    "evaluate",
    "first_audio_ms",
    "heard_whole",
    "judge",
    "never_says",
    "problems",
    "says",
    "silence_ms",
    "stopped_within_ms",
    "talk_over_ms",
    "tokens",
    "tool_called",
    "tool_not_called",
    "turn_count",
    "wer",
    "word_errors",
]
