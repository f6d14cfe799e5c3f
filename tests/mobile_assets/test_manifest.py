import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobile_assets.bundle import open_bundle, write_bundle
from mobile_assets.errors import ManifestError
from mobile_assets.manifest import Manifest
from mobile_assets.parts import Golden, Metrics
from tests.mobile_assets.builds import (
    COREML,
    EXECUTORCH,
    LITERT,
    add_variants,
    make_build,
    make_confidence,
)
from training.hierarchy import Hierarchy
from training.labels import LabelSet
from training.preprocess import Preprocess

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=10,
)
SHARES = st.floats(0, 1)
SCORES = st.floats(-100, 0)


@pytest.fixture(scope="module")
def manifest(bundle_path: Path) -> Manifest:
    return open_bundle(bundle_path).manifest


def to_value(manifest: Manifest) -> Any:
    return json.loads(manifest.to_bytes())


def read(value: Any) -> Manifest:
    return Manifest.from_bytes(json.dumps(value).encode())


def test_round_trip(manifest: Manifest) -> None:
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest
    assert Manifest.from_bytes(manifest.to_bytes()).to_bytes() == manifest.to_bytes()


@st.composite
def manifests(draw: st.DrawFn, base: Manifest) -> Manifest:
    """Manifests that differ from `base` in everything that one can vary alone."""
    letters = st.characters(min_codepoint=33, exclude_categories=["C", "Z"])
    names = draw(
        st.lists(st.text(letters, min_size=1, max_size=12), min_size=2, max_size=6, unique=True)
    )
    try:
        labels = LabelSet(tuple(names))
    except Exception:  # noqa: BLE001 - two names that are one after normalisation
        labels = base.labels
    answers = st.tuples(*[SHARES] * len(labels))
    paths = [artifact.path for artifact in base.artifacts]
    golden = tuple(
        Golden(
            item.file,
            draw(st.sampled_from(labels.names)),
            {p: draw(answers) for p in paths},
            {p: draw(SCORES) for p in paths},
        )
        for item in base.golden
    )
    confidence = make_confidence(draw(st.none() | SHARES), None, draw(st.none() | SHARES))
    return replace(
        base,
        labels=labels,
        golden=golden,
        version=draw(st.from_regex(r"(0|[1-9][0-9]?)\.[1-9]\.0(-rc\.[1-9])?", fullmatch=True)),
        preprocess=Preprocess.for_input(draw(st.sampled_from([32, 224, 1024]))),
        artifacts=tuple(replace(item, confidence=confidence) for item in base.artifacts),
        metrics=Metrics(draw(SHARES), draw(SHARES), draw(st.integers(0, 10**9))),
        photos_licence=draw(st.text(letters, min_size=1, max_size=50)),
    )


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_round_trip_of_any_manifest(manifest: Manifest, data: st.DataObject) -> None:
    other = data.draw(manifests(manifest))
    assert Manifest.from_bytes(other.to_bytes()) == other


