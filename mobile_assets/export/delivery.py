"""When a store brings the model to a phone: one set of words for both stores."""

from dataclasses import dataclass
from typing import Any

from training.errors import ConfigError


@dataclass(frozen=True)
class Delivery:
    """A moment of delivery.

    Attributes:
        name: as Google Play calls it: "install-time", "fast-follow" or "on-demand".
        apple_policy: the key of the same in Apple's asset pack manifest.
        words: what it means for an app on Android.
    """

    name: str
    apple_policy: str
    words: str

    def apple_json(self) -> dict[str, Any]:
        """Returns `downloadPolicy` of Apple's manifest; only on demand it has no events."""
        events = ["firstInstallation", "subsequentUpdate"]
        return {
            self.apple_policy: {}
            if self.name == "on-demand"
            else {"installationEventTypes": events}
        }


_FETCHED = (
    'Add `implementation("com.google.android.play:ai-delivery:0.1.1-alpha01")`, ask '
    '`AiPackManagerFactory.getInstance(context)` to `fetch(listOf("{pack}"))`, and read the files '
    'below `getPackLocation("{pack}")!!.assetsPath()` by path instead of through `assets`: '
    "`CompiledModel.create` and `Module.load` take a path as well."
)
DELIVERIES = (
    Delivery(
        "install-time",
        "essential",
        "The pack is there when the app starts, and is read through `assets`.",
    ),
    Delivery(
        "fast-follow",
        "prefetch",
        f"The pack comes by itself right after the app, which may be open before. {_FETCHED}",
    ),
    Delivery("on-demand", "onDemand", f"The pack comes when the app asks for it. {_FETCHED}"),
)
DELIVERY_NAMES = tuple(delivery.name for delivery in DELIVERIES)


def find_delivery(name: str) -> Delivery:
    """Returns the delivery of that name.

    Raises:
        ConfigError: there is none.
    """
    for delivery in DELIVERIES:
        if delivery.name == name:
            return delivery
    raise ConfigError(f"delivery is {name!r}: allowed are {', '.join(DELIVERY_NAMES)}")
