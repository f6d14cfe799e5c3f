"""The ops of Apple's MIL that the reference evaluation knows, by name.

What coremltools emits for GhostNet and its relatives, plain or compressed. `constexpr_*` ops are
computed once at load, by `conversion.mil.constexpr`; everything else here, at every call.
"""

from conversion.mil import layers as mil_layers
from conversion.mil import pointwise as mil_pointwise
from conversion.mil import shapes as mil_shapes
from conversion.mil.arguments import Op, SplitOp

# Ops with one result.
OPS: dict[str, Op] = {**mil_pointwise.OPS, **mil_layers.OPS, **mil_shapes.OPS}
# Ops with several results.
SPLIT_OPS: dict[str, SplitOp] = mil_shapes.SPLIT_OPS
NAMES = tuple(sorted({*OPS, *SPLIT_OPS}))
