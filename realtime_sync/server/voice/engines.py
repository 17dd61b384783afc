"""The engines that come with the ``demo`` extra, loaded when first needed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from realtime_sync.errors import ConfigurationError, install_command

from .interfaces import Recognizer, Synthesizer, VoiceActivity

# Guards the first call of each function below: two sessions that start at
# once share one engine instead of loading its model twice.
_loading = threading.Lock()


def default_recognizer() -> Recognizer:
    """
    The recognizer of this process, made by the first call.

    Any thread may call this, and use the result.

    Raises:
        ConfigurationError: the ``demo`` extra is not installed.
    """
    with _loading:
        return _recognizer_engine()


def default_synthesizer() -> Synthesizer:
    """
    The synthesiser of this process, made by the first call.

    Any thread may call this, and use the result.

    Raises:
        ConfigurationError: the ``demo`` extra is not installed.
    """
    with _loading:
        return _synthesizer_engine()


def default_activity() -> VoiceActivity:
    """
    A new voice activity detector, for one session.

    Any thread may call this; the result belongs to one stream of audio.

    Raises:
        ConfigurationError: the ``demo`` extra is not installed.
    """
    with _engine_needs_extra("voice activity detection"):
        from .activity import SileroActivity
    return SileroActivity()


@lru_cache(maxsize=1)
def _recognizer_engine() -> Recognizer:
    with _engine_needs_extra("speech recognition"):
        from .recognizer import SphinxRecognizer
    return SphinxRecognizer()


@lru_cache(maxsize=1)
def _synthesizer_engine() -> Synthesizer:
    with _engine_needs_extra("speech synthesis"):
        from .synthesizer import HibariSynthesizer
    return HibariSynthesizer()


@contextmanager
def _engine_needs_extra(purpose: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise ConfigurationError(
            f"{purpose} needs {error.name or error}; "
            f"install it with: {install_command('demo')}"
        ) from error
