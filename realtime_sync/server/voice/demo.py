"""The question that `realtime-sync demo` speaks."""

from __future__ import annotations

from typing import Final

DEMO_QUESTION: Final = "What is the capital of France?"
"""Ordinary English; a test checks that the recognizer takes it down word for word."""
