"""``facematch enroll``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facematch.cli.consent_options import (
    Terms,
)
from facematch.cli.enroll_list import enroll_from_list
from facematch.cli.options import AsJson, NewAccess, PackName, UseOption, acting, load_analyzer, open_watchlist
from facematch.cli.output import console, print_json, print_table
from facematch.errors import InvalidArgument

if TYPE_CHECKING:
    from facematch.types import Enrollment

__all__ = ["enroll"]


def enroll(
    subject: Annotated[str | None, typer.Argument(help="Opaque id of the subject.")] = None,
    images: Annotated[list[Path] | None, typer.Argument(help="Pictures, each with exactly this one face.")] = None,
    quality_override: Annotated[
        str | None,
        typer.Option(
            "--quality-override",
            metavar="REASON",
            help="Why pictures that fail the quality gate are taken all the same; another actor must approve.",
        ),
    ] = None,
    from_csv: Annotated[
        Path | None,
        typer.Option(
            "--from-csv",
            metavar="FILE",
            help="Enroll the subjects of a list instead: a row a picture, with the columns subject and picture, and "
            "any of the options on consent by their names. What is the same for all may be given as options; evidence, "
            "adult and incident are each subject's own.",
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report", metavar="FILE", help="With --from-csv: write what became of every subject to this new file."
        ),
    ] = None,
    *,
    terms: Terms,
    access: NewAccess,
    pack: PackName = "opencv",
    use: UseOption = None,
    as_json: AsJson = False,
) -> None:
    """Enroll a subject from pictures, under a consent record; or, with --from-csv, many subjects from a list.

    Without the consent options the pictures are added under the record that is already in force. Where the policy asks
    for dual control, the enrollment waits until another actor approves it: facematch approvals.

    Example: `facematch enroll s-0042 a.jpg b.jpg --purpose site-access --notice notice.txt --language en
    --evidence form.pdf --adult --valid-for 365d`

    A list goes on after an interruption where it is given again: what is enrolled already stays as it is. Its files are
    sought from its own folder.

    Example: `facematch enroll --from-csv staff.csv --purpose site-access --notice notice.txt --language en`, where
    staff.csv begins with the line subject,picture,evidence,adult
    """
    if from_csv is not None:
        if subject is not None or images or quality_override is not None:
            raise InvalidArgument(
                "--from-csv stands for subject and pictures, and overrides no quality gate",
                hint="enroll single subjects with a command each",
            )
        from facematch.bulk import read_listing

        listed = read_listing(from_csv, terms.by_column())
        with open_watchlist(access, analyzer=load_analyzer(pack, use)) as watchlist:
            enroll_from_list(watchlist, listed, actor=acting(access.actor), report=report, as_json=as_json)
        return
    if subject is None or not images or report is not None:
        raise InvalidArgument(
            "a subject and pictures are needed, or a list",
            hint="facematch enroll SUBJECT PICTURE..., or facematch enroll --from-csv FILE [--report FILE]",
        )
    consent = terms.given(subject, actor=acting(access.actor)) if terms.say_something else None
    with open_watchlist(access, analyzer=load_analyzer(pack, use)) as watchlist:
        result = watchlist.enroll(subject, list(images), consent=consent, quality_override=quality_override)
    if as_json:
        print_json(result.to_dict())
        return
    _show(result)


def _show(result: Enrollment) -> None:
    count = len(result.template_ids)
    console().print(
        f"enrolled [bold]{count}[/] template{'s'[: count != 1]}, consent until {result.valid_until:%Y-%m-%d}"
    )
    if result.state == "pending":
        console().print(f"enrollment {result.enrollment_id} waits for another actor: facematch approvals")
    if result.look_alikes:
        rows = [(candidate.subject_id, f"{candidate.score:.3f}") for candidate in result.look_alikes]
        print_table("Look-alikes on the list: the same person, or easily mistaken?", ("subject", "score"), rows)
    if result.refusals:
        print_table(
            "Pictures not used",
            ("picture", "code", "why"),
            [(refusal.picture, refusal.code, refusal.message) for refusal in result.refusals],
        )
