"""What a Python app asks the server: what to run."""

import uuid
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from mobile_assets.conditions import Device
from mobile_assets.deciding import ACTIONS, GO_BACK, NONE, TAKE, Decision, Offer, object_to_taking
from mobile_assets.reading import Node, read_json
from mobile_assets.release import Release
from mobile_assets.transfer import Transfer
from mobile_assets.trust import is_web_address, typed_errors
from training.files import write_atomic

_MAX_ANSWER_BYTES = 1 << 20
_MAX_FILES = 10_000
_ID_NAME = ".device-id"


@dataclass(frozen=True)
class ServerAnswer:
    """What a server says to a check, unverified.

    Attributes:
        decision: its advice.
        manifest_sha256: of the manifest that it offers; None where it offers none.
        check_again_s: when it wants to be asked again, in seconds.
        files_url: the address that it serves files at where that is another than its own.
    """

    decision: Decision
    manifest_sha256: str | None
    check_again_s: int
    files_url: str | None = None


def read_device_id(cache_dir: Path) -> str:
    """Returns the random UUID of this device, made when it is first asked for.

    Raises:
        StorageError: it cannot be written.
    """
    path = cache_dir / _ID_NAME
    try:
        return str(uuid.UUID(path.read_text()))
    except (OSError, ValueError):
        made = str(uuid.uuid4())
        write_atomic(path, made)
        return made


def ask_server(transfer: Transfer, base_url: str, model: str, device: Device) -> ServerAnswer:
    """Asks what to run.

    Raises:
        PullError: the server is unreachable or refuses.
        ManifestError: its answer is malformed.
    """
    url = f"{base_url}/v1/models/{model}/check"
    with typed_errors("what to run", url):
        data = transfer.ask(url, device.to_json(), _MAX_ANSWER_BYTES)
    return read_answer(data, base_url, model)


def read_answer(data: bytes, base_url: str, model: str) -> ServerAnswer:
    """Reads the answer to a check. A newer server may say more, which is left unread.

    Args:
        data: JSON.
        base_url: the server's own address.
        model: name of the model that was asked about.

    Raises:
        ManifestError: it is malformed.
    """
    root = read_json(data, "the answer to a check", _MAX_ANSWER_BYTES)
    decision = Decision(
        root.member("action").one_of(ACTIONS),
        root.member("code").text(64),
        root.member("reason").text(),
        None if (version := root.find("version")) is None else version.text(64),
    )
    manifest = root.find("manifest")
    return ServerAnswer(
        decision,
        None if manifest is None else manifest.member("sha256").sha256(),
        root.member("check_again_s").whole(0, 1 << 31),
        find_files_url(root, base_url, f"{model}/{decision.version}"),
    )


def find_files_url(root: Node, base_url: str, folder: str) -> str | None:
    """Returns the address that targets lie below, where an answer's first file names another.

    It needs no trust, as TUF verifies the bytes; only it must not end the privacy of https://.

    Args:
        root: the answer to a check.
        base_url: the server's own address.
        folder: model and version, with a slash between them.

    Raises:
        ManifestError: the entry of the file is malformed.
    """
    files = root.find("files")
    if files is None or not (listed := files.items(_MAX_FILES)):
        return None
    file = listed[0]
    url = file.member("url").text()
    above, _, name = file.member("path").text().rpartition("/")
    stored = "/".join(filter(None, (folder, above, f"{file.member('sha256').sha256()}.{name}")))
    allowed = ("https",) if base_url.startswith("https:") else ("https", "http")
    base = url.removesuffix(f"/{stored}")
    if base == url or not is_web_address(base) or urlsplit(base).scheme not in allowed:
        return None
    return base


def take_smaller(
    signed: Decision,
    answer: ServerAnswer,
    release: Release,
    device: Device,
    offers: dict[str, Offer],
) -> Decision:
    """Returns what both the signed policy and the server allow: a server can only hold back.

    Args:
        signed: what the policy alone comes to.
        answer: the server's.
        release: the signed policy.
        device: the one that asks.
        offers: of the versions that the policy names.
    """
    said = answer.decision
    if signed.action == GO_BACK or said.action != TAKE:
        return signed if signed.action == GO_BACK else said
    version = said.version or ""
    offer = offers.get(version)
    if offer is None:
        return Decision(NONE, "not-offered", f"the signed policy offers no {version}", version)
    if objection := object_to_taking(release, device, version, offer):
        return Decision(NONE, objection.code, objection.reason, version)
    if answer.manifest_sha256 != offer.manifest_sha256:
        reason = f"the server offers another manifest of {version} than the signed one"
        return Decision(NONE, "not-offered", reason, version)
    artifact = offer.choose_artifact(device)
    path = None if artifact is None else artifact.path
    return Decision(TAKE, said.code, said.reason, version, path)