@settings(max_examples=300, deadline=None)
@given(noise=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_noise_gives_only_manifest_errors(noise: bytes) -> None:
    with pytest.raises(ManifestError):
        Manifest.from_bytes(noise)


@settings(max_examples=300, deadline=None)
@given(value=JSON_VALUES)
def test_any_json_gives_only_manifest_errors(value: Any) -> None:
    with pytest.raises(ManifestError):
        Manifest.from_bytes(json.dumps(value).encode())


def places_in(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, member in members:
        found.append((*here, key))
        if isinstance(member, dict | list):
            found += places_in(member, (*here, key))
    return found


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_any_value_anywhere_gives_a_manifest_or_a_manifest_error(
    manifest: Manifest, data: st.DataObject
) -> None:
    value = to_value(manifest)
    *way, last = data.draw(st.sampled_from(places_in(value)))
    parent = value
    for key in way:
        parent = parent[key]
    parent[last] = data.draw(JSON_VALUES)
    try:
        found = read(value)
    except ManifestError:
        return
    assert Manifest.from_bytes(found.to_bytes()) == found


@pytest.mark.parametrize(
    ("way", "bad", "message"),
    [
        (("artifacts", 1, "sha256"), "ABC", r"artifacts\[1\]\.sha256 is 'ABC': allowed are 64"),
        (("artifacts", 0, "size_bytes"), -1, r"artifacts\[0\]\.size_bytes is -1"),
        (("artifacts", 0, "size_bytes"), True, r"artifacts\[0\]\.size_bytes is True"),
        (("artifacts", 0, "runtime"), "onnx", r"artifacts\[0\]\.runtime.*executorch, litert"),
        (("artifacts", 0, "precision"), "int4", r"artifacts\[0\]\.precision is 'int4'"),
        (("artifacts", 0, "backend"), "vulkan", r"artifacts\[0\]\.backend is 'vulkan'"),
        (("artifacts", 0, "parity", "loss_high"), -0.5, r"artifacts\[0\]\.parity.*the loss"),
        (("artifacts", 0, "parity", "min_photos"), 0.5, r"parity\.min_photos is 0\.5"),
        (("artifacts", 0, "parity", "executed"), 1, r"parity\.executed is 1"),
        (("artifacts", 0, "path"), "artifacts/../x", r"artifacts\[0\]\.path.*allowed"),
        (("artifacts", 0, "path"), "/etc/passwd", r"artifacts\[0\]\.path.*allowed"),
        (("artifacts", 0, "path"), "artifacts/.hidden", r"artifacts\[0\]\.path.*allowed"),
        (("artifacts", 0, "path"), "artifacts/a?b", r"artifacts\[0\]\.path.*allowed"),
        (("artifacts", 0, "parity", "agreement"), 2, r"artifacts\[0\]\.parity\.agreement is 2"),
        (("artifacts", 0, "platforms"), ["palm"], r"artifacts\[0\]\.platforms\[0\] is 'palm'"),
        (("artifacts",), [], r"artifacts is \[\].*1 to 50"),
        (("labels",), ["one"], r"labels is.*at least 2"),
        (("labels", 1), 7, r"labels\[1\] is 7"),
        (("model",), "Ünder", r"model is 'Ünder'.*lower-case"),
        (("version",), "1.0", r"version is '1\.0'.*semantic"),
        (("version",), "1.0.0+build", r"version is '1\.0\.0\+build'"),
        (("preprocess", "input_px"), 7, r"preprocess.*input_px is 7"),
        (("preprocess", "resampler"), [], r"preprocess.*resampler"),
        (("hierarchy",), {"coarse": ["a", "b"], "parents": [0]}, r"hierarchy is.*3 labels"),
        (("hierarchy",), {"coarse": ["a"], "parents": [0, 0, 0]}, r"hierarchy is.*at least 2"),
        (
            ("artifacts", 0, "confidence", "temperature"),
            0,
            r"artifacts\[0\]\.conf.*temperature is 0",
        ),
        (("artifacts", 0, "confidence", "fitted_on"), "x", r"fitted_on is 'x'.*reference"),
        (("artifacts", 0, "confidence", "sure", "coverage"), "x", r"coverage is 'x'"),
        (("artifacts", 0, "confidence", "known", "score"), "kNN", r"score is 'kNN'.*gen"),
        (("metrics", "top1"), 1.5, r"metrics\.top1 is 1\.5"),
        (("golden", 0, "answers"), [], r"golden\[0\]\.answers is \[\].*object"),
        (("other_files", 0, "role"), "virus", r"other_files\[0\]\.role is 'virus'"),
    ],
)
def test_the_message_names_the_bad_key(
    manifest: Manifest, way: tuple[Any, ...], bad: Any, message: str
) -> None:
    value = to_value(manifest)
    parent = value
    for key in way[:-1]:
        parent = parent[key]
    parent[way[-1]] = bad
    with pytest.raises(ManifestError, match=message):
        read(value)


def test_a_missing_and_an_unknown_key_are_named(manifest: Manifest) -> None:
    value = to_value(manifest)
    del value["artifacts"][2]["precision"]
    with pytest.raises(ManifestError, match=r"artifacts\[2\]\.precision is missing"):
        read(value)
    value = to_value(manifest)
    value["artifacts"][2]["colour"] = "blue"
    with pytest.raises(ManifestError, match=r"artifacts\[2\]\.colour is not known: allowed are"):
        read(value)


def test_a_newer_schema_is_refused_as_newer(manifest: Manifest) -> None:
    value = to_value(manifest) | {"schema": "ghostlens.bundle/5", "whatever": 1}
    with pytest.raises(ManifestError, match=r"newer than 'ghostlens.bundle/4'.*update Ghostlens"):
        read(value)


@pytest.mark.parametrize("schema", ["other/1", "ghostlens.bundle/0", 1, None])
def test_a_foreign_schema_is_refused(manifest: Manifest, schema: object) -> None:
    with pytest.raises(ManifestError, match=r"schema is .*allowed is 'ghostlens\.bundle/3'"):
        read(to_value(manifest) | {"schema": schema})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"schema": 1, "schema": 2}', "given twice"),
        ('{"schema": NaN}', "NaN"),
        ('{"schema": 1e999}', "too large"),
        ('{"schema": ' + "9" * 5000 + "}", "not JSON"),
        ('{"schema": "\\ud800"}', "surrogate"),
        ('{"\\udfff": 1}', "surrogate"),
        ("[" * 100_000, "not JSON"),
        ("[" * 40 + "]" * 40, "nested deeper"),
        ("\ufeff{}", "not JSON"),
    ],
)
def test_json_that_other_readers_take_differently_is_refused(text: str, words: str) -> None:
    with pytest.raises(ManifestError, match=words):
        Manifest.from_bytes(text.encode())


