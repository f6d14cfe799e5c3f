"""TensorBoard reads our event files, and figures of a killed run do not stand twice."""

import subprocess
import sys
from pathlib import Path

from training.learning.events import EventWriter

READ = """
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1])
events.Reload()
print([(e.step, e.value) for e in events.Scalars("top1")])
"""


def test_tensorboard_shows_a_resumed_run_once(tmp_path: Path) -> None:
    with EventWriter(tmp_path, 1) as events:
        for step in (1, 2, 3):
            events.add(step, {"top1": step / 2, "top5": 1.0})
    with EventWriter(tmp_path, 3) as events:
        events.add(3, {"top1": 9.0})
    shown = subprocess.run(
        [sys.executable, "-c", READ, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "[(1, 0.5), (2, 1.0), (3, 9.0)]"
