"""``facematch enroll --from-csv``: many subjects, and what became of each."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from facematch.cli.files import reserved
from facematch.cli.output import console, print_json, print_table, progress_bar
from facematch.cli.wording import document_for_commands

if TYPE_CHECKING:
    from facematch.bulk import Listed, SubjectOutcome
    from facematch.watchlist import Watchlist

__all__ = ["enroll_from_list"]

_SHOWN: Final = 20


def enroll_from_list(
    watchlist: Watchlist, listed: Sequence[Listed], *, actor: str, report: Path | None, as_json: bool
) -> None:
    """Enroll the subjects of a listing and say what became of them, also where it ends early."""
    from facematch.bulk import enroll_listed

    outcomes: list[SubjectOutcome] = []
    with nullcontext(None) if report is None else reserved(report) as write:
        try:
            with progress_bar("enrolling") as progress:
                enroll_listed(watchlist, listed, outcomes.append, actor=actor, progress=progress)
        finally:
            outcomes.sort(key=lambda outcome: outcome.line)
            document = _document(outcomes, len(listed))
            if write is not None:
                write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
            if not as_json:
                _show(outcomes, len(listed))
    if as_json:
        print_json(document)


def _document(outcomes: Sequence[SubjectOutcome], subjects: int) -> dict[str, Any]:
    states = Counter(outcome.state for outcome in outcomes)
    return {
        "subjects": subjects,
        **{state: states[state] for state in ("active", "pending", "already", "refused")},
        "not_reached": subjects - len(outcomes),
        "templates": sum(outcome.templates for outcome in outcomes),
        "outcomes": [document_for_commands(outcome.to_dict()) for outcome in outcomes],
    }


def _show(outcomes: Sequence[SubjectOutcome], subjects: int) -> None:
    states = Counter(outcome.state for outcome in outcomes)
    templates = sum(outcome.templates for outcome in outcomes)
    said = [f"[bold]{states['active'] + states['pending']}[/] of {subjects} subjects enrolled, {templates} templates"]
    said += [f"{states['pending']} of them wait for another actor: facematch approvals"] * bool(states["pending"])
    said += [f"{states['already']} were enrolled already"] * bool(states["already"])
    said += [f"{states['refused']} refused"] * bool(states["refused"])
    left = subjects - len(outcomes)
    said += [f"{left} not reached; give the same list again to go on"] * bool(left)
    console().print("; ".join(said))
    refused = [
        (outcome.line, outcome.subject_id, outcome.error.code, outcome.error.message)
        for outcome in outcomes
        if outcome.error is not None
    ]
    pictures = [
        (outcome.line, outcome.subject_id, refusal.picture, refusal.code)
        for outcome in outcomes
        if outcome.error is None
        for refusal in outcome.refusals
        if refusal.code != "enrolled_already"
    ]
    alike = [
        (outcome.subject_id, candidate.subject_id, f"{candidate.score:.3f}")
        for outcome in outcomes
        for candidate in outcome.look_alikes
    ]
    for title, columns, rows in (
        ("Refused; nothing was stored of them", ("line", "subject", "code", "why"), refused),
        ("Pictures not used", ("line", "subject", "picture", "code"), pictures),
        ("Look-alikes: the same person, or easily mistaken?", ("subject", "looks like", "score"), alike),
    ):
        if rows:
            more = f" (the first {_SHOWN} of {len(rows)}; --report has them all)" if len(rows) > _SHOWN else ""
            print_table(title + more, columns, rows[:_SHOWN])
