"""Options of running models: runtime, threads, execution providers, precision."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from facematch.errors import InvalidArgument
from facematch.models.convert.splitting import split_head
from facematch.models.sessions.batch import fixed_batch
from facematch.models.sessions.onnx import DEFAULT_PROVIDERS, OnnxSession
from facematch.models.sessions.sharing import SharingSession
from facematch.parallel import usable_cpus
from facematch.protocols import Session
from facematch.settings import Precision, Runtime, Settings

__all__ = ["SessionOptions"]


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """Options of running models.

    Attributes:
        runtime: What runs embedders: ``"onnxruntime"``, or ``"openvino"`` (extra ``openvino``). Detectors always run on
            ONNX Runtime, where they are as quick.
        threads: Threads one run may use; 0 takes the processors this process may use: those of its affinity, and no
            more than its container's quota.
        precision: What embedders compute in: ``"float32"``, or ``"bfloat16"`` where OpenVINO and the processor can:
            several times faster, and embeddings of cosine 0.9999 to those in float32. Detectors always compute in
            float32: landmarks that are a tenth of a pixel off move an embedding much further (cosine 0.992).
        providers: ONNX Runtime's execution providers, in order of preference; one that is not there is an error.
        entries: Further entries of ONNX Runtime's session configuration as pairs of key and value, such as
            ``("session.intra_op.allow_spinning", "1")``.

    Raises:
        InvalidArgument: The runtime cannot do what is asked.
    """

    runtime: Runtime = "onnxruntime"
    threads: int = 0
    precision: Precision = "float32"
    providers: tuple[str, ...] = DEFAULT_PROVIDERS
    entries: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "providers", tuple(self.providers))
        object.__setattr__(self, "entries", tuple((key, value) for key, value in self.entries))
        if self.runtime == "onnxruntime" and self.precision != "float32":
            raise InvalidArgument(
                f"ONNX Runtime does not compute in {self.precision} on a processor",
                hint='take the runtime "openvino" (FACEMATCH_RUNTIME=openvino), or float32',
            )
        if self.runtime == "openvino" and (self.providers != DEFAULT_PROVIDERS or self.entries):
            raise InvalidArgument(
                "execution providers and session entries are ONNX Runtime's; OpenVINO has neither",
                hint='leave them away, or take the runtime "onnxruntime"',
            )
        if self.threads < 0:
            raise InvalidArgument(f"threads must not be negative, got {self.threads}", hint="0 takes what there is")

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Options of the machine's settings."""
        return cls(
            runtime=settings.runtime,
            threads=settings.threads,
            precision=settings.precision,
            providers=settings.providers or DEFAULT_PROVIDERS,
        )

    @property
    def on_processor(self) -> bool:
        """Whether models run on the processor alone, so that its threads are what is to be shared."""
        return self.providers == DEFAULT_PROVIDERS

    def for_detectors(self) -> Self:
        """The same for a model that finds faces: by ONNX Runtime, in float32."""
        return replace(self, runtime="onnxruntime", precision="float32")

    def in_threads(self, threads: int) -> Self:
        """The same, with so many threads a run."""
        return replace(self, threads=threads)

    def open(self, model: bytes, name: str) -> Session:
        """Load a model.

        Args:
            model: The model's bytes, converted for this runtime.
            name: Readable name, for messages.

        Raises:
            ProviderUnavailable: The runtime, a provider or the precision is not to be had here.
            InferenceError: The runtime cannot load the model, or it has more than one input.
        """
        if self.runtime == "openvino":
            from facematch.models.sessions.openvino import OpenVinoSession

            return OpenVinoSession(model, name=name, threads=self.threads, precision=self.precision)
        return self.open_onnx(model, name)

    def open_sharing(self, model: bytes, name: str) -> Session:
        """Load a model whose samples are independent of one another, so that threads can share them out.

        ONNX Runtime on processors gains by it; OpenVINO, and other providers, run the samples together as they are.

        Args:
            model: As for :meth:`open`.
            name: Likewise.

        Raises:
            ProviderUnavailable: As for :meth:`open`.
            InferenceError: Likewise.
        """
        if self.runtime != "onnxruntime" or not self.on_processor:
            return self.open(model, name)
        body, head = split_head(model) or (model, None)
        alone = self.in_threads(1).open(body, name)
        if (fixed_batch(alone) or 1) > 1:  # it takes so many samples and no other number
            return self.open(model, name)
        together = self.open(body, name) if (self.threads or usable_cpus()) > 1 else None
        return SharingSession(alone, together=together, head=None if head is None else self.open(head, name))

    def open_onnx(self, model: bytes, name: str) -> OnnxSession:
        """Load a model into ONNX Runtime, whatever the runtime of the others is; see :meth:`open`."""
        return OnnxSession(model, name=name, threads=self.threads, providers=self.providers, entries=dict(self.entries))
