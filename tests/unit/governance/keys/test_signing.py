"""The signing key, against RFC 8032."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from facematch.governance.keys import SigningKey

VECTORS = [  # RFC 8032, section 7.1, tests 1 and 3: seed, public key, message, signature
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize(("seed", "public", "message", "signature"), VECTORS)
def test_signatures_are_those_of_the_standard(seed: str, public: str, message: str, signature: str) -> None:
    key = SigningKey(bytes.fromhex(seed))
    assert key.public_key.hex() == public
    assert key.sign(bytes.fromhex(message)).hex() == signature


def test_a_key_is_named_by_the_digest_of_its_public_part() -> None:
    key = SigningKey(bytes.fromhex(VECTORS[0][0]))
    assert key.key_id == hashlib.sha256(bytes.fromhex(VECTORS[0][1])).hexdigest()[:16]


def test_a_signature_holds_for_its_message_and_its_key_only() -> None:
    first, second = SigningKey(SigningKey.new_seed()), SigningKey(SigningKey.new_seed())
    signature = first.sign(b"head")
    Ed25519PublicKey.from_public_bytes(first.public_key).verify(signature, b"head")
    with pytest.raises(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(first.public_key).verify(signature, b"heads")
    with pytest.raises(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(second.public_key).verify(signature, b"head")


def test_the_seed_is_in_no_text_about_the_key() -> None:
    seed = SigningKey.new_seed()
    key = SigningKey(seed)
    assert seed.hex() not in repr(key) + str(key) + key.key_id
