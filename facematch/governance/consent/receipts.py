"""Consent receipts: a signed copy of the consent record for the subject, after ISO/IEC TS 27560.

One receipt, three forms: JSON with an Ed25519 signature over its RFC 8785 bytes, JSON-LD with the terms of the W3C
Data Privacy Vocabulary (DPV 2, https://w3id.org/dpv), and text to print. Only the JSON form can be verified. A receipt
says what was recorded; it is no proof that the consent was freely given.
"""

from __future__ import annotations

import base64
import json
import os
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, Self

import rfc8785

from facematch.errors import ConsentInvalid, InvalidArgument, ReceiptInvalid
from facematch.governance.audit import AuditSigner
from facematch.governance.audit.verifier import verify_signature
from facematch.governance.consent.consent import Consent
from facematch.governance.consent.evidence import evidence_digest, notice_of
from facematch.governance.consent.states import OPEN_STATES, ConsentState
from facematch.governance.time import to_utc

__all__ = ["RECEIPT", "ConsentReceipt", "verify_receipt"]

RECEIPT: Final = "facematch-consent-receipt-1"
"""The ``type`` of a receipt; it is signed too, so nothing else that the key signs can pass for one."""

_FIELDS: Final = frozenset({"type", "issued_at", "in_force", "record", "record_digest", "key", "signature"})
_HINT = "ask the controller for the receipt as it was issued"
_WIDTH = 78
_LABEL = 22

_STATUS: Final = MappingProxyType(
    {
        ConsentState.REQUESTED: "dpv:ConsentRequested",
        ConsentState.GIVEN: "dpv:ConsentGiven",
        ConsentState.REFUSED: "dpv:ConsentRefused",
        ConsentState.RENEWED: "dpv:RenewedConsentGiven",
        ConsentState.WITHDRAWN: "dpv:ConsentWithdrawn",
        ConsentState.REVOKED: "dpv:ConsentRevoked",
        ConsentState.EXPIRED: "dpv:ConsentExpired",
        ConsentState.INVALIDATED: "dpv:ConsentInvalidated",
    }
)
_BASES: Final = MappingProxyType(
    {
        "explicit-consent": "dpv:ExplicitlyExpressedConsent",
        "legal-obligation": "dpv:LegalObligation",
        "legitimate-interest": "dpv:LegitimateInterest",
        "public-interest": "dpv:PublicInterest",
        "substantial-public-interest": "dpv:PublicInterest",
        "vital-interest": "dpv:VitalInterest",
    }
)
_CONTEXT: Final = MappingProxyType(
    {
        "dpv": "https://w3id.org/dpv#",
        "dct": "http://purl.org/dc/terms/",
        "xsd": "http://www.w3.org/2001/XMLSchema#",
        "facematch": "urn:facematch:",
    }
)


