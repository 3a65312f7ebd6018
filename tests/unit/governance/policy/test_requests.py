from __future__ import annotations

import pytest

from facematch.errors import InvalidArgument
from facematch.governance.policy import EnrollmentRequest
from tests.unit.governance.policy.support import consent
from tests.unit.governance.support import NOW


def test_an_enrollment_may_state_what_the_record_leaves_out() -> None:
    record = consent(category=None, incident_id=None, source=None)
    request = EnrollmentRequest(
        consent=record, now=NOW, actor="ana", category="staff", incident_id="7", source="staff-record"
    )
    assert (request.category, request.incident_id, request.source) == ("staff", "7", "staff-record")


@pytest.mark.parametrize("name", ["category", "incident_id", "source"])
def test_an_enrollment_cannot_contradict_the_record(name: str) -> None:
    with pytest.raises(InvalidArgument, match=f"the request says {name} 'other'"):
        EnrollmentRequest(consent=consent(), now=NOW, actor="ana", **{name: "other"})
