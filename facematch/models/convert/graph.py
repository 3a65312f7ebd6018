"""A small editing view of an ONNX graph: constants by name, producers, consumers, in-place replacement."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from facematch.errors import ConversionError

__all__ = ["BLOCK", "GraphEditor", "attribute", "has_control_flow"]

BLOCK: Final = 16
"""Channels that ONNX Runtime keeps together where there is AVX-512, 8 elsewhere; one of them costs as much as all."""


def attribute(node: Any, name: str, default: Any = None) -> Any:
    """The value of a node's attribute, or ``default``."""
    for item in node.attribute:
        if item.name == name:
            return onnx.helper.get_attribute_value(item)
    return default


def has_control_flow(graph: Any) -> bool:
    """Whether a graph has nodes with graphs of their own: ``If``, ``Loop``, ``Scan``."""
    nested = {onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS}
    return any(item.type in nested for node in graph.node for item in node.attribute)


class GraphEditor:
    """Edits one model's main graph.

    Args:
        model: The model; it is changed in place. Its control-flow subgraphs, if any, are refused.

    Raises:
        ConversionError: The graph has nodes with subgraphs.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.graph = model.graph
        if has_control_flow(self.graph):
            raise ConversionError(
                "the model has control flow (If, Loop or Scan), which the converter does not rewrite",
                hint="export the model without control flow",
            )
        self._constants: dict[str, NDArray[Any]] = {
            tensor.name: numpy_helper.to_array(tensor) for tensor in self.graph.initializer
        }
        for node in list(self.nodes):
            if node.op_type == "Constant" and (value := attribute(node, "value")) is not None:
                self._constants[node.output[0]] = numpy_helper.to_array(value)
                self.graph.node.remove(node)
        self._fresh = 0
        named = {name for node in self.nodes for name in (*node.input, *node.output)}
        self._taken = named | set(self._constants)  # a model that was converted before has names of this kind

    @property
    def nodes(self) -> Any:
        """The graph's nodes, in order."""
        return self.graph.node

    @property
    def opset(self) -> int:
        """Version of the operators; ``Split`` for one takes its sizes elsewhere since 13."""
        return next((int(each.version) for each in self.model.opset_import if each.domain in {"", "ai.onnx"}), 1)

    def constant(self, name: str) -> NDArray[Any] | None:
        """The constant of that name, or ``None`` if the value is computed."""
        return self._constants.get(name)

    def set_constant(self, name: str, value: NDArray[Any]) -> str:
        """Define or replace a constant; returns its name."""
        self._constants[name] = np.ascontiguousarray(value)
        return name

    def fresh(self, stem: str) -> str:
        """A tensor name that is not used yet; the same sequence of calls gives the same names."""
        while True:
            self._fresh += 1
            if (name := f"{stem}__fm{self._fresh}") not in self._taken:
                return name

    def consumers(self) -> dict[str, list[Any]]:
        """Nodes by the tensors they read. A graph output counts as a consumer of ``None``."""
        readers: dict[str, list[Any]] = defaultdict(list)
        for node in self.nodes:
            for name in node.input:
                readers[name].append(node)
        for output in self.graph.output:
            readers[output.name].append(None)
        return readers

    def replace(self, node: Any, replacements: list[Any]) -> None:
        """Put ``replacements`` in the place of ``node``, keeping the order of the graph."""
        position = next(i for i, other in enumerate(self.nodes) if other is node)
        del self.graph.node[position]
        for offset, new in enumerate(replacements):
            self.graph.node.insert(position + offset, new)

    def rewire(self, old: str, new: str) -> None:
        """Let every reader of ``old`` read ``new``; graph outputs keep their names."""
        for node in self.nodes:
            for index, name in enumerate(node.input):
                if name == old:
                    node.input[index] = new

    def finish(self) -> None:
        """Write the constants that are still read back as initializers, and drop weights and strays from the inputs."""
        used = {name for node in self.nodes for name in node.input}
        kept = [name for name in self._constants if name in used]
        del self.graph.initializer[:]
        self.graph.initializer.extend(numpy_helper.from_array(self._constants[name], name) for name in kept)
        inputs = [value for value in self.graph.input if value.name in used and value.name not in self._constants]
        del self.graph.input[:]
        self.graph.input.extend(inputs)
        del self.graph.value_info[:]
