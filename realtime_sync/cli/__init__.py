"""
The command ``realtime-sync``.

``main`` is its entry point; ``python -m realtime_sync.cli`` is the same.
"""

from __future__ import annotations

from .main import main

__all__ = ["main"]
