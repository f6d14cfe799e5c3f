"""How often the automatic halt stops a good rollout, and how soon a bad one. Prints tables.

Run: python docs/studies/halting.py

Devices report one after the other, each a failure with the same probability; the rule is looked
at after every report, as the server does. The probabilities are exact: those of the walk over
(reports, failures) that the rule has not stopped yet.
"""

from serving.rule import Rule

REPORTS = (20, 100, 1000, 5000)
FALSE_SHARES = (0.001, 0.0025, 0.005, 0.01, 0.015, 0.02)
BAD_SHARES = (0.04, 0.06, 0.1, 0.2, 0.5, 1.0)
LEAST_FAILURES = (1, 2, 3, 4)


def list_stopped(share: float, least_failures: int, most_reports: int) -> list[float]:
    """Returns, for each number of reports, the probability that the rule has halted by then."""
    rule = Rule(least_failing=least_failures)
    going = {0: 1.0}  # failures -> probability
    stopped = [0.0]
    for reports in range(1, most_reports + 1):
        following: dict[int, float] = {}
        for failures, probability in going.items():
            for added, weight in ((0, 1 - share), (1, share)):
                count = failures + added
                following[count] = following.get(count, 0.0) + probability * weight
        halted = [count for count in following if rule.stops(count, reports)]
        stopped.append(stopped[-1] + sum(following.pop(count) for count in halted))
        going = {count: each for count, each in following.items() if each > 1e-12}
    return stopped


def print_table(title: str, shares: tuple[float, ...], least_failures: int) -> None:
    """Prints the probability of a halt by number of reports, and the median number."""
    print(f"\n{title}, at least {least_failures} failing")
    print("failing share  " + "  ".join(f"by {reports:>5}" for reports in REPORTS) + "  median")
    for share in shares:
        stopped = list_stopped(share, least_failures, REPORTS[-1])
        by_reports = "  ".join(f"{stopped[reports]:8.2%}" for reports in REPORTS)
        median = next((number for number, each in enumerate(stopped) if each >= 0.5), None)
        print(f"{share:13.2%}  {by_reports}  {median or '-'}")


if __name__ == "__main__":
    for least in LEAST_FAILURES:
        print_table("false halts", FALSE_SHARES, least)
        print_table("detection", BAD_SHARES, least)
