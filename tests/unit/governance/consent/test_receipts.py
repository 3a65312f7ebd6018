from __future__ import annotations

import base64
import copy
import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from facematch.errors import ConsentInvalid, InvalidArgument, ReceiptInvalid
from facematch.governance import Consent, ConsentState, Controller
from facematch.governance.consent.receipts import ConsentReceipt, verify_receipt
from facematch.governance.keys.signing import SigningKey

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=10)
KEY, OTHER = SigningKey(bytes(range(32))), SigningKey(bytes(32))


@pytest.fixture
def papers(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "notice-en.txt").write_bytes(b"what we do")
    (tmp_path / "form.pdf").write_bytes(b"signed")
    return {"notice": tmp_path / "notice-en.txt", "evidence": tmp_path / "form.pdf"}


@pytest.fixture
def consent(papers: dict[str, Any]) -> Consent:
    return Consent.given(
        subject_id="s-0042",
        purposes=["site-access", "theft-prevention"],
        language="en",
        adult_attested=True,
        valid_for=timedelta(days=365),
        sites=["store-12"],
        actor="ana",
        now=NOW,
        controller=Controller(name="Shop & Söhne", contact="privacy@shop.example"),
        **papers,
    )


@pytest.fixture
def receipt(consent: Consent) -> ConsentReceipt:
    return ConsentReceipt.issue(consent, KEY, LATER)


def test_a_receipt_survives_being_written_down(receipt: ConsentReceipt, consent: Consent) -> None:
    read = verify_receipt(receipt.to_json(), KEY.public_key)
    assert (
        read == receipt == verify_receipt(receipt.to_dict(), KEY.public_key) == verify_receipt(receipt, KEY.public_key)
    )
    assert read.consent == consent
    assert (read.issued_at, read.in_force, read.key_id) == (LATER, True, KEY.key_id)
    assert ConsentReceipt.from_json(receipt.to_json().encode()) == receipt


def test_the_signature_can_be_checked_without_facematch(receipt: ConsentReceipt) -> None:
    data = json.loads(receipt.to_json())
    signature = base64.b64decode(data.pop("signature"))
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(data["key"]["ed25519"]))
    key.verify(signature, rfc8785.dumps(data))
    data["record"]["subject_id"] = "s-0043"
    with pytest.raises(InvalidSignature):
        key.verify(signature, rfc8785.dumps(data))


def test_the_json_form_is_canonical(receipt: ConsentReceipt, consent: Consent) -> None:
    data = json.loads(receipt.to_json())
    assert rfc8785.dumps(data).decode() == receipt.to_json()
    assert sorted(data) == ["in_force", "issued_at", "key", "record", "record_digest", "signature", "type"]
    assert data["record"] == consent.to_dict()
    assert data["record_digest"] == hashlib.sha256(rfc8785.dumps(consent.to_dict())).hexdigest()
    assert data["type"] == "facematch-consent-receipt-1"
    assert data["issued_at"] == "2026-03-11T12:00:00.000000Z"


