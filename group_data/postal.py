"""Hosts that run Postal, whichever inventory they are in."""

postal_version = "3.3.7"
postal_worker_threads = 4
