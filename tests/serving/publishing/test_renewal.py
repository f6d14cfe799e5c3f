import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from serving.errors import SettingsError
from serving.publishing.publish import resign
from serving.publishing.renewal import find_due, read_duration_s, renew_repeatedly
from serving.publishing.repository import State, read_metadata_in, read_state
from tests.conftest import ROOT
from training.errors import StorageError


def read(repository: Path) -> State:
    state = read_state(read_metadata_in(repository))
    assert state is not None
    return state


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("12h", 43200), ("2d", 172800)]
)
def test_times_have_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert read_duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "12", "h", "0h", "-1h", "1.5h", "12 h", "3d", "1w", "१h"])
def test_other_times_and_too_long_ones_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="allowed are 1s to 56h"):
        read_duration_s(text)


def test_each_renewal_is_logged_and_a_failed_one_is_tried_again(
    repository: Path, key_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = read(repository).timestamp.version
    stopped = threading.Event()
    outcomes = iter(["renewed", "failed", "renewed"])

    def renew() -> State:
        if next(outcomes) == "failed":
            raise StorageError("another process is writing here")
        state = resign(repository, key_folder)
        if state.timestamp.version == before + 2:
            stopped.set()
        return state

    with caplog.at_level(logging.INFO, "serving.publishing.renewal"):
        assert renew_repeatedly(renew, 0.001, stopped) == 2
    words = [record.getMessage() for record in caplog.records]
    assert words[0].startswith(f"renewed: timestamp version {before + 1} counts until 20")
    assert words[1] == "not renewed: another process is writing here"
    assert words[2].startswith(f"renewed: timestamp version {before + 2}")


def test_offline_signatures_that_end_soon_are_told_long_before(repository: Path) -> None:
    state = read(repository)
    assert find_due(state) == []
    soon = state.root.expires - timedelta(days=10)
    assert any("--renew root" in words for words in find_due(state, soon))
    assert any("--renew colours" in words for words in find_due(state, soon))
    assert find_due(replace(state, models={}), state.root.expires - timedelta(days=31)) == []


def test_the_timer_runs_as_a_process_until_sigterm(
    repository: Path, key_folder: Path, tmp_path: Path
) -> None:
    online = tmp_path / "online"
    online.mkdir()
    for name in ("snapshot.pem", "timestamp.pem"):
        shutil.copy(key_folder / name, online)
    before = read(repository).timestamp.version
    command = [sys.executable, "-m", "serving", "resign", "--every", "1s"]
    process = subprocess.Popen(
        [*command, "--repository", str(repository), "--keys", str(online)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert "INFO renewed: timestamp version" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert read(repository).timestamp.version > before
