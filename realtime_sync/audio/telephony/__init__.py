"""Telephone calls: bridges between a telephone company and a session."""

from __future__ import annotations

from .twilio import TwilioBridge

__all__ = ["TwilioBridge"]
