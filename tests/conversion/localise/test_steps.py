"""The layer that `localise` names is the one that was broken."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from conversion.cli_localise import shorten
from conversion.errors import ArtifactError
from conversion.localise.reference import NORMALISATION
from conversion.localise.steps import (
    LIMIT_DB,
    Localisation,
    find_fault,
    localise,
    match_layers,
    signal_to_noise_db,
)
from conversion.localise.trace import TracedLayer, follow
from conversion.variants import KEYS, find_variant
from tests.conftest import run_command, run_here
from tests.conversion import broken_layers
from tests.conversion.conftest import write_checkpoint
from training.checkpoint import Checkpoint

EXECUTED = [key for key in KEYS if find_variant(key).executed_here]


def copy(path: Path, to: Path) -> Path:
    (shutil.copytree if path.is_dir() else shutil.copy)(path, to / path.name)
    return to / path.name


@pytest.fixture
def few(photos: np.ndarray) -> np.ndarray:
    return photos[::4]


@pytest.fixture
def broken(
    paths: dict[str, Path], checkpoint: Checkpoint, few: np.ndarray, tmp_path: Path
) -> Callable[[str, Callable[[Path, Checkpoint], None]], Localisation]:
    """Copies an artifact, breaks the copy, and localises."""

    def work(key: str, damage: Callable[[Path, Checkpoint], None]) -> Localisation:
        path = copy(paths[key], tmp_path)
        damage(path, checkpoint)
        return localise(path, find_variant(key), checkpoint, few)

    return work


@pytest.mark.parametrize("key", EXECUTED)
def test_a_faithful_artifact_leaves_the_network_nowhere(key, paths, checkpoint, few):
    found = localise(paths[key], find_variant(key), checkpoint, few)
    assert found.reasons() == []
    # 95 convolutions and the classifier: each gives its result, and most an input of their own.
    assert len(found.steps) > 120
    assert {"pixel normalisation", "conv_stem", "classifier", "probabilities"} <= {
        step.layer for step in found.steps
    }


@pytest.mark.parametrize("key", ["litert-fp32", "executorch-fp32", "coreml-fp16"])
def test_swapped_mean_and_deviation_are_found_at_the_pixels(key, broken):
    found = broken(key, broken_layers.swap_mean_and_deviation)
    assert found.first is not None
    assert found.first.layer == NORMALISATION
    assert [step.layer for step in found.steps if step.fault] == [NORMALISATION]


@pytest.mark.parametrize(
    "key", ["litert-fp32", "litert-int8", "executorch-fp32", "executorch-int8", "coreml-fp16"]
)
def test_a_wrong_padding_is_found_at_its_convolution(key, broken):
    found = broken(key, broken_layers.pad_as_tensorflow)
    assert found.first is not None
    assert found.first.layer == broken_layers.PADDED
    assert found.first.own_db < 10
    if not key.startswith("litert"):  # there, one constant serves four convolutions
        assert [step.layer for step in found.steps if step.fault] == [broken_layers.PADDED]


SCALABLE = ("litert-fp32", "litert-dynamic-int8", "litert-int8", "executorch-fp32")


@pytest.mark.parametrize("key", [*SCALABLE, "executorch-int8", "coreml-fp16"])
def test_a_badly_scaled_channel_is_found_and_numbered(key, broken):
    found = broken(key, broken_layers.scale_channel)
    assert found.first is not None
    assert found.first.layer == broken_layers.SCALED
    assert f"channel {broken_layers.CHANNEL} is multiplied by" in found.first.fault
    assert [step.layer for step in found.steps if step.fault] == [broken_layers.SCALED]


def test_an_overflow_of_float16_is_found_where_it_happens(paths, checkpoint, few, tmp_path):
    network = broken_layers.overflowing(checkpoint.model, 14)
    larger = write_checkpoint(tmp_path / "larger", checkpoint, network)
    x_nhwc = torch.from_numpy(few)
    torch.testing.assert_close(
        larger.model(checkpoint.normalise(x_nhwc)), checkpoint.model(checkpoint.normalise(x_nhwc))
    )
    path = copy(paths["coreml-fp16"], tmp_path)
    broken_layers.replace_layers(path, checkpoint, larger)
    found = localise(path, find_variant("coreml-fp16"), larger, few)
    assert found.first is not None
    assert found.first.layer == broken_layers.OVERFLOWING
    assert "values are not finite" in found.first.fault
    assert found.runtime_difference is None


def test_a_step_is_not_blamed_for_noise_that_arrives(broken):
    found = broken("litert-fp32", broken_layers.swap_mean_and_deviation)
    after = [step for step in found.steps if step.layer != NORMALISATION]
    assert max(step.total_db for step in after) < 40
    assert min(step.own_db for step in after) > 90


def test_the_worst_step_is_ranked_first(broken):
    found = broken("executorch-fp32", broken_layers.pad_as_tensorflow)
    assert found.ranked[0].layer == broken_layers.PADDED
    ratios = [step.own_db for step in found.ranked[1:]]
    assert ratios == sorted(ratios)


@pytest.mark.parametrize("key", ["litert-fp32", "executorch-fp32", "coreml-fp16"])
def test_an_artifact_of_another_network_is_refused(key, paths, other_checkpoint, few):
    with pytest.raises(ArtifactError, match="another network"):
        localise(paths[key], find_variant(key), other_checkpoint, few)


def test_a_program_for_another_delegate_cannot_be_looked_into(paths, checkpoint, few):
    key = "executorch-vulkan-fp16"
    with pytest.raises(ArtifactError):
        localise(paths[key], find_variant(key), checkpoint, few)


def test_the_command_names_the_layer_and_ends_with_1(paths, checkpoint, tmp_path):
    path = copy(paths["executorch-int8"], tmp_path)
    broken_layers.pad_as_tensorflow(path, checkpoint)
    options = ("--checkpoint", checkpoint.directory, "--photos", 3)
    done = run_command("conversion", "localise", path, *options)
    assert done.returncode == 1, done.stderr
    assert f"first layer that leaves the model: {broken_layers.PADDED}, in the" in done.stdout
    done = run_here("conversion", "localise", path, *options, "--json")
    value = json.loads(done.stdout)
    assert value["first"]["layer"] == broken_layers.PADDED
    assert value["photos"] == 3


def test_the_command_ends_with_0_where_nothing_leaves(paths, checkpoint):
    options = ("--checkpoint", checkpoint.directory, "--photos", 2, "--rows", 3)
    done = run_here("conversion", "localise", paths["litert-fp32"], *options)
    assert done.returncode == 0, done.stderr
    assert "first layer that leaves the model: none" in done.stdout


def layer(name: str, weight: np.ndarray) -> TracedLayer:
    return TracedLayer(name, weight.astype(np.float32), f"{name} in", f"{name} out")


def test_layers_are_paired_by_weights_in_whatever_order_they_run():
    random = np.random.default_rng(0)
    weights = [random.normal(size=(4, 3, 1, 1)) for _ in range(6)]
    wanted = tuple(layer(str(index), weight) for index, weight in enumerate(weights))
    noisy = [
        layer(f"own {index}", weight + random.normal(size=weight.shape) / 20)
        for index, weight in enumerate(weights)
    ]
    pairs, unmatched = match_layers(wanted, tuple(reversed(noisy)))
    assert [(first.name, second.name) for first, second in pairs] == [
        (str(index), f"own {index}") for index in range(6)
    ]
    assert unmatched == []


def test_layers_that_only_one_side_has_are_named():
    random = np.random.default_rng(1)
    shared = [layer(str(index), random.normal(size=(4, 3, 1, 1))) for index in range(3)]
    extra = layer("extra", random.normal(size=(8, 3, 1, 1)))
    _, unmatched = match_layers((*shared, extra), tuple(shared))
    assert unmatched == ["layer extra"]
    _, unmatched = match_layers(tuple(shared), (*shared, extra))
    assert unmatched == ["the artifact's extra"]


@given(st.floats(1e-6, 1e3), st.floats(1e-3, 1e3))
def test_ten_times_the_noise_is_20_db_less(noise, size):
    wanted = np.linspace(1, 2, 50) * size
    first = signal_to_noise_db(wanted, wanted + noise)
    second = signal_to_noise_db(wanted, wanted + 10 * noise)
    assert first - second == pytest.approx(20, abs=1e-3)


def test_ratios_of_equal_and_of_infinite_values_are_the_limits():
    wanted = np.ones((2, 3), np.float32)
    assert signal_to_noise_db(wanted, wanted) == LIMIT_DB
    assert signal_to_noise_db(wanted, np.full_like(wanted, np.inf)) == -LIMIT_DB
    assert signal_to_noise_db(wanted, np.full_like(wanted, np.nan)) == -LIMIT_DB


def test_values_that_were_not_finite_before_are_not_blamed_on_a_step():
    wanted = np.array([[np.inf, 1.0]], np.float32)
    assert find_fault(wanted, wanted, -LIMIT_DB, 50) == ""
    assert "1 of 2 values are not finite" in find_fault(np.ones((1, 2)), wanted, -LIMIT_DB, 50)


def test_noise_that_is_spread_evenly_is_no_scaled_channel():
    random = np.random.default_rng(2)
    wanted = random.normal(size=(4, 8, 9, 9)).astype(np.float32)
    noisy = (wanted + random.normal(size=wanted.shape) / 8).astype(np.float32)
    assert find_fault(wanted, noisy, 18, 15) == ""
    scaled = noisy.copy()
    scaled[:, 2] *= 3
    assert find_fault(wanted, scaled, 18, 15).startswith("channel 2 is multiplied by ")


def test_values_that_calibration_cut_off_are_told():
    wanted = np.arange(40, dtype=np.float32).reshape(1, 40)
    words = find_fault(wanted, wanted.clip(max=10), 3, 8)
    assert words.endswith("at least 8 expected; it reaches 10, the network's 39")


def test_elementwise_ops_are_followed_until_something_else_reads():
    assert follow("a", {}) == "a"
    assert follow("a", {"a": ["b"], "b": ["c"]}) == "c"
    assert follow("a", {"a": ["b"], "b": ["c", ""]}) == "b"
    assert follow("a", {"a": [""]}) == "a"


def test_a_long_tensor_name_is_shortened_to_its_module():
    name = "conversion.deploy.Deployed/training.ghostnet.GhostNet_model/torch.nn.Conv2d_stem;1"
    assert shorten(name) == "model.stem"
    assert shorten("input_5_cast_fp16") == "input_5_cast_fp16"


def test_a_runtime_that_answers_otherwise_is_a_reason(paths, checkpoint, few):
    found = localise(paths["litert-fp32"], find_variant("litert-fp32"), checkpoint, few)
    (reason,) = replace(found, runtime_difference=0.4).reasons()
    assert "gives other probabilities" in reason
    assert replace(found, runtime_difference=float("nan")).reasons() != []
