"""``python -m realtime_sync`` and the command ``realtime-sync``."""

from __future__ import annotations

import sys


def main() -> int:
    """
    Run one command; see `realtime_sync.cli.main`.

    A Ctrl-C while the commands are being loaded, or after the last one is done, ends as
    one within a command does: with a line and not with a traceback.
    """
    try:
        # Here and not above, since this is what takes its time.
        from .cli import main as run_command

        return run_command()
    except KeyboardInterrupt:
        print("realtime-sync: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
