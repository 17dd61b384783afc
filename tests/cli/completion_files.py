"""
Makes the files that complete the command in shells: ``python -m`` this module.

They are shipped, so that only who changes the command line needs shtab.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import shtab

from realtime_sync.cli import completion
from realtime_sync.cli.main import command_line_parser


def path_of(shell: str) -> Path:
    """Where the file of a shell is."""
    return Path(completion.__file__).with_name(f"completion.{shell}")


def made(shell: str) -> str:
    """What the file of a shell has to hold."""
    top = command_line_parser()
    for action in actions(top):
        named = any(word in (action.metavar or "") for word in ("FILE", "PATH"))
        if named or action.type is Path:
            setattr(action, "complete", shtab.FILE)
    return f"{shtab.complete(top, shell).rstrip()}\n"


def actions(of: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Every argument of a parser and of its commands."""
    for action in of._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from actions(command)
        else:
            yield action


if __name__ == "__main__":
    for each in completion.SHELLS:
        path_of(each).write_text(made(each), encoding="utf-8")
