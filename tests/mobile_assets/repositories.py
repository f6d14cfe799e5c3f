"""A TUF repository made by hand, so that tests can do to it what an attacker would."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from mobile_assets.bundle import open_bundle
from mobile_assets.release import STABLE, Channel, PublishedVersion, Release
from serving.publishing.delegations import add_delegation

ROLES = ("root", "targets", "snapshot", "timestamp")
PUBLISHED_AT = "2026-11-24T12:00:00Z"


class Repository:
    """Signed metadata and hashed targets in a folder, as the server hands them out.

    Attributes:
        signers: a private key a role, and a model once something was put for it.
        versions: the number that each role's metadata have now.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.signers = {role: CryptoSigner.generate_ed25519() for role in ROLES}
        self.expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
        self.delegating = Targets(expires=self.expires)
        self.targets: dict[str, TargetFile] = {}
        self.published: dict[str, list[str]] = {}
        self.versions = {"root": 1, "targets": 0, "snapshot": 0, "timestamp": 0}
        (folder / "metadata").mkdir(parents=True)
        root = Root(expires=self.expires, consistent_snapshot=True)
        for role, signer in self.signers.items():
            root.add_key(signer.public_key, role)
        self.root = root
        self.trusted_root = self.sign(root)
        self.write_metadata("1.root.json", self.trusted_root)

    def sign(self, signed: Any, role: str | None = None) -> bytes:
        metadata = Metadata(signed)
        metadata.sign(self.signers[role or signed.type])
        return metadata.to_bytes()

    def write_metadata(self, name: str, data: bytes) -> None:
        (self.folder / "metadata" / name).write_bytes(data)

    def read_metadata(self, name: str) -> bytes:
        return (self.folder / "metadata" / name).read_bytes()

    def put(self, path: str, data: bytes) -> Path:
        target = TargetFile.from_data(path, data, ["sha256"])
        self.targets[path] = target
        folder, _, name = path.rpartition("/")
        stored = self.folder / "targets" / folder / f"{target.hashes['sha256']}.{name}"
        stored.parent.mkdir(parents=True, exist_ok=True)
        stored.write_bytes(data)
        return stored

    def stored(self, path: str) -> Path:
        folder, _, name = path.rpartition("/")
        return self.folder / "targets" / folder / f"{self.targets[path].hashes['sha256']}.{name}"

    def add(self, bundle_path: Path) -> None:
        """Publishes a bundle as the current version."""
        bundle = open_bundle(bundle_path)
        model, version = bundle.manifest.model, bundle.manifest.version
        for path in ["manifest.json", *(file.path for file in bundle.manifest.files)]:
            self.put(f"{model}/{version}/{path}", bundle.read(path))
        self.published.setdefault(model, []).append(version)
        self.set_current(model, version)

    def set_current(self, model: str, version: str) -> None:
        self.put_release(model, {STABLE: Channel(version)})

    def put_release(self, model: str, channels: dict[str, Channel]) -> None:
        """Publishes another policy for the versions of a model."""
        versions = tuple(PublishedVersion(name, PUBLISHED_AT) for name in self.published[model])
        self.put(f"{model}/release.json", Release(model, versions, channels).to_bytes())
        self.commit()

    def delegate(self, model: str) -> None:
        """Gives a model a role and a key of its own."""
        self.signers.setdefault(model, CryptoSigner.generate_ed25519())
        self.versions[model] = 0
        add_delegation(self.delegating, model, [self.signers[model].public_key])

    def commit(self) -> None:
        """Signs new metadata over all targets."""
        models = sorted({path.split("/")[0] for path in self.targets})
        for model in models:
            if model not in self.versions:
                self.delegate(model)
        signed = {"targets": self.delegating}
        for model in models:
            own = {path: x for path, x in self.targets.items() if path.split("/")[0] == model}
            signed[model] = Targets(targets=own)
        self.commit_signed(signed)

    def commit_signed(self, signed: dict[str, Targets]) -> None:
        """Signs these metadata as new versions, and the online roles over them."""
        meta = {}
        for role, targets in signed.items():
            self.versions[role] += 1
            targets.version, targets.expires = self.versions[role], self.expires
            data = self.sign(targets, role)
            self.write_metadata(f"{targets.version}.{role}.json", data)
            meta[f"{role}.json"] = MetaFile.from_data(targets.version, data, ["sha256"])
        self.versions["snapshot"] += 1
        version = self.versions["snapshot"]
        snapshot = self.sign(Snapshot(version, expires=self.expires, meta=meta))
        self.write_metadata(f"{version}.snapshot.json", snapshot)
        self.write_timestamp(snapshot)

    def write_timestamp(self, snapshot: bytes, expires: datetime | None = None) -> None:
        self.versions["timestamp"] += 1
        meta = MetaFile.from_data(self.versions["snapshot"], snapshot, ["sha256"])
        version = self.versions["timestamp"]
        timestamp = Timestamp(version, expires=expires or self.expires, snapshot_meta=meta)
        self.write_metadata("timestamp.json", self.sign(timestamp))


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files; counts them; and can break off an answer, never end one, or fall silent."""

    requested: list[str]
    cut_at_bytes: dict[str, int]
    endless: set[str]
    silent: set[str]
    asked_silent: threading.Event
    released: threading.Event

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.requested.append(self.path)
        if any(name in self.path for name in self.endless):
            self._never_end()
            return
        if any(name in self.path for name in self.silent):
            self.asked_silent.set()
            self.released.wait()
            return
        for name, size_bytes in self.cut_at_bytes.items():
            if name in self.path:
                self._break_off(size_bytes)
                return
        super().do_GET()

    def _break_off(self, size_bytes: int) -> None:
        data = Path(self.translate_path(self.path)).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[:size_bytes])

    def _never_end(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(bytes(1 << 16))
        except OSError:
            pass  # the client hung up, as it should


class Server:
    """A real HTTP server of a folder, on loopback."""

    def __init__(self, folder: Path) -> None:
        self.requested: list[str] = []
        self.cut_at_bytes: dict[str, int] = {}
        self.endless: set[str] = set()
        self.silent: set[str] = set()
        self.asked_silent, self.released = threading.Event(), threading.Event()
        handler = partial(type("Handler", (_Handler,), vars(self)), directory=str(folder))
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def running(self) -> Iterator["Server"]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield self
        finally:
            self.released.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()