def test_an_endless_manifest_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(ManifestError, match="allowed are 16777216"):
        Manifest.from_bytes(b" " * (16 << 20) + b"{}")


def change(manifest: Manifest, index: int, **changes: Any) -> Manifest:
    artifacts = list(manifest.artifacts)
    artifacts[index] = replace(artifacts[index], **changes)
    return replace(manifest, artifacts=tuple(artifacts))


def test_an_artifact_cannot_claim_parity_that_it_does_not_have(manifest: Manifest) -> None:
    parity = manifest.artifacts[0].parity
    assert parity is not None
    with pytest.raises(ManifestError, match=r"artifacts\[0\].*no parity figures"):
        change(manifest, 0, parity=None)
    with pytest.raises(ManifestError, match="did not pass"):
        change(manifest, 0, parity=replace(parity, agreement=0.1))
    with pytest.raises(ManifestError, match="did not pass"):
        change(manifest, 0, parity=replace(parity, executed=False))
    with pytest.raises(ManifestError, match=r"did not pass.*inconclusive"):
        change(manifest, 0, parity=replace(parity, loss_high=0.4))
    with pytest.raises(ManifestError, match="other bytes"):
        change(manifest, 0, parity=manifest.artifacts[1].parity)
    with pytest.raises(ManifestError, match="another checkpoint"):
        change(manifest, 0, parity=replace(parity, checkpoint_sha256="0" * 64))
    with pytest.raises(ManifestError, match="without objections"):
        change(manifest, 0, accepted_by_hand=True)


def test_contradictions_are_refused(manifest: Manifest) -> None:
    first = manifest.golden[0]
    short = {path: given[:-1] for path, given in first.answers.items()}
    for golden, words in [
        (replace(first, label="plum"), "'plum', which is not among the labels"),
        (replace(first, answers=short), "2 answers of .* for 3 labels"),
        (replace(first, known_scores={}), "without a known score"),
        (replace(first, answers={}), "no expected answers for golden/00-red.jpg"),
        (replace(first, file="golden/other.jpg"), "must stand both in golden and in other_files"),
        (replace(first, answers={**first.answers, "artifacts/x": (0.1, 0.2, 0.3)}), "not among"),
    ]:
        with pytest.raises(ManifestError, match=words):
            replace(manifest, golden=(golden, *manifest.golden[1:]))
    twin = replace(manifest.artifacts[0].file, path=manifest.artifacts[1].path.upper())
    with pytest.raises(ManifestError, match="stands for two files"):
        change(manifest, 0, file=twin)
    without = tuple(file for file in manifest.other_files if file.role != "labels")
    with pytest.raises(ManifestError, match=r"no labels\.txt"):
        replace(manifest, other_files=without)


def test_each_platform_gets_its_default_runtime(manifest: Manifest) -> None:
    chosen = {
        platform: manifest.artifacts_for(platform)[0].path.removeprefix("artifacts/")
        for platform in ("android", "ios", "web", "python")
    }
    assert chosen == {
        "android": LITERT,
        "ios": f"{COREML}.zip",
        "web": LITERT,
        "python": LITERT,
    }
    assert manifest.artifacts_for("android", "executorch")[0].path == f"artifacts/{EXECUTORCH}"


def test_a_platform_falls_back_to_the_runtime_that_is_there(manifest: Manifest) -> None:
    kept = tuple(a for a in manifest.artifacts if a.runtime == "executorch")
    answers = [
        replace(g, answers={a.path: g.answers[a.path] for a in kept}) for g in manifest.golden
    ]
    small = replace(manifest, artifacts=kept, golden=tuple(answers))
    assert small.artifacts_for("android")[0].runtime == "executorch"
    with pytest.raises(ManifestError, match="no artifact for web with litert"):
        small.artifacts_for("web")


