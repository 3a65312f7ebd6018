"""Errors keep their code, their hint and all attributes on the way between processes."""

from __future__ import annotations

import inspect
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import pytest

from facematch import errors
from facematch.errors import EnrollmentRefused, FacematchError, PictureRefusal

REFUSAL = PictureRefusal("a.jpg", "no_face", "no face was found", "take another picture")
GIVEN: dict[str, Any] = {"rule": "purposes", "refusals": [REFUSAL], "receipt": {"certificate": "c"}}
CLASSES = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, FacematchError)]


def made(kind: type[FacematchError]) -> FacematchError:
    """An instance with a value for everything that its constructor asks for."""
    asked = inspect.signature(kind.__init__).parameters
    return kind("expected 1, got 2", hint="pass 1", **{name: GIVEN[name] for name in asked if name in GIVEN})


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("protocol", [2, pickle.HIGHEST_PROTOCOL])
def test_pickling_keeps_type_text_and_attributes(kind: type[FacematchError], protocol: int) -> None:
    error = made(kind)
    error.add_note("in the third picture")
    again = pickle.loads(pickle.dumps(error, protocol))
    assert type(again) is kind
    assert vars(again) == vars(error)
    assert {"message", "hint", "__notes__"} <= set(vars(again))
    assert (str(again), again.args, again.code, again.to_dict()) == (str(error), error.args, kind.code, error.to_dict())


def test_the_classes_with_further_attributes_are_among_those_pickled() -> None:
    with_more = {kind.__name__ for kind in CLASSES if set(vars(made(kind))) > {"message", "hint"}}
    assert with_more == {"EnrollmentRefused", "ErasureUnfinished", "PolicyRefused", "QualityTooLow"}


def refuse() -> None:
    raise EnrollmentRefused("no picture could be used", refusals=[REFUSAL], hint="see the refusals")


def test_an_error_crosses_a_process_pool() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        caught = pool.submit(refuse).exception(timeout=120)
    assert isinstance(caught, EnrollmentRefused)
    assert caught.refusals == (REFUSAL,)
    assert caught.hint == "see the refusals"


def test_a_code_given_in_the_body_of_a_subclass_holds_as_well() -> None:
    class Given(FacematchError, code="given"):
        pass

    class Written(FacematchError):
        code = "written"

    class Inherited(Given):
        pass

    assert (Given.code, Written.code, Inherited.code) == ("given", "written", "given")
