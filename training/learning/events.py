"""TensorBoard event files, written without TensorFlow.

`torch.utils.tensorboard` imports TensorFlow wherever it is installed, which costs seconds and
hundreds of megabytes; its own record writer and messages do not.
"""

import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter


class EventWriter:
    """Appends scalars to a new event file; TensorBoard merges all files of a folder.

    Args:
        directory: the folder, made where it is missing.
        first_step: earlier runs' figures from this step on are no longer shown.
    """

    def __init__(self, directory: Path, first_step: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{time.time_ns()}.{socket.gethostname()}"
        self._file = (directory / name).open("wb")
        self._records = RecordWriter(self._file)
        self._write(Event(file_version="brain.Event:2"))
        if first_step:
            start = {"status": 1}  # SessionLog.START: TensorBoard purges from this step on
            self._write(Event(step=first_step, session_log=start))

    def add(self, step: int, values: dict[str, float]) -> None:
        """Writes one figure for each name, and flushes them to disk."""
        entries = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._write(Event(step=step, summary=Summary(value=entries)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def _write(self, event: Event) -> None:
        event.wall_time = time.time()
        self._records.write(event.SerializeToString())
        self._file.flush()
