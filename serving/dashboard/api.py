"""`GET /v1/models/{model}/drift`: the findings for machines."""

import math
from typing import Any

from apiflask import APIBlueprint

from serving.access import needs
from serving.context import get_storage, get_watch
from serving.dashboard.drift import ALARM, WINDOW_DAYS, Finding
from serving.dashboard.schemas import DriftAnswer

blueprint = APIBlueprint("drift", __name__, url_prefix="/v1/models", tag="Releases")


@blueprint.get("/<model>/drift")
@needs("observe")
@blueprint.output(DriftAnswer)
def show_drift(model: str) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Tell whether photos are others than those of validation, or of the weeks before.

    Looks at the last seven days, and at most once a minute.
    """
    get_storage().catalogue.find_release(model)
    findings = get_watch().find(model)
    answer = {
        "model": model,
        "alarm": any(finding.state == ALARM for finding in findings),
        "days": WINDOW_DAYS,
        "findings": [describe(finding) for finding in findings],
    }
    return answer, 200, {"Cache-Control": "no-store"}


def describe(finding: Finding) -> dict[str, Any]:
    """Returns a finding as JSON can hold it, without the counts."""
    names = ("place", "subject", "against", "version", "state", "words", "scans")
    value = {name: getattr(finding, name) for name in names}
    compared = finding.compared
    usable = compared is not None and math.isfinite(compared.limit)
    for name in ("effect", "distance", "limit"):
        value[name] = round(getattr(compared, name), 4) if usable else None
    return value
