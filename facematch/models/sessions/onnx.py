"""The inference session: ONNX Runtime with nothing left to chance.

Threads and providers are stated, a requested provider that is not there is an error and not a silent fallback, and
what really runs can be asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facematch.errors import InferenceError, ProviderUnavailable
from facematch.models.runtime import RUNTIME_ERRORS, onnxruntime
from facematch.models.sessions.process import MadeFromArguments, PerProcess
from facematch.parallel import usable_cpus
from facematch.types import FloatArray

__all__ = ["DEFAULT_PROVIDERS", "OnnxSession"]

DEFAULT_PROVIDERS: Final = ("CPUExecutionProvider",)

_ERRORS_ONLY: Final = 3


class OnnxSession(MadeFromArguments):
    """One model with one input, loaded into ONNX Runtime: a :class:`~facematch.protocols.Session`.

    Many threads may run it, a forked child may run it, and it can be pickled for a process of its own.

    Args:
        model: The model's bytes.
        name: Readable name, for messages.
        threads: Threads one run may use; 0 takes what the process may use.
        providers: Execution providers, in order of preference; each must be available.
        entries: Further entries of the session's configuration, over those that facematch sets.

    Attributes:
        name: Readable name of the model.
        threads: Threads one run may use.
        input_shape: Sizes of the input; names stand for those that are free.
        output_names: Names of the outputs, in order.

    Raises:
        ProviderUnavailable: A provider is not available in this installation.
        InferenceError: The runtime cannot load the model, or it has more than one input.
    """

    def __init__(
        self,
        model: bytes,
        *,
        name: str,
        threads: int = 0,
        providers: Sequence[str] = DEFAULT_PROVIDERS,
        entries: Mapping[str, str] | None = None,
    ) -> None:
        there = onnxruntime.get_available_providers()
        if missing := [provider for provider in providers if provider not in there]:
            raise ProviderUnavailable(
                f"execution provider {', '.join(missing)} is not available, only {', '.join(there)}",
                hint="install the onnxruntime distribution that has it (docs/how-to/packs.md), or ask for another",
            )
        self.name, self.threads = name, threads or usable_cpus()
        self._wanted, self._entries = tuple(providers), dict(entries or {})
        self._arguments = {
            "model": model,
            "name": name,
            "threads": threads,
            "providers": self._wanted,
            "entries": self._entries,
        }
        # nothing of self in it: an object that refers to itself is freed late, and with it what the runtime holds
        self._session: PerProcess[Any] = PerProcess(
            partial(_load, model, name, self.threads, self._wanted, self._entries)
        )
        session = self._session.get()
        active = session.get_providers()
        if lost := [provider for provider in providers if provider not in active]:
            raise ProviderUnavailable(
                f"ONNX Runtime dropped {', '.join(lost)} while loading {name}; active: {', '.join(active)}",
                hint="the provider's own libraries are missing; see docs/how-to/packs.md",
            )
        inputs = session.get_inputs()
        if len(inputs) != 1:
            raise InferenceError(f"{name} has {len(inputs)} inputs; one is expected", hint="check the model file")
        self._input: str = inputs[0].name
        self.input_shape: tuple[int | str, ...] = tuple(inputs[0].shape)
        self.output_names: tuple[str, ...] = tuple(output.name for output in session.get_outputs())

    @property
    def runtime(self) -> Any:
        """ONNX Runtime's own session, for adapters to other libraries."""
        return self._session.get()

    @property
    def providers(self) -> tuple[str, ...]:
        """Execution providers that are really in use."""
        return tuple(self._session.get().get_providers())

    def describe(self) -> str:
        """Runtime and execution providers that run the model."""
        return f"ONNX Runtime on {', '.join(self.providers)}"

    def run(self, values: NDArray[np.generic]) -> dict[str, FloatArray]:
        """Run the model; see :meth:`~facematch.protocols.Session.run`."""
        try:
            outputs = self._session.get().run(None, {self._input: values})
        except RUNTIME_ERRORS as error:
            raise InferenceError(
                f"{self.name} failed on an input of shape {values.shape}: {error}",
                hint="if memory ran out, use smaller batches or pictures",
            ) from error
        return dict(zip(self.output_names, outputs, strict=True))


def _load(model: bytes, name: str, threads: int, providers: tuple[str, ...], entries: Mapping[str, str]) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    # Idle threads of one session would spin for a while and hold the processors that the next session needs: on two
    # cores, detection followed by embedding took 105 ms with spinning and 63 without, each alone the same.
    for key, value in ({"session.intra_op.allow_spinning": "0"} | dict(entries)).items():
        options.add_session_config_entry(key, value)
    try:
        return onnxruntime.InferenceSession(model, options, providers=list(providers))
    except RUNTIME_ERRORS as error:
        raise InferenceError(
            f"ONNX Runtime cannot load {name}: {error}", hint="run `facematch models verify`, then fetch it again"
        ) from error
