"""OpenVINO behind the same protocol as ONNX Runtime: quicker on Intel's processors, several times so in bfloat16.

It is given the graph before activations are rewritten for ONNX Runtime; OpenVINO fuses them by itself.
"""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facematch.errors import InferenceError, MissingExtra, ProviderUnavailable
from facematch.models.sessions.process import MadeFromArguments, PerProcess
from facematch.parallel import usable_cpus
from facematch.settings import Precision
from facematch.types import FloatArray

__all__ = ["OpenVinoSession"]

_HINTS: Final[dict[Precision, str]] = {"float32": "f32", "bfloat16": "bf16"}
_NAMES: Final = {hint: name for name, hint in _HINTS.items()}
_IDLE: Final = 8
"""Requests that are kept for later."""
_ERRORS: Final = (RuntimeError, ValueError, TypeError)


class _Compiled:
    """A compiled model of this process, and its requests, each of which is one run's at a time."""

    def __init__(self, model: bytes, threads: int, precision: Precision) -> None:
        core = _openvino().Core()
        settings = {
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "INFERENCE_NUM_THREADS": str(threads),
            "NUM_STREAMS": "1",
            "ENABLE_CPU_PINNING": "NO",  # other programs of the machine want its processors, too
        }
        read = core.read_model(io.BytesIO(model))
        self.output_names = tuple(output.get_any_name() for output in read.outputs)  # compiling gives them more names
        self.model: Any = core.compile_model(read, "CPU", settings)
        self._lock = threading.Lock()
        self._idle: list[Any] = []

    @contextmanager
    def request(self) -> Iterator[Any]:
        with self._lock:
            request = self._idle.pop() if self._idle else None
        request = self.model.create_infer_request() if request is None else request
        yield request  # one that has failed is not used again
        for tensor in (*request.input_tensors, *request.output_tensors):
            tensor.data[...] = 0  # faces and embeddings do not stay in it
        with self._lock:
            if len(self._idle) < _IDLE:
                self._idle.append(request)


class OpenVinoSession(MadeFromArguments):
    """One model with one input, compiled by OpenVINO for the processor: a :class:`~facematch.protocols.Session`.

    Args:
        model: The model's bytes.
        name: Readable name, for messages.
        threads: Threads one run may use; 0 takes what the process may use.
        precision: What it computes in; ``"bfloat16"`` only where the processor multiplies in it.

    Attributes:
        name: Readable name of the model.
        threads: Threads one run may use.
        input_shape: Sizes of the input; names stand for those that are free.
        output_names: Names of the outputs, in order.

    Raises:
        MissingExtra: OpenVINO is not installed.
        ProviderUnavailable: The processor does not compute in that precision.
        InferenceError: OpenVINO cannot compile the model, or it has more than one input.
    """

    def __init__(self, model: bytes, *, name: str, threads: int = 0, precision: Precision = "float32") -> None:
        abilities = _openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if precision == "bfloat16" and "BF16" not in abilities:
            raise ProviderUnavailable(
                "this processor does not compute in bfloat16", hint="take the precision float32, which every one can"
            )
        self.name = name
        self._arguments = {"model": model, "name": name, "threads": threads, "precision": precision}
        try:
            self._compiled = PerProcess(partial(_Compiled, model, threads or usable_cpus(), precision))
        except _ERRORS as error:
            raise InferenceError(
                f"OpenVINO cannot compile {name}: {error}", hint="run `facematch models verify`, then fetch it again"
            ) from error
        compiled = self._compiled.get().model
        self.threads = int(compiled.get_property("INFERENCE_NUM_THREADS"))
        self._precision = str(compiled.get_property("INFERENCE_PRECISION_HINT").to_string())
        self.output_names: tuple[str, ...] = self._compiled.get().output_names
        if len(compiled.inputs) != 1:
            raise InferenceError(f"{name} has {len(compiled.inputs)} inputs; one is expected", hint="check the model")
        self.input_shape: tuple[int | str, ...] = tuple(
            f"dim{place}" if each.is_dynamic else each.get_length()
            for place, each in enumerate(compiled.inputs[0].partial_shape)
        )

    def _fits(self, shape: tuple[int, ...]) -> bool:
        pairs = zip(self.input_shape, shape, strict=False)
        return len(shape) == len(self.input_shape) and all(isinstance(size, str) or size == own for size, own in pairs)

    def describe(self) -> str:
        """Runtime and precision that run the model."""
        return f"OpenVINO on the processor in {_NAMES[self._precision]}"

    def run(self, values: NDArray[np.generic]) -> dict[str, FloatArray]:
        """Run the model; see :meth:`~facematch.protocols.Session.run`."""
        if values.dtype != np.float32 or not self._fits(values.shape):  # OpenVINO itself does not look
            raise InferenceError(
                f"{self.name} failed on an input of shape {values.shape} and type {values.dtype}: "
                f"it takes float32 {self.input_shape}",
                hint="check the pack's manifest",
            )
        try:
            with self._compiled.get().request() as request:
                found = request.infer([values], share_inputs=False)
                return {name: np.array(found[place]) for place, name in enumerate(self.output_names)}
        except _ERRORS as error:
            raise InferenceError(
                f"{self.name} failed on an input of shape {values.shape}: {error}",
                hint="if memory ran out, use smaller batches or pictures",
            ) from error


def _openvino() -> Any:
    """OpenVINO without its telemetry, which reports to its maker and leaves a lasting identifier in the user's folder.

    Without that package OpenVINO takes a stub that does nothing. A program that has imported OpenVINO before facematch
    has decided for itself.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError as error:
        raise MissingExtra(
            "the runtime openvino is not installed", hint='pip install "facematch-watchlist[openvino]"'
        ) from error
    return openvino
