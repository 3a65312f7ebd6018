"""Make docs/reference/cli.md from the command line: ``make cli-docs``. A test fails where the page has drifted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from facematch.cli.app import app
from facematch.cli.commands import COMMANDS, whole

PAGE: Final = Path(__file__).parent / "reference" / "cli.md"
_MANY: Final = 8
_INTRODUCTION: Final = """# Command line

<!-- Made by docs/make_cli_page.py: change the help of the commands, then run `make cli-docs`. -->

{help}

```console
$ {usage}
```

{options}

{epilog} With `--json`, or `--json -` where it names a file, an error too is one JSON document on standard output.

`facematch --install-completion` lets the shell complete commands and options.

## Options of many commands

{shared}
"""


def page() -> str:
    """The whole page."""
    root = whole(app)
    context = root.context_class(root, info_name="facematch")
    every = [command for _, command in _walk(root, ("facematch",)) if not _is_group(command)]
    uses = Counter(record for command in every for record in _options(command))
    shared = {record for record, count in uses.items() if count >= _MANY}
    parts = [
        _INTRODUCTION.format(
            help=root.help,
            usage=" ".join(["facematch", *root.collect_usage_pieces(context)]),
            options=_listed(_options(root)),
            epilog=root.epilog,
            shared=_listed([record for record in uses if record in shared]),
        )
    ]
    for panel, entries in groupby(COMMANDS, key=lambda entry: entry.panel):
        parts.append(f"## {panel}\n")
        listed = list(entries)
        parts.append(
            "\n".join(f"* [`{entry.name}`](#facematch-{entry.name}): {entry.summary}" for entry in listed) + "\n"
        )
        for entry in listed:
            for words, command in _walk(root.commands[entry.name], ("facematch", entry.name)):
                parts.append(_section(words, command, shared))
    return "\n".join(parts)


def _walk(command: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield words, command
    if _is_group(command):
        for name, member in command.commands.items():
            yield from _walk(member, (*words, name))


def _is_group(command: Any) -> bool:
    return hasattr(command, "commands")


def _records(command: Any, kind: str) -> list[tuple[str, str]]:
    """Name and help of the parameters of a kind, as ``--help`` shows them."""
    context = command.context_class(command)
    records = [p.get_help_record(context) for p in command.params if p.param_type_name == kind]
    return [(name, text) for name, text in filter(None, records)]


def _options(command: Any) -> list[tuple[str, str]]:
    return _records(command, "option")


def _listed(records: list[tuple[str, str]]) -> str:
    return "\n".join(f"* `{name}`: {' '.join(text.split())}" for name, text in records)


def _first_sentence(command: Any) -> str:
    """The first paragraph of the help, on one line."""
    return " ".join(command.help.strip().partition("\n\n")[0].split())


def _section(words: tuple[str, ...], command: Any, shared: set[tuple[str, str]]) -> str:
    parts = [f"{'#' * (len(words) + 1)} `{' '.join(words)}`", command.help.strip()]
    if _is_group(command):
        members = command.commands.items()
        parts.append("\n".join(f"* [`{n}`](#{'-'.join((*words, n))}): {_first_sentence(m)}" for n, m in members))
        return "\n\n".join(parts) + "\n"
    pieces = command.collect_usage_pieces(command.context_class(command))
    parts.append(f"```console\n$ {' '.join([*words, *pieces])}\n```")
    own = [record for record in _options(command) if record not in shared]
    if listed := _listed(_records(command, "argument") + own):
        parts.append(listed)
    if also := [f"`{name.split()[0].rstrip(',')}`" for name, text in _options(command) if (name, text) in shared]:
        parts.append(f"[As many commands](#options-of-many-commands): {', '.join(also)}.")
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
