"""Sealing and deriving, against published vectors."""

from __future__ import annotations

import hmac
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facematch.errors import KeyUnavailable
from facematch.governance.keys import KEY_BYTES, derive, new_key, seal, unseal
from facematch.governance.keys.envelope import NONCE_BYTES

# McGrew and Viega, "The Galois/Counter Mode of Operation (GCM)", appendix B, test case 16 (AES-256, 96-bit nonce)
GCM_KEY = bytes.fromhex("feffe9928665731c6d6a8f9467308308") * 2
GCM_NONCE = bytes.fromhex("cafebabefacedbaddecaf888")
GCM_PLAIN = bytes.fromhex(
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
)
GCM_ASSOCIATED = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
GCM_CIPHER = bytes.fromhex(
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
)
GCM_TAG = bytes.fromhex("76fc6ece0f4e1768cddf8853bb2d551b")


def _hkdf(key: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """HKDF-SHA-256 by the letter of RFC 5869, section 2."""
    extracted = hmac.digest(salt or bytes(32), key, "sha256")
    block, output = b"", b""
    while len(output) < length:
        block = hmac.digest(extracted, block + info + bytes([len(output) // 32 + 1]), "sha256")
        output += block
    return output[:length]


def test_a_published_ciphertext_opens_when_it_is_framed_as_nonce_ciphertext_tag() -> None:
    assert unseal(GCM_KEY, GCM_NONCE + GCM_CIPHER + GCM_TAG, GCM_ASSOCIATED, what="it") == GCM_PLAIN


def test_what_is_sealed_is_the_nonce_then_what_aes_gcm_gives() -> None:
    sealed = seal(GCM_KEY, GCM_PLAIN, GCM_ASSOCIATED)
    assert len(sealed) == NONCE_BYTES + len(GCM_PLAIN) + 16
    assert unseal(GCM_KEY, sealed, GCM_ASSOCIATED, what="it") == GCM_PLAIN


def test_no_nonce_comes_twice() -> None:
    sealed = [seal(GCM_KEY, b"the same", b"the same") for _ in range(2000)]
    assert len({value[:NONCE_BYTES] for value in sealed}) == 2000


@pytest.mark.parametrize("position", range(NONCE_BYTES + 3 + 16))
@pytest.mark.parametrize("bit", [0, 7])
def test_every_flipped_bit_is_found(position: int, bit: int) -> None:
    sealed = bytearray(seal(GCM_KEY, b"abc", b"to"))
    sealed[position] ^= 1 << bit
    with pytest.raises(KeyUnavailable, match="it cannot be opened"):
        unseal(GCM_KEY, bytes(sealed), b"to", what="it")


@pytest.mark.parametrize("length", range(NONCE_BYTES + 3 + 16))
def test_every_cut_is_found(length: int) -> None:
    with pytest.raises(KeyUnavailable):
        unseal(GCM_KEY, seal(GCM_KEY, b"abc", b"to")[:length], b"to", what="it")


def test_another_key_or_another_binding_opens_nothing() -> None:
    sealed = seal(GCM_KEY, b"abc", b"to")
    with pytest.raises(KeyUnavailable):
        unseal(new_key(), sealed, b"to", what="it")
    with pytest.raises(KeyUnavailable):
        unseal(GCM_KEY, sealed, b"to ", what="it")


@given(st.binary(max_size=300), st.binary(max_size=80))
def test_what_is_sealed_opens_again(plain: bytes, associated: bytes) -> None:
    assert unseal(GCM_KEY, seal(GCM_KEY, plain, associated), associated, what="it") == plain


@pytest.mark.parametrize(
    ("salt", "info", "length", "expected"),
    [
        (  # RFC 5869, appendix A.1
            "000102030405060708090a0b0c",
            "f0f1f2f3f4f5f6f7f8f9",
            42,
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (  # RFC 5869, appendix A.3
            "",
            "",
            42,
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        ),
    ],
)
def test_the_oracle_for_hkdf_gives_the_published_vectors(salt: str, info: str, length: int, expected: str) -> None:
    assert _hkdf(b"\x0b" * 22, bytes.fromhex(salt), bytes.fromhex(info), length).hex() == expected


@given(st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES), st.text(max_size=40))
def test_keys_are_derived_by_hkdf_with_no_salt_and_a_labeled_info(key: bytes, label: str) -> None:
    assert derive(key, label) == _hkdf(key, b"", b"facematch/" + label.encode(), KEY_BYTES)


def test_other_labels_and_other_keys_give_other_keys() -> None:
    first, second = new_key(), new_key()
    made = {derive(key, label) for key in (first, second) for label in ("lookup", "sample", "ed25519", "")}
    assert len(made | {first, second}) == 10


def test_new_keys_are_32_bytes_and_never_the_same() -> None:
    keys = [new_key() for _ in range(500)]
    assert {len(key) for key in keys} == {KEY_BYTES}
    assert len({sha256(key).digest() for key in keys}) == 500
