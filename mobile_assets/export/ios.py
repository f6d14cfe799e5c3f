"""Files for Xcode, and a manifest for Apple's Managed Background Assets.

The manifest's form is that of developer.apple.com/documentation/backgroundassets,
"Creating managed asset packs"; the keys of Info.plist are those of "Downloading Apple-hosted asset
packs".
"""

import json
import plistlib
from pathlib import Path

from mobile_assets.bundle import Bundle
from mobile_assets.export.content import (
    Content,
    Files,
    artifact_files,
    choose_content,
    shared_files,
)
from mobile_assets.export.delivery import Delivery, find_delivery
from mobile_assets.export.linking import find_linkage
from mobile_assets.export.readme import describe_contract, fill, fill_readme
from mobile_assets.export.writing import below, write_layout
from mobile_assets.parts import BundledArtifact

APP_GROUP = "group.com.example.app"
IMPORTS = {
    "coreml": "import CoreML",
    "executorch": "import ExecuTorch\nimport Foundation",
    "litert": "import Foundation\nimport TensorFlowLite",
}


def export_ios(
    bundle: Bundle,
    folder: Path,
    runtime: str | None = None,
    precision: str | None = None,
    delivery: str = "install-time",
) -> Content:
    """Writes what an Xcode project takes in.

    Args:
        bundle: an opened bundle.
        folder: to write, whole or not at all; must be missing or empty.
        runtime: "coreml", "litert" or "executorch"; the first of these that is there when None.
        precision: the most faithful when None.
        delivery: one of `mobile_assets.export.delivery.DELIVERY_NAMES`.

    Returns:
        What was exported.

    Raises:
        ConfigError: no such delivery.
        ManifestError: the bundle has no such artifact for iOS.
        BundleError: it has no golden photo, an archive in it is damaged, or the folder is not
            empty.
        StorageError: the disk is full, or the folder cannot be written.
    """
    when = find_delivery(delivery)
    content = choose_content(bundle, "ios", runtime, precision)
    write_layout(folder, list_files(content, when))
    return content


def list_files(content: Content, delivery: Delivery) -> Files:
    """Returns the files of the folder by path."""
    folder = content.manifest.model
    stem = class_name(folder)
    own = artifact_files(content, stem)
    # Xcode compiles a package among the app's own files, and copies a folder as it is.
    package = {name: data for name, data in own.items() if name.startswith(f"{stem}.mlpackage/")}
    rest = {name: data for name, data in own.items() if name not in package}
    return {
        "README.md": _readme(content, delivery, stem),
        **package,
        **below(folder, {**shared_files(content), **rest}),
        **below("BackgroundAssets", _asset_pack(content, delivery, stem)),
    }


def class_name(model: str) -> str:
    """Returns the Swift class that Xcode makes of a model: "fruit-veg" gives "FruitVegModel"."""
    name = "".join(part[:1].upper() + part[1:] for part in model.split("-")) + "Model"
    return name if name[0].isalpha() else f"Model{name}"


def _archive_name(content: Content) -> str:
    return f"{content.manifest.model}-{content.manifest.version}.aar"


def _asset_pack(content: Content, delivery: Delivery, stem: str) -> Files:
    """Returns the files for `xcrun ba-package`; paths count from where it is run."""
    folder = content.manifest.model
    manifest = {
        "assetPackID": folder,
        "downloadPolicy": delivery.apple_json(),
        "fileSelectors": [{"directory": folder}],
        "platforms": ["iOS"],
    }
    keys = {"BAAppGroupID": APP_GROUP, "BAHasManagedAssetPacks": True, "BAUsesAppleHosting": True}
    compile_line = ""
    if content.artifact.runtime == "coreml":
        compile_line = f'xcrun coremlcompiler compile "{stem}.mlpackage" "{folder}"\n'
    script = fill("package.sh", compile=compile_line, archive=_archive_name(content))
    return {
        "Manifest.json": (json.dumps(manifest, indent=2) + "\n").encode(),
        "Info.plist": plistlib.dumps(keys),
        "package.sh": script.encode(),
    }


