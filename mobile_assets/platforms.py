"""Which runtime serves which platform. One table; everything else is derived from it."""

from conversion.variants import PRECISIONS
from mobile_assets.errors import ManifestError

# For each platform its runtimes, the default first:
# - android: LiteRT is maintained by the platform's maker and the smallest to link; ExecuTorch
#   runs as well, in an app that links its AAR.
# - ios: Core ML reaches the Neural Engine and needs nothing linked; LiteRT and ExecuTorch come
#   as Swift packages and run on the CPU.
# - web: LiteRT.js is the one of the three that runs in a browser.
# - python: LiteRT needs one small wheel. ExecuTorch's Python runtime needs torch, and Core ML
#   predicts on macOS only: a build machine checks those two, a client does not run them.
RUNTIMES_OF = {
    "android": ("litert", "executorch"),
    "ios": ("coreml", "litert", "executorch"),
    "web": ("litert",),
    "python": ("litert",),
}
PLATFORMS = tuple(RUNTIMES_OF)
# What the server recognises with: it is a Python client of its own releases.
SERVER_PLATFORM, SERVER_RUNTIME = "python", "litert"
# ExecuTorch's delegates that only one system has. No machine here runs them, so that an app gets
# such a file only where it names its precision.
PLATFORM_OF_DELEGATE = {"coreml": "ios", "vulkan": "android"}


def platforms_of(runtime: str, backend: str = "") -> tuple[str, ...]:
    """Returns the platforms that an artifact of this runtime is for.

    Args:
        runtime: "executorch", "litert" or "coreml".
        backend: the delegate of an ExecuTorch program; see `conversion.variants.Variant`.
    """
    found = tuple(platform for platform, runtimes in RUNTIMES_OF.items() if runtime in runtimes)
    only = PLATFORM_OF_DELEGATE.get(backend)
    return tuple(platform for platform in found if only in (None, platform))


def check_platform(platform: str, runtime: str | None = None, precision: str | None = None) -> None:
    """Checks a platform, that the runtime asked for runs on it, and the name of a precision.

    Raises:
        ManifestError: no such platform or precision, or the runtime is not for it.
    """
    if precision is not None and precision not in PRECISIONS:
        raise ManifestError(f"the precision {precision!r}: allowed are {', '.join(PRECISIONS)}")
    if platform not in RUNTIMES_OF:
        raise ManifestError(f"the platform {platform!r}: allowed are {', '.join(PLATFORMS)}")
    if runtime is not None and runtime not in RUNTIMES_OF[platform]:
        allowed = ", ".join(RUNTIMES_OF[platform])
        raise ManifestError(f"the runtime {runtime!r} on {platform}: allowed are {allowed}")
