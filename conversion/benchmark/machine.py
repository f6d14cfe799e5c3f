"""The machine that a benchmark runs on, and how busy others kept it meanwhile."""

import os
import platform
import resource
from pathlib import Path
from typing import Any

_STAT = Path("/proc/stat")


def describe_machine() -> dict[str, Any]:
    """Returns processor, cores, memory and system, in words and numbers."""
    return {
        "processor": _processor(),
        "cores": usable_cores(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def usable_cores() -> int:
    """Returns on how many cores this process may run."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "not known"


class Bystanders:
    """Measures how much of the machine's processor time others took while a benchmark ran."""

    def __init__(self) -> None:
        self._total_s, self._busy_s = _machine_s()
        self._own_s = _own_s()

    def share(self) -> float | None:
        """Returns others' share of processor time since the start, 0 to 1.

        To be called once the benchmark's own processes have ended; None where the system does
        not tell.
        """
        total_s, busy_s = _machine_s()
        if total_s <= self._total_s:
            return None
        others_s = (busy_s - self._busy_s) - (_own_s() - self._own_s)
        return min(1.0, max(0.0, others_s / (total_s - self._total_s)))


def _machine_s() -> tuple[float, float]:
    """Returns seconds of all cores together, and those that were not idle; see proc(5), stat."""
    try:
        line = _STAT.read_text(encoding="ascii").splitlines()[0]
    except OSError:
        return 0.0, 0.0
    user, nice, system, idle, iowait, irq, softirq, steal = map(int, line.split()[1:9])
    busy = user + nice + system + irq + softirq + steal
    ticks = os.sysconf("SC_CLK_TCK")
    return (busy + idle + iowait) / ticks, busy / ticks


def _own_s() -> float:
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(entry.ru_utime + entry.ru_stime for entry in spent)
