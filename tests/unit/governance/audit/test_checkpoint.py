"""Signed checkpoints and proofs as they leave the log."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from facematch.errors import AuditTampered, InvalidArgument
from facematch.governance.audit import (
    AuditSigner,
    AuditVerification,
    Checkpoint,
    ConsistencyProof,
    Finding,
    InclusionProof,
    read_checkpoint,
    require_signature,
)
from facematch.governance.audit.checkpoint import sign_checkpoint, sign_head
from facematch.governance.audit.verifier import head_message, leaf_hash, node_hash, verify_signature

TIME = datetime(2026, 3, 1, 12, 30, 5, 40, tzinfo=UTC)
ROOT = hashlib.sha256(b"root").digest()


class Signer:
    """An Ed25519 key of the ``cryptography`` package."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.key_id = "k1"
        self.public_key = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


SIGNER, OTHER = Signer(bytes(range(32))), Signer(bytes(32))


def made(origin: str = "example.org/log") -> Checkpoint:
    return sign_checkpoint(SIGNER, origin=origin, size=5, root=ROOT, time=TIME, number=2)


def test_a_key_of_the_package_is_a_signer() -> None:
    assert isinstance(SIGNER, AuditSigner)


def test_a_checkpoint_is_a_signed_note_as_c2sp_has_it() -> None:
    text, signature = made().note.split("\n\n")
    root = base64.b64encode(ROOT).decode()
    assert text == f"example.org/log\n5\n{root}\ntime 2026-03-01T12:30:05.000040Z\nnumber 2"
    dash, name, blob = signature.removesuffix("\n").split(" ")
    raw = base64.b64decode(blob)
    assert (dash, name, len(raw)) == ("\u2014", "example.org/log", 68)
    assert raw[:4] == hashlib.sha256(b"example.org/log\n\x01" + SIGNER.public_key).digest()[:4]
    Ed25519PublicKey.from_public_bytes(SIGNER.public_key).verify(raw[4:], (text + "\n").encode())
    with pytest.raises(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(SIGNER.public_key).verify(raw[4:], text.encode())


def test_a_checkpoint_survives_being_written_down() -> None:
    assert read_checkpoint(made().note) == made()
    require_signature(made(), [OTHER.public_key, SIGNER.public_key])


def test_another_key_is_refused() -> None:
    with pytest.raises(AuditTampered, match="not signed by the log's key"):
        require_signature(made(), [OTHER.public_key])
    assert not made().signed_by([])


@pytest.mark.parametrize("at", range(len(made().note)))
def test_no_character_of_a_checkpoint_can_be_changed(at: int) -> None:
    note = made().note
    changed = note[:at] + ("A" if note[at] != "A" else "B") + note[at + 1 :]
    try:
        checkpoint = read_checkpoint(changed)
    except InvalidArgument:
        checkpoint = None
    assert checkpoint is None or not checkpoint.signed_by([SIGNER.public_key])


@pytest.mark.parametrize(
    "note",
    [
        "",
        "x",
        made().note.replace("\n5\n", "\n05\n"),
        made().note.replace("\n5\n", "\n-5\n"),
        made().note.replace("number 2", "number 0"),
        made().note.replace("time ", ""),
        made().note.replace("number 2\n", "number 2\nmore\n"),
        made().note.replace("example.org", "exam ple.org"),
        made().note.replace("\u2014", "-"),
        made().note.removesuffix("\n"),
        made().note.replace(base64.b64encode(ROOT).decode(), "AAAA"),
        made().note.replace("2026-03-01T12:30:05.000040Z", "2026-03-01T13:30:05.000040+01:00"),
        made().note.replace("2026", "99999"),
    ],
)
def test_what_is_no_checkpoint_is_refused(note: str) -> None:
    with pytest.raises(InvalidArgument):
        read_checkpoint(note)


@pytest.mark.parametrize("origin", ["", "a b", "a+b", "a\nb", "{}", "ä", "a" * 201])
def test_an_origin_has_no_spaces_and_no_plus(origin: str) -> None:
    with pytest.raises(InvalidArgument):
        made(origin)


def test_the_head_is_signed_under_a_first_line_of_its_own() -> None:
    signature = sign_head(SIGNER, origin="o", size=5, root=ROOT, pruned=1)
    message = b"facematch audit head v1\no\n5\n" + base64.b64encode(ROOT) + b"\n1\n"
    assert head_message("o", 5, ROOT, 1) == message
    Ed25519PublicKey.from_public_bytes(SIGNER.public_key).verify(signature, message)


@pytest.mark.parametrize(("key", "signature"), [(b"", bytes(64)), (bytes(32), b""), (bytes(31), bytes(64))])
def test_malformed_keys_and_signatures_are_not_genuine(key: bytes, signature: bytes) -> None:
    assert not verify_signature(key, signature, b"")


def test_proofs_survive_being_written_down() -> None:
    left, right = leaf_hash(b"l"), leaf_hash(b"r")
    root = node_hash(left, right)
    inclusion = InclusionProof(2, 2, (left,), b"r")
    assert inclusion.to_dict() == {"seq": 2, "size": 2, "path": [left.hex()], "entry": "r"}
    assert InclusionProof.from_dict(inclusion.to_dict()) == inclusion
    assert (inclusion.verify(root), inclusion.verify(left)) == (True, False)
    consistency = ConsistencyProof(1, 2, (right,))
    assert ConsistencyProof.from_dict(consistency.to_dict()) == consistency
    assert (consistency.verify(left, root), consistency.verify(right, root)) == (True, False)


@pytest.mark.parametrize(
    "data", [{}, {"seq": 1, "size": 1, "path": ["00"], "entry": ""}, {"seq": 1, "size": 1, "path": [1], "entry": ""}]
)
def test_what_is_no_proof_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(InvalidArgument):
        InclusionProof.from_dict(data)
    with pytest.raises(InvalidArgument):
        ConsistencyProof.from_dict({**data, "old_size": 1, "new_size": 2})


def test_a_verification_says_what_it_found() -> None:
    clean = AuditVerification(3, ROOT, ())
    assert clean.require() is clean
    found = tuple(Finding(f"entry {number}", "is missing") for number in range(1, 6))
    spoilt = AuditVerification(3, ROOT, found, with_outside_checkpoint=True)
    with pytest.raises(
        AuditTampered, match="entry 1: is missing; entry 2: is missing; entry 3: is missing; and 2 more"
    ):
        spoilt.require()
    assert (clean.ok, spoilt.ok) == (True, False)
    assert spoilt.to_dict() == {
        "ok": False,
        "size": 3,
        "root": ROOT.hex(),
        "findings": [{"place": finding.place, "problem": "is missing"} for finding in found],
        "with_outside_checkpoint": True,
    }
