"""Tests of real processes have real deadlines, and a machine that runs nobody for a while misses them for everybody.

A test that failed while the machine stood still says nothing, and is run again, in sight: twice at most. One that fails
while every processor ran has failed."""

from __future__ import annotations

import pytest
import pytest_timeout
from _pytest.runner import runtestprotocol

from edgeface.app.demo.stalls import StallMeter

LONG_S = 0.1  # the least that any deadline of these tests leaves as its margin
AGAIN = 2


def run_again_where_the_machine_stood_still(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    """For the hook pytest_runtest_protocol: True, the item was run and reported."""
    hook = item.ihook
    for left in range(AGAIN, -1, -1):
        hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        with StallMeter() as meter:
            reports = runtestprotocol(item, nextitem=nextitem, log=False)
        longest_s = max((s.end_s - s.begin_s for s in meter.stalls), default=0.0)
        if left and longest_s >= LONG_S and any(report.failed for report in reports):
            failed = next(report for report in reports if report.failed)
            _tell(item, f"{failed.longreprtext}\nrun again: the machine stood still for {longest_s * 1000:.0f} ms\n")
            hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
            item._initrequest()  # type: ignore[attr-defined]
            _whole_time_again(item)
            continue
        for report in reports:
            hook.pytest_runtest_logreport(report=report)
        hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True
    raise AssertionError("unreachable")


def _whole_time_again(item: pytest.Item) -> None:
    settings = pytest_timeout._get_item_settings(item)
    if settings.timeout:
        item.ihook.pytest_timeout_cancel_timer(item=item)
        item.ihook.pytest_timeout_set_timer(item=item, settings=settings)


def _tell(item: pytest.Item, text: str) -> None:
    reporter = item.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.ensure_newline()
        reporter.write_sep("-", f"{item.nodeid} failed")
        reporter.write_line(text)
