"""Metrics for Prometheus: by HTTP on this machine alone, or as a file that node_exporter picks up."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, start_http_server, write_to_textfile
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from edgeface.domain.errors import ConfigError
from edgeface.domain.measures import Distribution, Metric

LOOPBACK = "127.0.0.1"
Source = Callable[[], Iterable[Metric]]


class _Collector(Collector):
    def __init__(self, source: Source) -> None:
        self._source = source

    def describe(self) -> list[Family]:
        """Nothing is asked for at the registration: the daemon may not be up."""
        return []

    def collect(self) -> Iterator[Family]:
        for metric in self._source():
            yield _family(metric)


def _family(metric: Metric) -> Family:
    if metric.kind == "histogram":
        histogram = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for sample in metric.samples:
            if isinstance(sample.value, Distribution):
                histogram.add_metric(sample.labels, _buckets(sample.value), sample.value.total)
        return histogram
    kind = GaugeMetricFamily if metric.kind == "gauge" else CounterMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels)
    for sample in metric.samples:
        if not isinstance(sample.value, Distribution):
            family.add_metric(sample.labels, sample.value)
    return family


def _buckets(found: Distribution) -> list[tuple[str, float]]:
    so_far, buckets = 0, []
    for bound, count in zip((*map(str, found.bounds), "+Inf"), found.counts, strict=True):
        so_far += count
        buckets.append((bound, float(so_far)))
    return buckets


class PrometheusServer:
    """GET /metrics on 127.0.0.1."""

    def __init__(self, source: Source, port: int) -> None:
        """`port` 0: any free one; `port` says which after `start`."""
        self._source, self.port = source, port
        self._stop: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Raises ConfigError where the port can't be had."""
        registry = CollectorRegistry()
        registry.register(_Collector(self._source))
        try:
            server, thread = start_http_server(self.port, LOOPBACK, registry)
        except OSError as e:
            raise ConfigError(
                f"The metrics can't be had on port {self.port} ({e.strerror or e}).", "Give another metrics.port."
            ) from None
        self.port = int(server.server_port)

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join(2.0)

        self._stop = stop

    def stop(self) -> None:
        self._stop()
        self._stop = lambda: None


class PrometheusFile:
    """Writes `path` anew (beside it, then renamed) every `interval_s`. `report` hears the sentence of a failure once,
    until it works again. The file goes when this stops: node_exporter would show its last state for ever."""

    def __init__(self, source: Source, path: Path, interval_s: float, report: Callable[[str], None]) -> None:
        self._path, self._interval_s, self._report = path, interval_s, report
        self._registry = CollectorRegistry()
        self._registry.register(_Collector(source))
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="metrics file", daemon=True)
        self._failed = False

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(2.0)
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def write(self) -> None:
        try:
            write_to_textfile(str(self._path), self._registry)
        except OSError as e:
            if not self._failed:
                self._report(f"The metrics file {self._path} can't be written ({e.strerror or e}).")
            self._failed = True
        else:
            self._failed = False

    def _work(self) -> None:
        while True:
            self.write()
            if self._stopped.wait(self._interval_s):
                return
