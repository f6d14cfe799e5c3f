"""The command that shows what stands in an artifact: `python -m conversion inspect`."""

import json
import sys
from pathlib import Path

import click

from conversion.artifact import EXTENSIONS
from conversion.errors import ArtifactError
from conversion.structure.summary import INT8, Feature, Structure, faults
from conversion.structure.summary import inspect as read_structure
from conversion.variants import VARIANTS, Variant


def variant_of(path: Path) -> Variant:
    """Returns which variant the name of an artifact claims.

    Raises:
        ArtifactError: the name ends in none.
    """
    claimed = [
        variant
        for variant in VARIANTS
        if path.name.endswith(f"{variant.key}{EXTENSIONS[variant.runtime]}")
    ]
    if not claimed:
        keys = ", ".join(f"{entry.key}{EXTENSIONS[entry.runtime]}" for entry in VARIANTS)
        raise ArtifactError(f"{path.name} does not say what it is: a name ends in one of {keys}")
    return claimed[0]


@click.command(name="inspect")
@click.argument("artifact", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def inspect_artifact(artifact: Path, as_json: bool) -> None:
    """Show what stands in ARTIFACT; exit code 1 if it is not what its name claims."""
    variant = variant_of(artifact)
    structure = read_structure(artifact, variant.runtime)
    found = faults(structure, variant.precision)
    if as_json:
        value = {"artifact": artifact.name, "variant": variant.key, "faults": found}
        click.echo(json.dumps(value | structure.to_json(), indent=2, sort_keys=True))
    else:
        _print_table(artifact, variant, structure)
        for reason in found:
            click.echo(f"FAULT: {reason}")
    if found:
        sys.exit(1)


def _print_table(artifact: Path, variant: Variant, structure: Structure) -> None:
    systems = ", ".join(f"{name} {text}" for name, text in structure.minimum_systems.items())
    delegated = structure.delegated_share
    rows = {
        "artifact": f"{artifact.name}, claims {variant.precision}",
        "size": f"{structure.size_bytes / 1e6:.2f} MB",
        "input": _features(structure.inputs),
        "output": _features(structure.outputs),
        "ops": _counts(structure.ops),
        "ops outside": _counts(structure.outside_ops) or "none",
        "backends": ", ".join(structure.backends) or "none named: the device chooses",
        "delegated": "-" if delegated is None else f"{delegated:.1%} of ops",
        "weights": f"{_shares(structure.weights)}; {structure.weight_bits:.1f} bits a value",
        "activations": _shares(structure.activations),
        "really int8": f"{structure.weight_share(*INT8):.1%} of weights, "
        f"{structure.activation_share(*INT8):.1%} of activations",
        "compression": structure.compression,
        "schema": structure.schema,
        "needs": f"{structure.minimum_runtime}; {systems or 'system not known'}",
        "preprocess": structure.preprocess_sha256[:12] or "not stated in the file",
    }
    for name, text in rows.items():
        click.echo(f"{name:12} {text}")
    for note in structure.notes:
        click.echo(f"{'note':12} {note}")


def _features(features: tuple[Feature, ...]) -> str:
    return "; ".join(
        f"{entry.name or '(unnamed)'} {entry.dtype} {list(entry.shape)}" for entry in features
    )


def _counts(counts: dict[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    return ", ".join(f"{count} {kind}" for kind, count in ordered)


def _shares(counts: dict[str, int]) -> str:
    total = sum(counts.values())
    ordered = sorted(counts.items(), key=lambda entry: -entry[1])
    return ", ".join(f"{count / total:.1%} {kind}" for kind, count in ordered) or "none read"
