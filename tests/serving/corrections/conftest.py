import io
import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from PIL import Image

from serving.app import create_app
from serving.settings import Settings
from serving.state.database import Database

URL = "/v1/models/colours/corrections"


def say(right: str | None = "green", device: str = "phone", **changes: Any) -> dict[str, Any]:
    """A correction: the phone said red, and it is something else; None for no item."""
    return {
        "correction_id": str(uuid.uuid4()),
        "device_id": device,
        "scanned_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": "1.1.0",
        "answered": {"label": "red", "probability": 0.4, "verdict": "unsure", "by": "device"},
        "right": {"kind": "label", "name": right} if right else {"kind": "not-an-item"},
        **changes,
    }


def send(app: FlaskClient, said: dict[str, Any], photo: bytes | None = None) -> Any:
    if photo is None:
        return app.post(URL, json=said)
    form = {"correction": json.dumps(said), "photo": (io.BytesIO(photo), "IMG_1.jpg")}
    return app.post(URL, data=form)


def draw_photo(seed: int, width: int = 320, height: int = 240) -> Image.Image:
    """A picture that looks like no other, as photos do."""
    import numpy as np

    rough = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
    return Image.fromarray(rough).resize((width, height), Image.Resampling.BICUBIC)


def make_jpeg(seed: int, quality: int = 90, **size: int) -> bytes:
    buffer = io.BytesIO()
    draw_photo(seed, **size).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


@pytest.fixture
def settings(published: Path, tmp_path: Path) -> Settings:
    return Settings(published, state=tmp_path / "state", keep_photos=1, keep_photos_days=30)


@pytest.fixture
def app(settings: Settings) -> FlaskClient:
    return create_app(settings).test_client()


@pytest.fixture
def database(settings: Settings) -> Database:
    return Database(settings.state_folder)


@pytest.fixture
def list_files(settings: Settings) -> Callable[[], list[Path]]:
    """Lists the photos' files, unfinished ones as well."""
    return lambda: [path for path in Path(settings.photos_place).rglob("*") if path.is_file()]
