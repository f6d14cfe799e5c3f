"""The page of one model: its versions, who runs them, and what changed between them."""

from apiflask import APIBlueprint
from flask import Response, make_response, render_template

from serving.changelog import read_changelog, to_markdown
from serving.context import get_storage

_MAX_VERSIONS = 50

blueprint = APIBlueprint("model_page", __name__, url_prefix="/models", enable_openapi=False)


@blueprint.get("/<model>")
def show_model_page(model: str) -> str:
    """Show what changed from version to version."""
    storage = get_storage()
    entries = read_changelog(storage, model, _MAX_VERSIONS)
    left = len(storage.catalogue.find_release(model).versions) - len(entries)
    return render_template("model.html", model=model, entries=entries, left=left)


@blueprint.get("/<model>/changelog.md")
def download_changelog(model: str) -> Response:
    """Give the same as a Markdown file."""
    response = make_response(to_markdown(model, read_changelog(get_storage(), model)))
    response.mimetype = "text/markdown"
    return response
