"""A checkpoint: a folder that holds a trained model and all that is needed to use it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays
from safetensors.torch import load_file, save
from torch import Tensor

from training.answers import Answers
from training.config import Settings, read_settings
from training.errors import CheckpointError, GhostlensError
from training.evaluation.photo_hash import HASHES_NAME
from training.feature_density import FeatureDensity
from training.files import check_sums, write_atomic, write_sums
from training.hierarchy import Hierarchy
from training.labels import LabelSet
from training.networks.catalogue import create
from training.networks.ghostnet import HEAD_CHANNELS, GhostNet
from training.networks.normalise import Normalise
from training.networks.outputs import ask
from training.preprocess import Preprocess

WEIGHTS_NAME = "model.safetensors"
DENSITY_NAME = "feature_density.safetensors"
_BATCH = 32


@dataclass(frozen=True)
class Checkpoint:
    """A trained model, ready to answer.

    Attributes:
        directory: where it was read from.
        architecture: timm's name of the network.
        model: float32, on the CPU, in evaluation mode.
        labels: names of the outputs.
        preprocess: from photo to pixels.
        normalise: from pixels to network input.
        density: of the features of the training photos; it gives the known score.
        metrics: figures on the validation photos; see `training.evaluation.summary.summarise`.
        settings: what it was trained with.
        sha256: SHA-256 of its sums file, which names the content of the whole folder.
        hierarchy: the coarse class of each label; None where the source had none.
        teacher_sha256: of the checkpoint that this one was distilled from; None where it had none.
    """

    directory: Path
    architecture: str
    model: GhostNet
    labels: LabelSet
    preprocess: Preprocess
    normalise: Normalise
    density: FeatureDensity
    metrics: dict[str, Any]
    settings: Settings
    sha256: str
    hierarchy: Hierarchy | None = None
    teacher_sha256: str | None = None

    def answer(self, x_nhwc: npt.NDArray[np.uint8]) -> Answers:
        """Answers as the trained network does: the reference for every artifact.

        Args:
            x_nhwc: preprocessed photos, uint8, shape [N, input_px, input_px, 3], RGB, N from 1.
        """
        batches = (x_nhwc[start : start + _BATCH] for start in range(0, len(x_nhwc), _BATCH))
        outputs = ask(self.model, self.normalise, batches)
        return Answers.concatenate(each.to_answers(self.density) for each in outputs)


def save_checkpoint(
    directory: Path,
    settings: Settings,
    weights: dict[str, Tensor],
    labels: LabelSet,
    normalise: Normalise,
    density: FeatureDensity,
    metrics: dict[str, Any],
    card: str,
    hierarchy: Hierarchy | None = None,
    teacher_sha256: str | None = None,
) -> str:
    """Writes a checkpoint; its sums file comes last and marks it as complete.

    Args:
        directory: the run's folder. Pictures and hashes of training photos that already lie in
            it become part of the checkpoint.
        settings: the resolved settings of the run.
        weights: the network's state, on any device.
        labels: names of the outputs.
        normalise: scaling of the pixels.
        density: of the features of the training photos.
        metrics: figures on the validation photos.
        card: the model card, Markdown.
        hierarchy: the coarse class of each label, where the source has them.
        teacher_sha256: of the teacher's checkpoint, where there was one.

    Returns:
        The checkpoint's SHA-256.

    Raises:
        StorageError: the disk is full, or the folder cannot be written.
    """
    model = settings.model
    preprocess = Preprocess.for_input(model.input_px, model.crop_pct, model.resampler)
    config = {
        "architecture": model.architecture,
        "num_classes": len(labels),
        "num_features": HEAD_CHANNELS,
        "label_names": list(labels.names),
        "pretrained_cfg": {
            "input_size": [3, model.input_px, model.input_px],
            "interpolation": model.resampler,
            "crop_pct": preprocess.crop_pct,
            "crop_mode": "center",
            "mean": list(normalise.mean),
            "std": list(normalise.std),
            "num_classes": len(labels),
            "first_conv": "conv_stem",
            "classifier": "classifier",
        },
        "preprocess": preprocess.to_json(),
        "hierarchy": None if hierarchy is None else hierarchy.to_json(),
        "teacher_sha256": teacher_sha256,
    }
    contiguous = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
    written: dict[str, bytes | str] = {
        WEIGHTS_NAME: save(contiguous, {"format": "pt"}),
        DENSITY_NAME: _pack_density(density),
        "config.json": json.dumps(config, indent=2, ensure_ascii=False) + "\n",
        "metrics.json": json.dumps(metrics, indent=2, ensure_ascii=False) + "\n",
        "training.toml": settings.to_toml(),
        "README.md": card,
    }
    for name, content in written.items():
        write_atomic(directory / name, content)
    beside = (HASHES_NAME, "*.png", "*.jpg")
    found = [file.name for pattern in beside for file in directory.glob(pattern)]
    return write_sums(directory, [*written, *found])


def load_checkpoint(directory: Path) -> Checkpoint:
    """Reads a checkpoint, after checking every file against its hash.

    Args:
        directory: a folder written by `save_checkpoint`.

    Raises:
        CheckpointError: missing, incomplete, changed after it was written, or its weights do not
            fit the network that its `config.json` names; or of a release without a known score.
    """
    if not directory.is_dir():
        raise CheckpointError(f"no checkpoint at {directory}")
    try:
        sha256 = check_sums(directory)
        density = _read_density(directory)
        config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        labels = LabelSet(tuple(config["label_names"]))
        # Checkpoints of before there were coarse classes lack the key.
        hierarchy = Hierarchy.from_json(config.get("hierarchy"), labels)
        preprocess = Preprocess.from_json(config["preprocess"])
        normalise = Normalise(
            tuple(config["pretrained_cfg"]["mean"]), tuple(config["pretrained_cfg"]["std"])
        )
        settings = read_settings((directory / "training.toml").read_text(), "training.toml")
        metrics = json.loads((directory / "metrics.json").read_text(encoding="utf-8"))
        model = create(config["architecture"], len(labels), dropout=0.0)
        load_weights(model, load_file(directory / WEIGHTS_NAME), str(directory / WEIGHTS_NAME))
    except (KeyError, TypeError, ValueError, OSError, SafetensorError) as error:
        raise CheckpointError(f"{directory} is not a checkpoint: {error!r}") from error
    except CheckpointError:
        raise
    except GhostlensError as error:
        raise CheckpointError(f"{directory} is not a usable checkpoint: {error}") from error
    return Checkpoint(
        directory,
        config["architecture"],
        model.eval(),
        labels,
        preprocess,
        normalise,
        density,
        metrics,
        settings,
        sha256,
        hierarchy,
        config.get("teacher_sha256"),
    )


def _pack_density(density: FeatureDensity) -> bytes:
    arrays = {
        "mean": density.mean,
        "directions": density.directions,
        "precision": np.array([density.precision], np.float64),
    }
    return save_arrays({name: np.ascontiguousarray(array) for name, array in arrays.items()})


def _read_density(directory: Path) -> FeatureDensity:
    path = directory / DENSITY_NAME
    if not path.is_file():
        raise CheckpointError(
            f"{directory} has no {DENSITY_NAME}: it was trained before networks had a known score. "
            "Train it again with `python -m training fit --config "
            f"{directory / 'training.toml'} --out NEW_FOLDER`"
        )
    arrays = load_arrays(path.read_bytes())
    density = FeatureDensity(arrays["mean"], arrays["directions"], float(arrays["precision"][0]))
    if len(density.mean) != HEAD_CHANNELS:
        raise CheckpointError(
            f"{path} is of {len(density.mean)} features; these networks have {HEAD_CHANNELS}"
        )
    return density


def load_weights(model: GhostNet, weights: dict[str, Tensor], where: str) -> None:
    """Puts weights into a network; every name and shape must fit.

    Raises:
        CheckpointError: names the keys that are missing, unknown or of another shape.
    """
    own = model.state_dict()
    missing = sorted(set(own) - set(weights))
    unknown = sorted(set(weights) - set(own))
    misfits = [
        f"{name}: {tuple(weights[name].shape)} in the file, {tuple(own[name].shape)} here"
        for name in sorted(set(own) & set(weights))
        if weights[name].shape != own[name].shape
    ]
    problems = [
        f"{what} ({len(names)}): {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}"
        for what, names in (("missing", missing), ("unknown", unknown), ("other shape", misfits))
        if names
    ]
    if problems:
        raise CheckpointError(f"{where} does not fit this network; {'; '.join(problems)}")
    model.load_state_dict(weights)
