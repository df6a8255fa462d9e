"""What `mailfleet health` finds, for Prometheus. A scrape is told what was last found: it starts no
question to any host, however often it comes."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from mailfleet.checks.result import CheckResult, Level, Status

LABELS = ("host", "component", "probe", "level")

CODES = {Status.OK: 0, Status.WARN: 1, Status.FAIL: 2, Status.UNKNOWN: 3}
"""Statuses as numbers, as Nagios counts them."""


@dataclass(frozen=True)
class Look:
    """The last results of one level's own probes, when they were asked, and how long it took."""

    found: Sequence[CheckResult]
    at: float
    seconds: float


class HealthCollector(Collector):
    """The last results of each level. Series of a probe that is no longer asked end with the next
    look at its level."""

    def __init__(self) -> None:
        self._looks: dict[Level, Look] = {}

    def keep(self, found: Sequence[CheckResult], seconds: float, level: Level) -> None:
        """Take the place of what was found before up to this level, `quick` or `full`: what a quick
        look does not ask keeps its result, with the time at which it was asked. `seconds` is how
        long the look took."""
        now = time.time()
        for one in {Level.QUICK, level}:
            self._looks[one] = Look([it for it in found if it.level is one], now, seconds)

    def collect(self) -> Iterator[Metric]:
        """Nothing before the first results: absent is not healthy."""
        if not self._looks:
            return
        yield self._of_results(
            "mailfleet_probe_status",
            "Result of a probe: 0 ok, 1 warn, 2 fail, 3 unknown.",
            lambda one: CODES[one.status],
        )
        yield self._of_results(
            "mailfleet_probe_value",
            "What a probe measured, in the unit of its limit.",
            lambda one: one.value,
        )
        yield self._of_looks(
            "mailfleet_health_timestamp_seconds",
            "When every probe of the level was last asked.",
            lambda look: look.at,
        )
        yield self._of_looks(
            "mailfleet_health_duration_seconds", "How long that took.", lambda look: look.seconds
        )

    def _of_results(
        self, name: str, text: str, value: Callable[[CheckResult], float | None]
    ) -> Metric:
        family = GaugeMetricFamily(name, text, labels=LABELS)
        for look in self._looks.values():
            for one in look.found:
                if (number := value(one)) is not None:
                    labels = (one.host, one.component, one.name, one.level.value)
                    family.add_metric(labels, number)
        return family

    def _of_looks(self, name: str, text: str, value: Callable[[Look], float]) -> Metric:
        family = GaugeMetricFamily(name, text, labels=("level",))
        for level, look in self._looks.items():
            family.add_metric((level.value,), value(look))
        return family
