"""Damaged files: a typed error or a right answer, never anything else."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from facematch.errors import DatabaseCorrupt, FacematchError
from facematch.testing import FakeAnalyzer, SyntheticFace, synthetic_consent, synthetic_picture
from facematch.watchlist import Watchlist

STRANGER = synthetic_picture([15])


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("sound") / "a.db"
    with Watchlist.open(f"sqlite:///{path}", actor="ana", analyzer=FakeAnalyzer()) as watchlist:
        for number in range(6):
            name = f"s{number}"
            pictures = [synthetic_picture([SyntheticFace(number, variant)]) for variant in range(3)]
            watchlist.enroll(name, pictures, consent=synthetic_consent(name, sites=["store-12"] * (number % 2)))
        watchlist.withdraw("s5", reason="left")
    assert [file.name for file in path.parent.iterdir()] == ["a.db"]
    return path.read_bytes()


def _use(path: Path) -> str:
    """Use everything; a code when it was refused. Anything but our errors fails the test."""
    try:
        with Watchlist.open(f"sqlite:///{path}", actor="ana", analyzer=FakeAnalyzer()) as watchlist:
            result = watchlist.identify(STRANGER, purpose="site-access", site="store-12")
            assert result.candidates == ()
            watchlist.identify(synthetic_picture([0]), purpose="site-access")
            for record in watchlist.subjects():
                watchlist.consents(record.subject_id)
            watchlist.audit.entries()
            watchlist.withdraw("s1", reason="left")
            watchlist.erase("s2", reason="asked")
            watchlist.enroll("s9", synthetic_picture([9]), consent=synthetic_consent("s9"))
    except FacematchError as error:
        return error.code
    return "used"


def _flip(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice([1, 1, 4, 40])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(16, len(data)) :]


def _blank(data: bytearray, rng: random.Random) -> None:
    page = rng.randrange(len(data) // 4096)
    data[page * 4096 : (page + 1) * 4096] = bytes([rng.choice([0, 255])]) * 4096


@pytest.mark.parametrize(("damage", "rounds"), [(_flip, 120), (_cut, 25), (_blank, 40)])
def test_damage_is_reported_as_damage_or_does_no_harm(
    tmp_path: Path, sound: bytes, damage: Callable[[bytearray, random.Random], None], rounds: int
) -> None:
    outcomes: Counter[str] = Counter()
    for seed in range(rounds):
        rng, data = random.Random(seed), bytearray(sound)
        damage(data, rng)
        path = tmp_path / f"{seed}.db"
        path.write_bytes(data)
        outcomes[_use(path)] += 1
    assert outcomes["database_corrupt"] > rounds // 10
    assert outcomes.total() == rounds


def test_a_file_cut_to_half_is_found_when_it_is_opened(tmp_path: Path, sound: bytes) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(sound[: len(sound) // 2])
    with pytest.raises(DatabaseCorrupt):
        Watchlist.open(f"sqlite:///{path}")
