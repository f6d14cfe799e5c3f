"""Code that pulls a release from a server and runs it: for its page, in the languages of apps.

The lines that prepare a photo, run a file and judge what it says are those of the exports.
"""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mobile_assets.errors import BundleError, ManifestError
from mobile_assets.export.android import describe_dependency, describe_imports
from mobile_assets.export.ios import IMPORTS, class_name, describe_linking
from mobile_assets.export.readme import NO_THRESHOLDS, fill
from mobile_assets.export.web import LITERTJS_VERSION
from mobile_assets.installed import version_folder
from mobile_assets.manifest import Manifest
from mobile_assets.parts import BundledArtifact
from mobile_assets.platforms import PLATFORMS, RUNTIMES_OF
from mobile_assets.unpacking import placed_path

LANGUAGES = {"android": "Kotlin", "ios": "Swift", "web": "TypeScript", "python": "Python"}
_PULLED = Path("models")
_KEY_FILE = "api-key.txt"


@dataclass(frozen=True)
class Source:
    """Where a release is pulled from.

    Attributes:
        url: of the server, as in "https://models.example.org".
        manifest_sha256: of the release's manifest, which names the folder it is pulled into.
        channel: the one whose devices are offered the release.
        needs_key: whether the server asks for an API key.
    """

    url: str
    manifest_sha256: str
    channel: str
    needs_key: bool


@dataclass(frozen=True)
class Step:
    """One thing to do.

    Attributes:
        words: what it is, for a person; code stands between backticks.
        language: of `code`: "sh", "kotlin", "swift", "ts" or "python".
        code: what to copy; empty where the words are all.
    """

    words: str
    language: str
    code: str


@dataclass(frozen=True)
class Recipe:
    """How an app of one platform runs a release.

    Attributes:
        platform: one of `mobile_assets.platforms.PLATFORMS`.
        artifact: the file that runs.
        steps: in order.
    """

    platform: str
    artifact: BundledArtifact
    steps: tuple[Step, ...]


def list_recipes(manifest: Manifest, source: Source) -> dict[str, tuple[Recipe, ...]]:
    """Returns by platform what an app does, a recipe for each runtime that the release has.

    The platform's default runtime comes first; a platform without a file has no recipe.

    Args:
        manifest: of the release.
        source: where it is pulled from.
    """
    found = {platform: tuple(_list(manifest, source, platform)) for platform in PLATFORMS}
    return {platform: recipes for platform, recipes in found.items() if recipes}


def _list(manifest: Manifest, source: Source, platform: str) -> Iterator[Recipe]:
    write = {"android": _write_kotlin, "ios": _write_swift, "web": _write_typescript}.get(
        platform, _write_python
    )
    for runtime in RUNTIMES_OF[platform]:
        try:
            artifact = manifest.artifacts_for(platform, runtime)[0]
        except ManifestError:
            continue
        yield Recipe(platform, artifact, tuple(write(manifest, source, artifact)))


def _write_kotlin(manifest: Manifest, source: Source, artifact: BundledArtifact) -> Iterator[Step]:
    model, side = manifest.model, manifest.preprocess.input_px
    folder = _pulled_folder(manifest, source, artifact)
    pull = _pull(manifest, source, "android", artifact.runtime)
    copy = f"mkdir -p app/src/main/assets\ncp -r {folder} app/src/main/assets/{model}"
    yield Step("Pull the release, verified, into the app's assets.", "sh", f"{pull}\n{copy}")
    yield Step(
        "Link the runtime in `app/build.gradle.kts`, and copy "
        "`mobile_assets/clients/kotlin/src/main/kotlin` into the app.",
        "kotlin",
        f"dependencies {{\n    {describe_dependency(artifact)}\n}}",
    )
    run = fill(
        f"run-android-{artifact.runtime}.kt",
        file=Path(artifact.path).name,
        path=f"{model}/{artifact.path}",
        side=side,
        count=side**2,
    )
    judge = fill("judge-android.kt", artifact=artifact.path, which="")
    lines = (fill("photo-android.kt", folder=model), run, _judge(artifact, judge))
    imports = describe_imports(artifact.runtime)
    code = fill("app-android.kt", imports=imports, lines=_join(lines))
    yield Step("Recognise a photo.", "kotlin", code)


