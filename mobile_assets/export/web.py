"""A static web folder: the model for LiteRT.js, with a page that tries it."""

import base64
import hashlib
import json
from pathlib import Path

from mobile_assets.bundle import Bundle
from mobile_assets.export.content import (
    Content,
    Files,
    artifact_files,
    choose_content,
    first_photo,
    shared_files,
)
from mobile_assets.export.readme import fill, fill_readme
from mobile_assets.export.writing import below, write_layout

# The version that the page was tried with, in Chromium.
LITERTJS_VERSION = "2.5.3"
_PACKAGES = ("core", "wasm-utils")
_IMPORT_MAP = json.dumps(
    {
        "imports": {
            f"@litertjs/{name}": f"./node_modules/@litertjs/{name}/dist/index.js"
            for name in _PACKAGES
        }
    }
)


def export_web(bundle: Bundle, folder: Path, precision: str | None = None) -> Content:
    """Writes a folder that a static server can serve as it is.

    Args:
        bundle: an opened bundle.
        folder: to write, whole or not at all; must be missing or empty.
        precision: the most faithful artifact when None.

    Returns:
        What was exported.

    Raises:
        ManifestError: the bundle has nothing for the web.
        BundleError: it has no golden photo, or the folder is not empty.
        StorageError: the disk is full, or the folder cannot be written.
    """
    content = choose_content(bundle, "web", precision=precision)
    write_layout(folder, list_files(content))
    return content


def list_files(content: Content) -> Files:
    """Returns the files of the folder by path."""
    model, version = content.manifest.model, content.manifest.version
    stem = f"{model}-{version}"
    lines = fill(
        "first-web.js",
        folder=model,
        file=f"{stem}.tflite",
        side=content.manifest.preprocess.input_px,
    ).strip()
    readme = fill_readme(
        "web.md",
        content,
        folder=model,
        file=f"{stem}.tflite",
        first=lines,
        litertjs=LITERTJS_VERSION,
    )
    script = fill(
        "first.js",
        folder=model,
        first=lines.replace("\n", "\n  "),
        photo=first_photo(content).file,
    )
    page = fill(
        "index.html", model=model, version=version, policy=_policy(), import_map=_IMPORT_MAP
    )
    return {
        "README.md": readme,
        "index.html": page.encode(),
        "first.js": script.encode(),
        "_headers": _headers(model, stem).encode(),
        **below(model, {**shared_files(content), **artifact_files(content, stem)}),
    }


def _policy() -> str:
    digest = base64.b64encode(hashlib.sha256(_IMPORT_MAP.encode()).digest()).decode()
    scripts = f"script-src 'self' 'wasm-unsafe-eval' 'sha256-{digest}'"
    return f"default-src 'self'; {scripts}; object-src 'none'; base-uri 'none'"


def _headers(model: str, stem: str) -> str:
    # A page that frames this one is told in a header only: in a meta tag it has no effect.
    policy = f"{_policy()}; frame-ancestors 'none'"
    return (
        f"/*\n  Content-Security-Policy: {policy}\n  X-Content-Type-Options: nosniff\n"
        f"/{model}/{stem}.tflite\n  Cache-Control: public, max-age=31536000, immutable\n"
    )
