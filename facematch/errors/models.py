"""Errors of model packs, the runtime, and vectors that do not belong together."""

from __future__ import annotations

from facematch.errors.base import FacematchError


class ModelError(FacematchError):
    """Something is wrong with a model pack or the runtime below it."""

    code = "model_error"


class PackNotFound(ModelError):
    """There is no pack of that name, or no such folder."""

    code = "pack_not_found"


class ManifestInvalid(ModelError):
    """A pack's manifest is malformed or incomplete."""

    code = "manifest_invalid"


class PackUnavailable(ModelError):
    """A pack's file is missing and could not be fetched."""

    code = "pack_unavailable"


class PackCorrupt(ModelError):
    """A pack's file does not have the recorded digest."""

    code = "pack_corrupt"


class LicenseError(ModelError):
    """The pack's license forbids the configured use."""

    code = "license_forbidden"


class ConversionError(ModelError):
    """A model file could not be rewritten for the runtime."""

    code = "conversion_failed"


class ProviderUnavailable(ModelError):
    """A requested execution provider is not available; facematch never falls back silently."""

    code = "provider_unavailable"


class InferenceError(ModelError):
    """The runtime failed while running a model."""

    code = "inference_failed"


class AnalyzerBusy(InferenceError):
    """Too many pictures wait for an analyzer that many threads share, and none was done in time."""

    code = "analyzer_busy"


class ContractMismatch(FacematchError):
    """Vectors or thresholds of another embedding contract were offered."""

    code = "contract_mismatch"


class VectorIndexError(FacematchError):
    """A vector index was used against its rules."""

    code = "index_error"
