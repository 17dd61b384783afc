"""``realtime-sync prune FOLDER --days N``: old recordings are deleted."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import ConfigurationError
from ..protocol.escape import one_line
from .json_output import Commands, add_json_option, print_json

_DAY = 24 * 3600.0


def add_prune_command(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "prune",
        help="delete the recordings of a folder that are old",
        description="Delete the recordings in and below a folder whose last line is "
        "older than so many days. Other files stay.",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where they are")
    parser.add_argument(
        "--days",
        type=float,
        required=True,
        metavar="DAYS",
        help="how long they are kept, such as 30 or 0.5",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="only say what would be deleted"
    )
    add_json_option(parser)
    parser.set_defaults(run=run_prune)


def run_prune(options: argparse.Namespace) -> int:
    """Run the command."""
    from .. import delete_recordings

    if not 0 <= options.days < float("inf"):
        raise ConfigurationError("--days must be a number of days from 0")
    deleted = delete_recordings(
        options.folder, older_than=options.days * _DAY, dry_run=options.dry_run
    )
    if options.json:
        print_json({"deleted": [str(each) for each in deleted], "dry": options.dry_run})
        return 0
    for each in deleted:
        print(one_line(str(each)))
    verb = "would delete" if options.dry_run else "deleted"
    print(f"{verb} {len(deleted)} recording{'' if len(deleted) == 1 else 's'}")
    return 0
