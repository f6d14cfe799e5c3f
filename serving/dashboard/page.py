"""The dashboard: one look tells the model owner how releases do, and whether something drifts."""

from typing import Any

from apiflask import APIBlueprint
from flask import render_template, request

from serving.access import needs
from serving.context import get_database, get_rollouts, get_storage, get_watch
from serving.dashboard.charts import format_number, format_share
from serving.dashboard.drift import WINDOW_DAYS
from serving.dashboard.figures import PERIODS, PLACE_NAMES, gather
from serving.errors import NotReadyError, RequestError

blueprint = APIBlueprint("dashboard", __name__, enable_openapi=False)
blueprint.add_app_template_filter(format_number, "number")
blueprint.add_app_template_filter(format_share, "share")
blueprint.add_app_template_filter(PLACE_NAMES.__getitem__, "place")
_USUAL_PERIOD = 30


@blueprint.get("/dashboard")
@needs("observe")
def show_first() -> Any:
    """Show the first model, or that there is none."""
    try:
        models = list(get_storage().catalogue.releases)
    except NotReadyError:
        models = []
    if not models:
        return render_template("dashboard.html", models=[], problems=_find_problems())
    return _render(models[0], models)


@blueprint.get("/dashboard/<model>")
@needs("observe")
def show_model(model: str) -> Any:
    """Show a model."""
    catalogue = get_storage().catalogue
    return _render(catalogue.find_release(model).model, list(catalogue.releases))


def _render(model: str, models: list[str]) -> tuple[str, dict[str, str]]:
    period = _read_period()
    release = get_storage().catalogue.find_release(model)
    overview = gather(release, get_rollouts(), get_database(), get_watch(), period)
    page = render_template(
        "dashboard.html",
        model=model,
        models=models,
        problems=_find_problems(),
        overview=overview,
        period=period,
        periods=PERIODS,
        week=WINDOW_DAYS,
    )
    return page, {"Cache-Control": "no-store"}


def _read_period() -> int:
    text = request.args.get("days", str(_USUAL_PERIOD))
    if text not in map(str, PERIODS):
        raise RequestError(f"days is {text[:40]!r}: allowed are {', '.join(map(str, PERIODS))}")
    return int(text)


def _find_problems() -> list[str]:
    return get_storage().find_problems()
