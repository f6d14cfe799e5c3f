import pytest
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import DelegatedRole, Delegations, TargetFile, Targets

from mobile_assets.errors import SigningError
from serving.errors import RepositoryError
from serving.publishing.delegations import (
    MAX_DEPTH,
    add_delegation,
    check_delegated,
    check_delegating,
    delegated_paths,
    find_delegation,
    list_delegations,
)

KEY = CryptoSigner.generate_ed25519().public_key
PARTS = st.lists(st.text("ab.-*[]?", min_size=1, max_size=4), min_size=1, max_size=8)


def delegating(*models: str) -> Targets:
    targets = Targets()
    for model in models:
        add_delegation(targets, model, [KEY])
    return targets


@given(parts=PARTS, model=st.sampled_from(["apples", "a", "apples-2"]))
def test_a_path_belongs_to_the_model_that_it_begins_with_and_to_no_other(
    parts: list[str], model: str
) -> None:
    targets = delegating("apples", "a", "apples-2")
    assert targets.delegations is not None
    path = "/".join([model, *parts])
    found = [name for name, _ in targets.delegations.get_roles_for_target(path)]
    assert found == ([model] if len(parts) <= MAX_DEPTH else [])


def test_a_delegation_ends_the_search_and_names_the_keys() -> None:
    targets = delegating("apples")
    role = find_delegation(targets, "apples")
    assert role is not None and role.terminating and role.keyids == [KEY.keyid]
    assert find_delegation(targets, "pears") is None
    assert find_delegation(None, "apples") is None
    check_delegating(targets)


@pytest.mark.parametrize("name", ["root", "targets", "snapshot", "timestamp"])
def test_a_model_cannot_have_the_name_of_a_role(name: str) -> None:
    with pytest.raises(SigningError, match="that of a signing role"):
        add_delegation(Targets(), name, [KEY])


def strange_delegations() -> dict[str, DelegatedRole]:
    def role(name: str, paths: list[str], terminating: bool = True) -> DelegatedRole:
        return DelegatedRole(name, [], 1, terminating, paths)

    return {
        "another model's paths": role("apples", ["pears/*"]),
        "all paths": role("apples", ["*"]),
        "more paths": role("apples", [*delegated_paths("apples"), "pears/*"]),
        "not terminating": role("apples", delegated_paths("apples"), False),
        "a strange name": role("../apples", delegated_paths("../apples")),
    }


@pytest.mark.parametrize("kind", list(strange_delegations()))
def test_other_delegations_are_refused(kind: str) -> None:
    role = strange_delegations()[kind]
    targets = Targets(delegations=Delegations({}, {role.name: role}))
    with pytest.raises(RepositoryError):
        check_delegating(targets)
    assert list_delegations(targets) == [role]


def test_top_level_targets_with_files_are_refused() -> None:
    targets = Targets(targets={"apples/x": TargetFile.from_data("apples/x", b"", ["sha256"])})
    with pytest.raises(RepositoryError, match="made by an earlier version"):
        check_delegating(targets)


@pytest.mark.parametrize(
    "path", ["pears/release.json", "apples", "release.json", "apples" + "/x" * 7]
)
def test_a_models_metadata_name_only_its_own_files(path: str) -> None:
    signed = Targets(targets={path: TargetFile.from_data(path, b"", ["sha256"])})
    with pytest.raises(RepositoryError, match="allowed is what lies below apples/"):
        check_delegated("apples", signed)


def test_a_models_metadata_delegate_no_further() -> None:
    with pytest.raises(RepositoryError, match="further roles"):
        check_delegated("apples", delegating("pears"))
