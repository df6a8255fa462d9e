"""The report as one HTML page."""

from mailfleet.drift.finding import Report
from mailfleet.report import html


def page(report: Report) -> str:
    """HTML; whatever hosts say is escaped."""
    return html.page("drift", report=report)
