"""Read by pyinfra at the start of each run in this directory."""

from pyinfra import config, state

from mailfleet.deploying.start import watch

config.REQUIRE_PYINFRA_VERSION = "~=3.10.0"
config.TEMP_DIR = "/tmp"
watch(state)
