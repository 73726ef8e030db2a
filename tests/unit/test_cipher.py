"""Sealing, derivation and the rotation of templates."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.adapters.gallery import cipher
from edgeface.adapters.gallery.rotation import Rotation, orthogonal

KEY = bytes(range(32))
WHERE = cipher.place("person record", "ab" * 16, 1)
PINNED = (
    [-0.04615609159576084, -0.11475399098258761, -0.021635579190443396],
    [-0.00484695870348395, 0.042989071488046815, -0.08389473883340591],
    [-0.1325848662584393, -0.12097450456519454, -0.05607230477828125],
)


@settings(max_examples=100)
@given(st.binary(max_size=300))
def test_what_was_sealed_comes_back(plaintext: bytes) -> None:
    sealed = cipher.seal(KEY, plaintext, WHERE)
    assert len(sealed) == len(plaintext) + cipher.OVERHEAD_BYTES
    assert cipher.unseal(KEY, sealed, WHERE) == plaintext


def test_every_flipped_bit_is_noticed() -> None:
    sealed = cipher.seal(KEY, b"somebody", WHERE)
    for bit in range(8 * len(sealed)):
        altered = bytearray(sealed)
        altered[bit // 8] ^= 1 << bit % 8
        with pytest.raises(cipher.Unauthentic):
            cipher.unseal(KEY, bytes(altered), WHERE)


@pytest.mark.parametrize("length", range(cipher.OVERHEAD_BYTES + 4))
def test_every_truncation_is_noticed(length: int) -> None:
    with pytest.raises(cipher.Unauthentic):
        cipher.unseal(KEY, cipher.seal(KEY, b"12345", WHERE)[:length], WHERE)


def test_another_key_or_place_opens_nothing() -> None:
    sealed = cipher.seal(KEY, b"somebody", WHERE)
    for key, where in ((bytes(32), WHERE), (KEY, cipher.place("person record", "ab" * 16, 2)), (KEY, b"")):
        with pytest.raises(cipher.Unauthentic):
            cipher.unseal(key, sealed, where)


def test_the_version_byte_comes_first_and_is_not_negotiable() -> None:
    sealed = cipher.seal(KEY, b"x", WHERE)
    assert sealed[0] == 1
    with pytest.raises(cipher.Unauthentic, match="version 2"):
        cipher.unseal(KEY, b"\x02" + sealed[1:], WHERE)


def test_nonces_do_not_repeat() -> None:
    assert len({cipher.seal(KEY, b"x", WHERE)[1:13] for _ in range(2000)}) == 2000


@settings(max_examples=200)
@given(st.lists(st.text(max_size=5), max_size=4), st.lists(st.text(max_size=5), max_size=4))
def test_two_places_are_the_same_bytes_only_if_they_are_the_same_place(a: list[str], b: list[str]) -> None:
    assert (cipher.place("role", *a) == cipher.place("role", *b)) == (a == b)


def test_derivation_is_hkdf_sha256_and_stays_so() -> None:
    """A changed value here makes every gallery in the field unreadable. The expected bytes are computed from
    RFC 5869 with the standard library's HMAC."""
    import hmac

    extracted = hmac.new(b"edgeface v1", KEY, hashlib.sha256).digest()
    expected = hmac.new(extracted, b"audit chain\x01", hashlib.sha256).digest()
    assert cipher.derive(KEY, "audit chain") == expected
    assert cipher.derive(KEY, "audit chain", 16) == expected[:16]
    assert cipher.derive(KEY, "audit head") != expected


def test_the_rotation_is_orthogonal_and_keeps_cosines() -> None:
    matrix = orthogonal(KEY)
    assert np.allclose(matrix @ matrix.T, np.eye(128), atol=1e-12)
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(50, 128)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    turned = Rotation(KEY).rotate(vectors)
    assert np.allclose(vectors @ vectors.T, turned @ turned.T, atol=1e-6)
    assert np.allclose(Rotation(KEY).turn_back(turned), vectors, atol=1e-6)


def test_the_rotation_of_a_seed_never_changes() -> None:
    """On no machine and with no version of numpy, or stored templates are lost. Pinned to what rounding leaves."""
    matrix = orthogonal(KEY)
    assert matrix[0, :3] == pytest.approx(PINNED[0], abs=1e-9)
    assert matrix[64, 64:67] == pytest.approx(PINNED[1], abs=1e-9)
    assert matrix[127, 125:] == pytest.approx(PINNED[2], abs=1e-9)


def test_another_seed_makes_templates_unlinkable() -> None:
    """The same face under two seeds is as near to itself as two strangers are."""
    rng = np.random.default_rng(2)
    face = rng.normal(size=128).astype(np.float32)
    face /= np.linalg.norm(face)
    seeds = [hashlib.sha256(bytes([i])).digest() for i in range(30)]
    turned = np.stack([Rotation(seed).rotate(face) for seed in seeds])
    cosines = (turned @ turned.T)[np.triu_indices(30, 1)]
    assert abs(float(cosines.mean())) < 0.03
    assert float(np.abs(cosines).max()) < 0.45


def test_the_rotation_is_spread_over_the_whole_group() -> None:
    """Entries of a random orthogonal matrix have mean 0 and variance 1/128, and both determinants occur."""
    matrices = [orthogonal(hashlib.sha256(bytes([i])).digest()) for i in range(20)]
    entries = np.stack(matrices)
    assert abs(float(entries.mean())) < 1e-3
    assert float(entries.var()) == pytest.approx(1 / 128, rel=0.01)
    corners = entries[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert float(corners.var()) == pytest.approx(1 / 128, rel=0.5)
    assert {round(float(np.linalg.det(m))) for m in matrices} == {-1, 1}
