"""Graph surgery: turn a published model file into the one that runs best, exactly and reproducibly.

The same source bytes give the same converted bytes, so the digest of a converted file can be recorded and checked.
"""

from __future__ import annotations

from typing import Final, Literal

import onnx
from google.protobuf.message import DecodeError

from facematch.errors import ConversionError
from facematch.models.convert.graph import GraphEditor
from facematch.models.convert.quantized import fold_bias, fold_dequantize, undo_dynamic_quantization
from facematch.models.convert.rewrites import (
    fold_batch_normalization,
    remove_dropout,
    rewrite_prelu,
    symbolic_shapes,
)

__all__ = ["CONVERTER_VERSION", "Role", "convert"]

Role = Literal["detector", "embedder"]

CONVERTER_VERSION: Final = 2
"""Raised whenever a rewrite changes; part of the name of a converted file."""


def convert(source: bytes, role: Role, *, batched: bool = True) -> bytes:
    """Convert a model.

    Args:
        source: The bytes of an ONNX model.
        role: A detector gets a symbolic picture size besides the symbolic batch.
        batched: Whether the graph allows any batch size; where shapes inside it are fixed, its batch stays at one.

    Returns:
        The bytes of the converted model; deterministic.

    Raises:
        ConversionError: The bytes are no ONNX model, or the result does not pass ONNX's own checker.
    """
    try:
        model = onnx.load_from_string(source)
        editor = GraphEditor(model)
        fold_dequantize(editor)
        undo_dynamic_quantization(editor)
        remove_dropout(editor)
        fold_bias(editor)
        fold_batch_normalization(editor)
        rewrite_prelu(editor)
        if batched:
            symbolic_shapes(editor, spatial=role == "detector")
        editor.finish()
        onnx.checker.check_model(model)
    except (DecodeError, onnx.checker.ValidationError) as error:
        raise ConversionError(
            f"not a valid ONNX model: {error}", hint="the file may be damaged; fetch it again"
        ) from error
    return bytes(model.SerializeToString(deterministic=True))
