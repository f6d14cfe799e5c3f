"""Settings of the server, read from `GHOSTLENS_*` variables of the environment."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from functools import partial
from pathlib import Path

from mobile_assets.api_key import KEY_VARIABLE
from mobile_assets.signing import PASSPHRASE_VARIABLE
from serving.access.origins import read_origins
from serving.access.rates import ADDRESS_LIMITS, KEY_LIMITS, Rate, read_limits
from serving.access.scopes import read_scopes
from serving.errors import SettingsError
from serving.publishing.objects import read_place
from training.sources import CACHE_VARIABLE

_PREFIX = "GHOSTLENS_"
# A halt or a raise reaches devices at their next check.
_OFTENER = 4
STATE_VARIABLE, DATABASE_VARIABLE = f"{_PREFIX}STATE", f"{_PREFIX}DATABASE"
PHOTOS_FOLDER = "photos"
# Variables of other rooms, which may stand in the same environment.
_FOREIGN = (KEY_VARIABLE, PASSPHRASE_VARIABLE, CACHE_VARIABLE)
_CHOICES = {
    "log_level": ("debug", "info", "warning", "error"),
    "log_format": ("auto", "json", "text"),
    "log_client_address": ("full", "truncated", "off"),
}
_TEXTS = ("files_url", "database", "metrics_address", *_CHOICES, "remote_url", "remote_key")
_METRICS_ADDRESS = re.compile(r"(\[[0-9a-f:]+\]|[^:/\s\[\]]+):[0-9]{1,5}", re.ASCII)
_RANGES = {
    "max_upload_bytes": (1024, 1 << 30),
    "workers": (0, 256),
    "threads": (1, 256),
    "recognise_at_once": (1, 64),
    "recognise_wait_s": (1, 600),
    "recognise_queue": (0, 1024),
    "receive_wait_s": (1, 600),
    "models_memory_mb": (1, 1 << 20),
    "remote_wait_s": (1, 600),
    "remote_fallback": (0, 1),
    "database_connections": (1, 100),
    "halt_limit_bp": (1, 9_999),
    "halt_least_failing": (1, 1_000),
    "raise_least_reports": (1, 1_000_000),
    "check_again_s": (60, 7 * 86_400),
    "keep_reports_days": (1, 3_650),
    "drain_s": (0, 300),
    "keep_photos": (0, 1),
    "keep_photos_days": (1, 3_650),
    "proxies": (0, 8),
    "count_every_s": (1, 300),
    "keep_counts_days": (1, 3_650),
    "most_scans_a_day": (1, 1_000_000),
    "server_takes_all": (0, 1),
}


@dataclass(frozen=True)
class Settings:
    """What a server needs to know.

    Attributes:
        repository: what `python -m serving publish` writes: a folder, or the address of object
            storage, `s3://bucket/prefix`.
        trusted_root: root metadata that the repository must descend from; empty takes the first
            root that lies in the repository itself.
        files_url: address that the repository's `targets/` are served below by others, as by a
            network of caches; devices are sent there. Empty serves them from here.
        max_upload_bytes: longest request body. A 50-megapixel JPEG has about 25 MB.
        workers: processes; 0 starts one a core, which is what recognising photos takes.
        threads: requests that each process answers at the same time; more than those that may be
            recognised or wait for it, so that others are refused and not kept waiting unseen.
        recognise_at_once: photos that each process decodes and recognises at the same time, with
            one thread each. Decoding one takes up to 400 MB, so this
            bounds memory too.
        recognise_wait_s: longest time from a photo's last byte to its answer, in seconds, before
            that is 503.
        recognise_queue: requests that may wait for such a place or still send their photo; more are
            answered 503 at once.
        receive_wait_s: longest time that a body may take to arrive, in seconds.
        models_memory_mb: megabytes that the model versions in memory may take, in each process.
        remote_url: another server of the Open Inference Protocol, which runs the networks in place
            of this one; empty runs them here. With a path, that of a version there:
            `http://triton:8000/v2/models/{model}-{version}`.
        remote_models: the models that the other server has, separated by commas; empty means all.
        remote_wait_s: longest time of a call of it, in seconds; less than `recognise_wait_s`, so
            that this machine can still answer.
        remote_fallback: 1 to answer here while the other server does not, 0 to answer 503.
        remote_key: is sent to the other server as a bearer token, where it asks for one.
        state: folder of what the server remembers: reports, halts, the audit log; None is
            `<repository>-state` beside a repository that is a folder.
        database: the same in a PostgreSQL database, which the servers of several machines can
            share: `postgresql://user@host/name`. Empty keeps it in the folder.
        database_connections: to it that each process keeps open, at most.
        halt_limit_bp: failing devices of 10,000 above which a rollout is halted.
        halt_least_failing: but not before so many devices failed.
        raise_least_reports: devices that must have reported before a raise takes effect.
        check_again_s: when devices shall ask again, in seconds; four times as often while a
            version is on its way.
        keep_reports_days: how long reports of versions that no channel offers are kept.
        log_level: the least that is logged: debug, info (each request), warning or error.
        log_format: json, text, or auto: text to a terminal and JSON to all else.
        log_client_address: full, truncated (to the network, /24 or /48), or off.
        metrics_address: `host:port` where `/metrics`, and it alone, is answered without a key, for
            inside a cluster; empty answers nowhere without one.
        drain_s: how long the server goes on after SIGTERM while `/readyz` says no, so that a
            balancer takes it out before it stops, in seconds.
        keep_photos: 1 keeps the photos that are sent with corrections, 0 none; those that are only
            to be recognised are never kept.
        keep_photos_days: how long such a photo is kept at most, in days.
        keep_photos_in: folder, or `s3://bucket/prefix`, of those photos; None is `photos` in the
            folder of the state.
        public_scopes: what may be asked without a key; None is everything for whoever asks from
            this very machine, and nothing for others.
        proxies: how many proxies stand before the server, each of which adds to X-Forwarded-For.
        count_every_s: how long a process keeps counts of scans in memory before it adds them to
            the state, in seconds; a process that is killed loses so much of them.
        keep_counts_days: how long counts of scans are kept, in days.
        most_scans_a_day: scans that one device may tell of a day; more are not counted.
        server_takes_all: 1 where apps send every photo here, 0 where they send what their device
            is not sure of: only the former are judged by what validation photos are like.
        key_limits: how often each key may ask, by scope: `GHOSTLENS_KEY_LIMITS=pull=300/minute,
            report=none` changes two, and leaves the others as they are.
        address_limits: the same of each client that asks without a key: an IPv4 address, or an
            IPv6 network of 64 bits; and of `refused`, requests whose key was none.
        cors_origins: the origins whose pages may ask from a browser, as in "https://shop.example".

    Raises:
        SettingsError: a value is out of its range; the message says what is allowed.
    """

    repository: Path | str = Path("out/repository")
    trusted_root: Path | None = None
    files_url: str = ""
    max_upload_bytes: int = 32 << 20
    workers: int = 0
    threads: int = 32
    recognise_at_once: int = 1
    recognise_wait_s: int = 10
    recognise_queue: int = 16
    receive_wait_s: int = 30
    models_memory_mb: int = 256
    remote_url: str = ""
    remote_models: tuple[str, ...] = ()
    remote_wait_s: int = 5
    remote_fallback: int = 1
    remote_key: str = field(default="", repr=False)
    state: Path | None = None
    database: str = field(default="", repr=False)
    database_connections: int = 5
    halt_limit_bp: int = 200
    halt_least_failing: int = 3
    raise_least_reports: int = 20
    check_again_s: int = 6 * 3600
    keep_reports_days: int = 90
    log_level: str = "info"
    log_format: str = "auto"
    log_client_address: str = "full"
    metrics_address: str = ""
    drain_s: int = 0
    keep_photos: int = 0
    keep_photos_days: int = 90
    keep_photos_in: Path | str | None = None
    public_scopes: tuple[str, ...] | None = None
    proxies: int = 0
    count_every_s: int = 5
    keep_counts_days: int = 400
    most_scans_a_day: int = 2_000
    server_takes_all: int = 0
    key_limits: Mapping[str, Rate] = field(default_factory=lambda: KEY_LIMITS)
    address_limits: Mapping[str, Rate] = field(default_factory=lambda: ADDRESS_LIMITS)
    cors_origins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, (least, most) in _RANGES.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise SettingsError(f"{name} is {value}: allowed are {least} to {most}")
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise SettingsError(
                    f"{name} is {getattr(self, name)!r}: allowed are {', '.join(allowed)}"
                )
        if self.metrics_address and not _METRICS_ADDRESS.fullmatch(self.metrics_address):
            raise SettingsError(
                f"metrics_address is {self.metrics_address!r}: allowed is host:port, as in "
                "0.0.0.0:9100"
            )
        admitted = self.recognise_at_once + self.recognise_queue
        if self.threads <= admitted:
            raise SettingsError(
                f"threads is {self.threads}: allowed are more than recognise_at_once and "
                f"recognise_queue together, which are {admitted}"
            )
        for name in ("remote_url", "files_url"):
            url = getattr(self, name)
            if url and not url.startswith(("https://", "http://")):
                raise SettingsError(f"{name} is {url!r}: allowed are https://... and http://...")
        if self.remote_url and self.remote_wait_s >= self.recognise_wait_s:
            raise SettingsError(
                f"remote_wait_s is {self.remote_wait_s}: allowed is less than recognise_wait_s, "
                f"which is {self.recognise_wait_s}"
            )

    @property
    def check_again_on_its_way_s(self) -> int:
        """When devices shall ask again while a version is on its way, in seconds."""
        return self.check_again_s // _OFTENER

    @property
    def file_sources(self) -> str:
        """Where pages find published files, as a content policy names it."""
        elsewhere = "/".join(self.files_url.split("/")[:3])
        return f"'self' {elsewhere}".strip()

    @property
    def photos_place(self) -> Path | str:
        """Where the photos of corrections are kept.

        Raises:
            SettingsError: they shall be kept, and nothing says where.
        """
        if self.keep_photos_in is not None:
            return self.keep_photos_in
        if self.state is not None or isinstance(self.repository, Path):
            return self.state_folder / PHOTOS_FOLDER
        if self.keep_photos:
            raise SettingsError("keep_photos needs keep_photos_in here: no folder holds the state")
        return Path(PHOTOS_FOLDER)  # where nothing is written

    @property
    def state_folder(self) -> Path:
        """The folder of what the server remembers."""
        return self.state or find_state(self.repository)

    @property
    def state_place(self) -> Path | str:
        """The folder or the address of the database of what the server remembers."""
        return self.database or self.state_folder

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] | None = None, **given: object
    ) -> "Settings":
        """Reads the settings: `GHOSTLENS_THREADS=4` sets `threads`.

        Args:
            environment: variable name -> value; the process's own when not given.
            given: values that override the environment; None leaves a setting alone.

        Raises:
            SettingsError: an unknown `GHOSTLENS_` variable, or a value that is not allowed.
        """
        environment = os.environ if environment is None else environment
        known = {entry.name for entry in fields(cls)}
        values: dict[str, object] = {}
        for variable, text in sorted(environment.items()):
            if not variable.startswith(_PREFIX) or variable in _FOREIGN:
                continue
            name = variable.removeprefix(_PREFIX).lower()
            if name not in known:
                allowed = ", ".join(_PREFIX + known_name.upper() for known_name in sorted(known))
                near = get_close_matches(name, known, n=1)
                meant = f" (is {_PREFIX}{near[0].upper()} meant?)" if near else ""
                raise SettingsError(
                    f"the variable {variable} is not known{meant}: allowed are {allowed}"
                )
            values[name] = _read(variable, name, text)
        values |= {name: value for name, value in given.items() if value is not None}
        return cls(**values)  # type: ignore[arg-type]


def find_state(repository: Path | str) -> Path:
    """Returns the folder of a server's state, where none is set: beside the repository.

    Raises:
        SettingsError: nothing on this machine lies beside it.
    """
    if isinstance(repository, str):
        raise SettingsError(
            f"the state of {repository} needs a folder on this machine: --state or "
            f"{STATE_VARIABLE} names it"
        )
    return repository.with_name(f"{repository.name}-state")


def _read_optional_place(text: str) -> Path | str | None:
    return read_place(text) if text else None


def _read_optional_path(text: str) -> Path | None:
    return Path(text) if text else None


def _read_names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


# All others are whole numbers.
_READERS: Mapping[str, Callable[[str], object]] = {
    **dict.fromkeys(_TEXTS, str),
    "repository": read_place,
    "keep_photos_in": _read_optional_place,
    "trusted_root": _read_optional_path,
    "state": _read_optional_path,
    "remote_models": _read_names,
    "public_scopes": read_scopes,
    "key_limits": partial(read_limits, defaults=KEY_LIMITS),
    "address_limits": partial(read_limits, defaults=ADDRESS_LIMITS),
    "cors_origins": read_origins,
}


def _read(variable: str, name: str, text: str) -> object:
    if name in _READERS:
        return _READERS[name](text)
    try:
        return int(text)
    except ValueError:
        raise SettingsError(f"{variable} is {text!r}: it must be a whole number") from None
