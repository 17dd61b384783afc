"""What the voice agent needs of an engine."""

from __future__ import annotations

from typing import Optional, Protocol


class Recognizer(Protocol):
    """
    Speech recognition.

    One object serves every session: it may be called from several threads at
    once, and decides itself how many calls run side by side.
    """

    def transcribe(self, pcm: bytes, rate: int) -> str:
        """
        Write down what is said.

        Args:
            pcm: one turn of speech, 16-bit little-endian mono.
            rate: sampling rate of ``pcm`` in hertz.

        Returns:
            The words, or an empty string where none were heard.
        """
        ...


class Synthesizer(Protocol):
    """
    Speech synthesis.

    One object serves every session and may be called from several threads.
    """

    def speak(
        self, text: str, *, voice: Optional[str] = None, speed: float = 1.0
    ) -> bytes:
        """
        Say the text.

        Args:
            text: plain English.
            voice: name of a voice; None and unknown names take the default.
            speed: pace, 1.0 being the voice's own.

        Returns:
            Speech, 16-bit little-endian mono at 24,000 hertz.
        """
        ...


class VoiceActivity(Protocol):
    """
    Tells speech from everything else, chunk by chunk.

    It listens to one stream and remembers it: one object per session, called
    by one thread at a time.
    """

    rate: int
    """Sampling rate of the chunks in hertz."""
    chunk_bytes: int
    """Size of every chunk."""

    def probability(self, chunk: bytes) -> float:
        """
        How likely there is speech in the next chunk of the stream.

        Args:
            chunk: exactly `chunk_bytes` of 16-bit little-endian mono.

        Returns:
            A number from 0 to 1.
        """
        ...

    def reset(self) -> None:
        """Forget the stream so far."""
        ...
