"""Is asking the cloud worth it? Both models of a release on the same validation photos."""

from dataclasses import dataclass, fields
from pathlib import Path

from conversion.parity.gate import Gate, bootstrap_loss
from conversion.parity.verdicts import PhotoVerdicts, read_verdicts
from mobile_assets.parts import read_path
from mobile_assets.reading import Node
from mobile_assets.released import ReleasedModel
from training.evaluation.confidence import SURE

_MAX_PHOTOS = 10**9


@dataclass(frozen=True)
class Comparison:
    """What the cloud model adds. Shares are 0 to 1, of photos that both models answered.

    Attributes:
        device: path of the device's artifact that was compared.
        cloud: path of the cloud's.
        photos: how many both answered.
        device_top1: share that the device's names rightly.
        cloud_top1: share that the cloud's names rightly.
        gain_low: lower end of the 95 % interval of cloud less device, by bootstrap over photos.
        gain_high: upper end.
        asked: photos on which the device is not sure, so that an app asks the cloud.
        device_top1_asked: share of those that the device names rightly; None of none.
        cloud_top1_asked: share of those that the cloud names rightly; None of none.
        pair_top1: share that the two name rightly together: the device where it is sure, the
            cloud elsewhere.
    """

    device: str
    cloud: str
    photos: int
    device_top1: float
    cloud_top1: float
    gain_low: float
    gain_high: float
    asked: int
    device_top1_asked: float | None
    cloud_top1_asked: float | None
    pair_top1: float

    @property
    def is_better(self) -> bool:
        """Whether the cloud model is surely better: the whole interval of the gain says so."""
        return self.gain_low > 0

    def describe(self) -> list[str]:
        """Returns lines for a person."""
        gain = self.cloud_top1 - self.device_top1
        lines = [
            f"on {self.photos} photos the cloud model is right in {self.cloud_top1:.1%}, the "
            f"device's in {self.device_top1:.1%}: {100 * gain:+.1f} points (95 % interval "
            f"{100 * self.gain_low:+.1f} to {100 * self.gain_high:+.1f})"
        ]
        if self.asked:
            lines.append(
                f"the device is not sure of {self.asked}: of these the cloud names "
                f"{self.cloud_top1_asked:.1%} rightly, the device {self.device_top1_asked:.1%}; "
                f"both together reach {self.pair_top1:.1%}"
            )
        else:
            lines.append("the device is sure of every photo: nothing would be asked of the cloud")
        if not self.is_better:
            surely = "not better" if gain <= 0 else "not surely better"
            lines.append(
                f"WARNING: the cloud model is {surely} than the device's on these photos: asking "
                "it may not be worth it"
            )
        return lines

    @classmethod
    def from_node(cls, node: Node) -> "Comparison":
        """Reads a comparison's entry.

        Raises:
            ManifestError: malformed; the message names the path of the bad key.
        """
        keys = node.table(*(entry.name for entry in fields(cls)))
        asked = {
            name: None if keys[name].value is None else keys[name].number(0, 1)
            for name in ("device_top1_asked", "cloud_top1_asked")
        }
        return cls(
            device=read_path(keys["device"], "artifact"),
            cloud=read_path(keys["cloud"], "cloud-artifact"),
            photos=keys["photos"].whole(1, _MAX_PHOTOS),
            device_top1=keys["device_top1"].number(0, 1),
            cloud_top1=keys["cloud_top1"].number(0, 1),
            gain_low=keys["gain_low"].number(-1, 1),
            gain_high=keys["gain_high"].number(-1, 1),
            asked=keys["asked"].whole(0, _MAX_PHOTOS),
            device_top1_asked=asked["device_top1_asked"],
            cloud_top1_asked=asked["cloud_top1_asked"],
            pair_top1=keys["pair_top1"].number(0, 1),
        )


def compare_models(
    device_dir: Path, device: ReleasedModel, cloud_dir: Path, cloud: ReleasedModel
) -> Comparison | None:
    """Compares the most faithful artifacts of both models, photo by photo.

    Args:
        device_dir: the build's folder, with what parity left there.
        device: what of it enters the bundle.
        cloud_dir: likewise of the cloud's build.
        cloud: likewise.

    Returns:
        The figures; None where parity was not run on the same photos for both.

    Raises:
        ArtifactError: what parity left is malformed.
    """
    ours, theirs = _find_verdicts(device_dir, device), _find_verdicts(cloud_dir, cloud)
    if ours is None or theirs is None:
        return None
    places = _match(ours[1], theirs[1])
    return _count(ours[0], theirs[0], ours[1], theirs[1], places) if places else None


def _find_verdicts(directory: Path, model: ReleasedModel) -> tuple[str, PhotoVerdicts] | None:
    """Returns path and verdicts of the first artifact that parity has any of, floats first."""
    for artifact in sorted(model.artifacts, key=lambda artifact: artifact.precision != "fp32"):
        name = artifact.path.rpartition("/")[2].removesuffix(".zip")
        found = read_verdicts(directory, name)
        if found is not None and artifact.parity is not None:
            return artifact.path, found
    return None


def _match(ours: PhotoVerdicts, theirs: PhotoVerdicts) -> list[tuple[int, int]]:
    """Returns the places of the same photos in both."""
    keys = zip(theirs.photos, theirs.sizes_bytes, theirs.truth, strict=True)
    found = {key: place for place, key in enumerate(keys)}
    own = zip(ours.photos, ours.sizes_bytes, ours.truth, strict=True)
    return [(place, found[key]) for place, key in enumerate(own) if key in found]


def _count(
    device: str,
    cloud: str,
    ours: PhotoVerdicts,
    theirs: PhotoVerdicts,
    places: list[tuple[int, int]],
) -> Comparison:
    right = [
        (
            ours.answers[own] == ours.truth[own],
            theirs.answers[other] == theirs.truth[other],
            ours.verdicts[own] != SURE,
        )
        for own, other in places
    ]
    photos = len(right)
    lost = sum(by_device and not by_cloud for by_device, by_cloud, _ in right)
    won = sum(by_cloud and not by_device for by_device, by_cloud, _ in right)
    loss = bootstrap_loss(lost, won, photos, Gate())
    asked = [(by_device, by_cloud) for by_device, by_cloud, is_asked in right if is_asked]
    return Comparison(
        device=device,
        cloud=cloud,
        photos=photos,
        device_top1=sum(by_device for by_device, _, _ in right) / photos,
        cloud_top1=sum(by_cloud for _, by_cloud, _ in right) / photos,
        gain_low=0.0 - loss.high,
        gain_high=0.0 - loss.low,
        asked=len(asked),
        device_top1_asked=sum(own for own, _ in asked) / len(asked) if asked else None,
        cloud_top1_asked=sum(other for _, other in asked) / len(asked) if asked else None,
        pair_top1=sum(
            by_cloud if is_asked else by_device for by_device, by_cloud, is_asked in right
        )
        / photos,
    )
