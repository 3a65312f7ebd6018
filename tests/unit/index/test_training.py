from __future__ import annotations

import numpy as np
import pytest

from facematch.errors import VectorIndexError
from facematch.index import training
from facematch.index.rows import Rows
from facematch.index.training import encoded, trained
from tests.unit.index.support import units


def test_what_cannot_be_coded_is_refused() -> None:
    for count, dimension in ((15, 16), (16, 9)):
        with pytest.raises(VectorIndexError, match="cannot be coded"):
            trained(units(count, dimension), count)


def test_live_rows_are_coded_in_their_order_and_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "_A_PART", 200)
    monkeypatch.setattr(training, "helpers", lambda: 2)
    monkeypatch.setattr(training, "_CODED", 64)
    vectors = units(700, 16)
    moment = Rows(16).adding(np.random.default_rng(1).permutation(700).astype(np.int64), vectors)
    gone = moment.ids()[::7]
    left = moment.removing(gone, rewrite=False)
    stops: list[None] = []
    codes = encoded(left, fine=True, between=lambda: stops.append(None))
    assert (len(codes), codes.parts, len(stops)) == (600, 3, 10)
    live = np.delete(vectors, np.arange(0, 700, 7), axis=0)
    assert (codes.propose(live, 90)[:, :30] == np.arange(600)[:, None]).any(axis=1).sum() > 180  # first part's own
    assert ((codes.propose(live, 90) == np.arange(600)[:, None]).any(axis=1)).mean() > 0.99
