"""How many scans a Python app did: kept as sums, and told with the next check, where it shares.

<cache>/<model>/usage/counts.json is what is counted now; files named by an id wait to be sent.
"""

import fcntl
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from mobile_assets.conditions import Device
from mobile_assets.outbox import send_waiting
from mobile_assets.recognise import Recognition
from mobile_assets.transfer import Transfer
from training.errors import StorageError
from training.evaluation.distribution import CONFIDENCE_BINS, find_bin
from training.files import write_atomic

_COUNTS_NAME, _LOCK_NAME = "counts.json", ".lock"
# The server takes 62 entries, labels and days of the last 30; what is older tells it nothing.
_MOST_ENTRIES = 60
_MOST_LABELS = 1000
_MOST_DAYS = 29
_MOST_WAITING = 10


class Usage:
    """The sums of one model's scans; nothing here ever stops an app or an update."""

    def __init__(self, model_dir: Path) -> None:
        self._folder = model_dir / "usage"
        self._counts = self._folder / _COUNTS_NAME

    def note(self, found: Recognition, sent: bool = False) -> None:
        """Counts a scan; nothing is kept of the photo, nor of the time of day.

        Args:
            found: what the device said of the photo.
            sent: whether the photo was sent to the server as well.
        """
        with suppress(OSError, StorageError), self._lock():  # the disk is full
            days = self._read()
            day = str(datetime.now(UTC).date())
            entry = _find_entry(days, found.version, day)
            first = found.answers[0]
            if len(entry["labels"]) >= _MOST_LABELS and first.label not in entry["labels"]:
                return
            for kind, item in (("verdicts", found.verdict), ("labels", first.label)):
                entry[kind][item] = entry[kind].get(item, 0) + 1
            entry["confidences"][find_bin(first.probability)] += 1
            entry["sent"] += int(sent)
            write_atomic(self._counts, json.dumps(days[-_MOST_ENTRIES:]))

    def send(self, transfer: Transfer, base_url: str, model: str, device: Device) -> int:
        """Sends what was counted, and returns how many reports the server took.

        What it did not take waits, under the same id, so that it counts once. One that the server
        refuses for good is dropped, and all are of a device without an id.
        """
        with suppress(OSError), self._lock():
            if self._counts.exists():
                self._counts.rename(self._folder / f"{uuid.uuid4()}.json")
        url = f"{base_url}/v1/models/{model}/usage"
        return send_waiting(transfer, url, self._list(), partial(_make_report, device))

    def _list(self) -> list[Path]:
        """Returns the reports that wait, the newest last; of too many the oldest are dropped."""
        waiting = [path for path in self._folder.glob("*.json") if path.name != _COUNTS_NAME]
        waiting.sort(key=lambda path: path.stat().st_mtime_ns)
        for path in waiting[:-_MOST_WAITING]:
            path.unlink(missing_ok=True)
        return waiting[-_MOST_WAITING:]

    def _read(self) -> list[dict[str, Any]]:
        try:
            days: list[dict[str, Any]] = json.loads(self._counts.read_bytes())
            return [dict(entry) for entry in days]
        except (OSError, ValueError, TypeError):
            return []

    @contextmanager
    def _lock(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / _LOCK_NAME).open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _find_entry(days: list[dict[str, Any]], version: str, day: str) -> dict[str, Any]:
    for entry in days:
        if (entry.get("version"), entry.get("day")) == (version, day):
            return entry
    entry = {"version": version, "day": day, "verdicts": {}, "labels": {}}
    days.append(entry | {"confidences": [0] * CONFIDENCE_BINS, "sent": 0})
    return days[-1]


def _make_report(device: Device, path: Path) -> dict[str, Any] | None:
    """Returns what is sent; None of a device without an id, or where all days are too old."""
    first_day = str(datetime.now(UTC).date() - timedelta(days=_MOST_DAYS))
    days = [entry for entry in json.loads(path.read_bytes()) if entry["day"] >= first_day]
    if not device.device_id or not days:
        return None
    return {"report_id": path.stem, "device_id": device.device_id, "days": days}
