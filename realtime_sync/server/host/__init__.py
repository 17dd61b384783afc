"""
The host: sockets, threads and HTTP around the engine.
"""

from __future__ import annotations
