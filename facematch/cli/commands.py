"""The list of the top commands, and how the module of the one that is called is loaded, and no other."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from facematch.cli.option_groups import Commands

__all__ = ["COMMANDS", "MARKUP", "Entry", "LazyGroup", "whole"]

MARKUP: Final = "markdown"
"""Settings of the help of all commands."""


class Entry(NamedTuple):
    """A command or group of commands, as the list of all commands shows it before its module is loaded."""

    panel: str
    """Heading in the list of commands: what a person does with it."""
    name: str
    """Name as typed."""
    home: str
    """Module below ``facematch.cli`` and attribute of it: a function, or the Typer application of a group."""
    summary: str
    """First sentence of its help."""

    def card(self) -> TyperCommand:
        """An entry of the list: name, summary and panel, and nothing that could be run."""
        return TyperCommand(self.name, help=self.summary, rich_help_panel=self.panel, rich_markup_mode=MARKUP)

    def load(self) -> Any:
        """The command itself, of its own module."""
        module, _, attribute = self.home.partition(":")
        found = getattr(import_module(f"facematch.cli.{module}"), attribute)
        holder = Commands(rich_markup_mode=MARKUP, add_completion=False, callback=lambda: None)
        if isinstance(found, typer.Typer):
            holder.add_typer(found, name=self.name)
        else:
            holder.command(self.name)(found)
        group: Any = typer.main.get_command(holder)
        return group.commands[self.name]


_ENROLL, _SEARCH, _WATCH = "Enroll", "Search", "Watch recordings"
_GOVERN, _OPERATE, _MEASURE = "Govern", "Operate", "Measure"

COMMANDS: Final = (
    Entry(
        _ENROLL,
        "enroll",
        "enroll:enroll",
        "Enroll a subject from pictures, under a consent record; or, with --from-csv, many subjects from a list.",
    ),
    Entry(
        _ENROLL,
        "preview",
        "quality:preview",
        "Look at pictures as enroll would, and store nothing: quality, look-alikes, predicted false positives.",
    ),
    Entry(
        _ENROLL,
        "quality",
        "quality:quality",
        "Measure the quality of every face in a picture, and say what enrollment would refuse.",
    ),
    Entry(_ENROLL, "consent", "consent:app", "Consent records: file, renew, end, hand out and check."),
    Entry(_ENROLL, "approvals", "approvals:app", "Enrollments that wait until another actor approves them."),
    Entry(_ENROLL, "subjects", "subjects:subjects", "List the subjects on the watchlist."),
    Entry(_SEARCH, "identify", "identify:identify", "Search every face of a picture against the watchlist."),
    Entry(_SEARCH, "verify", "identify:verify", "Compare the face in a picture with one enrolled subject (1:1)."),
    Entry(_WATCH, "video", "video:video", "Look for enrolled subjects in a recording; everyone else is blurred."),
    Entry(
        _GOVERN,
        "withdraw",
        "consent:withdraw",
        "Record that the subject ended every open consent; no later search can return the subject.",
    ),
    Entry(
        _GOVERN,
        "erase",
        "subjects:erase",
        "Erase a subject for good and write the signed certificate, or prove an erasure by its certificate.",
    ),
    Entry(_GOVERN, "rights", "rights:app", "What subjects can ask for: access, complaints, disclosures."),
    Entry(_GOVERN, "retention", "retention:app", "Apply the time limits of the policy."),
    Entry(
        _GOVERN, "suspend", "suspensions:suspend", "Suspend identification, from the next search of every process on."
    ),
    Entry(
        _GOVERN,
        "resume",
        "suspensions:resume",
        "Ask to lift a suspension, or agree to it: it takes the policy's number of people, at least two.",
    ),
    Entry(_GOVERN, "suspensions", "suspensions:suspensions", "List the suspensions that are not lifted."),
    Entry(_GOVERN, "policy", "policy:app", "Policies: what a watchlist may be used for, and since when."),
    Entry(_GOVERN, "actors", "actors:app", "Actors and their roles: who may do what."),
    Entry(_GOVERN, "zones", "zones:app", "Camera zones: where passers-by may be taken in, and on which grounds."),
    Entry(_GOVERN, "audit", "audit:app", "The audit log: read, verify, prove, export."),
    Entry(_GOVERN, "report", "report:app", "Reports from the live configuration; what was not stated is marked so."),
    Entry(_OPERATE, "backup", "backups:backup", "Write a backup of the database; it holds no keys."),
    Entry(
        _OPERATE,
        "restore",
        "backups:restore",
        "Bring back subjects, consents and templates from a backup, for every process at once.",
    ),
    Entry(_OPERATE, "keys", "keys:app", "The keys of a watchlist: their state and their rotation."),
    Entry(_OPERATE, "models", "models:app", "Model packs: list, show, pull and verify."),
    Entry(
        _OPERATE,
        "embed",
        "embed:embed",
        "Embed every face of a folder's pictures into one file, for research and for moving galleries.",
    ),
    Entry(
        _OPERATE,
        "doctor",
        "doctor:doctor",
        "Check the installation: versions, providers in use, pack, database, its key, and a self-test on a real "
        "picture.",
    ),
    Entry(_MEASURE, "evaluate", "evaluate:app", "Measure how accurate a model pack is."),
    Entry(_MEASURE, "calibration", "calibration:app", "Thresholds tested for a false-positive identification rate."),
    Entry(_MEASURE, "bench", "bench:app", "Measure how fast this machine searches and analyzes pictures."),
)


class LazyGroup(TyperGroup):
    """The list of all commands, from which only the one that is called is loaded."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings | {"commands": {entry.name: entry.card() for entry in COMMANDS}})

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that the first argument names, loaded; with the arguments that are left for it."""
        name, card, left = super().resolve_command(ctx, args)
        entry = next((entry for entry in COMMANDS if entry.name == name), None)
        return name, card if entry is None else entry.load(), left


def whole(app: typer.Typer) -> Any:
    """The click group of an application of these commands with every command loaded, to walk through."""
    group: Any = typer.main.get_command(app)
    group.commands = {entry.name: entry.load() for entry in COMMANDS}
    for entry in COMMANDS:
        group.commands[entry.name].rich_help_panel = entry.panel
    return group
