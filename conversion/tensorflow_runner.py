"""Runs a `.tflite` a second time, in TensorFlow's own interpreter."""

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from conversion.errors import RuntimeMissingError
from conversion.runners import LiteRtRunner


class TensorFlowRunner(LiteRtRunner):
    """Runs a `.tflite` in TensorFlow's own interpreter, in kernels that LiteRT does not take.

    LiteRT hands the network to XNNPACK. Here nothing is delegated, so that both agree only if
    the file means the same to two implementations.
    """

    evaluator = "TensorFlow interpreter"
    packages: tuple[str, ...] = ("tensorflow",)
    _runtime = "TensorFlow"

    def _import_interpreter(self) -> Callable[..., Any]:
        try:
            with _without_native_words():
                import tensorflow as tf
        except ImportError as error:
            raise RuntimeMissingError(
                "tensorflow is needed for the cross-check and is not installed; "
                f"--no-cross-check goes without: {error}"
            ) from error
        resolver = tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES

        def make(**arguments: Any) -> Any:
            with warnings.catch_warnings():
                # It recommends LiteRT, which is what this one is compared with.
                warnings.filterwarnings("ignore", message=r"\s*Warning: tf.lite.Interpreter")
                return tf.lite.Interpreter(experimental_op_resolver_type=resolver, **arguments)

        return make


@contextmanager
def _without_native_words() -> Iterator[None]:
    """Drops what C++ writes to stderr: TensorFlow tells about processors before it can be told."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
