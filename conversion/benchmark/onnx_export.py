"""The yardstick from outside: the same network for ONNX Runtime."""

import logging
import warnings
from pathlib import Path

import torch

from conversion.artifact import KNOWN_SCORE, PROBABILITIES
from conversion.deploy import deploy_checkpoint
from conversion.errors import BenchmarkError, RuntimeMissingError
from training.checkpoint import Checkpoint


def export_onnx(checkpoint: Checkpoint, path: Path) -> None:
    """Writes the deployed network, BN folded, from pixels to both outputs, as one `.onnx`.

    Args:
        checkpoint: what to export.
        path: the file to write.

    Raises:
        RuntimeMissingError: onnx or onnxscript is not installed.
        BenchmarkError: the exporter refuses the network.
    """
    try:
        import onnx  # noqa: F401  torch finds out late, and says it less plainly
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise RuntimeMissingError(
            f"onnx and onnxscript are needed for the ONNX Runtime yardstick: {error}; "
            "the extra ghostlens[bench] brings them"
        ) from error
    side = checkpoint.preprocess.input_px
    network = deploy_checkpoint(checkpoint, "nchw")
    # It warns of operators of packages that are not installed, which this network does not have.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                network,
                (torch.zeros(1, 3, side, side),),
                path,
                input_names=["x_nchw"],
                output_names=[PROBABILITIES, KNOWN_SCORE],
                dynamo=True,
                external_data=False,
                verbose=False,
            )
        except RuntimeError as error:  # torch.onnx.OnnxExporterError is one
            said = str(error).splitlines()[0]
            raise BenchmarkError(f"torch.onnx.export refuses the network: {said}") from error
