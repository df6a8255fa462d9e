"""`mailfleet lab`: bring the test fleet up and down."""

import click


@click.group()
def lab() -> None:
    """The test fleet: whole Debian machines in containers on this machine."""
