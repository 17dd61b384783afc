"""
Every event of GPT-Live, one row each.

The registry reads this table; it lists nothing but names, so that it can be
read without loading a class.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

Table = Mapping[str, tuple[tuple[str, str], ...]]
"""Module of `realtime_sync.protocol.live.events` -> event types and classes."""

CLIENT: Final[Table] = {
    "session": (
        ("session.start", "SessionStart"),
        ("session.update", "SessionUpdate"),
        ("session.close", "SessionClose"),
    ),
    "audio": (
        ("session.input_audio.append", "InputAudioAppend"),
        ("session.input_audio.mute", "InputAudioMute"),
        ("session.input_audio.unmute", "InputAudioUnmute"),
        ("session.output_audio.fixture.play", "OutputAudioFixturePlay"),
    ),
    "context": (
        ("session.instructions.append", "InstructionsAppend"),
        ("session.thinking.append", "ThinkingAppend"),
        ("session.commentary.append", "CommentaryAppend"),
    ),
    "decision": (
        ("decision.create", "DecisionCreate"),
        ("decision.item.create", "DecisionItemCreate"),
        ("decision.item.delete", "DecisionItemDelete"),
    ),
    "response": (
        ("response.create", "ResponseCreate"),
        ("response.item.create", "ResponseItemCreate"),
    ),
    "transport": (("transport.dtmf.send", "TransportDtmfSend"),),
}
"""What the client may say."""

SERVER: Final[Table] = {
    "session": (
        ("session.started", "SessionStarted"),
        ("session.updated", "SessionUpdated"),
        ("session.closed", "SessionClosed"),
        ("session.paused", "SessionPaused"),
        ("session.resumed", "SessionResumed"),
        ("session.usage.updated", "SessionUsageUpdated"),
        ("session.delegation.created", "DelegationCreated"),
    ),
    "audio": (
        ("session.input_audio.append", "SessionInputAudioAppend"),
        ("session.input_audio.muted", "InputAudioMuted"),
        ("session.input_audio.unmuted", "InputAudioUnmuted"),
        ("session.output_audio.delta", "OutputAudioDelta"),
        ("session.output_audio.fixture.playing", "OutputAudioFixturePlaying"),
        ("session.output_audio.fixture.played", "OutputAudioFixturePlayed"),
    ),
    "transcript": (
        ("session.input_transcript.delta", "InputTranscriptDelta"),
        ("session.output_transcript.delta", "OutputTranscriptDelta"),
    ),
    "context": (
        ("session.instructions.appended", "InstructionsAppended"),
        ("session.thinking.appended", "ThinkingAppended"),
        ("session.commentary.appended", "CommentaryAppended"),
    ),
    "decision": (
        ("decision.event", "DecisionEvent"),
        ("decision.item.created", "DecisionItemCreated"),
        ("decision.item.deleted", "DecisionItemDeleted"),
    ),
    "response": (("response.event", "ResponseEvent"),),
    "transport": (
        ("transport.ringing", "TransportRinging"),
        ("transport.answered", "TransportAnswered"),
        ("transport.failed", "TransportFailed"),
        ("transport.dtmf.received", "TransportDtmfReceived"),
        ("transport.dtmf.send", "TransportDtmfSendNotice"),
        ("transport.dtmf.sent", "TransportDtmfSent"),
    ),
    "service": (
        ("error", "Error"),
        ("info", "Info"),
    ),
}
"""What the server may say."""
