"""``python -m realtime_sync``: the command ``realtime-sync``."""

from __future__ import annotations

import sys

from .cli import main

sys.exit(main())
