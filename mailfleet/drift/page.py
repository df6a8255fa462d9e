"""The report as one HTML page."""

from mailfleet import html
from mailfleet.drift.finding import Report


def page(report: Report) -> str:
    """HTML; whatever hosts say is escaped."""
    return html.page("drift", report=report)
