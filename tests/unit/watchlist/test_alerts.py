from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from facematch.errors import AccessDenied, InvalidArgument
from facematch.governance.policy import Policy
from tests.unit.watchlist.support import Bench, open_bench


def corroborated(**values: object) -> Policy:
    return Policy.from_dict({**Policy.profile("access-control").to_dict(), "corroboration": values})


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with open_bench(tmp_path / "w.db", policy=corroborated(frames=5, two_cameras=True)) as made:
        yield made


def test_the_rule_corroboration_answers(bench: Bench) -> None:
    ask = bench.watchlist.alert_refusal
    assert ask(frames=5, policy_version=1) is None
    assert ask(frames=1, cameras=2, policy_version=1) is None
    refusal = ask(frames=4, policy_version=1)
    assert refusal is not None
    assert refusal.startswith("corroboration: 4 frames")
    assert "5 or two cameras" in refusal


def test_the_version_that_is_asked_for_answers_also_a_past_one(bench: Bench) -> None:
    bench.clock.advance(timedelta(days=1))
    assert bench.watchlist.policies.set(corroborated(frames=2)).version == 2
    assert bench.watchlist.alert_refusal(frames=3, policy_version=1) is not None
    assert bench.watchlist.alert_refusal(frames=3, policy_version=2) is None
    assert bench.watchlist.search_terms(purpose="site-access").policy_version == 2


def test_a_policy_without_a_number_refuses_every_alert(bench: Bench) -> None:
    bench.watchlist.policies.set(corroborated())
    refusal = bench.watchlist.alert_refusal(frames=10_000, cameras=9, policy_version=2)
    assert refusal is not None
    assert "does not set a number of frames" in refusal


@pytest.mark.parametrize("version", [0, 2, -1])
def test_an_unknown_version_is_an_error(bench: Bench, version: int) -> None:
    with pytest.raises(InvalidArgument, match="policy version"):
        bench.watchlist.alert_refusal(frames=9, policy_version=version)


def test_it_needs_a_role_and_is_not_audited(bench: Bench) -> None:
    before = len(bench.entries())
    bench.watchlist.alert_refusal(frames=9, policy_version=1)
    assert len(bench.entries()) == before
    with pytest.raises(AccessDenied):
        bench.watchlist.acting_as("eve").alert_refusal(frames=9, policy_version=1)
