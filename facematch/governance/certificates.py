"""Certificates of erasure: erased data, destroyed key, and the inclusion proof of the audit entry.

It is a signed JSON document (Ed25519 over RFC 8785 bytes). The watchlist keeps no copy, because it names the subject.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from facematch.errors import InvalidArgument, ReceiptInvalid
from facematch.governance.audit import InclusionProof
from facematch.governance.keys.signing import SigningKey

__all__ = ["CERTIFICATE", "sign_certificate", "verify_certificate"]

CERTIFICATE = "facematch-erasure-certificate-1"
_HINT = "ask the controller for the certificate as it was issued"


def sign_certificate(content: Mapping[str, Any], key: SigningKey) -> dict[str, Any]:
    """The certificate: content, key and signature as plain data.

    Args:
        content: What the certificate says; plain JSON data.
        key: The watchlist's signing key.
    """
    body = {
        "type": CERTIFICATE,
        **content,
        "key": {"id": key.key_id, "ed25519": base64.b64encode(key.public_key).decode()},
    }
    return {**body, "signature": base64.b64encode(key.sign(rfc8785.dumps(body))).decode()}


def verify_certificate(
    certificate: Mapping[str, Any] | str | bytes, *, public_key: bytes | None = None
) -> dict[str, Any]:
    """Check signature, key and inclusion proof; returns the certificate as plain data.

    Args:
        certificate: The certificate, as plain data or as JSON.
        public_key: The key it must be signed with, 32 bytes; default the one it carries, which proves only that it was
            not changed since.

    Raises:
        ReceiptInvalid: Something does not fit; the message says what.
    """
    try:
        data = dict(certificate) if isinstance(certificate, Mapping) else json.loads(certificate)
        signature = base64.b64decode(data["signature"], validate=True)
        carried = base64.b64decode(data["key"]["ed25519"], validate=True)
        body = {name: value for name, value in data.items() if name != "signature"}
        proof = InclusionProof.from_dict(data["audit"]["proof"])
        root = bytes.fromhex(data["audit"]["root"])
        entry = json.loads(proof.entry)
        kind = data["type"]
    except (ValueError, LookupError, TypeError, InvalidArgument) as error:
        raise ReceiptInvalid("not an erasure certificate: something is missing or malformed", hint=_HINT) from error
    if kind != CERTIFICATE:
        raise ReceiptInvalid(f"not an erasure certificate but {kind!r}", hint=_HINT)
    if public_key is not None and carried != public_key:
        raise ReceiptInvalid("the certificate is signed with another key than the watchlist's", hint=_HINT)
    try:
        Ed25519PublicKey.from_public_bytes(carried).verify(signature, rfc8785.dumps(body))
    except (InvalidSignature, ValueError, rfc8785.CanonicalizationError) as error:
        raise ReceiptInvalid("the signature does not fit: the certificate was changed", hint=_HINT) from error
    if not proof.verify(root):
        raise ReceiptInvalid("the proof does not lead to the root of the audit log", hint=_HINT)
    done = entry.get("action") == "erase" and entry.get("outcome") == "done"
    if not done or entry.get("subject_ref") != data.get("subject_ref"):
        raise ReceiptInvalid("the proved audit entry is not the one of this erasure", hint=_HINT)
    return data