def _readme(content: Content, delivery: Delivery, stem: str) -> bytes:
    manifest, runtime = content.manifest, content.artifact.runtime
    folder, side = manifest.model, manifest.preprocess.input_px
    first = fill(
        f"first-ios-{runtime}.swift",
        folder=folder,
        directory=folder,
        stem=stem,
        side=side,
        count=side**2,
    )
    words = {
        "coreml": _describe_coreml,
        "executorch": _describe_executorch,
        "litert": _describe_litert,
    }[runtime](content, stem)
    return fill_readme(
        "ios.md",
        content,
        folder=folder,
        first=first.strip(),
        imports=IMPORTS[runtime],
        archive=_archive_name(content),
        pack_id=folder,
        policy=delivery.apple_policy,
        contract=describe_contract(content, "ios"),
        compiles="compiles the model " if runtime == "coreml" else "",
        **words,
    )


def describe_linking(artifact: BundledArtifact) -> str:
    """Returns in Markdown what an app links to run an artifact.

    Raises:
        BundleError: see `find_linkage`.
    """
    if artifact.runtime == "coreml":
        return "Nothing is linked: Core ML is part of iOS 16 and later."
    if artifact.runtime == "litert":
        return "Link LiteRT's interpreter: `pod 'TensorFlowLiteSwift'`."
    linkage = find_linkage(artifact)
    parts = ", ".join(f"`{part}`" for part in linkage.parts) if linkage else ""
    version = artifact.tool_versions.get("executorch", "VERSION")
    return (
        f"Add the package https://github.com/pytorch/executorch, branch `swiftpm-{version}`, link "
        f"{parts}, and add `-all_load` to Other Linker Flags, without which backends and kernels "
        "don't register. Needs iOS 17."
    )


def _describe_coreml(content: Content, stem: str) -> dict[str, str]:
    path = f"{content.manifest.model}/{stem}.mlmodelc"
    return {
        "tree": f"| `{stem}.mlpackage/` | the model; Xcode makes the class `{stem}` of it |\n",
        "steps_in": (
            f"Drag `{stem}.mlpackage` into the project as a file of the app target, and "
            f"`{content.manifest.model}/` as a folder reference (blue), so that its files keep "
            f"their paths. {describe_linking(content.artifact)}"
        ),
        "notes": (
            "`first.png` has the model's own size. A photo of another size is squashed by "
            f"`{stem}Input(imageAt:)` and cropped otherwise by Vision: prepare it yourself, as "
            "below, and give the pixels as a `CVPixelBuffer`.\n"
        ),
        "from_pack": (
            "let model = try await "
            f'MLModel.load(contentsOf: AssetPackManager.shared.url(for: "{path}"))'
        ),
    }


def _describe_executorch(content: Content, stem: str) -> dict[str, str]:
    linkage = find_linkage(content.artifact)
    folder = content.manifest.model
    return {
        "tree": "",
        "steps_in": (
            f"Drag `{folder}/` into the project as a folder reference (blue), so that its files "
            f"keep their paths. {describe_linking(content.artifact)}"
        ),
        "notes": (
            f"The file calls: {linkage.describe() if linkage else ''}. It runs on runtimes of the "
            "minor version that it was made with, and the next one. The first output holds the "
            "probabilities, in the order of `labels.txt`.\n"
        ),
        "from_pack": (
            f'let module = Module(filePath: try AssetPackManager.shared.url(for: "{folder}/'
            f'{stem}.pte").path)'
        ),
    }


def _describe_litert(content: Content, stem: str) -> dict[str, str]:
    folder = content.manifest.model
    return {
        "tree": "",
        "steps_in": (
            f"Drag `{folder}/` into the project as a folder reference (blue), so that its files "
            f"keep their paths. {describe_linking(content.artifact)}"
        ),
        "notes": "The first output holds the probabilities, in the order of `labels.txt`.\n",
        "from_pack": (
            "let interpreter = try Interpreter(modelPath: AssetPackManager.shared.url(for: "
            f'"{folder}/{stem}.tflite").path)'
        ),
    }
