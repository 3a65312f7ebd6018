"""``facematch consent`` and ``facematch withdraw``: consent records, from the request to their end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facematch.cli.consent_options import (
    Reason,
    RecordId,
    Terms,
)
from facematch.cli.files import read_bytes
from facematch.cli.option_groups import Commands
from facematch.cli.options import Access, AsJson, NewAccess, SubjectArgument, acting, open_watchlist
from facematch.cli.output import console, print_json, print_table
from facematch.cli.receipts import receipt, verify
from facematch.errors import InvalidArgument

if TYPE_CHECKING:
    from facematch.governance import Consent
    from facematch.types import FiledConsent, Withdrawal

__all__ = ["app", "withdraw"]

app = Commands(help="Consent records: file, renew, end, hand out and check.", no_args_is_help=True)


@app.command("record")
def record(
    subject: Annotated[str | None, typer.Argument(metavar="SUBJECT", help="Id of the subject.")] = None,
    document: Annotated[Path | None, typer.Option("--from", help="File a record from this JSON file.")] = None,
    requested: Annotated[bool, typer.Option("--requested", help="Consent was asked for and not answered yet.")] = False,
    *,
    terms: Terms,
    access: NewAccess,
    as_json: AsJson = False,
) -> None:
    """File a consent record before any picture is taken, from options or from a JSON file.

    Example: `facematch consent record s-0042 --purpose site-access --notice notice.txt --language en
    --evidence form.pdf --adult --valid-for 365d`
    """
    if document is not None:
        if terms.say_something or requested:
            raise typer.BadParameter("--from already says everything; leave the other options out")
        filed = _from_file(document, subject)
    elif subject is None:
        raise typer.BadParameter("name the subject, or a document with --from")
    elif requested:
        filed = terms.requested(subject, actor=acting(access.actor))
    else:
        filed = terms.given(subject, actor=acting(access.actor))
    with open_watchlist(access) as watchlist:
        made = watchlist.consents.record(filed)
    if as_json:
        print_json(made.to_dict() | {"digest": filed.digest})
        return
    end = "not answered yet" if filed.valid_until is None else f"until {filed.valid_until:%Y-%m-%d}"
    console().print(f"filed consent record {filed.record_id}: {filed.state}, {end}")


@app.command("show")
def show(
    subject: SubjectArgument,
    *,
    access: Access,
    as_json: AsJson = False,
) -> None:
    """Show the consent records of a subject, oldest first; audited.

    Example: `facematch consent show s-0042`
    """
    with open_watchlist(access) as watchlist:
        records = watchlist.consents.list(subject)
    if as_json:
        print_json({"subject_id": subject, "consents": [found.to_dict() for found in records]})
        return
    for found in records:
        rows: list[tuple[str, object]] = [
            ("state", found.state),
            ("valid until", "-" if found.valid_until is None else f"{found.valid_until:%Y-%m-%d %H:%M} UTC"),
            ("purposes", ", ".join(found.purposes)),
            ("sites", ", ".join(found.sites) or "every site"),
            ("zones", ", ".join(found.zones) or "every zone of them"),
            ("lawful basis", found.lawful_basis),
            ("recipients", ", ".join(found.recipients) or "nobody"),
            ("notice", f"{found.privacy_notice.uri} ({found.language})\nsha256 {found.privacy_notice.sha256}"),
        ]
        said = (
            ("category", found.category),
            ("incident", found.incident_id),
            ("source", found.source),
            ("assessment", found.impact_assessment),
            ("jurisdiction", found.jurisdiction),
        )
        rows += [(name, value) for name, value in said if value is not None]
        rows += [
            (f"{event.time:%Y-%m-%d %H:%M} UTC", f"{event.state} by {event.actor}{_because(event.reason)}")
            for event in found.events
        ]
        print_table(f"Consent record {found.record_id}", ("", ""), rows)


@app.command("renew")
def renew(
    subject: SubjectArgument,
    evidence: Annotated[Path, typer.Option("--evidence", help="Evidence of the renewal, another than before; hashed.")],
    valid_for: Annotated[str, typer.Option("--valid-for", help="How long from now on: 365d, 52w, 36h.")] = "365d",
    record_id: RecordId = None,
    *,
    access: Access,
    as_json: AsJson = False,
) -> None:
    """Renew a consent that is in force: the subject gave it again.

    Example: `facematch consent renew s-0042 --evidence form-2027.pdf --valid-for 365d`
    """
    from facematch.governance.time import parse_duration

    duration = parse_duration(valid_for)
    with open_watchlist(access) as watchlist:
        renewal = watchlist.consents.renew(subject, valid_for=duration, evidence=evidence, record_id=record_id)
    _print_filed(renewal, "renewed", as_json=as_json)


def _print_filed(filed: FiledConsent, verb: str, *, as_json: bool) -> None:
    if as_json:
        print_json(filed.to_dict())
        return
    end = "" if filed.valid_until is None else f" until {filed.valid_until:%Y-%m-%d}"
    console().print(f"{verb}{end}, generation {filed.generation}")


@app.command("give")
def give(
    subject: SubjectArgument,
    evidence: Annotated[Path, typer.Option("--evidence", help="The signed form; only its digest is kept.")],
    valid_for: Annotated[str, typer.Option("--valid-for", help="How long from now on, such as 365d.")],
    record_id: RecordId = None,
    *,
    access: Access,
    as_json: AsJson = False,
) -> None:
    """File that the subject agreed to a consent that was only asked for.

    Example: `facematch consent give s-0042 --evidence signed-form-0042.pdf --valid-for 365d`
    """
    from facematch.governance.time import parse_duration

    with open_watchlist(access) as watchlist:
        given = watchlist.consents.give(
            subject, valid_for=parse_duration(valid_for), evidence=evidence, record_id=record_id
        )
    _print_filed(given, "given", as_json=as_json)


@app.command("refuse")
def refuse(
    subject: SubjectArgument,
    reason: Annotated[str | None, typer.Option("--reason", help="Why, where the subject said so.")] = None,
    record_id: RecordId = None,
    *,
    access: Access,
) -> None:
    """File that the subject said no to a consent that was asked for.

    Example: `facematch consent refuse s-0042`
    """
    with open_watchlist(access) as watchlist:
        watchlist.consents.refuse(subject, reason=reason, record_id=record_id)
    console().print("refused; the record is final")


@app.command("withdraw")
def withdraw(
    subject: SubjectArgument,
    reason: Reason,
    *,
    access: Access,
    as_json: AsJson = False,
) -> None:
    """Record that the subject ended every open consent; no later search can return the subject.

    Example: `facematch withdraw s-0042 --reason "left the company"`
    """
    with open_watchlist(access) as watchlist:
        _print_ending(watchlist.withdraw(subject, reason=reason), as_json=as_json)


@app.command("revoke")
def revoke(
    subject: SubjectArgument,
    reason: Reason,
    *,
    access: Access,
    as_json: AsJson = False,
) -> None:
    """End every open consent of a subject for the controller; otherwise as withdraw.

    Example: `facematch consent revoke s-0042 --reason "ban lifted"`
    """
    with open_watchlist(access) as watchlist:
        _print_ending(watchlist.consents.revoke(subject, reason=reason), as_json=as_json)


@app.command("invalidate")
def invalidate(
    subject: SubjectArgument,
    reason: Reason,
    *,
    access: Access,
    as_json: AsJson = False,
) -> None:
    """Record that a consent was never valid; all open ones of the subject end.

    Example: `facematch consent invalidate s-0042 --reason "signed by another person"`
    """
    with open_watchlist(access) as watchlist:
        _print_ending(watchlist.consents.invalidate(subject, reason=reason), as_json=as_json)


def _print_ending(ending: Withdrawal, *, as_json: bool) -> None:
    """Say that the consents of a subject ended."""
    if as_json:
        print_json(ending.to_dict())
        return
    console().print(
        f"{ending.state.lower()} at {ending.withdrawn_at:%Y-%m-%d %H:%M:%S} UTC, generation {ending.generation}"
    )


def _from_file(document: Path, subject: str | None) -> Consent:
    from facematch.governance import Consent

    found = Consent.from_json(read_bytes(document))
    if subject is not None and subject != found.subject_id:
        raise InvalidArgument(
            "the document is the consent record of another subject", hint="leave the subject out, or name its own"
        )
    return found


def _because(reason: str | None) -> str:
    return "" if reason is None else f": {reason}"


app.command("receipt")(receipt)
app.command("verify")(verify)
