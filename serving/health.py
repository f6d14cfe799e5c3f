"""Whether the process answers, and whether it has something verified to answer from."""

import logging
from typing import Any

from apiflask import APIBlueprint

from serving.context import get_database, get_engine, get_readiness, get_storage
from serving.errors import NotReadyError
from serving.schemas import Live, Ready

blueprint = APIBlueprint("health", __name__, tag="Health")
_NOT_READY: Any = {
    503: {
        "description": "Nothing verified to answer from",
        "content": {"application/json": {"schema": Ready}},
    }
}
# What exactly is wrong stands in the log: it tells of the server's insides.
_NO_STATE = (
    "what the server remembers cannot be used as it should: keys may not count, reports may be "
    "refused, and nobody new is offered what is rolled out; its log says why"
)
_FRESH = {"Cache-Control": "no-store"}


@blueprint.get("/livez")
@blueprint.output(Live)
def show_live() -> tuple[dict[str, Any], int, dict[str, str]]:
    """Tell whether the process answers."""
    return {"status": "alive"}, 200, _FRESH


@blueprint.get("/readyz")
@blueprint.output(Ready)
@blueprint.doc(responses=_NOT_READY)
def show_ready() -> tuple[dict[str, Any], int, dict[str, str]]:
    """Tell whether this process may be sent requests.

    It may when the repository verified and a current model is in memory. Each process loads the
    current ones when it starts, and answers 503 until then, and again once it was told to stop.
    When the repository is damaged, the last good state goes on answering: the status is then 200,
    "degraded", and `problems` says what is wrong. So it is when a current model could not be
    loaded, or failed on its golden photos, when it was last asked for.
    """
    storage = get_storage()
    problems = storage.find_problems()
    try:
        catalogue = storage.catalogue
    except NotReadyError:
        answer = {"status": "not ready", "models": 0, "problems": problems, "expires": {}}
        return answer, 503, _FRESH
    reason = get_readiness().find_reason()
    current = {model: release.current for model, release in catalogue.releases.items()}
    problems += get_engine().find_problems(current)
    if state_problems := get_database().find_problems():
        logging.getLogger("serving").error("%s", "; ".join(state_problems))
        problems.append(_NO_STATE)
    expires = catalogue.state.expiries()
    answer = {
        "status": "not ready" if reason else "degraded" if problems else "ready",
        "models": len(catalogue.releases),
        "problems": [*problems, *([reason] if reason else [])],
        "expires": {role: f"{when:%Y-%m-%dT%H:%M:%SZ}" for role, when in expires.items()},
    }
    return answer, 503 if reason else 200, _FRESH
