"""What `inspect` reads from real artifacts, and which claims it does not believe."""

import contextlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import flatbuffers
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conversion.artifact import EXTENSIONS, Artifact, Build
from conversion.cli_structure import variant_of
from conversion.errors import ArtifactError
from conversion.report.tables import Table
from conversion.structure.summary import Structure, faults, inspect, preprocess_sha256
from conversion.structure.tflite_graph import parse_tflite
from tests.conftest import run_command, run_here
from tests.conversion import damage

CONVOLUTIONS = {"litert": "CONV_2D", "executorch": "Conv2d", "coreml": "conv"}


def structures(build_folder: Path, build: Build) -> list[tuple[Artifact, Structure]]:
    return [
        (entry, inspect(build_folder / entry.file_name, entry.runtime)) for entry in build.artifacts
    ]


def test_every_artifact_is_what_its_name_claims(build_folder, build):
    for entry, structure in structures(build_folder, build):
        assert faults(structure, entry.precision) == [], entry.file_name
        assert variant_of(build_folder / entry.file_name) == entry.variant


def test_every_convolution_of_the_network_is_in_the_census(build_folder, build, checkpoint):
    layers = [layer for layer in checkpoint.model.modules() if hasattr(layer, "kernel_size")]
    for entry, structure in structures(build_folder, build):
        if structure.ops:
            kind = CONVOLUTIONS[entry.runtime]
            depthwise = [name for name in structure.ops if name.lower().startswith("depthwise")]
            found = structure.ops[kind] + sum(structure.ops[name] for name in depthwise)
            assert found == len(layers), entry.file_name


def test_every_weight_of_the_network_is_counted(build_folder, build, checkpoint):
    wanted = sum(value.numel() for value in checkpoint.model.parameters() if value.dim() >= 2)
    rank, features = checkpoint.density.directions.shape
    wanted += (rank + 1) * features + rank  # directions, and the rows of ones that add up
    for entry, structure in structures(build_folder, build):
        if structure.weights:
            # Besides them, in some formats: mean and deviation of pixels, the mean of features, a
            # number close to 0, and a second row of ones, multiplied by the precision.
            most = 6 + 2 * features + 1
            assert 0 <= sum(structure.weights.values()) - wanted <= most, entry.file_name


def test_a_pte_runs_wholly_in_its_delegate(build_folder, build):
    for entry, structure in structures(build_folder, build):
        if entry.backend == "xnnpack":
            assert structure.backends == ("XnnpackBackend",)
            assert (structure.delegated_share, structure.outside_ops) == (1.0, {})


def test_a_package_states_its_preprocessing_and_what_it_needs(paths, build):
    structure = inspect(paths["coreml"], "coreml")
    assert structure.preprocess_sha256 == preprocess_sha256(build.preprocess.to_json())
    assert structure.minimum_systems == {"iOS": "16", "macOS": "13"}
    assert structure.schema == "Core ML specification 7, opset CoreML6"


def test_inputs_and_outputs_are_those_of_the_build(build_folder, build):
    for entry, structure in structures(build_folder, build):
        (feature,) = structure.inputs
        assert list(feature.shape) == entry.input["shape"], entry.file_name
        if entry.runtime == "litert":
            assert feature.name == entry.input["name"]
            names = [output["name"] for output in entry.outputs]
            assert [output.name for output in structure.outputs] == names


def test_a_structure_outlives_json(build_folder, build):
    for _, structure in structures(build_folder, build):
        assert Structure.from_json(json.loads(json.dumps(structure.to_json()))) == structure


@pytest.mark.parametrize("value", [{}, {"runtime": "litert"}, [], None, {"inputs": 3}])
def test_other_json_is_no_structure(value):
    with pytest.raises(ArtifactError, match="not the structure"):
        Structure.from_json(value)


@pytest.mark.parametrize("precision", ["int8", "dynamic-int8", "fp16"])
def test_a_float_file_that_claims_less_fails(paths, precision):
    for runtime in ("litert", "executorch"):
        (first, *_) = faults(inspect(paths[runtime], runtime), precision)
        assert first.startswith(f"claims {precision}: 0% of weight values are"), first
        assert first.endswith("100% are float32")


@pytest.mark.parametrize("precision", ["int8-weights", "palette8", "palette6", "fp32"])
def test_a_float16_package_that_claims_something_else_fails(paths, precision):
    (first, *_) = faults(inspect(paths["coreml"], "coreml"), precision)
    assert re.search(r"(9\d|100)% are float16", first), first


# A structure of little more than its weights and activations.
PLAIN = Structure("litert", 1, (), (), {}, {}, (), None, {}, {}, "none", "", "", {})


@pytest.mark.parametrize(
    ("weights", "activations", "precision", "passes"),
    [
        ({"int8": 97, "float32": 3}, {"int8": 95, "float32": 5}, "int8", True),
        ({"int8": 3, "float32": 97}, {"int8": 95, "float32": 5}, "int8", False),
        ({"int8": 97, "float32": 3}, {"int8": 74, "float32": 26}, "int8", True),
        ({"int8": 97, "float32": 3}, {"int8": 49, "float32": 51}, "int8", False),
        ({"int8": 97, "float32": 3}, {"float32": 100}, "int8", False),
        ({"int8": 97, "float32": 3}, {"float32": 100}, "dynamic-int8", True),
        ({"int8": 97, "float32": 3}, {"int8": 100}, "dynamic-int8", False),
        ({"float32": 100}, {"float32": 100}, "fp32", True),
        ({"float32": 99, "int8": 1}, {"float32": 100}, "fp32", False),
        ({"palette8": 98, "float16": 2}, {"float16": 100}, "palette6", False),
        ({}, {"int8": 100}, "int8", False),
    ],
)
def test_a_claim_holds_for_a_stated_minority_of_other_values(
    weights, activations, precision, passes
):
    structure = replace(PLAIN, weights=weights, activations=activations)
    assert (faults(structure, precision) == []) is passes


