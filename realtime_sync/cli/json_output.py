"""Output for programs: JSON, one value per line."""

from __future__ import annotations

import argparse
import json
from typing import Any

from ..protocol.escape import json_text


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Give a command ``--json``."""
    parser.add_argument(
        "--json", action="store_true", help="print JSON, for other programs"
    )


def print_json(value: Any) -> None:
    """Print one value as a line of JSON, at once."""
    print(json_text(json.dumps(value, ensure_ascii=False, default=str)), flush=True)
