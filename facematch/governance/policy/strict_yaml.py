"""YAML that can be read in one way only: PyYAML's safe loader without aliases and without keys given twice."""

from __future__ import annotations

from typing import Any

import yaml

from facematch.governance.policy.repeats import refuse_repeats

__all__ = ["load"]


class _StrictLoader(yaml.SafeLoader):
    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise ValueError("aliases are not supported")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        refuse_repeats(self.construct_object(key, deep=True) for key, _ in node.value)
        return super().construct_mapping(node, deep=deep)


def load(text: str) -> object:
    """Plain data of a YAML document; an empty document is an empty mapping.

    Raises:
        ValueError: It is no YAML, or could be read in two ways.
    """
    try:
        data: object = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, TypeError) as error:
        raise ValueError(str(error)) from error
    return {} if data is None else data
