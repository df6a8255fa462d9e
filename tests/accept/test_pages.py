"""The pages that mailfleet writes, in a real browser: readable on a desk and on a phone, light and
dark, accessible as far as axe-core can tell, and sufficient to themselves."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from axe_core_python.selenium import Axe
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from mailfleet.checks.result import CheckResult, Status
from mailfleet.dns.finding import Verdict
from mailfleet.drift.finding import Finding, HostReport, Kind, Report
from mailfleet.report.drift_page import page
from mailfleet.report.fleet import FleetStatus
from tests.unit.conftest import fleet_from
from tests.unit.test_report import DNS, unwell, well

__all__ = ["fleet_from", "unwell", "well"]

_CHROMIUM, _DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

pytestmark = pytest.mark.skipif(
    not (_CHROMIUM and _DRIVER), reason="no Chromium; `make test` installs it"
)

_LONG = "/opt/" + "a-name-that-does-not-fit-a-phone/" * 4 + "compose.yaml"
_DIFF = ("@@ -1 +1 @@", "-password: ********", "+" + "a line that is wider than any phone " * 4)


@dataclass(frozen=True)
class View:
    """What a reader has."""

    width: int
    height: int
    scheme: str


VIEWS = {
    f"{name}, {scheme}": View(*size, scheme)
    for name, size in {"desk": (1280, 900), "phone": (360, 740)}.items()
    for scheme in ("light", "dark")
}


@pytest.fixture
def everything(well: FleetStatus, unwell: FleetStatus) -> FleetStatus:
    """A fleet of which there is something to tell of every kind."""
    host = "postal1"
    drift = [Finding(host, "base", kind, _LONG, "this", "that", "deploy again") for kind in Kind]
    drift[0] = replace(drift[0], diff=_DIFF)
    return replace(
        unwell,
        health=(
            *unwell.health,
            *(CheckResult(host, "caddy", f"chain of {it}", it, _LONG, "look") for it in Status),
        ),
        drift=Report(
            "i", "now", (HostReport(host, tuple(drift)), HostReport("off", error="cannot log in"))
        ),
        dns=tuple(replace(DNS, verdict=verdict) for verdict in Verdict),
        newer={"registry.test:5000/postal:3.3.7": "3.3.8"},
    )


@pytest.fixture
def pages(well: FleetStatus, everything: FleetStatus, tmp_path: Path) -> dict[str, Path]:
    texts = {
        "well": well.page(),
        "everything": everything.page(),
        "drift": page(everything.drift),
    }
    files = {name: tmp_path / f"{name}.html" for name in texts}
    for name, text in texts.items():
        files[name].write_text(text)
    return files


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(_CHROMIUM)
    for option in (
        "headless",
        # Chromium refuses to run as root with its sandbox, and CI is root. The pages are our own.
        "no-sandbox",
        "disable-gpu",
        "disable-quic",
        "disable-dev-shm-usage",
        "no-first-run",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        f"user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):
        options.add_argument(f"--{option}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    found = webdriver.Chrome(options, Service(_DRIVER))
    try:
        yield found
    finally:
        found.quit()


def _show(browser: webdriver.Chrome, file: Path, view: View) -> None:
    """Open a page as this reader sees it, with all that is folded away."""
    metrics = {"width": view.width, "height": view.height, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": view.scheme}]},
    )
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    browser.get(file.as_uri())
    browser.execute_script("for (const it of document.querySelectorAll('details')) it.open = true")


def _requests(browser: webdriver.Chrome) -> list[str]:
    events = (json.loads(it["message"])["message"] for it in browser.get_log("performance"))
    return [
        it["params"]["request"]["url"]
        for it in events
        if it["method"] == "Network.requestWillBeSent"
    ]


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS.keys())
def test_every_page_reads_well(
    browser: webdriver.Chrome, pages: dict[str, Path], view: View
) -> None:
    for name, file in pages.items():
        _show(browser, file, view)
        assert _requests(browser) == [file.as_uri()], name
        assert browser.get_log("browser") == [], name
        width = browser.execute_script("return document.documentElement.scrollWidth")
        assert width <= view.width, f"{name} is {width} wide"
        light = browser.execute_script(
            "const [r, g, b] = getComputedStyle(document.documentElement).backgroundColor"
            ".match(/[0-9]+/g).map(Number); return r + g + b > 384"
        )
        assert light is (view.scheme == "light"), name
        found = Axe().run(browser)
        assert found["passes"], name
        told = [(it["id"], [node["html"] for node in it["nodes"]]) for it in found["violations"]]
        assert told == [], name


def test_a_reader_finds_every_finding(
    browser: webdriver.Chrome, pages: dict[str, Path], everything: FleetStatus
) -> None:
    _show(browser, pages["everything"], VIEWS["phone, dark"])
    seen = browser.execute_script("return document.body.innerText")
    for words in (
        *Kind,
        *(one.message for one in everything.health),
        "cannot log in",
        "3.3.8 is available",
        'example.com. IN TXT "v=spf1 -all"',
        "<script>alert(1)</script>",
    ):
        assert words in seen, words
