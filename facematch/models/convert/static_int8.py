"""Embedders in 8-bit integers: convolutions with weights scaled a channel, activations by what real faces make of them.

Activations are symmetric around zero, which is what OpenVINO's integer kernels take; a range is the 99.99th percentile
of what calibration saw, since a single outlier would coarsen everything else. Activation functions and the last, fully
connected layer stay in float32.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from facematch.errors import ConversionError
from facematch.models.runtime import RUNTIME_ERRORS

__all__ = ["quantize_static_int8"]

_PERCENTILE: Final = 99.99
_TYPES: Final = ["Conv"]


def quantize_static_int8(model: bytes, batches: Iterable[NDArray[np.float32]]) -> bytes:
    """Quantize a model's convolutions to 8 bits.

    Args:
        model: A converted model with one input.
        batches: Inputs as the model takes them, to calibrate with; a batch is held in memory with all its activations.

    Returns:
        The bytes of the quantized model, with quantizing and dequantizing nodes around its convolutions.

    Raises:
        ConversionError: There is nothing to calibrate with, or ONNX Runtime cannot quantize the model.
    """
    from onnxruntime.quantization import CalibrationMethod, QDQQuantizer, QuantType, create_calibrator

    seen = 0
    with tempfile.TemporaryDirectory(prefix="facematch-") as folder, _quiet():
        path, target = Path(folder) / "model.onnx", Path(folder) / "int8.onnx"
        try:
            parsed = onnx.load_from_string(model)
            name = parsed.graph.input[0].name
            path.write_bytes(model)
            calibrator: Any = create_calibrator(
                str(path),
                _TYPES,
                augmented_model_path=str(Path(folder) / "watched.onnx"),
                calibrate_method=CalibrationMethod.Percentile,
                extra_options={"symmetric": True, "percentile": _PERCENTILE},
            )
            for batch in batches:
                calibrator.collect_data(_Once({name: batch}))
                seen += len(batch)
            if not seen:
                raise ConversionError("there is no face to calibrate with", hint="give pictures of faces")
            quantizer: Any = QDQQuantizer(
                parsed,
                True,  # scales a channel
                False,  # all eight bits
                QuantType.QInt8,
                QuantType.QInt8,
                calibrator.compute_data(),
                [],
                [],
                _TYPES,
                {
                    "ActivationSymmetric": True,
                    "WeightSymmetric": True,
                    "OpTypesToExcludeOutputQuantization": _TYPES,
                },
            )
            quantizer.quantize_model()
            quantizer.model.save_model_to_file(str(target), False)
            return target.read_bytes()
        except ConversionError:
            raise
        except (*RUNTIME_ERRORS, DecodeError, LookupError, AttributeError, OSError) as error:
            raise ConversionError(
                f"the model cannot be quantized: {error}", hint="is it a float32 network of convolutions?"
            ) from error


class _Once:
    """One batch, as ONNX Runtime's calibration reads them."""

    def __init__(self, feed: dict[str, NDArray[np.float32]]) -> None:
        self._feed: dict[str, NDArray[np.float32]] | None = feed

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        feed, self._feed = self._feed, None
        return feed


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """ONNX Runtime's calibration tells its progress on standard output, which is the caller's."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield
