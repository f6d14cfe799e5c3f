"""Releases, devices and offers at random, for tests of what is decided about them."""

from hypothesis import strategies as st

from mobile_assets.conditions import Conditions, Device, Running, RuntimeOfApp
from mobile_assets.deciding import Offer, OfferedArtifact, Restraint
from mobile_assets.platforms import PLATFORMS
from mobile_assets.release import STABLE, Channel, PublishedVersion, Release, Rollout
from mobile_assets.versions import VersionRange

AT = "2026-11-24T12:00:00Z"
SALT = "0123456789abcdef" * 2
NAMES = ("0.9.0", "1.0.0-rc.1", "1.0.0", "1.1.0")
SHARES_BP = st.sampled_from([0, 1, 2000, 5000, 9999, 10_000]) | st.integers(0, 10_000)

conditions = st.builds(
    Conditions,
    min_os=st.dictionaries(st.sampled_from(PLATFORMS), st.sampled_from(["8.0", "16"])),
    app_version=st.none() | st.sampled_from([">=1.2.0", ">=1.0.0 <2.0.0"]).map(VersionRange),
    min_memory_bytes=st.none() | st.sampled_from([1_000, 2_000]),
    network=st.sampled_from(["any", "unmetered"]),
)


def channels(pinned: st.SearchStrategy[bool]) -> st.SearchStrategy[Channel]:
    rollouts = st.builds(Rollout, st.sampled_from(NAMES), SHARES_BP, st.just(SALT), st.just(AT))
    return st.builds(Channel, st.sampled_from(NAMES), pinned, st.none() | rollouts)


@st.composite
def releases(draw: st.DrawFn) -> Release:
    versions = tuple(
        PublishedVersion(
            name, AT, draw(st.none() | conditions), draw(st.sampled_from([None, None, "bad"]))
        )
        for name in NAMES
    )
    names = draw(st.sampled_from([(STABLE,), (STABLE, "beta")]))
    return Release("colours", versions, {name: draw(channels(st.booleans())) for name in names})


def make_offer(version: str, made_with: str = "1.4.1") -> Offer:
    everywhere = ("android", "ios", "web", "python")
    return Offer(
        f"{NAMES.index(version):064x}",
        (
            OfferedArtifact("artifacts/a.tflite", "litert", "fp32", "", everywhere, "", "a", 100),
            OfferedArtifact(
                "artifacts/b.pte", "executorch", "fp32", "xnnpack", ("android",), made_with, "b", 90
            ),
        ),
        10,
    )


OFFERS = {version: make_offer(version) for version in NAMES}
devices = st.builds(
    Device,
    platform=st.sampled_from(PLATFORMS),
    os_version=st.none() | st.sampled_from(["7.1", "8", "16.1", "S"]),
    app_version=st.none() | st.sampled_from(["1.2.0-rc.1", "1.5.0", "2.0.0", "two"]),
    device_id=st.none() | st.text("abc", max_size=6),
    channel=st.sampled_from([STABLE, STABLE, "beta", "nightly"]),
    runtimes=st.lists(
        st.builds(
            RuntimeOfApp,
            st.sampled_from(["litert", "executorch", "coreml"]),
            st.none() | st.sampled_from(["1.4.0", "1.6.0"]),
        ),
        max_size=2,
    ).map(tuple),
    precision=st.sampled_from([None, None, "fp32", "int8"]),
    memory_bytes=st.none() | st.sampled_from([500, 2_000]),
    free_bytes=st.none() | st.sampled_from([0, 219, 220]),
    network=st.none() | st.sampled_from(["metered", "unmetered"]),
    running=st.none()
    | st.builds(Running, st.sampled_from([*NAMES, "3.0.0", "?"]), st.none() | st.just(f"{1:064x}")),
    refused=st.lists(st.sampled_from(NAMES), max_size=2).map(tuple),
)
restraints = st.builds(Restraint, st.frozensets(st.sampled_from(NAMES), max_size=2), SHARES_BP)
