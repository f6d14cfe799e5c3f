"""Starting from published weights: a local file, or timm's on the Hugging Face Hub."""

import hashlib
import pickle
import re
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from training.checkpoint import load_weights
from training.errors import CheckpointError
from training.files import sha256_file
from training.networks.ghostnet import GhostNet

# All that timm has published for these networks (`default_cfgs` of its models/ghostnet.py).
HUB_NAMES = (
    "timm/ghostnet_100.in1k",
    "timm/ghostnetv2_100.in1k",
    "timm/ghostnetv2_130.in1k",
    "timm/ghostnetv2_160.in1k",
    "timm/ghostnetv3_100.in1k",
)
# Git's object id of the authors' file in huawei-noah/Efficient-AI-Backbones,
# ghostnet_pytorch/models/: SHA-1 over "blob <size>\0" and the bytes.
_GIT_BLOBS = {"state_dict_73.98.pth": "26da9f2807cd5ba95c607cec01ceb9700d94e0ae"}
_BRANCH_BN = re.compile(r"(_rpr_(?:conv\.\d+|scale|skip)\.)bn\.")
_HEAD = ("classifier.weight", "classifier.bias")


def load_pretrained(model: GhostNet, name: str, sha256: str = "") -> str:
    """Puts published weights into a network; the head stays new where it cannot fit.

    Args:
        model: the network to fill.
        name: path of a .safetensors or .pth file, or one of `HUB_NAMES`.
        sha256: what the file's SHA-256 must be; empty to skip this check for a local file.

    Returns:
        One sentence on what was loaded.

    Raises:
        CheckpointError: the file is missing, cannot be fetched, has another hash, is not a file
            of weights, or does not fit; the message names the keys.
    """
    path = _fetch(name) if name in HUB_NAMES else Path(name)
    if not path.is_file():
        raise CheckpointError(
            f"no pretrained weights at {name}: allowed are a .safetensors or .pth file, or one of "
            f"{', '.join(HUB_NAMES)}"
        )
    _check_hash(path, sha256)
    weights = read_weights(path)
    own = model.state_dict()
    new_head = any(key not in weights or weights[key].shape != own[key].shape for key in _HEAD)
    if new_head:
        weights.update({key: own[key] for key in _HEAD})
    load_weights(model, weights, str(path))
    head = "a new head" if new_head else "its head"
    return f"started from {name} ({len(weights) - (2 if new_head else 0)} tensors) with {head}"


def read_weights(path: Path) -> dict[str, Tensor]:
    """Reads a state dict from a .safetensors or .pth file; nothing in it is executed.

    Names become those of timm, and hence of our networks, where the authors' differ.

    Raises:
        CheckpointError: not such a file.
    """
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"{path} is not a file of weights: {error}") from error
    if isinstance(loaded, dict) and isinstance(loaded.get("state_dict"), dict):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, dict) or not all(isinstance(v, Tensor) for v in loaded.values()):
        raise CheckpointError(f"{path} holds no state dict of tensors")
    named = {str(name).removeprefix("module."): value for name, value in loaded.items()}
    return {_rename(name): value for name, value in named.items() if not _is_counter(name)}


def _rename(name: str) -> str:
    """Returns timm's name: the authors of GhostNetV3 call the BN of a branch "bn"."""
    return _BRANCH_BN.sub(r"\1bn1.", name)


def _is_counter(name: str) -> bool:
    """Tells what a profiler left in the GhostNetV3 authors' file: no part of the network."""
    return name.rpartition(".")[2] in ("total_ops", "total_params")


def _check_hash(path: Path, sha256: str) -> None:
    if sha256 and (actual := sha256_file(path)) != sha256:
        raise CheckpointError(f"{path} has sha256 {actual}, expected {sha256}")
    expected_blob = _GIT_BLOBS.get(path.name)
    if expected_blob and (blob := _git_blob_id(path)) != expected_blob:
        raise CheckpointError(
            f"{path} is not the authors' file of that name: git object id {blob}, expected "
            f"{expected_blob}"
        )


def _git_blob_id(path: Path) -> str:
    data = path.read_bytes()
    # Git's own naming of content, not a defence: sha256 is checked where it is given.
    digest = hashlib.sha1(b"blob %d\0" % len(data), usedforsecurity=False)
    digest.update(data)
    return digest.hexdigest()


def _fetch(name: str) -> Path:
    """Downloads weights from the Hub, and checks them against the SHA-256 that it announces."""
    import huggingface_hub as hub

    try:
        url = hub.hf_hub_url(name, "model.safetensors")
        announced = str(hub.get_hf_file_metadata(url).etag)
        path = Path(hub.hf_hub_download(name, "model.safetensors"))
    # The Hub's client raises its own, requests' and httpx' errors alike.
    except Exception as error:
        raise CheckpointError(
            f"cannot fetch {name} from the Hub ({type(error).__name__}); without a network give "
            "the path of a local file"
        ) from error
    _check_hash(path, announced)
    return path
