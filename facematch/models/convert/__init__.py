"""Graph surgery: turn a published model file into the one that runs best, exactly and reproducibly.

The same source bytes give the same converted bytes, so the digest of a converted file can be recorded and checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal

import onnx
from google.protobuf.message import DecodeError

from facematch.errors import ConversionError
from facematch.models.convert.graph import GraphEditor
from facematch.models.convert.groups import widen_groups
from facematch.models.convert.prelu import rewrite_prelu
from facematch.models.convert.quantized import fold_bias, fold_dequantize, undo_dynamic_quantization
from facematch.models.convert.rewrites import (
    fold_batch_normalization,
    remove_dropout,
    symbolic_shapes,
)
from facematch.models.convert.siblings import merge_siblings
from facematch.settings import Runtime

__all__ = ["CONVERTER_VERSION", "Role", "convert", "refuse_external_data"]

Role = Literal["detector", "embedder"]

CONVERTER_VERSION: Final = 6
"""Raised whenever a rewrite changes; part of the name of a converted file."""

_DAMAGE: Final = (DecodeError, onnx.checker.ValidationError, LookupError, TypeError, ValueError, OverflowError)
"""Errors of the rewrites on a graph that breaks ONNX's rules: missing inputs, shapes that do not fit, odd types."""


def convert(source: bytes, role: Role, *, batched: bool = True, runtime: Runtime = "onnxruntime") -> bytes:
    """Convert a model.

    Args:
        source: The bytes of an ONNX model.
        role: A detector gets a symbolic picture size besides the symbolic batch.
        batched: Whether the graph allows any batch size; where shapes inside it are fixed, its batch stays at one.
        runtime: What is to run it. Activations and heads are rewritten for ONNX Runtime only; OpenVINO fuses
            activations as they are.

    Returns:
        The bytes of the converted model; deterministic.

    Raises:
        ConversionError: The bytes are no ONNX model, or the result does not pass ONNX's own checker.
    """
    try:
        model = _parsed(source)
        editor = GraphEditor(model)
        fold_dequantize(editor)
        undo_dynamic_quantization(editor)
        remove_dropout(editor)
        fold_bias(editor)
        fold_batch_normalization(editor)
        if runtime == "onnxruntime":
            rewrite_prelu(editor)
            merge_siblings(editor)
        widen_groups(editor)
        if batched:
            symbolic_shapes(editor, spatial=role == "detector")
        editor.finish()
        onnx.checker.check_model(model)
    except _DAMAGE as error:
        raise ConversionError(
            f"not a valid ONNX model: {error}", hint="the file may be damaged; fetch it again"
        ) from error
    return bytes(model.SerializeToString(deterministic=True))


def refuse_external_data(source: bytes) -> None:
    """Refuse a model whose weights lie in other files.

    No digest covers those files, and both ONNX and ONNX Runtime would look for them in the current folder.

    Raises:
        ConversionError: The bytes are no ONNX model, or some of its data is external.
    """
    try:
        _parsed(source)
    except DecodeError as error:
        raise ConversionError(
            f"not a valid ONNX model: {error}", hint="the file may be damaged; fetch it again"
        ) from error


def _parsed(source: bytes) -> Any:
    model = onnx.load_from_string(source)
    if any(_is_external(message) for message in _messages(model)):
        raise ConversionError(
            "the model keeps weights in other files, which no digest covers",
            hint="save it as one file: onnx.save(onnx.load(path), path)",
        )
    return model


def _messages(message: Any) -> Iterator[Any]:
    """A protobuf message and all messages in it; tensors are not looked into."""
    waiting = [message]
    while waiting:
        current = waiting.pop()
        yield current
        if isinstance(current, onnx.TensorProto):
            continue
        for field, value in current.ListFields():
            if field.message_type is not None:
                waiting.extend([value] if hasattr(value, "ListFields") else value)


def _is_external(message: Any) -> bool:
    return isinstance(message, onnx.TensorProto) and (
        message.data_location == onnx.TensorProto.EXTERNAL or len(message.external_data) > 0
    )
