"""``realtime-sync completion``: what a shell needs to complete the command."""

from __future__ import annotations

import argparse
from typing import Any

BASH = """\
_realtime_sync() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} words
    case "${{COMP_WORDS[1]}}" in
{cases}
        *) words="{commands}" ;;
    esac
    if [ "$COMP_CWORD" -eq 1 ]; then words="{commands}"; fi
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    if [ ${{#COMPREPLY[@]}} -eq 0 ]; then COMPREPLY=($(compgen -f -- "$current")); fi
}}
complete -o filenames -F _realtime_sync realtime-sync
"""
ZSH = "autoload -U +X bashcompinit && bashcompinit\n"


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "completion",
        help="print a script that completes this command in a shell",
        description="Print a script for a shell. For bash, in ~/.bashrc: "
        'eval "$(realtime-sync completion bash)".',
    )
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    words = vocabulary()
    if options.shell == "fish":
        print(_fish(words), end="")
        return 0
    cases = "\n".join(
        f'        {name}) words="{" ".join(flags)}" ;;' for name, flags in words.items()
    )
    script = BASH.format(cases=cases, commands=" ".join(words))
    print((ZSH if options.shell == "zsh" else "") + script, end="")
    return 0


def vocabulary() -> dict[str, list[str]]:
    """Every command with its options, read from the parser itself."""
    from .main import parser

    for action in parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            return {
                name: sorted(_flags(command))
                for name, command in sorted(action.choices.items())
            }
    return {}


def _flags(command: argparse.ArgumentParser) -> set[str]:
    flags = {
        flag
        for action in command._actions
        for flag in action.option_strings
        if flag.startswith("--")
    }
    choices = {
        str(choice)
        for action in command._actions
        if not action.option_strings and action.choices
        for choice in action.choices
    }
    return flags | choices


def _fish(words: dict[str, list[str]]) -> str:
    start = "complete -c realtime-sync"
    lines = [f"{start} -n __fish_use_subcommand -a '{' '.join(words)}'"]
    for name, flags in words.items():
        for flag in flags:
            what = f"-l {flag[2:]}" if flag.startswith("--") else f"-a {flag}"
            lines.append(f"{start} -n '__fish_seen_subcommand_from {name}' {what}")
    return "\n".join(lines) + "\n"
