"""A checkpoint as ExecuTorch programs for delegates of phones: Core ML and Vulkan, float16.

Their partitioners run on Linux, the delegates do not: such a program is "not executed here".
"""

from typing import Any

import executorch.exir  # noqa: F401  # before coremltools: it registers the ops of the edge dialect

from conversion.formats.coreml_tools import ct
from conversion.formats.executorch import deploy_nchw, example_nchw, interface, write_program
from conversion.request import Made, Request
from conversion.spreading import replace_spreads
from conversion.variants import Variant


def convert(request: Request) -> Made:
    """Writes a `.pte` a variant, whose whole network runs in its delegate.

    Raises:
        ConversionError: a part of the network stayed outside of the delegate.
    """
    for variant in request.variants:
        network, partitioner = deploy_nchw(request), _make_partitioner(variant)
        replace_spreads(network, example_nchw(request))
        write_program(network, request.side_px, partitioner, request.path(variant))
        yield variant, interface(request)


def _make_partitioner(variant: Variant) -> Any:
    if variant.backend == "vulkan":
        from executorch.backends.vulkan.partitioner.vulkan_partitioner import VulkanPartitioner

        return VulkanPartitioner({"force_fp16": True})
    from executorch.backends.apple.coreml.compiler import CoreMLBackend
    from executorch.backends.apple.coreml.partition import CoreMLPartitioner

    specs = CoreMLBackend.generate_compile_specs(
        compute_unit=ct.ComputeUnit.ALL,
        minimum_deployment_target=ct.target.iOS16,
        compute_precision=ct.precision.FLOAT16,
    )
    return CoreMLPartitioner(compile_specs=specs)
