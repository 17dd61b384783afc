"""Output for programs: JSON, one value per line."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Protocol

from ..protocol.escape import json_text


class Commands(Protocol):
    """Where a command adds its parser."""

    def add_parser(
        self, name: str, *, help: str, description: str
    ) -> argparse.ArgumentParser:
        """Add one."""


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Give a command ``--json``."""
    parser.add_argument(
        "--json", action="store_true", help="print JSON, for other programs"
    )


def print_json(value: object) -> None:
    """Print one value as a line of JSON, at once."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    unicode = encoding.lower().replace("-", "").startswith("utf")
    text = json.dumps(value, ensure_ascii=not unicode, default=str)
    print(json_text(text), flush=True)
