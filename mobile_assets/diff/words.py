"""What changed between two releases, in lines for a person."""

from collections.abc import Iterator, Sequence

from mobile_assets.diff.figures import Accuracy, Gain
from mobile_assets.diff.labels import LabelChanges
from mobile_assets.diff.networks import Format, FormatChange, NetworkChanges
from mobile_assets.diff.releases import ReleaseChanges
from mobile_assets.manifest import Manifest
from mobile_assets.released import CLOUD

_MAX_NAMED = 20


def describe_changes(changes: ReleaseChanges) -> list[str]:
    """Returns one line a change, without warnings; none where only names of versions differ."""
    lines = [*_describe_labels(changes.labels), *_describe_network(changes.device)]
    if changes.cloud is not None:
        lines += [f"cloud: {line}" for line in _describe_network(changes.cloud)]
    if changes.clouds == (False, True):
        lines.append("the server answers with a wider network of its own now")
    return lines


def describe_release(manifest: Manifest) -> list[str]:
    """Returns what there is to say of a release that has none before it."""
    formats = [artifact.variant.key for artifact in manifest.artifacts]
    lines = [f"{len(manifest.labels)} labels", f"formats: {', '.join(formats)}"]
    for network in manifest.models:
        top1 = describe_accuracy(Accuracy.of(network.metrics.top1, network.metrics.photos))
        place = "cloud: " if network.place == CLOUD else ""
        lines.append(f"{place}{network.architecture}, top-1 {top1}")
    return lines


def _describe_labels(labels: LabelChanges) -> Iterator[str]:
    if labels.added:
        yield f"labels added ({len(labels.added)}): {_name(labels.added)}"
    if labels.removed:
        yield f"labels removed ({len(labels.removed)}): {_name(labels.removed)}"
    if labels.renamed:
        pairs = [f"{old} -> {new}" for old, new in labels.renamed]
        yield f"labels that look renamed ({len(pairs)}): {_name(pairs)}"
    if labels.regrouped:
        moves = [f"{entry.label}: {entry.old} -> {entry.new}" for entry in labels.regrouped]
        yield f"labels with another coarse class ({len(moves)}): {_name(moves)}"
    if labels.grouped != (True, True) and any(labels.grouped):
        yield f"coarse classes are {'new' if labels.grouped[1] else 'gone'}"
    if labels.old_count != labels.new_count:
        yield f"{labels.old_count} -> {labels.new_count} labels"


def _describe_network(network: NetworkChanges) -> Iterator[str]:
    old, new = network.architectures
    if old != new:
        yield f"architecture {old} -> {new}"
    if network.retrained:
        yield f"trained anew; top-1 {_describe_top1(*network.accuracies, network.gain)}"
    if network.sources[0] != network.sources[1]:
        yield f"photos from {network.sources[0]} -> {network.sources[1]}"
    if network.licences is not None:
        yield "another licence of the photos"
    for key, (before, after) in network.preprocess.items():
        yield f"{key} {before} -> {after}"
    for change in network.formats:
        yield from _describe_format(change, network.place)


def _describe_format(change: FormatChange, place: str) -> Iterator[str]:
    old, new, key = change.old, change.new, change.key
    if new is None:
        yield f"{key} is gone"
        return
    if old is None:
        top1 = describe_accuracy(new.accuracy)
        yield f"{key} is new: {_megabytes(new.size_bytes)}, top-1 {top1}"
        return
    parts = []
    if old.accuracy != new.accuracy:
        parts.append(f"top-1 {_describe_top1(old.accuracy, new.accuracy, change.gain)}")
    if old.size_bytes != new.size_bytes:
        parts.append(
            f"{_megabytes(old.size_bytes)} -> {_megabytes(new.size_bytes)} "
            f"({new.size_bytes - old.size_bytes:+} bytes)"
        )
    if place != CLOUD or old.limits != new.limits:
        parts += _describe_limits(old, new)
    if change.interface_changed:
        parts.append("other tensors go in or come out")
    parts += [
        f"{name} {old.tool_versions.get(name, 'none')} -> {new.tool_versions.get(name, 'none')}"
        for name in sorted({*old.tool_versions, *new.tool_versions})
        if old.tool_versions.get(name) != new.tool_versions.get(name)
    ]
    if parts:
        yield f"{key}: {'; '.join(parts)}"


def _describe_limits(old: Format, new: Format) -> list[str]:
    before, after = old.limits or {}, new.limits or {}
    parts = [
        f"{key} {_round(before.get(key))} -> {_round(after.get(key))}"
        for key in dict.fromkeys([*before, *after])
        if before.get(key) != after.get(key)
    ]
    if old.sure_coverage != new.sure_coverage or old.sure_precision != new.sure_precision:
        parts.append(f"sure of {_sure(old)} -> {_sure(new)}")
    return parts


def _describe_top1(old: Accuracy | None, new: Accuracy | None, gain: Gain | None) -> str:
    text = f"{describe_accuracy(old)} -> {describe_accuracy(new)}"
    if gain is None:
        return text
    low, high = gain.interval_95
    doubt = "" if gain.sure else ", may be chance"
    return f"{text}: {_signed(gain.points)} points ({_signed(low)} to {_signed(high)}{doubt})"


def describe_accuracy(accuracy: Accuracy | None) -> str:
    """Returns a share with its interval, and of how many photos."""
    if accuracy is None:
        return "not measured"
    low, high = accuracy.interval_95
    return (
        f"{100 * accuracy.top1:.1f} % ({100 * low:.1f} to {100 * high:.1f} % on "
        f"{accuracy.photos} photos)"
    )


def _signed(share: float) -> str:
    return f"{round(100 * share, 1) + 0:+.1f}"


def _sure(found: Format) -> str:
    if found.sure_coverage is None or found.sure_precision is None:
        return "nothing"
    return f"{found.sure_coverage:.1%}, {found.sure_precision:.1%} right"


def _round(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value).lower()


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.2f} MB"


def _name(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MAX_NAMED])
    left = len(names) - _MAX_NAMED
    return f"{shown} and {left} more" if left > 0 else shown