def test_kernels_outside_of_the_delegate_are_a_fault():
    structure = replace(
        PLAIN,
        runtime="executorch",
        backends=("XnnpackBackend",),
        outside_ops={"aten::mul.out": 2},
        weights={"float32": 9},
        delegated_share=0.9,
    )
    assert faults(structure, "fp32") == [
        "not all of it runs in XnnpackBackend: 2 aten::mul.out outside"
    ]


def test_an_unknown_precision_and_an_unknown_runtime_are_named(paths):
    with pytest.raises(ArtifactError, match="'int3'"):
        faults(PLAIN, "int3")
    with pytest.raises(ArtifactError, match="'onnx'"):
        inspect(paths["litert"], "onnx")


def test_inspect_prints_what_it_found(paths):
    done = run_command("conversion", "inspect", paths["executorch"])
    assert done.returncode == 0, done.stderr
    assert "100.0% float32" in done.stdout
    assert "XnnpackBackend" in done.stdout


def test_inspect_ends_with_1_where_the_name_lies(paths, tmp_path):
    liar = tmp_path / "produce-1.2.3-litert-int8.tflite"
    shutil.copy(paths["litert"], liar)
    done = run_here("conversion", "inspect", liar, "--json")
    assert done.returncode == 1, done.stderr
    value = json.loads(done.stdout)
    assert value["weights"].keys() == {"float32"}
    assert value["faults"][0].startswith("claims int8: 0% of weight values are int8")


@pytest.mark.parametrize("name", ["produce.tflite", "produce-1.0.0-litert-int8.pte", "x"])
def test_a_name_that_claims_nothing_is_refused(name, tmp_path):
    done = run_here("conversion", "inspect", tmp_path / name)
    assert done.returncode == 1
    assert "does not say what it is" in done.stderr


@pytest.mark.parametrize("runtime", ["litert", "executorch", "coreml"])
def test_a_missing_truncated_or_foreign_file_is_a_typed_error(runtime, paths, tmp_path):
    name = f"a{EXTENSIONS[runtime]}"
    with pytest.raises(ArtifactError):
        inspect(tmp_path / name, runtime)
    target = target_of(copy(paths[runtime], tmp_path / name))
    data = target.read_bytes()
    for content in (b"", b"\0" * 3, b"\0" * 999, data[: len(data) // 3], b"TFL3" * 40):
        target.write_bytes(content)
        with pytest.raises(ArtifactError):
            inspect(tmp_path / name, runtime)


def test_a_tflite_that_lost_its_weights_is_refused(paths, tmp_path):
    unpacked = schema.ModelT.InitFromObj(schema.Model.GetRootAs(paths["litert"].read_bytes(), 0))
    largest = max(
        unpacked.buffers, key=lambda buffer: 0 if buffer.data is None else len(buffer.data)
    )
    largest.data = None
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(unpacked.Pack(builder), file_identifier=b"TFL3")
    (tmp_path / "a.tflite").write_bytes(bytes(builder.Output()))
    with pytest.raises(ArtifactError, match="of which it has no values"):
        inspect(tmp_path / "a.tflite", "litert")


def copy(path: Path, to: Path) -> Path:
    (shutil.copytree if path.is_dir() else shutil.copy)(path, to)
    return to


def target_of(path: Path) -> Path:
    """The file whose bytes describe the artifact."""
    return path / damage.SPECIFICATION if path.is_dir() else path


def places_read(work: Callable[[], object], data: bytes) -> list[int]:
    """Where in a file its reader looks: damage elsewhere would only change weights."""
    seen: set[tuple[bytes, int]] = set()
    original = Table._unpack

    def record(table, kind, place):
        seen.update((table.data, place + byte) for byte in range(kind.size))
        return original(table, kind, place)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Table, "_unpack", record)
        work()
    starts = {part: data.find(part[:4096]) for part in {part for part, _ in seen}}
    return sorted({starts[part] + place for part, place in seen} | set(range(64)))


@pytest.mark.parametrize("runtime", ["litert", "executorch", "coreml"])
def test_changed_bytes_never_end_in_another_error(runtime, paths, tmp_path_factory):
    path = copy(paths[runtime], tmp_path_factory.mktemp("damaged") / paths[runtime].name)
    target = target_of(path)
    data = target.read_bytes()
    flatbuffer = runtime != "coreml"
    places = places_read(lambda: inspect(path, runtime), data) if flatbuffer else range(len(data))

    @settings(
        max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(
        st.lists(st.tuples(st.sampled_from(places), st.integers(0, 255)), min_size=1, max_size=4)
    )
    def check(changes: list[tuple[int, int]]) -> None:
        damaged = bytearray(data)
        for place, value in changes:
            damaged[place] = value
        target.write_bytes(damaged)
        try:
            structure = inspect(path, runtime)
        except ArtifactError:
            return
        faults(structure, "fp32")

    check()


@given(st.binary(max_size=200))
def test_any_bytes_are_a_graph_or_a_typed_error(data):
    for content in (data, data[:4] + b"TFL3" + data[8:]):
        with contextlib.suppress(ArtifactError):
            parse_tflite(content, "a file")