def leaves(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places of all values that are no containers."""
    if isinstance(data, dict):
        return [place for key, value in data.items() for place in leaves(value, (*path, key))]
    if isinstance(data, list) and data:
        return [place for index, value in enumerate(data) for place in leaves(value, (*path, index))]
    return [path]


def changed(data: dict[str, Any], place: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """A copy with one value changed."""
    whole = copy.deepcopy(data)
    part: Any = whole
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    return whole


SAMPLE = ConsentReceipt.issue(
    Consent.from_dict(
        {
            "record_id": "0b3b8a3e-6f0e-4c39-9a55-1c2e7f0b9a11",
            "subject_id": "s-1",
            "privacy_notice": {"uri": "notice.txt", "sha256": "ab" * 32},
            "language": "en",
            "purposes": ["site-access"],
            "sites": ["store-12"],
            "recipients": ["police"],
            "adult_attested": True,
            "evidence_sha256": "cd" * 32,
            "events": [{"time": NOW, "actor": "ana", "state": "GIVEN", "valid_until": NOW + timedelta(days=99)}],
        }
    ),
    KEY,
    LATER,
).to_dict()
VALUES: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text() | st.just([])
)


@given(st.sampled_from(leaves(SAMPLE)), VALUES)
def test_no_field_can_be_changed(place: tuple[Any, ...], value: Any) -> None:
    tampered = changed(SAMPLE, place, value)
    try:
        same = rfc8785.dumps(tampered) == rfc8785.dumps(SAMPLE)
    except rfc8785.CanonicalizationError:
        same = False
    if same:
        assert verify_receipt(tampered, KEY.public_key).to_dict() == SAMPLE
        return
    with pytest.raises(ReceiptInvalid, match=r"^(schema|signature): "):
        verify_receipt(tampered, KEY.public_key)


@pytest.mark.parametrize("place", leaves(SAMPLE), ids=lambda place: ".".join(map(str, place)))
def test_no_field_can_be_left_out(place: tuple[Any, ...]) -> None:
    tampered = copy.deepcopy(SAMPLE)
    part: Any = tampered
    for key in place[:-1]:
        part = part[key]
    del part[place[-1]]
    with pytest.raises(ReceiptInvalid, match=r"^(schema|signature): "):
        verify_receipt(tampered, KEY.public_key)


@pytest.mark.parametrize(
    ("place", "value", "what"),
    [
        (("record", "subject_id"), "s-2", "schema: the receipt is not written as it was issued"),
        (("record_digest",), "0" * 64, "schema: the receipt is not written as it was issued"),
        (("record", "adult_attested"), 1, "schema: "),
        (("record", "more"), "x", "schema: consent record: "),
        (("record", "purposes"), [], "schema: consent record: purposes"),
        (("type",), "facematch-erasure-certificate-1", "schema: not a consent receipt"),
        (("more",), 1, "schema: not a consent receipt"),
        (("key", "more"), 1, "schema: not a consent receipt"),
        (("issued_at",), "2026-03-12T12:00:00.000000Z", "signature: the receipt was changed"),
        (("issued_at",), "2026-03-11T13:00:00.000000+01:00", "schema: the receipt is not written"),
        (("issued_at",), "2026-03-11T12:00:00", "schema: something"),
        (("in_force",), False, "signature: the receipt was changed"),
        (("key", "id"), "x", "signature: the receipt was changed"),
        (("key", "ed25519"), base64.b64encode(OTHER.public_key).decode(), "signature: .* another key"),
        (("signature",), base64.b64encode(bytes(64)).decode(), "signature: the receipt was changed"),
        (("signature",), "*", "schema: something"),
        (("record", "subject_id"), "\ud800", "schema: "),
    ],
)
def test_the_error_names_what_does_not_fit(place: tuple[str, ...], value: Any, what: str) -> None:
    with pytest.raises(ReceiptInvalid, match=f"^{what}") as caught:
        verify_receipt(changed(SAMPLE, place, value), KEY.public_key)
    assert caught.value.code == "receipt_invalid"
    assert caught.value.hint


def test_a_changed_record_with_its_digest_made_anew_is_not_signed() -> None:
    record = {**SAMPLE["record"], "purposes": ["marketing"]}
    digest = Consent.from_dict(record).digest
    with pytest.raises(ReceiptInvalid, match=r"^signature: the receipt was changed"):
        verify_receipt({**SAMPLE, "record": record, "record_digest": digest}, KEY.public_key)


@pytest.mark.parametrize("data", ["", "[]", "{", b"\xff", "null", '"x"', "{}", "[" * 100_000])
def test_what_is_no_receipt_is_refused(data: str | bytes) -> None:
    with pytest.raises(ReceiptInvalid, match=r"^schema: "):
        verify_receipt(data, KEY.public_key)


def test_a_receipt_of_another_watchlist_is_refused(receipt: ConsentReceipt) -> None:
    with pytest.raises(ReceiptInvalid, match="signature: the receipt is signed with another key"):
        verify_receipt(receipt.to_json(), OTHER.public_key)


def test_the_notice_and_the_evidence_are_compared(receipt: ConsentReceipt, papers: dict[str, Any]) -> None:
    text = receipt.to_json()
    assert verify_receipt(text, KEY.public_key, papers["notice"], papers["evidence"]) == receipt
    assert verify_receipt(text, KEY.public_key, notice=b"what we do") == receipt
    with pytest.raises(ReceiptInvalid, match=r"^notice: "):
        verify_receipt(text, KEY.public_key, notice=b"what we did")
    with pytest.raises(ReceiptInvalid, match=r"^evidence: "):
        verify_receipt(text, KEY.public_key, evidence=papers["notice"])
    with pytest.raises(ConsentInvalid, match="does not exist"):
        verify_receipt(text, KEY.public_key, evidence="missing.pdf")


def renew(consent: Consent) -> Consent:
    end = LATER + timedelta(days=30)
    return consent.transition(ConsentState.RENEWED, actor="ben", time=LATER, valid_until=end)


def withdraw(consent: Consent) -> Consent:
    return consent.transition(ConsentState.WITHDRAWN, actor="ana", time=LATER, reason="she asked us to")


@pytest.mark.parametrize(
    ("change", "at", "terms", "status"),
    [
        (lambda c: c, LATER, ["dpv:ConsentGiven"], "given, in force"),
        (lambda c: c, NOW + timedelta(days=400), ["dpv:ConsentGiven", "dpv:ConsentExpired"], "given, ended by time"),
        (lambda c: c, NOW - timedelta(days=1), ["dpv:ConsentGiven"], "given, not in force"),
        (renew, LATER, ["dpv:ConsentGiven", "dpv:RenewedConsentGiven"], "renewed, in force"),
        (withdraw, LATER, ["dpv:ConsentGiven", "dpv:ConsentWithdrawn"], "withdrawn, not in force"),
    ],
)
def test_the_status_is_told_in_every_form(
    consent: Consent, change: Callable[[Consent], Consent], at: datetime, terms: list[str], status: str
) -> None:
    receipt = ConsentReceipt.issue(change(consent), KEY, at)
    assert [event["@type"] for event in receipt.to_jsonld()["dpv:hasConsentStatus"]] == terms
    assert f"Status:                {status}\n" in receipt.to_text()
    assert receipt.in_force == (", in force" in status)
    assert verify_receipt(receipt.to_json(), KEY.public_key).consent == change(consent)


@pytest.mark.parametrize(
    ("state", "term"),
    [
        (ConsentState.REVOKED, "dpv:ConsentRevoked"),
        (ConsentState.EXPIRED, "dpv:ConsentExpired"),
        (ConsentState.INVALIDATED, "dpv:ConsentInvalidated"),
    ],
)
def test_every_end_has_its_term(consent: Consent, state: ConsentState, term: str) -> None:
    ended = consent.transition(state, actor="ana", time=LATER)
    assert ConsentReceipt.issue(ended, KEY, LATER).to_jsonld()["dpv:hasConsentStatus"][-1]["@type"] == term


def test_a_consent_that_was_only_asked_for_has_a_receipt(papers: dict[str, Any]) -> None:
    asked = Consent.requested(
        subject_id="s", purposes=["site-access"], notice=papers["notice"], language="en", adult_attested=True, now=NOW
    )
    receipt = ConsentReceipt.issue(asked, KEY, LATER)
    assert verify_receipt(receipt.to_json(), KEY.public_key) == receipt
    assert receipt.to_jsonld()["dpv:hasConsentStatus"][0]["@type"] == "dpv:ConsentRequested"
    assert "Valid from:            not given\n" in receipt.to_text()
    refused = ConsentReceipt.issue(asked.transition(ConsentState.REFUSED, actor="ana", time=LATER), KEY, LATER)
    assert refused.to_jsonld()["dpv:hasConsentStatus"][1]["@type"] == "dpv:ConsentRefused"


def test_the_linked_data_form_uses_the_terms_of_dpv(receipt: ConsentReceipt, consent: Consent) -> None:
    data = receipt.to_jsonld()
    assert data["@context"]["dpv"] == "https://w3id.org/dpv#"
    assert (data["@type"], data["@id"]) == ("dpv:ConsentReceipt", f"urn:uuid:{consent.record_id}")
    assert data["dpv:hasLegalBasis"] == {"@id": "dpv:ExplicitlyExpressedConsent"}
    assert data["dpv:hasDataController"]["dpv:hasName"] == "Shop & Söhne"
    process = data["dpv:hasProcess"]
    assert [purpose["dct:title"] for purpose in process["dpv:hasPurpose"]] == ["site-access", "theft-prevention"]
    assert [part["dct:title"] for part in process["dpv:hasPersonalData"]] == ["face image", "biometric template"]
    assert process["dpv:hasRecipient"] == []
    assert data["dpv:hasNotice"]["facematch:sha256"] == hashlib.sha256(b"what we do").hexdigest()
    assert data["facematch:record"]["@value"] == consent.to_dict()
    assert json.loads(json.dumps(data)) == data
    assert {key.partition(":")[0] for key in _keys(data) if not key.startswith("@")} == {"dpv", "dct", "facematch"}


def _keys(data: Any) -> list[str]:
    if isinstance(data, dict):
        inner = {name: value for name, value in data.items() if name not in {"@context", "facematch:record"}}
        return [*data, *(key for value in inner.values() for key in _keys(value))]
    return [key for item in data for key in _keys(item)] if isinstance(data, list) else []


def test_the_printed_form_says_all_of_it_and_fits_the_page(receipt: ConsentReceipt, consent: Consent) -> None:
    text = receipt.to_text()
    assert max(len(line) for line in text.splitlines()) <= 78
    said = [
        consent.record_id,
        "s-0042",
        "2026-03-01 12:00 UTC",
        "2027-03-01 12:00 UTC",
        "Shop & Söhne",
        "privacy@shop.example",
        "site-access, theft-prevention",
        "explicit-consent",
        "face image, biometric template",
        "Recipients:            nobody",
        "store-12",
        "notice-en.txt (en)",
        consent.privacy_notice.sha256,
        hashlib.sha256(b"signed").hexdigest(),
        "Adult attested:        yes",
        "given, recorded by ana",
        consent.digest,
        KEY.key_id,
        KEY.public_key.hex(),
    ]
    assert [part for part in said if part not in text] == []
    assert text.startswith("CONSENT RECEIPT\n")
    assert text.endswith("\n")


def test_a_reason_is_printed(consent: Consent) -> None:
    receipt = ConsentReceipt.issue(withdraw(consent), KEY, LATER)
    assert "withdrawn, recorded by ana: she asked us to" in receipt.to_text()


def test_fields_of_later_layouts_are_printed_too(papers: dict[str, Any]) -> None:
    consent = Consent.given(
        subject_id="s",
        purposes=["site-access"],
        language="en",
        adult_attested=True,
        valid_for=timedelta(days=9),
        now=NOW,
        sites=["store-12"],
        zones=["entrance"],
        jurisdiction="IE",
        **papers,
    )
    receipt = ConsentReceipt.issue(consent, KEY, LATER)
    assert "Zones:                 entrance\n" in receipt.to_text()
    assert "Jurisdiction:          IE\n" in receipt.to_text()
    assert verify_receipt(receipt.to_json(), KEY.public_key).consent == consent


def test_a_receipt_needs_a_moment_with_a_zone(consent: Consent) -> None:
    with pytest.raises(InvalidArgument):
        ConsentReceipt.issue(consent, KEY, datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point
