"""An AI pack of Play for On-device AI, with device targeting where it is asked for.

Form and names are those of developer.android.com/google/play/on-device-ai.
"""

from collections.abc import Sequence
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
from mobile_assets.export.targeting import OTHER, DeviceGroup, targeting_xml
from mobile_assets.export.writing import below, write_layout
from mobile_assets.parts import BundledArtifact

# The first Android Gradle Plugins with AI packs, and with device targeting.
_PLUGIN, _TARGETING_PLUGIN = "8.8", "8.10"
# As of developers.google.com/edge/litert/next/android_kotlin.
_LITERT_VERSION = "2.3.0"
_CONFIG_NAME = "device_targeting_config.xml"
_IMPORTS = {
    "litert": (
        "com.google.ai.edge.litert.Accelerator",
        "com.google.ai.edge.litert.CompiledModel",
    ),
    "executorch": (
        "java.io.File",
        "org.pytorch.executorch.EValue",
        "org.pytorch.executorch.Module",
        "org.pytorch.executorch.Tensor",
    ),
}


def export_android(
    bundle: Bundle,
    folder: Path,
    runtime: str | None = None,
    precision: str | None = None,
    delivery: str = "install-time",
    groups: Sequence[DeviceGroup] = (),
) -> Content:
    """Writes an AI pack, and beside it what the app's module needs.

    Args:
        bundle: an opened bundle.
        folder: to write, whole or not at all; must be missing or empty.
        runtime: "litert" or "executorch"; LiteRT where the bundle has it when None.
        precision: for phones of no group; the most faithful when None.
        delivery: one of `mobile_assets.export.delivery.DELIVERY_NAMES`.
        groups: phones that get another precision; the first that fits counts.

    Returns:
        What phones of no group get.

    Raises:
        ConfigError: no such delivery.
        ManifestError: the bundle has no such artifact for Android, or not for a group.
        BundleError: it has no golden photo, a `.pte` is damaged, or the folder is not empty.
        StorageError: the disk is full, or the folder cannot be written.
    """
    when = find_delivery(delivery)
    content = choose_content(bundle, "android", runtime, precision)
    chosen = {
        group: choose_content(bundle, "android", content.artifact.runtime, group.precision)
        for group in groups
    }
    write_layout(folder, list_files(content, when, chosen))
    return content


def list_files(content: Content, delivery: Delivery, chosen: dict[DeviceGroup, Content]) -> Files:
    """Returns the files of the folder by path.

    Args:
        content: what phones of no group get.
        delivery: when Play brings it.
        chosen: what phones of each group get.
    """
    folder = content.manifest.model
    pack = pack_name(folder)
    assets = f"{pack}/src/main/assets/{folder}"
    # Play takes the suffix away: the app reads `variant/`, whatever its phone was given.
    variants = {f"variant#group_{group.name}": own for group, own in chosen.items()}
    variants[f"variant#group_{OTHER}" if chosen else "variant"] = content
    files = below(assets, shared_files(content))
    for name, own in variants.items():
        files |= below(f"{assets}/{name}", artifact_files(own, folder))
    files[f"{pack}/build.gradle.kts"] = _gradle(pack, delivery).encode()
    if chosen:
        files[f"app/{_CONFIG_NAME}"] = targeting_xml(tuple(chosen))
    readme = _readme(content, delivery, chosen)
    return {"README.md": readme, **files}


def pack_name(model: str) -> str:
    """Returns the name of a model's AI pack: a letter first, then letters, digits, underscores."""
    return "model_" + model.replace("-", "_")


def _gradle(pack: str, delivery: Delivery) -> str:
    return (
        "plugins {\n"
        '    id("com.android.ai-pack")\n'
        "}\n\n"
        "aiPack {\n"
        f'    packName = "{pack}"\n'
        "    dynamicDelivery {\n"
        f'        deliveryType = "{delivery.name}"\n'
        "    }\n"
        "}\n"
    )


def _readme(content: Content, delivery: Delivery, chosen: dict[DeviceGroup, Content]) -> bytes:
    manifest, runtime = content.manifest, content.artifact.runtime
    pack, side = pack_name(manifest.model), manifest.preprocess.input_px
    file = manifest.model + {"litert": ".tflite", "executorch": ".pte"}[runtime]
    first = fill(
        f"first-android-{runtime}.kt",
        folder=manifest.model,
        file=file,
        path=f"{manifest.model}/variant/{file}",
        side=side,
        count=side**2,
    )
    return fill_readme(
        "android.md",
        content,
        pack=pack,
        folder=manifest.model,
        file=file,
        variant="variant*" if chosen else "variant",
        tree=f"| `app/{_CONFIG_NAME}` | which phones get which precision |\n" if chosen else "",
        delivery=delivery.name,
        delivery_words=delivery.words.format(pack=pack),
        plugin=_TARGETING_PLUGIN if chosen else _PLUGIN,
        bundle=_BUNDLE_WORDS if chosen else "",
        properties=_describe_groups(content, chosen) if chosen else "",
        dependencies=f"    {describe_dependency(content.artifact)}\n",
        imports=describe_imports(runtime),
        first=first.strip(),
        notes=_describe_linkage(content),
        contract=describe_contract(content, "android", _WHICH if chosen else ""),
    )


_BUNDLE_WORDS = f"""\
    bundle {{
        deviceTargetingConfig = file("{_CONFIG_NAME}")
        deviceGroup {{
            enableSplit = true
            defaultGroup = "{OTHER}"
        }}
    }}
"""


_WHICH = " // or what `artifact` in model.json says"


def _describe_groups(content: Content, chosen: dict[DeviceGroup, Content]) -> str:
    rows = [(group.name, own) for group, own in chosen.items()]
    rows.append((f"{OTHER} (all others)", content))
    lines = [
        f"| {name} | {own.artifact.precision} | {own.artifact.file.size_bytes / 1e6:.1f} MB |"
        for name, own in rows
    ]
    return (
        f"\nCopy `app/{_CONFIG_NAME}` into your `app/` folder, and add "
        "`android.experimental.enableDeviceTargetingConfigApi=true` to `gradle.properties`. A "
        "phone gets what the first group that it fits says; what each file must answer stands in "
        "its own `model.json`:\n\n| group | precision | size |\n"
        "| --- | --- | --- |\n" + "\n".join(lines) + "\n"
    )


def describe_dependency(artifact: BundledArtifact) -> str:
    """Returns the line of `build.gradle.kts` that links the runtime of an artifact."""
    if artifact.runtime == "litert":
        return f'implementation("com.google.ai.edge.litert:litert:{_LITERT_VERSION}")'
    version = artifact.tool_versions.get("executorch", "VERSION")
    suffix = "-vulkan" if artifact.backend == "vulkan" else ""
    return f'implementation("org.pytorch:executorch-android{suffix}:{version}")'


def describe_imports(runtime: str) -> str:
    """Returns the imports of the lines that run a file in Kotlin."""
    return "\n".join(f"import {name}" for name in _IMPORTS[runtime])


def _describe_linkage(content: Content) -> str:
    linkage = find_linkage(content.artifact)
    if linkage is None:
        return (
            "`Accelerator.GPU` and `Accelerator.NPU` answer a little differently: run the golden "
            "photos before you use them. The first output holds the probabilities.\n"
        )
    version = content.artifact.tool_versions.get("executorch", "not stated")
    return (
        f"The file calls: {linkage.describe()}. It was made with ExecuTorch {version} and runs on "
        "runtimes of that minor version and the next one. The first output holds the "
        "probabilities.\n"
    )
