"""What `mailfleet health` finds, for Prometheus. A scrape is told what was last found: it starts no
question to any host, however often it comes."""

import time
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from mailfleet.health.probe import Result, Status

LABELS = ("host", "component", "probe")

CODES = {Status.OK: 0, Status.WARN: 1, Status.FAIL: 2, Status.UNKNOWN: 3}
"""Statuses as numbers, as Nagios counts them."""


class HealthCollector(Collector):
    """The last results. Series of a probe that is no longer asked end with it."""

    def __init__(self) -> None:
        self._found: Sequence[Result] = ()
        self._at = self._seconds = 0.0

    def keep(self, found: Sequence[Result], seconds: float) -> None:
        """Take the place of what was found before; `seconds` is how long it took."""
        self._found, self._at, self._seconds = found, time.time(), seconds

    def collect(self) -> Iterator[Metric]:
        """Nothing before the first results: absent is not healthy."""
        if not self._at:
            return
        yield self._family(
            "mailfleet_probe_status",
            "Result of a probe: 0 ok, 1 warn, 2 fail, 3 unknown.",
            ((one, CODES[one.status]) for one in self._found),
        )
        yield self._family(
            "mailfleet_probe_value",
            "What a probe measured, in the unit of its limit.",
            ((one, one.value) for one in self._found if one.value is not None),
        )
        yield GaugeMetricFamily(
            "mailfleet_health_timestamp_seconds", "When every probe was last asked.", self._at
        )
        yield GaugeMetricFamily(
            "mailfleet_health_duration_seconds", "How long that took.", self._seconds
        )

    @staticmethod
    def _family(name: str, text: str, values: Iterable[tuple[Result, float]]) -> Metric:
        family = GaugeMetricFamily(name, text, labels=LABELS)
        for one, value in values:
            family.add_metric((one.host, one.component, one.probe), value)
        return family
