"""Hosts that take mail in, whichever inventory they are in."""

mailserver_version = "16.0.1"
mailserver_handoff = "pipe"
