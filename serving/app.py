"""The server: what it is made of."""

from collections.abc import Callable
from functools import partial
from typing import Any

from apiflask import APIFlask
from flask import Response

from serving import files, health, hold_views, problems, releases, reports
from serving.access import gate
from serving.api import deprecation, document
from serving.api.answers import finish_answer
from serving.api.bodies import watch_body
from serving.api.receiving import receive_json, refuse_nul
from serving.api.views import blueprint as openapi_blueprint
from serving.api.views import send_static
from serving.context import attach_services
from serving.corrections import review_page, review_views
from serving.corrections import views as correction_views
from serving.dashboard import api as drift_api
from serving.dashboard import page, usage
from serving.inference import protocol, recognise
from serving.inference.document import describe_in as describe_inference
from serving.observing import exposition, request_ids, requests, transactions
from serving.scan import views as scan_views
from serving.settings import Settings
from serving.showing import views as pages

API_VERSION = "1.1.0"
# Pages take nothing from elsewhere but published files, run no inline script and stand in no frame;
# `blob:` shows the photo that was chosen.
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src {files} blob:; "
    "connect-src {files}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# Anything else is data: opened in a browser it may do nothing at all.
_DATA_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"


class _App(APIFlask):
    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Returns a function as it is: none of ours is a coroutine, and each request would ask."""
        return func


def create_app(settings: Settings | None = None) -> APIFlask:
    """Makes the server.

    Args:
        settings: what it serves; read from the environment when not given.

    Raises:
        SettingsError: see `Settings.from_environment`.
    """
    settings = settings or Settings.from_environment()
    app = _App(
        "serving",
        title="Ghostlens",
        version=API_VERSION,
        spec_path=None,
        docs_path=None,
        static_folder=None,  # type: ignore[arg-type]
    )
    app.json_errors = False
    app.config["MAX_CONTENT_LENGTH"] = settings.max_upload_bytes
    app.config["AUTO_OPERATION_ID"] = True
    app.config["AUTO_SERVERS"] = False
    app.config["SERVERS"] = [{"url": "/", "description": "This server"}]
    app.config["INFO"] = {"description": document.DESCRIPTION}
    attach_services(app, settings)
    requests.register(app, settings.log_client_address)
    request_ids.register(app)
    transactions.watch()
    problems.register(app)
    gate.attach(app)
    # Only of those who may ask a body is read.
    app.before_request(refuse_nul)
    app.before_request(watch_body)
    app.before_request(receive_json)
    for blueprint in (
        releases.blueprint,
        reports.blueprint,
        hold_views.blueprint,
        correction_views.blueprint,
        review_views.blueprint,
        review_page.blueprint,
        usage.blueprint,
        drift_api.blueprint,
        page.blueprint,
        recognise.blueprint,
        protocol.blueprint,
        files.blueprint,
        health.blueprint,
        exposition.blueprint,
        pages.blueprint,
        scan_views.blueprint,
        openapi_blueprint,
    ):
        app.register_blueprint(blueprint)
    app.spec_processor(_finish_spec)  # type: ignore[arg-type]
    app.add_url_rule("/static/<path:filename>", "static", send_static)
    app.after_request(deprecation.add_headers)
    app.after_request(finish_answer)
    page_policy = _PAGE_POLICY.format(files=settings.file_sources)
    app.after_request(partial(_add_security_headers, page_policy))
    return app


def _finish_spec(spec: dict[str, Any]) -> dict[str, Any]:
    problems.describe_in(spec)
    releases.describe_in(spec)
    correction_views.describe_in(spec)
    reports.describe_in(spec)
    recognise.describe_in(spec)
    describe_inference(spec)
    files.describe_in(spec)
    document.finish(spec)
    return spec


def _add_security_headers(page_policy: str, response: Response) -> Response:
    is_page = response.mimetype == "text/html"
    headers = response.headers
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "no-referrer"
    headers.setdefault("Content-Security-Policy", page_policy if is_page else _DATA_POLICY)
    return response
