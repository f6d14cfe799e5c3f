"""Who signs for which model: one role a model, which the top-level targets metadata delegate to.

The top-level targets hold no file. Each model has a terminating delegation named after it, with
path patterns that only its own files match, so that its key cannot sign another model's files
(TUF specification 1.0.33, sections 4.5 and 5.6.7).
"""

from collections.abc import Sequence

from securesystemslib.signer import Key  # type: ignore[attr-defined]
from tuf.api.metadata import DelegatedRole, Delegations, Targets  # type: ignore[attr-defined]

from mobile_assets.signing import check_publishable
from serving.errors import RepositoryError
from training.errors import GhostlensError

# A `*` in a pattern stops at "/", so each depth needs a pattern of its own.
MAX_DEPTH = 6


def delegated_paths(model: str) -> list[str]:
    """Returns the path patterns of a model: all files up to `MAX_DEPTH` parts below its name."""
    return [f"{model}{'/*' * depth}" for depth in range(1, MAX_DEPTH + 1)]


def list_delegations(targets: Targets) -> list[DelegatedRole]:
    """Returns the roles that top-level targets metadata delegate to, in their order."""
    roles = targets.delegations.roles if targets.delegations else None
    return list((roles or {}).values())


def find_delegation(targets: Targets | None, model: str) -> DelegatedRole | None:
    """Returns the role of a model, or None where it has none yet."""
    found = [role for role in (list_delegations(targets) if targets else ()) if role.name == model]
    return found[0] if found else None


def add_delegation(targets: Targets, model: str, keys: Sequence[Key], threshold: int = 1) -> None:
    """Gives a model a role of its own.

    Args:
        targets: the top-level targets, changed in place.
        model: its name.
        keys: those that sign for it.
        threshold: how many of them must sign.

    Raises:
        SigningError: the model's name is not allowed.
    """
    role = DelegatedRole(
        check_publishable(model), [], threshold, terminating=True, paths=delegated_paths(model)
    )
    if targets.delegations is None or targets.delegations.roles is None:
        targets.delegations = Delegations({}, {})
    assert targets.delegations.roles is not None
    targets.delegations.roles[model] = role
    for key in keys:
        targets.add_key(key, model)


def check_delegating(targets: Targets) -> None:
    """Checks that top-level targets delegate as `add_delegation` does, and do nothing else.

    The server finds the role of a file by the first part of its path; this makes sure that every
    client finds the same.

    Raises:
        RepositoryError: they hold files, or another kind of delegation.
    """
    if targets.targets:
        raise RepositoryError(
            "the top-level targets metadata name files: this repository was made by an earlier "
            "version; publish its bundles into a new one"
        )
    if targets.delegations is not None and targets.delegations.roles is None:
        raise RepositoryError("the targets metadata delegate to hash bins, not to models")
    for role in list_delegations(targets):
        try:
            check_publishable(role.name)
        except GhostlensError as error:
            raise RepositoryError(
                f"the targets metadata delegate to a strange role: {error}"
            ) from None
        if role.paths != delegated_paths(role.name) or not role.terminating:
            raise RepositoryError(
                f"the targets metadata delegate {role.paths} to the role {role.name}: allowed is "
                f"{delegated_paths(role.name)}, terminating"
            )


def check_delegated(model: str, signed: Targets) -> None:
    """Checks that a model's metadata name only files of its own, which clients would find.

    Raises:
        RepositoryError: they name another path, or delegate further.
    """
    own = DelegatedRole(model, [], 1, terminating=True, paths=delegated_paths(model))
    strange = [path for path in signed.targets if not own.is_delegated_path(path)]
    if strange:
        raise RepositoryError(
            f"the {model} metadata name {strange[0]!r}: allowed is what lies below {model}/, at "
            f"most {MAX_DEPTH} deep"
        )
    if signed.delegations is not None:
        raise RepositoryError(f"the {model} metadata delegate to further roles")
