"""``facematch subjects``, ``withdraw`` and ``erase``."""

from __future__ import annotations

from typing import Annotated

import typer

from facematch.cli.options import Actor, AsJson, Database, open_watchlist
from facematch.cli.output import console, print_json, print_table

__all__ = ["erase", "subjects", "withdraw"]

Subject = Annotated[str, typer.Argument(help="Id of the subject.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; required.")]


def subjects(database: Database = None, actor: Actor = None, as_json: AsJson = False) -> None:
    """List the subjects on the watchlist.

    Example: `facematch subjects --db sqlite:///store-12.db`
    """
    with open_watchlist(database, actor) as watchlist:
        records = watchlist.subjects()
    if as_json:
        print_json(
            {
                "subjects": [
                    {
                        "subject_id": record.subject_id,
                        "state": record.state,
                        "purposes": list(record.purposes),
                        "sites": list(record.sites),
                        "templates": record.templates,
                        "valid_until": record.valid_until.isoformat(),
                    }
                    for record in records
                ]
            }
        )
        return
    rows = [
        (
            record.subject_id,
            record.state,
            ", ".join(record.purposes),
            ", ".join(record.sites) or "every site",
            record.templates,
            f"{record.valid_until:%Y-%m-%d}",
        )
        for record in records
    ]
    print_table("Subjects", ("subject", "state", "purposes", "sites", "templates", "valid until"), rows)


def withdraw(
    subject: Subject, reason: Reason, database: Database = None, actor: Actor = None, as_json: AsJson = False
) -> None:
    """Record that a subject withdrew consent; no later search can return the subject.

    Example: `facematch withdraw s-0042 --reason "left the company"`
    """
    with open_watchlist(database, actor) as watchlist:
        receipt = watchlist.withdraw(subject, reason=reason)
    if as_json:
        print_json(
            {
                "subject_id": receipt.subject_id,
                "withdrawn_at": receipt.withdrawn_at.isoformat(),
                "consent_record_ids": list(receipt.consent_record_ids),
                "generation": receipt.generation,
            }
        )
        return
    console().print(f"withdrawn at {receipt.withdrawn_at:%Y-%m-%d %H:%M:%S} UTC, generation {receipt.generation}")


def erase(
    subject: Subject, reason: Reason, database: Database = None, actor: Actor = None, as_json: AsJson = False
) -> None:
    """Erase a subject's templates and records from the database.

    Example: `facematch erase s-0042 --reason "request of the subject"`
    """
    with open_watchlist(database, actor) as watchlist:
        receipt = watchlist.erase(subject, reason=reason)
    if as_json:
        print_json(
            {
                "subject_id": receipt.subject_id,
                "erased_at": receipt.erased_at.isoformat(),
                "templates_erased": receipt.templates_erased,
                "consent_records_erased": receipt.consent_records_erased,
                "generation": receipt.generation,
            }
        )
        return
    console().print(
        f"erased {receipt.templates_erased} templates and {receipt.consent_records_erased} consent records "
        f"at {receipt.erased_at:%Y-%m-%d %H:%M:%S} UTC, generation {receipt.generation}"
    )
