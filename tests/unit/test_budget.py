"""A test that takes too long fails, whether it or a process of its own took the time, unless it is marked slow."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from tests import budget

BUSY = "import time\nwhile time.process_time() < 0.3: pass"


def _burn() -> None:
    end = time.process_time() + 0.3
    while time.process_time() < end:
        pass


def _burn_in_a_child() -> None:
    subprocess.run([sys.executable, "-c", BUSY], check=True)


@pytest.fixture
def item(request: pytest.FixtureRequest) -> pytest.Item:
    assert isinstance(request.node, pytest.Item)
    return request.node


@pytest.mark.parametrize("work", [_burn, _burn_in_a_child])
def test_what_takes_too_long_fails_and_says_how_long(item: pytest.Item, work: object) -> None:
    assert callable(work)
    with (
        pytest.raises(pytest.fail.Exception, match=r"the test took [0-9.]+ s of processor time, more than 0.02 s"),
        budget.held_to_the_limit(item, "test", 0.02),
    ):
        work()


def test_time_that_others_take_is_not_counted(item: pytest.Item) -> None:
    with budget.held_to_the_limit(item, "test", 0.02):
        time.sleep(0.3)


@pytest.mark.slow
def test_what_is_marked_slow_may_take_its_time(item: pytest.Item) -> None:
    with budget.held_to_the_limit(item, "test", 0.02):
        _burn()


def test_the_error_of_a_test_is_not_hidden(item: pytest.Item) -> None:
    def broken() -> None:
        _burn()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), budget.held_to_the_limit(item, "test", 0.02):
        broken()


def test_libraries_have_one_thread_in_tests() -> None:
    assert os.environ["OMP_NUM_THREADS"] == os.environ["OPENBLAS_NUM_THREADS"] == "1"
