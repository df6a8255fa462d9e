"""Take the pictures of docs/how-to/report.md from a page that `mailfleet report` wrote.

python docs/screenshots.py report.html
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

IMAGES = Path(__file__).parent / "images"
VIEWS = {
    "report-light": (900, 640, "light", ""),
    "report-dark": (900, 640, "dark", "#health"),
    "report-phone": (375, 740, "light", "#health"),
}
"""Width, height, colours, and where the page is scrolled to."""


def main() -> None:
    page = Path(sys.argv[1]).resolve().as_uri()
    with TemporaryDirectory() as profile:
        options = webdriver.ChromeOptions()
        for option in ("headless", "no-sandbox", "disable-gpu", f"user-data-dir={profile}"):
            options.add_argument(f"--{option}")
        browser = webdriver.Chrome(options, Service("/usr/bin/chromedriver"))
        try:
            for name, (width, height, scheme, part) in VIEWS.items():
                metrics = {"width": width, "height": height, "deviceScaleFactor": 1}
                browser.execute_cdp_cmd(
                    "Emulation.setDeviceMetricsOverride", {**metrics, "mobile": True}
                )
                feature = {"name": "prefers-color-scheme", "value": scheme}
                browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
                browser.get(page + part)
                browser.save_screenshot(str(IMAGES / f"{name}.png"))
        finally:
            browser.quit()


main()
