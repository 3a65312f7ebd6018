"""Settings of the machine: where files are kept, whether the network may be used, what the models are used for.

This is the one module that reads the environment. Everything that decides about people (purposes, thresholds,
consent) is passed explicitly and never taken from the environment.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from platformdirs import user_cache_path
from pydantic import BeforeValidator, ByteSize, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from facematch.errors import InvalidArgument

__all__ = ["Precision", "Runtime", "Settings", "Use", "forbid_telemetry"]

Use = Literal["commercial", "research"]
Runtime = Literal["onnxruntime", "openvino"]
Precision = Literal["float32", "bfloat16"]


def _split(value: object) -> object:
    return [part for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class Settings(BaseSettings):
    """Machine settings, from arguments first and ``FACEMATCH_*`` variables second.

    A variable that is set to nothing counts as not set.

    Attributes:
        home: Folder for model packs and converted models (``FACEMATCH_HOME``; default: the user's cache folder).
        offline: Never use the network (``FACEMATCH_OFFLINE=1``).
        use: What models are used for (``FACEMATCH_USE``): packs whose license forbids it do not load.
        threads: Threads one model run may use (``FACEMATCH_THREADS``); 0 asks the operating system for the
            processors this process may use.
        runtime: What runs embedders (``FACEMATCH_RUNTIME``): ``onnxruntime``, or ``openvino`` where it is installed;
            everything else runs on ONNX Runtime.
        precision: What embedders compute in (``FACEMATCH_PRECISION``): ``float32``, or ``bfloat16`` with OpenVINO.
        providers: ONNX Runtime's execution providers, separated by commas (``FACEMATCH_PROVIDERS``); one that is not
            there is an error. Default: the processor.
        database: Database URL for the command line (``FACEMATCH_DATABASE``).
        actor: Who acts, for the command line (``FACEMATCH_ACTOR``; default: the login name).
        key: Key that locks watchlists, 32 bytes in base64 (``FACEMATCH_KEY``; default: a key file).
        key_file: Key file to use instead of one beside each database (``FACEMATCH_KEY_FILE``).
        gallery_file: Keep a sealed copy of a large gallery beside its database, so that the next start is quick
            (``FACEMATCH_GALLERY_FILE=0`` for none).
        memory_budget: Memory that the vectors of a gallery may take in a process (``FACEMATCH_MEMORY_BUDGET=4GB``);
            a gallery that needs more is refused. Default: no limit.
        previous_keys: Earlier keys, separated by commas (``FACEMATCH_PREVIOUS_KEYS``); they still unlock.

    Raises:
        InvalidArgument: A value is of the wrong type or out of range.
    """

    model_config = SettingsConfigDict(env_prefix="FACEMATCH_", env_ignore_empty=True, frozen=True, extra="ignore")

    home: Path = Field(default_factory=lambda: user_cache_path("facematch", appauthor=False))
    offline: bool = False
    use: Use = "commercial"
    threads: int = Field(default=0, ge=0, le=1024)
    runtime: Runtime = "onnxruntime"
    precision: Precision = "float32"
    providers: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = ()
    database: str = "sqlite:///facematch.db"
    actor: str | None = None
    key: SecretStr | None = None
    key_file: Path | None = None
    gallery_file: bool = True
    memory_budget: ByteSize | None = None
    previous_keys: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split)] = ()

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            name = ".".join(str(part) for part in first["loc"])
            raise InvalidArgument(
                f"setting {name}: {first['msg']}",
                hint=f"correct the argument {name}, or the variable FACEMATCH_{name.upper()}, or unset it",
            ) from None


def forbid_telemetry() -> None:
    """Tell ONNX Runtime, in this process and its children, to send nothing and to keep no device identifier."""
    for name in ("ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED"):  # the present name and the one of 1.29
        os.environ[name] = "1"