def _write_swift(manifest: Manifest, source: Source, artifact: BundledArtifact) -> Iterator[Step]:
    model, side = manifest.model, manifest.preprocess.input_px
    stem, folder = class_name(model), _pulled_folder(manifest, source, artifact)
    pull = [_pull(manifest, source, "ios", artifact.runtime), f"cp -r {folder} {model}"]
    words = f"drag `{model}` into Xcode as a folder reference (blue)"
    if artifact.runtime == "coreml":
        pull.append(f"mv {placed_path(Path(model), artifact)} {stem}.mlpackage")
        words = f"drag `{stem}.mlpackage` into Xcode as a file of the app, and {words[5:]}"
    yield Step(f"Pull the release, verified; {words}.", "sh", "\n".join(pull))
    try:
        linking = describe_linking(artifact)
    except BundleError as error:
        linking = f"What to link is not known: {error}."
    yield Step(f"{linking} Add the package `mobile_assets/clients/swift`.", "", "")
    run = fill(
        f"run-ios-{artifact.runtime}.swift",
        stem=stem if artifact.runtime == "coreml" else Path(artifact.path).stem,
        directory=f"{model}/{Path(artifact.path).parent}",
        side=side,
        count=side**2,
    )
    judge = fill("judge-ios.swift", artifact=artifact.path)
    lines = (fill("photo-ios.swift", folder=model), run, _judge(artifact, judge))
    code = fill("app-ios.swift", imports=IMPORTS[artifact.runtime], lines=_join(lines))
    yield Step("Recognise a photo.", "swift", code)


_TYPESCRIPT = "mobile_assets/clients/typescript"


def _write_typescript(
    manifest: Manifest, source: Source, artifact: BundledArtifact
) -> Iterator[Step]:
    yield Step(
        "Add LiteRT.js and our client, and put `root.json` beside your sources. Serve "
        "`node_modules/@litertjs/core/wasm` as `/litert/`. Where your page comes from another "
        "origin than this server, the server must list it in `GHOSTLENS_CORS_ORIGINS`.",
        "sh",
        f"CLIENT=PATH/TO/{_TYPESCRIPT}\n"
        '(cd "$CLIENT" && npm ci && npm run build)\n'
        f'npm install @litertjs/core@{LITERTJS_VERSION} "$CLIENT"',
    )
    key = '\n  apiKey: "…", // everybody who has the app can read it: give it `pull` alone'
    code = fill(
        "app-web.ts",
        url=source.url,
        model=manifest.model,
        channel=source.channel,
        side=manifest.preprocess.input_px,
        key=key if source.needs_key else "",
    )
    yield Step(
        f"Pull what `{source.channel}` offers to this browser, and recognise a photo.", "ts", code
    )


def _write_python(manifest: Manifest, source: Source, artifact: BundledArtifact) -> Iterator[Step]:
    yield Step("Install the client from a copy of Ghostlens.", "sh", "pip install '.[client]'")
    key = f', api_key=Path("{_KEY_FILE}").read_text().strip()'
    code = fill(
        "app-python.txt",
        url=source.url,
        model=manifest.model,
        version=manifest.version,
        key=key if source.needs_key else "",
    )
    yield Step("Pull this release, verified, and recognise a photo.", "python", code)


def _pull(manifest: Manifest, source: Source, platform: str, runtime: str) -> str:
    options = {
        "--url": source.url,
        "--root": "root.json",
        "--platform": platform,
        "--runtime": runtime,
        "--version": manifest.version,
        "--out": str(_PULLED),
    }
    if source.needs_key:
        options["--api-key-file"] = _KEY_FILE
    given = [f"{name} {value}" for name, value in options.items()]
    lines = [" ".join(given[at : at + 2]) for at in range(0, len(given), 2)]
    return " \\\n  ".join([f"python -m mobile_assets pull {manifest.model}", *lines])


def _pulled_folder(manifest: Manifest, source: Source, artifact: BundledArtifact) -> Path:
    return version_folder(
        _PULLED / manifest.model, manifest.version, artifact.variant, source.manifest_sha256
    )


def _judge(artifact: BundledArtifact, judge: str) -> str:
    return NO_THRESHOLDS if artifact.confidence is None else judge


def _join(parts: tuple[str, ...]) -> str:
    """Returns the body of a function, indented but for its first line."""
    body = "\n".join(part.strip() for part in parts)
    return textwrap.indent(body, "    ").strip()
