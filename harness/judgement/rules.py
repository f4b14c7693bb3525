"""The rules that a trial, a pair or a cell must keep: codes, bounds and remedies, as data.

The documentation's table of rules is made from `RULES`; `harness.judgement.checks` holds a check for each.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.ground.model import Finding, Severity

NOT_CHECKED = "not checked"
MIN_BLOCKS = 5
"""Fewer allow no verdict."""
WIDE_BLOCKS = 10
"""Fewer leave wide intervals."""
UNSTABLE_PERCENT = 10.0
HIT_POINTS = 2.0
"""How far a cache's hit rate may be from the scenario's, in points of %."""
LEAST_SECONDS = 6
"""Shorter series show no level."""
SHIFT_PERCENT = {"requests": 5.0, "response_p99_ms": 20.0}
"""By column of a trial's series."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table of rules, from which the documentation is made."""

    code: str
    severity: Severity
    rule: str
    """What must hold."""
    threshold: str
    """The bound in words, with its unit."""
    remedy: str
    lower_is_worse: bool = False
    """Of two findings' figures, the lower one is the worse."""


RULES: tuple[Rule, ...] = (
    Rule(
        "trial-failed",
        "invalid",
        "the trial has a measurement window",
        "a measurement window",
        "read sut.log and generator.log in the trial's folder, mend what they name, and run again",
    ),
    Rule(
        "sut-crashed",
        "invalid",
        "the system under test runs until it is told to end",
        "no exit before the end",
        "read sut.log in the trial's folder",
    ),
    Rule(
        "sut-restarted",
        "invalid",
        "every process of the system under test that was there before the first user is there after the last",
        "0 ended",
        "read sut.log in the trial's folder: a worker died and its master replaced it",
    ),
    Rule(
        "oom-killed",
        "invalid",
        "the kernel kills no process of the system under test for want of memory",
        "0 OOM kills",
        "raise the memory cap (`--memory`), or use fewer workers",
    ),
    Rule(
        "worker-lost",
        "invalid",
        "every process of the load generator lives to the end",
        "0 lost",
        "read generator.log in the trial's folder, give the generator memory and CPUs enough, and run again",
    ),
    Rule(
        "worker-imbalance",
        "invalid",
        "the users of every process of the load generator get as many answers as those of the others",
        "requests per user within 10 % of the mean of all, or three standard deviations of chance",
        "give every generator process a CPU of its own and hosts of equal speed; a scenario must not depend "
        "on the process that it runs in",
    ),
    Rule(
        "scenario-mistakes",
        "invalid",
        "the scenario's own code raises nothing",
        "0 exceptions",
        "mend the scenario; `load.mistakes` of trial.json and generator.log have every place",
    ),
    Rule(
        "errors",
        "invalid",
        "every request gets the status and body that it must get, in time",
        "<= 0.1 % of requests",
        "the first error of each kind is in trial.json; `webdyno verify` shows what the variant answers",
    ),
    Rule(
        "count-mismatch",
        "invalid",
        "over the whole trial as many requests arrived at the system under test as the generator counts",
        "0 more or fewer",
        "the load generator is wrong: tell its authors, with the trial's folder",
    ),
    Rule(
        "hit-rate",
        "invalid",
        "where a scenario is about a cache, as many of the answers are hits as it is made for",
        "within 2 points of the scenario's rate",
        "who hits more often does less work, who hits less often more: look at the variant's cache key, what "
        "it keeps, and for how long (`load.marks` of trial.json)",
    ),
    Rule(
        "starved-users",
        "invalid",
        "`closed`: every user gets an answer in the window",
        "<= 1 % of users",
        "use a longer window (`--seconds`) or fewer users (`--users`); beside `host-noise` quiet the machine "
        "first",
    ),
    Rule(
        "littles-law",
        "invalid",
        "`closed`: the users' time in the window, in flight and thinking, is users × window; and rate × "
        "(response + think time) of the completed requests is the number of users",
        "within 1 % (time) and 3 % (completed) of users, or no more lost than the generator's CPU time",
        "where the users' time is off, the generator lost some: read generator.log and use fewer users; else "
        "the rate changed at an edge of the window: use a longer one (`--seconds`), on a quieter machine",
    ),
    Rule(
        "window-short",
        "warning",
        "the window is long beside a response time; else Little's law is not checked",
        ">= 10 × the mean response time",
        "use a longer window (`--seconds`) or fewer users (`--users`)",
        lower_is_worse=True,
    ),
    Rule(
        "rate-not-reached",
        "invalid",
        "`rate`: as many requests are answered in the window as are due in it",
        ">= 99 % of the rate, less three standard deviations of chance arrivals",
        "the system under test did not keep up (or the generator, where that was busy), so response time "
        "grows for as long as the load lasts; use a lower rate (`--rate`), or ask what it can serve "
        "(`--profile closed`)",
        lower_is_worse=True,
    ),
    Rule(
        "slo-never-met",
        "invalid",
        "`capacity`: there is a rate at which the p99 keeps its bound",
        "p99 within the bound at 120 requests in a window",
        "the lowest rate of which a p99 can be told was missed, twice: allow a higher p99 (`--slo`), or look "
        "at why it is slow when it is nearly idle (`webdyno show`, sut.log)",
    ),
    Rule(
        "capacity-unclear",
        "invalid",
        "`capacity`: the search ends at a rate that was met twice, and missed twice a little above",
        "fewer than 3 probes in a row that say nothing, fewer than 30 in all",
        "read the findings of the block's other trials: where the generator was busy give it more CPUs, "
        "where the machine is noisy keep it quiet, and use longer windows (`--seconds`)",
    ),
    Rule(
        "capacity-beyond",
        "warning",
        "`capacity`: the search ends below what the generator can ask for: half of its ceiling, or where it "
        "is too busy itself",
        "a rate that was missed",
        "the capacity is at least this: give the generator more or faster CPUs, or the SUT less (`--cpus`)",
    ),
    Rule(
        "send-lag",
        "invalid",
        "`rate`: requests are sent when they are due: the mean lag is a small part of the mean response time "
        "(else invalid, under `capacity` a warning), and those of idle users are on time (else a warning)",
        "mean lag <= 10 % of the mean response time; p99 of idle users < 1 ms",
        "use more users (`--users`) or a lower rate (`--rate`), and give the generator a CPU of its own; "
        "response times of some 0.1 ms are too short beside its lag",
    ),
    Rule(
        "generator-busy",
        "invalid",
        "in every 5 s of the window a generator process uses less than 80 % of its core and waits less than "
        "5 % in the run queue",
        "< 80 % of its core, < 5 % waiting",
        "give the generator more or faster CPUs of its own; the figure is a bound on it, not on the variant",
    ),
    Rule(
        "generator-stall",
        "invalid",
        "a 50 ms probe inside the generator is never late by more than 100 ms",
        "<= 100 ms",
        "give the generator a CPU of its own and keep the machine quiet",
    ),
    Rule(
        "generator-ceiling",
        "warning",
        "the generator reaches at least twice the cell's rate against a null SUT, with the same scenario",
        ">= 2 × the cell's requests/s",
        "give the generator more or faster CPUs: near its ceiling it shapes what it measures",
        lower_is_worse=True,
    ),
    Rule(
        "unsteady",
        "warning",
        "second by second the rate and the p99 of the response time keep their level over the window",
        "no change of level by more than 5 % (rate), 20 % (p99)",
        "use a longer warm-up (`--warmup`) or a longer window (`--seconds`)",
    ),
    Rule(
        "host-noise",
        "warning",
        "no other process uses the system under test's CPUs, and no other virtual machine those of the trial",
        "<= 5 % of the system under test's CPUs by others, <= 1 % stolen",
        "end what else runs on the machine; stolen time needs another machine, or another hour",
    ),
    Rule(
        "connection-churn",
        "warning",
        "each user keeps its one connection",
        "<= users",
        "look at the server's keep-alive and at its limit of connections",
    ),
    Rule(
        "tls-differs",
        "warning",
        "all connections by TLS of one scenario and load, whatever the variant, agree on the same version "
        "and cipher suite",
        "1 version and cipher suite",
        "let `tls` of each variant.toml ask for the same: another cipher is other work",
    ),
    Rule(
        "few-blocks",
        "warning",
        "there are blocks enough: 5 for a verdict, 10 for narrow intervals",
        ">= 5 blocks for a verdict, >= 10 for narrow intervals",
        "use more blocks (`--blocks`)",
        lower_is_worse=True,
    ),
    Rule(
        "aa-differs",
        "warning",
        "a variant measured against itself does not differ: the A/A pair's interval of requests/s "
        "(`rate`: p50) holds 1",
        "an interval that holds 1",
        "something other than the variants makes a difference here: find it before trusting small ratios",
    ),
    Rule(
        "unstable",
        "warning",
        "the per-block ratios of requests/s (`rate`: p50) of a pair agree",
        "< 10 % coefficient of variation",
        "keep the machine quiet, use longer windows (`--seconds`) or more blocks (`--blocks`)",
    ),
    Rule(
        "caps-not-enforced",
        "warning",
        "the kernel enforces the CPU and the memory cap",
        "both caps set",
        "run as root, in a delegated cgroup, or with a Docker engine; `webdyno doctor` says what is missing",
    ),
    Rule(
        "overlap",
        "note",
        "the system under test, the services and the generator share no CPU",
        "no shared CPU",
        "use a machine with more CPUs",
    ),
    Rule(
        "slow-interpreter",
        "note",
        "the system under test's Python was built with optimisation",
        "built with --enable-optimizations",
        "use a release build of Python, such as a distribution's or uv's",
    ),
)
BY_CODE = {rule.code: rule for rule in RULES}


def broken(
    code: str,
    figure: float | None,
    *,
    threshold: str = "",
    reason: str = "",
    severity: Severity | None = None,
) -> Finding:
    """Return the finding that a rule is broken.

    `threshold` names one of its bounds, `severity` that bound's own where it is another, `reason` the event.
    """
    rule = BY_CODE[code]
    remedy = f"{reason}: {rule.remedy}" if reason else rule.remedy
    return Finding(code, severity or rule.severity, figure, threshold or rule.threshold, remedy)


def unchecked(code: str, reason: str) -> Finding:
    """Return the note that a rule could not be checked."""
    return Finding(code, "note", None, BY_CODE[code].threshold, f"{NOT_CHECKED}: {reason}")
