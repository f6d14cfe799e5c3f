"""Which runtime serves which platform. One table; everything else is derived from it."""

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


def platforms_of(runtime: str) -> tuple[str, ...]:
    """Returns the platforms that an artifact of this runtime is for."""
    return tuple(platform for platform, runtimes in RUNTIMES_OF.items() if runtime in runtimes)


def check_platform(platform: str, runtime: str | None = None) -> None:
    """Checks a platform, and that the runtime asked for runs on it.

    Raises:
        ManifestError: no such platform, or the runtime is not for it.
    """
    if platform not in RUNTIMES_OF:
        raise ManifestError(f"the platform {platform!r}: allowed are {', '.join(PLATFORMS)}")
    if runtime is not None and runtime not in RUNTIMES_OF[platform]:
        allowed = ", ".join(RUNTIMES_OF[platform])
        raise ManifestError(f"the runtime {runtime!r} on {platform}: allowed are {allowed}")
