"""``realtime-sync completion``: what a shell needs to complete the command."""

from __future__ import annotations

import argparse
from importlib.resources import files

from .json_output import Commands

SHELLS = ("bash", "zsh", "fish")
"""Shells whose scripts are in files beside this one, ``completion.<shell>``."""


def add_completion_command(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "completion",
        help="print a script that completes this command in a shell",
        description="Print a script for a shell. In ~/.bashrc, or in ~/.zshrc after "
        'compinit: eval "$(realtime-sync completion bash)", or zsh. In '
        "~/.config/fish/config.fish: realtime-sync completion fish | source.",
    )
    parser.add_argument("shell", choices=SHELLS)
    parser.set_defaults(run=run_completion)


def run_completion(options: argparse.Namespace) -> int:
    """Run the command."""
    script = files(__package__).joinpath(f"completion.{options.shell}")
    print(script.read_text(encoding="utf-8"), end="")
    return 0