@dataclass(frozen=True, slots=True)
class ConsentReceipt:
    """A signed copy of a consent record. Make one with :meth:`issue`; check one with :func:`facematch.verify_receipt`.

    Attributes:
        consent: The record as it stood.
        issued_at: When the receipt was made, UTC.
        in_force: Whether the record allowed processing at that moment.
        key_id: Name of the key that signed.
        public_key: That key, 32 bytes.
        signature: Ed25519 signature over :meth:`payload`, 64 bytes.
    """

    consent: Consent
    issued_at: datetime
    in_force: bool
    key_id: str
    public_key: bytes
    signature: bytes

    @classmethod
    def issue(cls, consent: Consent, signer: AuditSigner, now: datetime) -> Self:
        """A receipt of the record as it stands.

        Args:
            consent: The record.
            signer: The watchlist's key.
            now: The present moment, timezone-aware.

        Raises:
            InvalidArgument: ``now`` has no timezone.
        """
        moment = to_utc(now, "now")
        unsigned = cls(consent, moment, consent.in_force(moment), signer.key_id, signer.public_key, b"")
        signature = signer.sign(unsigned.payload())
        return cls(consent, moment, unsigned.in_force, signer.key_id, signer.public_key, signature)

    def payload(self) -> bytes:
        """Signed bytes: everything but the signature, as RFC 8785 canonical JSON."""
        return rfc8785.dumps(self._body())

    def to_dict(self) -> dict[str, Any]:
        """The receipt as plain data, with its signature."""
        return {**self._body(), "signature": base64.b64encode(self.signature).decode()}

    def to_json(self) -> str:
        """The receipt as RFC 8785 canonical JSON, with its signature."""
        return rfc8785.dumps(self.to_dict()).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """The receipt from its JSON form. The signature is not looked at: that is :func:`facematch.verify_receipt`.

        Raises:
            ReceiptInvalid: It is no JSON, or no receipt.
        """
        return cls.from_dict(_parsed(text))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The receipt from plain data, as :meth:`from_json`.

        Raises:
            ReceiptInvalid: It is no receipt.
        """
        try:
            if data["type"] != RECEIPT or set(data) != _FIELDS or set(data["key"]) != {"id", "ed25519"}:
                raise ReceiptInvalid("schema: not a consent receipt of this version", hint=_HINT)
            receipt = cls(
                Consent.from_dict(data["record"]),
                to_utc(datetime.fromisoformat(data["issued_at"]), "issued_at"),
                data["in_force"],
                data["key"]["id"],
                base64.b64decode(data["key"]["ed25519"], validate=True),
                base64.b64decode(data["signature"], validate=True),
            )
            exact = rfc8785.dumps(receipt.to_dict()) == rfc8785.dumps(dict(data))
        except ConsentInvalid as error:
            raise ReceiptInvalid(f"schema: {error.message}", hint=_HINT) from error
        except (LookupError, ValueError, TypeError, AttributeError, InvalidArgument, RecursionError) as error:
            raise ReceiptInvalid("schema: something in the receipt is missing or malformed", hint=_HINT) from error
        if not exact:
            raise ReceiptInvalid("schema: the receipt is not written as it was issued", hint=_HINT)
        return receipt

    def to_jsonld(self) -> dict[str, Any]:
        """The receipt as JSON-LD with DPV terms. It is not signed; :attr:`signature` belongs to the JSON form."""
        record = self.consent.to_dict()
        return {
            "@context": dict(_CONTEXT),
            "@id": f"urn:uuid:{self.consent.record_id}",
            "@type": "dpv:ConsentReceipt",
            "dct:identifier": self.consent.record_id,
            "dct:issued": _typed(_written(self.issued_at)),
            "dct:valid": None if self.consent.valid_until is None else _typed(_written(self.consent.valid_until)),
            "dpv:hasDataSubject": {"@type": "dpv:DataSubject", "dct:identifier": self.consent.subject_id},
            "dpv:hasDataController": {
                "@type": "dpv:DataController",
                "dpv:hasName": self.consent.controller.name,
                "dpv:hasContact": self.consent.controller.contact,
            },
            "dpv:hasLegalBasis": {"@id": _BASES.get(self.consent.lawful_basis, "dpv:LegalBasis")},
            "dpv:hasNotice": {
                "@type": "dpv:ConsentNotice",
                "dct:source": self.consent.privacy_notice.uri,
                "dct:language": self.consent.language,
                "facematch:sha256": self.consent.privacy_notice.sha256,
            },
            "dpv:hasProcess": {
                "@type": "dpv:Process",
                "dpv:hasPurpose": _titled("dpv:Purpose", self.consent.purposes),
                "dpv:hasPersonalData": _titled("dpv:PersonalData", self.consent.personal_data),
                "dpv:hasRecipient": _titled("dpv:Recipient", self.consent.recipients),
            },
            "dpv:hasConsentStatus": [
                {
                    "@type": _STATUS[event.state],
                    "dpv:isIndicatedAtTime": _typed(_written(event.time)),
                    "dpv:isIndicatedBy": event.actor,
                }
                for event in self.consent.events
            ]
            + ([] if not self._over() else [{"@type": "dpv:ConsentExpired"}]),
            "facematch:withdrawalMethod": self.consent.withdrawal_method,
            "facematch:recordDigest": self.consent.digest,
            "facematch:record": {"@type": "@json", "@value": record},
        }

    def to_text(self) -> str:
        """The receipt in plain English, to be printed: at most 78 columns wide."""
        consent, record = self.consent, self.consent.to_dict()
        start, end = consent.valid_from, consent.valid_until
        lines = [
            ("Consent record", consent.record_id),
            ("Subject", consent.subject_id),
            ("Status", self._status()),
            ("Valid from", "not given" if start is None else _readable(start)),
            ("Valid until", "not given" if end is None else _readable(end)),
            ("Controller", consent.controller.name),
            ("Contact", consent.controller.contact),
            ("Purposes", ", ".join(consent.purposes)),
            ("Lawful basis", consent.lawful_basis),
            ("Personal data", ", ".join(consent.personal_data)),
            ("Recipients", ", ".join(consent.recipients) or "nobody"),
            ("Sites", ", ".join(consent.sites) or "every site of the controller"),
            ("How to withdraw", consent.withdrawal_method),
            ("Privacy notice", f"{consent.privacy_notice.uri} ({consent.language})"),
            ("Digest of the notice", consent.privacy_notice.sha256),
            *(("Digest of evidence", digest) for digest in consent.evidence_digests),
            *((name.replace("_", " ").capitalize(), _said(record[name])) for name in sorted(set(record) - _SHOWN)),
        ]
        history = [
            f"{_readable(event.time)}  {event.state.lower()}, recorded by {event.actor}"
            + ("" if event.reason is None else f": {event.reason}")
            for event in consent.events
        ]
        signed = [
            ("Receipt issued", _readable(self.issued_at)),
            ("Digest of the record", consent.digest),
            ("Signed with key", f"{self.key_id} (Ed25519)"),
            ("Public key", self.public_key.hex()),
        ]
        return "\n".join(
            [
                *("CONSENT RECEIPT", "", *_table(lines), ""),
                *("What happened", *_indented(history), ""),
                *(*_table(signed), "", "The signature is in the JSON form of this receipt, which can be verified.", ""),
            ]
        )

    def _body(self) -> dict[str, Any]:
        return {
            "type": RECEIPT,
            "issued_at": _written(self.issued_at),
            "in_force": self.in_force,
            "record": self.consent.to_dict(),
            "record_digest": self.consent.digest,
            "key": {"id": self.key_id, "ed25519": base64.b64encode(self.public_key).decode()},
        }

    def _over(self) -> bool:
        """Whether the consent had ended by time alone."""
        end = self.consent.valid_until
        return self.consent.state in OPEN_STATES and end is not None and end <= self.issued_at

    def _status(self) -> str:
        state = self.consent.state.lower()
        if self.in_force:
            return f"{state}, in force"
        return f"{state}, ended by time" if self._over() else f"{state}, not in force"


_SHOWN: Final = frozenset(
    {
        "schema_version",
        "record_id",
        "subject_id",
        "privacy_notice",
        "language",
        "purposes",
        "lawful_basis",
        "personal_data",
        "controller",
        "recipients",
        "withdrawal_method",
        "sites",
        "evidence_sha256",
        "events",
    }
)


def verify_receipt(
    data: ConsentReceipt | Mapping[str, Any] | str | bytes,
    public_key: bytes,
    notice: str | os.PathLike[str] | bytes | None = None,
    evidence: str | os.PathLike[str] | None = None,
) -> ConsentReceipt:
    """Check a receipt, and on request that a notice and a piece of evidence are those that it names.

    Args:
        data: The receipt, as plain data or as JSON.
        public_key: The watchlist's key, 32 bytes, from a source that is trusted.
        notice: The privacy notice: a path, or its bytes.
        evidence: Path of the evidence, such as the signed form.

    Returns:
        The receipt.

    Raises:
        ReceiptInvalid: Something does not fit; the message begins with what: ``schema``, ``signature``, ``notice`` or
            ``evidence``.
        ConsentInvalid: The notice or the evidence cannot be read.
    """
    if isinstance(data, ConsentReceipt):
        receipt = data
    else:
        plain = data if isinstance(data, Mapping) else _parsed(data)
        receipt = ConsentReceipt.from_dict(plain)
    if receipt.public_key != public_key:
        raise ReceiptInvalid("signature: the receipt is signed with another key", hint=_HINT)
    if not verify_signature(public_key, receipt.signature, receipt.payload()):
        raise ReceiptInvalid("signature: the receipt was changed after it was signed", hint=_HINT)
    if notice is not None and notice_of(notice, None).sha256 != receipt.consent.privacy_notice.sha256:
        raise ReceiptInvalid(
            "notice: it is not the privacy notice that the subject was shown", hint="pass the notice of that day"
        )
    if evidence is not None and evidence_digest(evidence) not in receipt.consent.evidence_digests:
        raise ReceiptInvalid(
            "evidence: it is not the evidence that the record names", hint="pass the file that was recorded"
        )
    return receipt


def _parsed(text: str | bytes) -> Mapping[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ReceiptInvalid("schema: the receipt is not valid JSON", hint=_HINT) from error
    if not isinstance(data, Mapping):
        raise ReceiptInvalid("schema: the receipt is no JSON object", hint=_HINT)
    return data


def _written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _readable(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")


def _typed(moment: str) -> dict[str, str]:
    return {"@type": "xsd:dateTime", "@value": moment}


def _titled(kind: str, names: Iterable[str]) -> list[dict[str, str]]:
    return [{"@type": kind, "dct:title": name} for name in names]


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(str(item) for item in value) if isinstance(value, list | tuple) else str(value)


def _table(lines: Iterable[tuple[str, str]]) -> list[str]:
    table: list[str] = []
    for label, text in lines:
        head = f"{label + ':':<{_LABEL}} "
        if len(text) > _WIDTH - len(head) and " " not in text:  # a digest stays in one piece
            table += [head.rstrip(), *textwrap.wrap(text, _WIDTH, initial_indent="    ", subsequent_indent="    ")]
        else:
            table += textwrap.wrap(text, _WIDTH, initial_indent=head, subsequent_indent=" " * len(head))
    return table


def _indented(lines: Iterable[str]) -> list[str]:
    return [
        part for line in lines for part in textwrap.wrap(line, _WIDTH, initial_indent="  ", subsequent_indent="    ")
    ]
