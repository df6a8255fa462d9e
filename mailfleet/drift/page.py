"""The report as one HTML page that needs nothing else."""

from functools import cache

import jinja2

from mailfleet.drift.finding import Report
from mailfleet.templates import ROOT


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROOT / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )
    return environment.get_template("drift/report.html.j2")


def page(report: Report) -> str:
    """HTML; whatever hosts say is escaped."""
    return _template().render(report=report)
