"""``realtime-sync completion``: what a shell needs to complete the command."""

from __future__ import annotations

import argparse
from typing import Any

BASH = """\
_realtime_sync() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} words
    case "${{COMP_WORDS[1]}} ${{COMP_WORDS[COMP_CWORD-1]}}" in
{values}
        *)
            case "${{COMP_WORDS[1]}}" in
{cases}
                *) words="{commands}" ;;
            esac ;;
    esac
    if [ "$COMP_CWORD" -eq 1 ]; then words="{commands}"; fi
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    if [ ${{#COMPREPLY[@]}} -eq 0 ]; then COMPREPLY=($(compgen -f -- "$current")); fi
}}
complete -o filenames -F _realtime_sync realtime-sync
"""
ZSH = """\
(( $+functions[compdef] )) || { autoload -U +X compinit && compinit; }
autoload -U +X bashcompinit && bashcompinit
"""


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "completion",
        help="print a script that completes this command in a shell",
        description="Print a script for a shell. In ~/.bashrc, or with zsh for bash in "
        '~/.zshrc: eval "$(realtime-sync completion bash)". In '
        "~/.config/fish/config.fish: realtime-sync completion fish | source.",
    )
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    if options.shell == "fish":
        print(_fish(), end="")
        return 0
    words = vocabulary()
    script = BASH.format(
        values="\n".join(f"        {line}" for line in _values()),
        cases="\n".join(
            f'                {name}) words="{" ".join(flags)}" ;;'
            for name, flags in words.items()
        ),
        commands=" ".join(words),
    )
    print((ZSH if options.shell == "zsh" else "") + script, end="")
    return 0


def vocabulary() -> dict[str, list[str]]:
    """Every command with its options, read from the parser itself."""
    return {name: sorted(_flags(command)) for name, command in _commands().items()}


def _commands() -> dict[str, argparse.ArgumentParser]:
    return dict(sorted(_subparsers().choices.items()))


def _subparsers() -> Any:
    from .main import parser

    (found,) = (
        action
        for action in parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    return found


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


def _values() -> list[str]:
    """What may follow an option: one of its choices, or else a file."""
    return [
        f'"{name} {flag}") words="{" ".join(map(str, action.choices or ()))}" ;;'
        for name, command in _commands().items()
        for action in command._actions
        if action.nargs != 0
        for flag in action.option_strings
    ]


def _fish() -> str:
    start = "complete -c realtime-sync"
    lines = [
        f"{start} -f -n __fish_use_subcommand -a {each.dest} -d {_quoted(each.help)}"
        for each in _subparsers()._choices_actions
    ]
    for name, command in _commands().items():
        condition = f"-n '__fish_seen_subcommand_from {name}'"
        for action in command._actions:
            lines += [f"{start} {condition} {what}" for what in _fish_words(action)]
    return "\n".join(lines) + "\n"


def _fish_words(action: argparse.Action) -> list[str]:
    """How fish is told of one argument of a command."""
    choices = " ".join(map(str, action.choices or ()))
    if not action.option_strings:
        return [f"-f -a '{choices}'"] if choices else []
    pieces = [
        f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}"
        for flag in action.option_strings
    ]
    if choices:
        pieces.append(f"-x -a '{choices}'")
    elif action.nargs != 0:
        pieces.append("-r")
    help = (action.help or "") % {"default": action.default}
    return [" ".join([*pieces, "-d", _quoted(help)])]


def _quoted(text: str | None) -> str:
    """Text as one word of fish."""
    escaped = (text or "").replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
