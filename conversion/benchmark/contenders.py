"""What a benchmark times: one network in one runtime on so many threads.

Thinner than `conversion.runners`: an app hands over pixels that are ready and takes what comes, so
only that is timed. Each kind imports its runtime in a step of its own, before anything is loaded.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from conversion.artifact import PROBABILITIES
from conversion.errors import ArtifactError, RuntimeMissingError

Pixels = npt.NDArray[np.float32]
Probabilities = npt.NDArray[np.float32]
Answer = Callable[[Pixels], Probabilities]


@dataclass(frozen=True)
class Load:
    """How a network is to be opened.

    Attributes:
        path: the file; the checkpoint's folder for PyTorch.
        threads: CPU threads, at least 1.
        spin: whether threads that wait for work may keep a core busy, where the runtime lets
            one choose (PyTorch through OMP_WAIT_POLICY, ONNX Runtime through its options).
    """

    path: Path
    threads: int
    spin: bool


@dataclass(frozen=True)
class Kind:
    """A runtime.

    Attributes:
        title: its name for people.
        layout: "nchw" or "nhwc", of the one photo that it takes, float32, 0 to 255.
        packages: the installed packages that take part.
        prepare: imports the runtime and gives the function that opens a network.
    """

    title: str
    layout: str
    packages: tuple[str, ...]
    prepare: Callable[[], Callable[[Load], Answer]]


def prepare(kind: str) -> Callable[[Load], Answer]:
    """Imports a runtime and returns what opens a network in it.

    Args:
        kind: one of `KINDS`.

    Raises:
        RuntimeMissingError: it is not installed.
        ArtifactError: there is no such kind. What opens networks raises it, too, for one that
            the runtime refuses.
    """
    if kind not in KINDS:
        raise ArtifactError(f"runtime is {kind!r}: allowed are {', '.join(KINDS)}")
    try:
        opens = KINDS[kind].prepare()
    except ImportError as error:
        raise RuntimeMissingError(
            f"{' and '.join(KINDS[kind].packages)} are needed for {KINDS[kind].title}: {error}"
        ) from error
    return lambda load: _open(kind, opens, load)


def _open(kind: str, opens: Callable[[Load], Answer], load: Load) -> Answer:
    try:
        return opens(load)
    # What runtimes raise by the kind of damage.
    except (ValueError, RuntimeError, OSError) as error:
        said = (str(error) or type(error).__name__).splitlines()[0]
        raise ArtifactError(f"{load.path.name}: {KINDS[kind].title} refuses it: {said}") from error


def _prepare_pytorch() -> Callable[[Load], Answer]:
    import torch

    from conversion.deploy import DeployedNchw, Network
    from training.checkpoint import load_checkpoint
    from training.networks.known_score import KnownScore

    def opens(load: Load) -> Answer:
        torch.set_num_threads(load.threads)
        checkpoint = load_checkpoint(load.path)
        mean, std = checkpoint.normalise.mean, checkpoint.normalise.std
        # The network as it was trained: BN is not folded away.
        head = KnownScore(checkpoint.density)
        network = DeployedNchw(Network(checkpoint.model), head, mean, std).eval()

        def answer(x_nchw: Pixels) -> Probabilities:
            with torch.inference_mode():
                return cast(Probabilities, network(torch.from_numpy(x_nchw))[0].numpy())

        return answer

    return opens


def _prepare_onnx() -> Callable[[Load], Answer]:
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as native

    # They have no common class but Exception.
    refusals = tuple(
        kind
        for kind in vars(native).values()
        if isinstance(kind, type) and issubclass(kind, Exception)
    )

    def opens(load: Load) -> Answer:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = load.threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry(
            "session.intra_op.allow_spinning", "1" if load.spin else "0"
        )
        try:
            session = onnxruntime.InferenceSession(
                str(load.path), options, providers=["CPUExecutionProvider"]
            )
        except refusals as error:
            raise RuntimeError(str(error)) from error
        name = session.get_inputs()[0].name
        return lambda x_nchw: cast(Probabilities, session.run(None, {name: x_nchw})[0])

    return opens


def _prepare_litert() -> Callable[[Load], Answer]:
    from ai_edge_litert.interpreter import Interpreter

    def opens(load: Load) -> Answer:
        model: Any = Interpreter(model_path=str(load.path), num_threads=load.threads)
        model.allocate_tensors()
        into = model.get_input_details()[0]["index"]
        outputs = {detail["name"]: detail["index"] for detail in model.get_output_details()}
        out = outputs[PROBABILITIES]

        def answer(x_nhwc: Pixels) -> Probabilities:
            model.set_tensor(into, x_nhwc)
            model.invoke()
            return cast(Probabilities, model.get_tensor(out))

        return answer

    return opens


def _prepare_executorch() -> Callable[[Load], Answer]:
    import torch
    from executorch.extension.pybindings import portable_lib
    from executorch.runtime import Runtime

    runtime = Runtime.get()

    def opens(load: Load) -> Answer:
        # Before a network is loaded: XNNPACK keeps the pool that it finds then.
        if portable_lib._threadpool_get_thread_count() != load.threads:
            portable_lib._unsafe_reset_threadpool(load.threads)
        found = portable_lib._threadpool_get_thread_count()
        if found != load.threads:
            raise ArtifactError(f"ExecuTorch runs on {found} threads, asked for {load.threads}")
        method = runtime.load_program(load.path).load_method("forward")
        if method is None:
            raise ArtifactError(f"{load.path.name}: it has no method forward")
        return lambda x_nchw: cast(
            Probabilities, method.execute([torch.from_numpy(x_nchw)])[0].numpy()
        )

    return opens


KINDS = {
    "pytorch": Kind("eager PyTorch", "nchw", ("torch",), _prepare_pytorch),
    "onnx": Kind("ONNX Runtime", "nchw", ("onnxruntime", "onnx", "torch"), _prepare_onnx),
    "executorch": Kind("ExecuTorch", "nchw", ("executorch", "torch"), _prepare_executorch),
    "litert": Kind("LiteRT", "nhwc", ("ai-edge-litert",), _prepare_litert),
}
