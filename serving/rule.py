"""When a rollout is halted, and when it may go on: how many devices, and how surely."""

from dataclasses import dataclass

from mobile_assets.bucketing import WHOLE_SHARE_BP
from serving.settings import Settings
from training.evaluation.metrics import wilson_interval


@dataclass(frozen=True)
class Rule:
    """When a rollout is halted, and when it may go on.

    How often it halts a good version, and how soon a bad one: docs/studies/halting.py.

    Attributes:
        limit: a version is halted where the failing share of devices is above it, 0 to 1, as far
            as the Wilson 95 % interval tells.
        least_failing: and where at least so many devices failed; two could be one bad phone
            under two names.
        least_reports: a raise takes effect once so many devices reported at the share before, or
            all that were offered the version there.
        settle_s: but all of fewer only after so many seconds at that share, in which every phone
            had time to ask: the first that asks is all of one.
    """

    limit: float = 0.02
    least_failing: int = 3
    least_reports: int = 20
    settle_s: int = 5400

    @classmethod
    def from_settings(cls, settings: Settings) -> "Rule":
        """Returns the rule of a server with these settings."""
        return cls(
            settings.halt_limit_bp / WHOLE_SHARE_BP,
            settings.halt_least_failing,
            settings.raise_least_reports,
            settings.check_again_on_its_way_s,
        )

    def stops(self, failing: int, reported: int) -> bool:
        """Returns whether a version is halted at these counts of devices."""
        return failing >= self.least_failing and wilson_interval(failing, reported)[0] > self.limit


@dataclass(frozen=True)
class Counts:
    """Devices of a version.

    Attributes:
        offered: those that it was offered to in a rollout.
        reported: those that reported on it.
        failing: those of them whose latest report is of a failure.
    """

    offered: int
    reported: int
    failing: int
