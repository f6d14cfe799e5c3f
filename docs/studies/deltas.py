"""How much of a download a delta saves: `python docs/studies/deltas.py OLD NEW`.

Prints the delta between two files, and two simulated changes of OLD: its last tenth new, as after
training a new head on frozen features, and every float32 a thousandth off, as after fine-tuning.
"""

import sys
from pathlib import Path

import numpy as np

from mobile_assets.deltas import make_delta


def print_row(change: str, old: bytes, new: bytes) -> None:
    """Prints the share of the new file's bytes that each way of downloading it takes."""
    shares = [len(make_delta(before, new)) / len(new) for before in (b"", old)]
    saves = "yes" if shares[1] < shares[0] / 2 else "no"
    print(f"| {change} | {len(new)} | {shares[0]:.0%} | {shares[1]:.1%} | {saves} |")


def main() -> None:
    """Prints a table in Markdown."""
    old, new = (Path(name).read_bytes() for name in sys.argv[1:3])
    generator = np.random.default_rng(0)
    head = old[: len(old) * 9 // 10] + generator.bytes(len(old) - len(old) * 9 // 10)
    floats = np.frombuffer(old[: len(old) // 4 * 4], np.float32)
    factors = generator.normal(1, 1e-3, floats.size).astype(np.float32)
    with np.errstate(all="ignore"):
        tuned = (floats * factors).tobytes()
    print("| change | bytes | compressed | delta | made |\n| --- | --: | --: | --: | --- |")
    print_row("OLD to NEW", old, new)
    print_row("last tenth new", old, head)
    print_row("every float32 a thousandth off", old, tuned)


if __name__ == "__main__":
    main()
