"""coremltools, imported without the frameworks that it could convert from besides torch.

At import it loads TensorFlow, ExecuTorch, scikit-learn and XGBoost where they are installed,
which takes five times as long as coremltools itself; nothing here uses those parts. It also
warns that Core ML's own libraries are missing, which is so wherever the system is not macOS.
"""

import importlib
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_UNUSED = ("tensorflow", "executorch", "sklearn", "xgboost")


@contextmanager
def _without(names: tuple[str, ...]) -> Iterator[None]:
    """Lets imports of these packages fail inside of the block, unless they are loaded already."""
    hidden = [name for name in names if name not in sys.modules]
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # documented: makes imports fail
    try:
        yield
    finally:
        logging.disable(disabled)
        for name in hidden:
            del sys.modules[name]


with _without(_UNUSED):
    ct: Any = importlib.import_module("coremltools")
    cto: Any = importlib.import_module("coremltools.optimize.coreml")
    MIL_pb2: Any = importlib.import_module("coremltools.proto.MIL_pb2")
    _MIL = "coremltools.converters.mil.mil"
    AbstractGraphPass: Any = importlib.import_module(f"{_MIL}.passes.graph_pass").AbstractGraphPass
    register_pass: Any = importlib.import_module(f"{_MIL}.passes.pass_registry").register_pass
    ScopeSource: Any = importlib.import_module(f"{_MIL}.scope").ScopeSource
    Model_pb2: Any = importlib.import_module("coremltools.proto.Model_pb2")
