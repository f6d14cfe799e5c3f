"""The page where the model owner looks at corrections, and accepts or rejects each."""

from typing import Any

from apiflask import APIBlueprint
from flask import render_template, request

from serving.access import needs
from serving.context import get_settings, get_storage
from serving.corrections.review_views import find_page, show
from serving.corrections.tables import ACCEPTED, DUPLICATE, OPEN, REJECTED
from serving.errors import NotReadyError, RequestError

blueprint = APIBlueprint("review_page", __name__, enable_openapi=False)
_CONFLICT = "conflict"
_LISTS = {
    OPEN: "To decide",
    _CONFLICT: "Contradicting",
    ACCEPTED: "Accepted",
    REJECTED: "Rejected",
    DUPLICATE: "Sent twice",
}
_ON_A_PAGE = 30
_FRESH = {"Cache-Control": "no-store"}


@blueprint.get("/corrections")
@needs("admin")
def show_first() -> tuple[str, dict[str, str]]:
    """Show the first model's corrections, or that there is no model."""
    models = _list_models()
    if not models:
        return render_template("corrections.html", models=models), _FRESH
    return _render(models[0], models)


@blueprint.get("/corrections/<model>")
@needs("admin")
def show_model(model: str) -> tuple[str, dict[str, str]]:
    """Show a model's corrections.

    Raises:
        UnknownModelError: there is no such model.
        RequestError: there is no such list, or no such page of it.
    """
    return _render(model, _list_models())


def _list_models() -> list[str]:
    try:
        return list(get_storage().catalogue.releases)
    except NotReadyError:
        return []


def _render(model: str, models: list[str]) -> tuple[str, dict[str, str]]:
    chosen = request.args.get("list", OPEN)
    if chosen not in _LISTS:
        raise RequestError(f"list: allowed are {', '.join(_LISTS)}")
    is_conflict = chosen == _CONFLICT
    state = OPEN if is_conflict else chosen
    found, following = find_page(model, state, is_conflict, request.args.get("cursor"), _ON_A_PAGE)
    page = render_template(
        "corrections.html",
        model=model,
        models=models,
        lists=_LISTS,
        chosen=chosen,
        corrections=[_describe(show(one)) for one in found],
        labels=_list_labels({one.version for one in found}, model),
        following=following,
        keeps_photos=bool(get_settings().keep_photos),
    )
    return page, _FRESH


def _describe(shown: dict[str, Any]) -> dict[str, Any]:
    """Adds where it is decided, and which decisions are still open."""
    decided = {ACCEPTED: [REJECTED], REJECTED: [ACCEPTED], DUPLICATE: []}
    return {
        **shown,
        "url": f"/v1/models/{shown['model']}/corrections/{shown['correction_id']}/decision",
        "choices": decided.get(shown["state"], [ACCEPTED, REJECTED]),
    }


def _list_labels(versions: set[str], model: str) -> dict[str, list[str]]:
    """Returns the labels of each version, for what is accepted as something else."""
    storage = get_storage()
    return {
        version: sorted(storage.read_manifest(model, version).labels.names) for version in versions
    }
