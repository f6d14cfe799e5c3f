"""Where a bundle holds how an artifact's answers on the validation photos are distributed.

A report like the others: phones never take it, and bundles of before have none.
"""

from mobile_assets.parts import FOLDERS


def distribution_path(artifact_path: str, is_cloud: bool) -> str:
    """Returns the path of the distribution of an artifact's answers.

    Args:
        artifact_path: of the artifact in the bundle.
        is_cloud: whether it is of the cloud's network.
    """
    name = artifact_path.rpartition("/")[2]
    return f"{FOLDERS['cloud-report' if is_cloud else 'report']}{name}.distribution.json"
