"""Which artifact of a release this server answers with; commands ask that too.

So nothing here imports `serving.observing.metrics`.
"""

from mobile_assets.manifest import Manifest
from mobile_assets.parts import BundledArtifact
from mobile_assets.platforms import SERVER_RUNTIME
from serving.errors import NoArtifactError

_BEST_PRECISION = "fp32"


def choose_artifact(manifest: Manifest) -> BundledArtifact:
    """Returns the artifact to answer with: of the cloud model where there is one.

    Of several the one of the highest precision: a fallback should beat the phone.

    Raises:
        NoArtifactError: there is none that this server runs.
    """
    artifacts = manifest.fallback.artifacts
    found = [artifact for artifact in artifacts if artifact.runtime == SERVER_RUNTIME]
    if not found:
        has = ", ".join(sorted({artifact.runtime for artifact in artifacts}))
        raise NoArtifactError(
            f"{manifest.model} {manifest.version} has no {SERVER_RUNTIME} artifact, which this "
            f"server needs to recognise; it has: {has}"
        )
    return next((artifact for artifact in found if artifact.precision == _BEST_PRECISION), found[0])
