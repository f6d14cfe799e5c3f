"""A version that is published already: publishing it again changes no offer, and says so."""

import click
from click.core import ParameterSource

from mobile_assets.bucketing import WHOLE_SHARE_BP
from mobile_assets.release import Release
from serving.errors import PublishError
from serving.publishing.objects import Place
from serving.publishing.policy import Plan
from serving.storage import Storage


def check_met(repository: Place, model: str, version: str, plan: Plan) -> None:
    """Checks that what the command `publish` was asked for is so already.

    Raises:
        PublishError: it is not; the message names the commands that do it.
    """
    source = click.get_current_context().get_parameter_source("channel")
    release = Storage(repository).catalogue.find_release(model)
    unmet = list_unmet(release, version, plan, source is ParameterSource.COMMANDLINE)
    if unmet:
        raise PublishError(
            f"{model} {version} was published before, so this was NOT done: {'; '.join(unmet)}"
        )


def list_unmet(
    release: Release, version: str, plan: Plan, channel_is_meant: bool = True
) -> list[str]:
    """Returns what of a plan is not so for a version that is published, with what would do it.

    Args:
        release: what is published of the model.
        version: one of its versions.
        plan: what was asked for when the version was given again.
        channel_is_meant: False where nobody chose the plan's channel.
    """
    unmet: list[str] = []
    entry, found = release.find(version), release.channels.get(plan.channel)
    if plan.conditions is not None and (entry is None or entry.conditions != plan.conditions):
        unmet.append(
            "its conditions are other ones, and never change: give the same content a new version"
        )
    offered = bool(found and found.current == version)
    about = f"{release.model} {version}"
    if not plan.promoted and offered:
        unmet.append(
            f"it is current in {plan.channel}: `releases rollback` makes another one current"
        )
    elif plan.share_bp is not None and not offered:
        rollout = found.rollout if found else None
        if rollout is None or (rollout.version, rollout.share_bp) != (version, plan.share_bp):
            share = f"{plan.share_bp / 100:g}%"
            unmet.append(
                f"it is not for {share} of {plan.channel}: `releases rollout {about} --share "
                f"{share} --channel {plan.channel}` offers it"
            )
    elif plan.share_bp is not None and plan.share_bp != WHOLE_SHARE_BP:
        unmet.append(f"it is current in {plan.channel}, for all devices")
    elif plan.promoted and channel_is_meant and not offered:
        unmet.append(
            f"it is not current in {plan.channel}: `releases promote {about} --channel "
            f"{plan.channel}` makes it so"
        )
    return unmet
