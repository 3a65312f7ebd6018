"""``facematch enroll``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facematch.cli.options import (
    Actor,
    AsJson,
    Database,
    PackName,
    UseOption,
    load_analyzer,
    open_watchlist,
    parse_duration,
)
from facematch.cli.output import console, print_json, print_table
from facematch.errors import ConsentRequired
from facematch.governance import Consent
from facematch.settings import Settings

__all__ = ["enroll"]


def enroll(
    subject: Annotated[str, typer.Argument(help="Opaque id of the subject.")],
    images: Annotated[list[Path], typer.Argument(help="Pictures, each with exactly this one face.")],
    purpose: Annotated[
        list[str] | None, typer.Option("--purpose", help="Purpose that the subject agreed to; may be repeated.")
    ] = None,
    site: Annotated[
        list[str] | None, typer.Option("--site", help="Site that the consent is limited to; may be repeated.")
    ] = None,
    notice: Annotated[Path | None, typer.Option("--notice", help="Privacy notice that was shown; hashed.")] = None,
    language: Annotated[str | None, typer.Option("--language", help="Language of the notice, such as en.")] = None,
    evidence: Annotated[
        Path | None, typer.Option("--evidence", help="Evidence, such as a signed form; hashed.")
    ] = None,
    adult: Annotated[bool, typer.Option("--adult", help="You attest that the subject is an adult.")] = False,
    valid_for: Annotated[str, typer.Option("--valid-for", help="How long the consent holds: 365d, 52w, 36h.")] = "365d",
    database: Database = None,
    actor: Actor = None,
    pack: PackName = "opencv",
    use: UseOption = None,
    as_json: AsJson = False,
) -> None:
    """Enroll a subject from pictures, under a consent record.

    Without the consent options the pictures are added under the record that is already in force.

    Example: `facematch enroll s-0042 a.jpg b.jpg --purpose site-access --notice notice.txt --language en
    --evidence form.pdf --adult --valid-for 365d`
    """
    consent = None
    if any((purpose, site, notice, language, evidence, adult)):
        if not (purpose and notice and language and evidence):
            raise ConsentRequired(
                "a consent record needs --purpose, --notice, --language and --evidence",
                hint="facematch enroll --help shows an example",
            )
        consent = Consent.given(
            subject_id=subject,
            purposes=purpose,
            sites=site or [],
            notice=notice,
            language=language,
            evidence=evidence,
            adult_attested=adult,
            valid_for=parse_duration(valid_for),
            actor=actor or Settings().actor or "controller",
        )
    with open_watchlist(database, actor, analyzer=load_analyzer(pack, use)) as watchlist:
        result = watchlist.enroll(subject, list(images), consent=consent)
    if as_json:
        print_json(
            {
                "subject_id": result.subject_id,
                "template_ids": list(result.template_ids),
                "refusals": [refusal.to_dict() for refusal in result.refusals],
                "consent_record_id": result.consent_record_id,
                "valid_until": result.valid_until.isoformat(),
                "generation": result.generation,
            }
        )
        return
    count = len(result.template_ids)
    console().print(
        f"enrolled [bold]{count}[/] template{'s'[: count != 1]}, consent until {result.valid_until:%Y-%m-%d}"
    )
    if result.refusals:
        rows = [(refusal.picture, refusal.code, refusal.message) for refusal in result.refusals]
        print_table("Pictures not used", ("picture", "code", "why"), rows)
