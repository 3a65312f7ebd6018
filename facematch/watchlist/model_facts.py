"""Facts of reports and access exports about models and the tested threshold in force."""

from __future__ import annotations

from sqlalchemy import Connection

from facematch.governance.reports import ModelFacts, TestedThreshold
from facematch.matching import Calibration
from facematch.types import OperatingPoint
from facematch.watchlist.resources import Resources

__all__ = ["calibrated", "model_facts"]


def calibrated(calibration: Calibration | None, point: OperatingPoint | None = None) -> TestedThreshold | None:
    """The tested threshold in force: a calibration artifact's, else the model pack's, where one is known."""
    if calibration is not None:
        return TestedThreshold(
            threshold=calibration.threshold,
            rule=calibration.rule,
            error_kind="FPIR",
            target=calibration.target_fpir,
            data=calibration.data,
            measured_at=calibration.measured_at,
            trials=calibration.people,
            errors=calibration.errors,
            upper=calibration.fpir_upper,
            confidence=calibration.confidence,
            gallery_size=calibration.gallery_size,
            templates=calibration.templates,
            digest=calibration.digest,
        )
    if point is None:
        return None
    return TestedThreshold(
        threshold=point.threshold,
        rule=point.rule,
        error_kind=point.error_kind,
        target=point.error_rate,
        data=point.measured_on,
        measured_at=point.measured_at,
        trials=point.trials,
        gallery_size=point.gallery_size,
        templates=point.templates,
    )


def model_facts(resources: Resources, connection: Connection, loaded: ModelFacts | None = None) -> ModelFacts:
    """Models of the templates: the contract that the database is bound to, with the parts of the loaded pack."""
    contract = resources.subjects.contract(connection)
    if contract is None:
        return ModelFacts(None, None, None) if loaded is None else loaded
    parts, problem = ((), None) if loaded is None else (loaded.parts, loaded.problem)
    return ModelFacts(contract.embedder, contract.digest, contract.dimension, parts, problem)
