"""What exports the metrics, as the settings want it. Nothing of it is loaded where they want none."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from edgeface.app.settings import Settings
from edgeface.domain.errors import ConfigError
from edgeface.domain.measures import Metric

if TYPE_CHECKING:
    from edgeface.adapters.system.prometheus import PrometheusFile, PrometheusServer


class Exports:
    """A service of the daemon. A port that is taken is said and costs the door nothing."""

    def __init__(
        self, settings: Settings, source: Callable[[], Iterable[Metric]], report: Callable[[str], None]
    ) -> None:
        self._settings, self._source, self._report = settings, source, report
        self._running: list[PrometheusFile | PrometheusServer] = []

    def start(self) -> None:
        wanted = self._settings.metrics
        if not wanted.port and wanted.textfile is None:
            return
        from edgeface.adapters.system.prometheus import PrometheusFile, PrometheusServer

        exports: list[PrometheusFile | PrometheusServer] = []
        if wanted.port:
            exports.append(PrometheusServer(self._source, wanted.port))
        if wanted.textfile is not None:
            exports.append(PrometheusFile(self._source, wanted.textfile, wanted.interval_s, self._report))
        for export in exports:
            try:
                export.start()
            except ConfigError as e:
                self._report(str(e))
            else:
                self._running.append(export)

    def change(self, settings: Settings) -> None:
        """Other settings; the export begins anew where they are about it."""
        before, self._settings = self._settings.metrics, settings
        if settings.metrics != before:
            self.stop()
            self.start()

    def stop(self) -> None:
        while self._running:
            self._running.pop().stop()
