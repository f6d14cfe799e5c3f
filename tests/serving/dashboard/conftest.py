import shutil
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from conversion.artifact import artifact_name
from conversion.variants import find_variant
from mobile_assets.bundle import write_bundle
from serving.app import create_app
from serving.dashboard.counting import add_counts
from serving.dashboard.counts import Scan
from serving.publishing.publish import publish
from serving.settings import Settings
from serving.state.database import Database
from tests.mobile_assets.builds import add_distribution, make_build
from training.evaluation.distribution import CONFIDENCE_BINS, Distribution

# What the release with a baseline says of its validation photos.
CONFIDENCES = (0,) * 5 + (20,) * 5 + (30,) * 5 + (50, 100, 150, 150, 300)
BASELINE = Distribution(
    CONFIDENCES, {"red": 500, "green": 300, "blue": 200}, {"sure": 900, "unsure": 100}
)
Fill = Callable[..., None]


@pytest.fixture(scope="session")
def published_with_baseline(
    published: Path, key_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A repository with 1.2.0, which holds how its answers are distributed, as the current one."""
    folder = tmp_path_factory.mktemp("baseline")
    build = make_build(folder / "build", "1.2.0", 0.04)
    name = artifact_name("colours", "1.2.0", find_variant("litert-fp32"))
    bundle = write_bundle(add_distribution(build, name, BASELINE), folder / "colours-1.2.0.zip")
    repository = Path(shutil.copytree(published, folder / "repository"))
    publish(bundle, repository, key_folder)
    return repository


@pytest.fixture
def app(published_with_baseline: Path, tmp_path: Path) -> Any:
    return create_app(Settings(published_with_baseline, state=tmp_path / "state"))


@pytest.fixture
def fill(tmp_path: Path) -> Fill:
    """Adds the counts of scans to the state that `app` has."""

    def add(*scans: Scan, times: int = 1) -> None:
        counts: Counter[tuple[str, int, str, str, str, str]] = Counter()
        for scan in scans:
            for item in scan.list_items():
                counts[(scan.model, scan.day, scan.version, scan.place, *item)] += times
        with Database(tmp_path / "state").write() as connection:
            add_counts(connection, counts)

    return add


def make_usage(days_ago: int = 0, scans: int = 10, **changes: Any) -> dict[str, Any]:
    """A report of usage of some scans, so many days ago."""
    confidences = [0] * CONFIDENCE_BINS
    confidences[-1] = scans
    entry = {
        "version": "1.2.0",
        "day": str(datetime.now(UTC).date() - timedelta(days=days_ago)),
        "verdicts": {"sure": scans},
        "labels": {"red": scans},
        "confidences": confidences,
        "sent": 0,
    }
    return {
        "report_id": str(uuid.uuid4()),
        "device_id": "phone",
        "days": [entry | changes],
    }
