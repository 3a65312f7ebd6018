"""Types that the public interface takes or returns: each is importable from ``facematch`` and on the API page."""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

import facematch
from facematch import errors
from facematch.testing import FakeAnalyzer

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "api.md"

DOCUMENTS = (facematch.Policy, facematch.Manifest)
"""Types read from TOML documents: their fields are tables, described in policy-rules.md and packs.md."""

CONSTRUCTED = (facematch.VideoPipeline, facematch.FaceAnalyzer)
"""Classes whose constructors are called; a watchlist makes its own parts."""


def roots() -> list[type]:
    """The class of a watchlist, those of its parts, the pipeline and the analyzer."""
    with facematch.Watchlist.open("sqlite://", actor="ana", analyzer=FakeAnalyzer()) as watchlist:
        parts = [type(part) for name, part in vars(watchlist).items() if not name.startswith("_")]
    return [facematch.Watchlist, *parts, *CONSTRUCTED]


def classes_in(hint: Any) -> Iterator[type]:
    """The classes that an annotation is made of."""
    for argument in typing.get_args(hint):
        for part in argument if isinstance(argument, list) else [argument]:
            yield from classes_in(part)
    for found in (hint, typing.get_origin(hint)):
        if isinstance(found, type):
            yield found


def functions(cls: type) -> Iterator[tuple[str, Any]]:
    """Public methods and properties, and the constructor where it is called."""
    for name, member in inspect.getmembers(cls):
        if name.startswith("_") and not (name == "__init__" and cls in CONSTRUCTED):
            continue
        function = member.fget if isinstance(member, property) else inspect.unwrap(getattr(member, "__func__", member))
        if inspect.isfunction(function):
            yield f"{cls.__name__}.{name}", function


def holds_values(cls: type) -> bool:
    """Whether a type is a value whose fields a reader sees."""
    return dataclasses.is_dataclass(cls) or issubclass(cls, BaseModel) or typing.is_typeddict(cls)


def fields(cls: type) -> Iterator[tuple[str, Any]]:
    """Public fields of a value, with their annotations."""
    if cls not in DOCUMENTS and holds_values(cls):
        for name, hint in typing.get_type_hints(cls).items():
            if not name.startswith("_"):
                yield f"{cls.__name__}.{name}", hint


def taken_or_returned() -> dict[type, str]:
    """Every type of facematch that the roots take or return, at any depth, with the first place that names it."""
    found = dict.fromkeys(roots(), "attribute of Watchlist")
    waiting: deque[tuple[str, Any]] = deque()
    for cls in found:
        for place, function in functions(cls):
            waiting.extend((place, hint) for hint in typing.get_type_hints(function).values())
    for name in facematch.__all__:
        value = getattr(facematch, name)
        if inspect.isfunction(value):
            waiting.extend((name, hint) for hint in typing.get_type_hints(value).values())
    while waiting:
        place, hint = waiting.popleft()
        for cls in classes_in(hint):
            if cls.__module__.partition(".")[0] == "facematch" and cls not in found:
                found[cls] = place
                waiting.extend(fields(cls))
    return found


def test_every_type_taken_or_returned_is_importable_from_facematch() -> None:
    found = taken_or_returned()
    missing = {
        f"{cls.__module__}.{cls.__qualname__}": place
        for cls, place in found.items()
        if getattr(facematch, cls.__name__, None) is not cls or cls.__name__ not in facematch.__all__
    }
    assert missing == {}


def test_the_walk_reaches_arguments_results_parts_and_fields() -> None:
    found = taken_or_returned()
    assert {facematch.KeyProvider, facematch.Identification, facematch.AuditLog, facematch.Candidate} <= set(found)
    assert {facematch.PicturePreview, facematch.Finding, facematch.FrameSource} <= set(found)
    assert len(found) > 60


def test_every_exported_name_is_on_the_api_page() -> None:
    text = PAGE.read_text("utf-8")
    named = set(re.findall(r"^\.\. auto(?:class|data|function):: facematch\.(\w+)$", text, re.MULTILINE))
    if ".. automodule:: facematch.errors\n   :members:" in PAGE.with_name("errors.md").read_text("utf-8"):
        named |= set(errors.__all__)
    assert set(facematch.__all__) - {"__version__"} - named == set()
    assert {cls.__name__ for cls in taken_or_returned()} - named == set()
