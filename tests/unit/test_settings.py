from __future__ import annotations

from pathlib import Path

import pytest

from facematch import Settings
from facematch.errors import InvalidArgument


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FACEMATCH_THREADS", "abc"),
        ("FACEMATCH_THREADS", "-1"),
        ("FACEMATCH_THREADS", "99999"),
        ("FACEMATCH_USE", "bogus"),
        ("FACEMATCH_OFFLINE", "maybe"),
    ],
)
def test_a_bad_variable_is_a_typed_error_that_names_it(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidArgument) as caught:
        Settings()
    assert variable in (caught.value.hint or "")


def test_a_bad_argument_is_a_typed_error() -> None:
    with pytest.raises(InvalidArgument, match="threads"):
        Settings(threads=-1)


def test_a_variable_set_to_nothing_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty FACEMATCH_HOME once meant the working folder."""
    for name in ("HOME", "THREADS", "USE", "OFFLINE", "DATABASE", "ACTOR"):
        monkeypatch.setenv(f"FACEMATCH_{name}", "")
    settings = Settings()
    assert settings.home != Path()
    assert settings.home.name == "facematch"
    assert settings.database == "sqlite:///facematch.db"
    assert settings.actor is None