def test_platforms_and_runtimes_that_do_not_go_together_are_refused(manifest: Manifest) -> None:
    with pytest.raises(ManifestError, match="'palm': allowed are android, ios, web, python"):
        manifest.artifacts_for("palm")
    with pytest.raises(ManifestError, match="'coreml' on android: allowed are litert, executorch"):
        manifest.artifacts_for("android", "coreml")


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """A bundle with several precisions a runtime, and delegates that a person accepted."""
    folder = tmp_path_factory.mktemp("many")
    build_dir = make_build(folder / "build")
    # The other way round than `VARIANTS`, so that the order of the bundle cannot decide.
    add_variants(build_dir, "litert-int8", "litert-dynamic-int8", "litert-fp16", "coreml-palette6")
    added = add_variants(build_dir, "executorch-vulkan-fp16", "executorch-coreml-fp16")
    out = write_bundle(build_dir, folder / "out.zip", frozenset(added.values()))
    return open_bundle(out).manifest


@pytest.mark.parametrize(
    ("wanted", "key"),
    [
        (("android",), "litert-fp32"),
        (("android", None, "int8"), "litert-int8"),
        (("android", "litert", "fp16"), "litert-fp16"),
        (("web", None, "dynamic-int8"), "litert-dynamic-int8"),
        (("android", "executorch"), "executorch-fp32"),
        (("android", "executorch", "fp16"), "executorch-vulkan-fp16"),
        (("ios", "executorch", "fp16"), "executorch-coreml-fp16"),
        (("ios",), "coreml-fp16"),
        (("ios", None, "palette6"), "coreml-palette6"),
        (("ios", None, "int8"), "litert-int8"),
    ],
)
def test_a_device_gets_one_artifact_by_platform_runtime_and_precision(
    many: Manifest, wanted: tuple[str | None, ...], key: str
) -> None:
    found = many.artifacts_for(*wanted)  # type: ignore[arg-type]
    assert [artifact.variant.key for artifact in found] == [key]


def test_delegates_of_one_system_are_never_a_default(many: Manifest) -> None:
    kept = tuple(a for a in many.artifacts if a.runtime != "executorch" or a.precision == "fp16")
    paths = {artifact.path for artifact in kept}
    golden = tuple(
        replace(g, answers={path: rows for path, rows in g.answers.items() if path in paths})
        for g in many.golden
    )
    delegates_only = replace(many, artifacts=kept, golden=golden)
    with pytest.raises(ManifestError, match="no artifact for android with executorch"):
        delegates_only.artifacts_for("android", "executorch")
    assert delegates_only.artifacts_for("android", "executorch", "fp16")


def test_a_precision_that_is_not_there_or_that_nobody_knows_is_refused(many: Manifest) -> None:
    with pytest.raises(ManifestError, match="no palette6 artifact for web with litert"):
        many.artifacts_for("web", precision="palette6")
    with pytest.raises(ManifestError, match="the precision 'int4': allowed are fp32, fp16"):
        many.artifacts_for("web", precision="int4")


def test_an_unknown_file_is_refused(manifest: Manifest) -> None:
    assert manifest.find_file("labels.txt").role == "labels"
    with pytest.raises(ManifestError, match="has no file 'x'"):
        manifest.find_file("x")


def test_coarse_classes_come_with_thresholds_for_them(manifest: Manifest) -> None:
    hierarchy = Hierarchy(LabelSet(("warm", "cold")), (0, 1, 1))
    with pytest.raises(ManifestError, match=r"artifacts\[0\].*threshold for coarse classes"):
        replace(manifest, hierarchy=hierarchy)
    with pytest.raises(ManifestError, match="hierarchy has 2 parents for 3 labels"):
        replace(manifest, hierarchy=replace(hierarchy, parents=(0, 1)))
    nested = tuple(
        replace(artifact, confidence=make_confidence(0.9, coarse=0.8))
        for artifact in manifest.artifacts
    )
    whole = replace(manifest, hierarchy=hierarchy, artifacts=nested)
    assert Manifest.from_bytes(whole.to_bytes()) == whole


def test_parity_figures_come_with_a_confidence(manifest: Manifest) -> None:
    first, *others = manifest.artifacts
    with pytest.raises(ManifestError, match="parity figures without a confidence"):
        replace(manifest, artifacts=(replace(first, confidence=None), *others))


def test_reading_leaves_its_input_alone(manifest: Manifest) -> None:
    value = to_value(manifest)
    before = copy.deepcopy(value)
    read(value)
    assert value == before
