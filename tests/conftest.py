"""Fixtures that every test may use: real models, real pictures, and the shared data where it is there."""

from __future__ import annotations

import os
from collections.abc import Generator
from importlib import resources
from pathlib import Path

import pytest

from facematch.faces import FaceAnalyzer
from facematch.imaging import decode
from facematch.settings import Settings
from facematch.types import Image
from tests import examples, machine
from tests.budget import LIMIT_S, held_to_the_limit


def pytest_configure(config: pytest.Config) -> None:
    """Move into a folder of our own before any test, and any worker process, starts."""
    examples.load_profile()
    if hasattr(config, "workerinput"):  # a worker of pytest-xdist inherits it
        return
    folder = machine.base_folder()
    machine.move_in(folder)
    config.add_cleanup(lambda: machine.leave(folder))
    if config.option.basetemp is None:
        config.option.basetemp = str(folder / "tmp")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Hold tests to their markers: who looks at shared data says so."""
    unmarked = [
        item.nodeid
        for item in items
        if "shared" in getattr(item, "fixturenames", ()) and item.get_closest_marker("shared_data") is None
    ]
    if unmarked:
        raise pytest.UsageError(
            "tests that read the shared data without the marker shared_data: " + ", ".join(unmarked)
        )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Hold each fixture to the limit of time, without those that it needs."""
    with held_to_the_limit(request._pyfuncitem, f"fixture {fixturedef.argname}", 2 * LIMIT_S):
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Hold a test to the limit of time."""
    with held_to_the_limit(item, "test", LIMIT_S):
        return (yield)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared pictures, videos and weights."""
    folder = Path(os.environ.get("FACEMATCH_SHARED", Path(__file__).parents[2] / "shared"))
    if not (folder / "data").is_dir():
        if os.environ.get("FACEMATCH_REQUIRE_SHARED"):
            pytest.fail(f"FACEMATCH_REQUIRE_SHARED is set and {folder} is not the shared folder")
        pytest.skip(f"the shared data is not at {folder}; set FACEMATCH_SHARED")
    return folder


@pytest.fixture(autouse=True)
def own_default_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may leave a database in the working folder: the default one lies in the test's own folder."""
    monkeypatch.setenv("FACEMATCH_DATABASE", f"sqlite:///{tmp_path / 'default.db'}")


@pytest.fixture(scope="session")
def analyzer() -> FaceAnalyzer:
    """The default pack, fetched once into the machine's own cache."""
    return FaceAnalyzer.from_pack("opencv", settings=Settings())


@pytest.fixture(scope="session")
def group_path() -> Path:
    """insightface's own picture of six people."""
    return Path(str(resources.files("insightface") / "data" / "images" / "t1.jpg"))


@pytest.fixture(scope="session")
def group(group_path: Path) -> Image:
    """The pixels of the picture of six people."""
    return decode(group_path).pixels


@pytest.fixture(scope="session")
def astronaut_path() -> Path:
    """NASA's public-domain portrait of Eileen Collins, one face."""
    return Path(str(resources.files("skimage") / "data" / "astronaut.png"))


@pytest.fixture(scope="session")
def astronaut(astronaut_path: Path) -> Image:
    """The pixels of the portrait."""
    return decode(astronaut_path).pixels
