"""Policy documents: TOML, YAML and JSON to plain data, and plain data to TOML.

A document that could be read in two ways is refused: a key given twice, and YAML's anchors and aliases.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, cast

from facematch.errors import PolicyInvalid

__all__ = ["MAX_CHARACTERS", "PolicyFormat", "format_of", "parse", "to_toml"]

PolicyFormat: TypeAlias = Literal["toml", "yaml", "json"]

MAX_CHARACTERS: Final = 1 << 18
"""Longest policy document, in characters; a usual one has about two thousand."""

_SUFFIXES: Final[Mapping[str, PolicyFormat]] = MappingProxyType(
    {".toml": "toml", ".yaml": "yaml", ".yml": "yaml", ".json": "json"}
)


def _refuse_repeats(keys: Iterable[object]) -> None:
    """Refuse a key that was there before: most parsers let it pass and keep one of the two."""
    seen: list[object] = []
    for key in keys:
        if key in seen:
            raise ValueError(f"the key {key!r} is given twice")
        seen.append(key)


def _json_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    _refuse_repeats(key for key, _ in pairs)
    return dict(pairs)


def _from_yaml(text: str) -> object:
    """Plain data of a YAML document without aliases and without keys given twice; an empty document is a mapping."""
    import yaml  # needed by nothing else

    class StrictLoader(yaml.SafeLoader):
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.events.AliasEvent):
                raise ValueError("aliases are not supported")
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            _refuse_repeats(self.construct_object(key, deep=True) for key, _ in node.value)
            return super().construct_mapping(node, deep=deep)

    try:
        data: object = yaml.load(text, Loader=StrictLoader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, TypeError) as error:
        raise ValueError(str(error)) from error
    return {} if data is None else data


def _from_json(text: str) -> object:
    return json.loads(text, object_pairs_hook=_json_object)


_PARSERS: Final[Mapping[str, Callable[[str], object]]] = MappingProxyType(
    {"toml": tomllib.loads, "yaml": _from_yaml, "json": _from_json}
)


def format_of(path: Path) -> PolicyFormat:
    """The format of a file, by its suffix.

    Raises:
        PolicyInvalid: The suffix is none of ``.toml``, ``.yaml``, ``.yml`` and ``.json``.
    """
    found = _SUFFIXES.get(path.suffix.lower())
    if found is None:
        raise PolicyInvalid(
            f"a policy document ends in {', '.join(_SUFFIXES)}, got {path.name!r}", hint="rename the file"
        )
    return found


def parse(text: str, kind: str) -> dict[str, Any]:
    """A document as plain data, not validated. An empty document is an empty policy.

    Args:
        text: The document.
        kind: ``"toml"``, ``"yaml"`` or ``"json"``.

    Raises:
        PolicyInvalid: It is too large, not in the format, ambiguous, or no table.
    """
    parser = _PARSERS.get(kind)
    if parser is None:
        raise PolicyInvalid(f"there is no policy format {kind!r}", hint=f"one of: {', '.join(_PARSERS)}")
    if len(text) > MAX_CHARACTERS:
        raise PolicyInvalid(f"a policy has at most {MAX_CHARACTERS} characters, got {len(text)}", hint="check the path")
    try:
        data = parser(text)
    except (ValueError, RecursionError) as error:
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise PolicyInvalid(
            f"the policy document is not valid {kind.upper()}: {why}", hint="correct the line"
        ) from error
    if not isinstance(data, dict):
        raise PolicyInvalid("a policy document is a table of rules", hint='for example purposes = {allowed = ["*"]}')
    return cast("dict[str, Any]", data)


def to_toml(data: Mapping[str, Any]) -> str:
    """Plain data of a policy as TOML: values first, then one table a rule.

    Args:
        data: Text, numbers, ``True`` and ``False``, and lists of them, directly or in one level of tables.
    """
    lines = [f"{name} = {_toml(value)}" for name, value in data.items() if not isinstance(value, Mapping)]
    for name, table in data.items():
        if isinstance(table, Mapping):
            lines += ["", f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):  # the escapes of JSON are a subset of TOML's basic strings, which forbid a bare DEL
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    raise TypeError(f"a policy has no values of type {type(value).__name__}")
