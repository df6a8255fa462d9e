"""The lab: a test fleet of whole Debian machines in containers on this machine."""
