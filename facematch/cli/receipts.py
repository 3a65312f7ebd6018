"""``facematch consent receipt | verify``."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from facematch.cli.consent_options import RecordId
from facematch.cli.files import read_bytes, write_private
from facematch.cli.options import Access, AsJson, SubjectArgument, open_watchlist
from facematch.cli.output import console, print_json
from facematch.errors import InvalidArgument

if TYPE_CHECKING:
    from facematch.governance.consent.receipts import ConsentReceipt

__all__ = ["receipt", "verify"]

ReceiptFormat: TypeAlias = Literal["json", "jsonld", "text"]


def receipt(
    subject: SubjectArgument,
    kind: Annotated[ReceiptFormat, typer.Option("--format", help="Signed JSON, JSON-LD (W3C DPV), or text.")] = "json",
    out: Annotated[Path | None, typer.Option("--out", help="New file for it [default: standard output].")] = None,
    record_id: RecordId = None,
    *,
    access: Access,
) -> None:
    """Make a signed receipt of a consent record, to hand to the subject; audited.

    Example: `facematch consent receipt s-0042 --format text --out receipt.txt`
    """
    with open_watchlist(access) as watchlist:
        made = watchlist.consents.receipt(subject, record_id=record_id)
    text = _written(made, kind)
    if out is None:
        typer.echo(text, nl=False)
        return
    write_private(out, text)
    console().print(f"the receipt is in {out}", markup=False)


def verify(
    document: Annotated[Path, typer.Argument(metavar="RECEIPT", help="The receipt, as JSON.")],
    notice: Annotated[Path | None, typer.Option("--notice", help="Compare with this privacy notice.")] = None,
    evidence: Annotated[Path | None, typer.Option("--evidence", help="Compare with this evidence.")] = None,
    public_key: Annotated[
        str | None,
        typer.Option("--public-key", help="Key of the watchlist, 64 hex digits; no database is then opened."),
    ] = None,
    *,
    access: Access,
    as_json: AsJson = False,
) -> None:
    """Check a consent receipt: its signature and, where they are given, the notice and the evidence.

    Example: `facematch consent verify receipt.json --notice notice.txt --public-key 3b6a...`
    """
    from facematch.governance.consent.receipts import verify_receipt

    text = read_bytes(document)
    if public_key is None:
        with open_watchlist(access) as watchlist:
            key = watchlist.audit.public_key
    else:
        key = _key_of(public_key)
    found = verify_receipt(text, key, notice=notice, evidence=evidence)
    compared = ["signature", *(["notice"] if notice else []), *(["evidence"] if evidence else [])]
    if as_json:
        print_json(
            {
                "ok": True,
                "compared": compared,
                "consent_record_id": found.consent.record_id,
                "issued_at": found.issued_at.isoformat(),
                "in_force_when_issued": found.in_force,
            }
        )
        return
    console().print(
        f"the receipt of {found.issued_at:%Y-%m-%d %H:%M} UTC for record {found.consent.record_id} is genuine; "
        f"compared: {', '.join(compared)}"
    )


def _written(receipt: ConsentReceipt, kind: ReceiptFormat) -> str:
    if kind == "jsonld":
        return json.dumps(receipt.to_jsonld(), indent=2, ensure_ascii=False) + "\n"
    return receipt.to_text() if kind == "text" else receipt.to_json() + "\n"


def _key_of(text: str) -> bytes:
    if re.fullmatch("[0-9a-fA-F]{64}", text) is None:
        raise InvalidArgument(
            f"a public key is 64 hexadecimal digits, got {len(text)} characters",
            hint="facematch audit public-key prints it",
        )
    return bytes.fromhex(text)
