"""What an app sees of a pulled model."""

from mobile_assets.client import BundleClient
from mobile_assets.installed import load_current
from mobile_assets.recognise import recognise
from tests.mobile_assets.builds import MODEL, make_photo

RED = make_photo((255, 0, 0))


def version_in_use(client: BundleClient) -> str:
    """The version that answers, having checked every byte and a photo."""
    pulled = load_current(client.cache_dir / MODEL)
    assert recognise(pulled, RED).answers[0].label == "red"
    return pulled.manifest.version
