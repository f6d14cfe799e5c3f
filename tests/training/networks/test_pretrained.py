"""Starting from published weights."""

import os
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.conftest import ROOT
from training.errors import CheckpointError
from training.files import sha256_file
from training.networks.catalogue import NETWORKS, create
from training.networks.ghostnet import GhostNet
from training.networks.pretrained import HUB_NAMES, load_pretrained, read_weights


@pytest.fixture
def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return dict(create("ghostnet_050", 10).state_dict())


def trunks_are_equal(model: GhostNet, weights: dict[str, torch.Tensor]) -> bool:
    own = model.state_dict()
    return all(torch.equal(own[n], weights[n]) for n in own if not n.startswith("classifier"))


def test_loads_its_head_too_where_the_classes_fit(tmp_path: Path, weights: dict) -> None:
    save_file(weights, tmp_path / "w.safetensors")
    model = create("ghostnet_050", 10)
    assert "with its head" in load_pretrained(model, str(tmp_path / "w.safetensors"))
    assert trunks_are_equal(model, weights)
    assert torch.equal(model.classifier.weight, weights["classifier.weight"])


def test_a_new_head_where_the_classes_differ(tmp_path: Path, weights: dict) -> None:
    save_file(weights, tmp_path / "w.safetensors")
    model = create("ghostnet_050", 7)
    head = model.classifier.weight.clone()
    assert "with a new head" in load_pretrained(model, str(tmp_path / "w.safetensors"))
    assert trunks_are_equal(model, weights)
    assert torch.equal(model.classifier.weight, head)


@pytest.mark.parametrize("wrap", [lambda w: w, lambda w: {"state_dict": w}])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_reads_pth_files_as_training_scripts_save_them(
    tmp_path: Path, weights: dict, wrap: object, prefix: str
) -> None:
    torch.save(wrap({prefix + k: v for k, v in weights.items()}), tmp_path / "w.pth")
    model = create("ghostnet_050", 10)
    load_pretrained(model, str(tmp_path / "w.pth"))
    assert trunks_are_equal(model, weights)


def test_reads_the_names_that_the_authors_of_v3_gave(tmp_path: Path) -> None:
    torch.manual_seed(1)
    weights = dict(create("ghostnetv3_050", 10).state_dict())
    authors = {re.sub(r"(_rpr_.*)bn1\.", r"\1bn.", name): weights[name] for name in weights}
    assert "blocks.0.0.ghost1.cheap_rpr_conv.2.bn.weight" in authors
    assert "blocks.9.0.bn1.weight" in authors
    for name in ("blocks.0.total_ops", "total_params"):
        authors[name] = torch.zeros(1)
    torch.save(authors, tmp_path / "ghostnetv3-1.0.pth.tar")
    model = create("ghostnetv3_050", 10)
    assert "with its head" in load_pretrained(model, str(tmp_path / "ghostnetv3-1.0.pth.tar"))
    assert trunks_are_equal(model, weights)


def test_every_published_checkpoint_names_a_network() -> None:
    for name in HUB_NAMES:
        owner, _, rest = name.partition("/")
        architecture, _, tag = rest.partition(".")
        assert (owner, tag) == ("timm", "in1k")
        assert architecture in NETWORKS


def test_another_width_is_refused_by_name(tmp_path: Path, weights: dict) -> None:
    save_file(weights, tmp_path / "w.safetensors")
    with pytest.raises(CheckpointError, match=r"other shape \(\d+\): blocks\.0\.0"):
        load_pretrained(create("ghostnet_100", 10), str(tmp_path / "w.safetensors"))


def test_another_hash_is_refused(tmp_path: Path, weights: dict) -> None:
    path = tmp_path / "w.safetensors"
    save_file(weights, path)
    load_pretrained(create("ghostnet_050", 10), str(path), sha256_file(path))
    with pytest.raises(CheckpointError, match="expected 0000"):
        load_pretrained(create("ghostnet_050", 10), str(path), "0" * 64)


def test_a_file_that_only_bears_the_authors_name_is_refused(tmp_path: Path, weights: dict) -> None:
    torch.save(weights, tmp_path / "state_dict_73.98.pth")
    with pytest.raises(CheckpointError, match="not the authors' file"):
        load_pretrained(create("ghostnet_050", 10), str(tmp_path / "state_dict_73.98.pth"))


class Payload:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch executed",)


def test_code_inside_a_pth_file_is_not_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"weight": Payload()}, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match="not a file of weights"):
        read_weights(tmp_path / "w.pth")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_a_damaged_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"not weights")
    with pytest.raises(CheckpointError, match=name):
        read_weights(tmp_path / name)


def test_a_missing_file_is_named_with_what_is_allowed() -> None:
    with pytest.raises(CheckpointError, match=r"nowhere\.pth.*timm/ghostnet_100\.in1k"):
        load_pretrained(GhostNet(3), "nowhere.pth")


def test_without_a_network_the_hub_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    with pytest.raises(CheckpointError, match=r"cannot fetch timm/ghostnet_100\.in1k"):
        load_pretrained(GhostNet(3), "timm/ghostnet_100.in1k")


def test_a_really_pretrained_trunk_loads() -> None:
    path = Path(
        os.environ.get(
            "PRETRAINED_TRUNK",
            ROOT.parent / "shared" / "data" / "weights" / "ghostnet_100_tin64.safetensors",
        )
    )
    if not path.is_file():
        pytest.skip(f"no pretrained trunk at {path}; set PRETRAINED_TRUNK to one")
    model = GhostNet(81)
    assert "510 tensors" in load_pretrained(model, str(path))
    assert trunks_are_equal(model, read_weights(path))
