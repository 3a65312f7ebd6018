from __future__ import annotations

import pytest

from facematch.errors import InvalidArgument
from facematch.governance.reports import Statements


def test_statements_are_texts_that_say_something() -> None:
    assert Statements.from_dict({"review": "yearly"}) == Statements(review="yearly")
    with pytest.raises(InvalidArgument, match="'reviewed'"):
        Statements.from_dict({"reviewed": "yearly"})
    with pytest.raises(InvalidArgument, match="review must be text"):
        Statements(review=" ")
    with pytest.raises(InvalidArgument, match="2000 characters"):
        Statements(necessity="x" * 2001)
