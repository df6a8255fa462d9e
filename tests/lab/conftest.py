"""What every lab test may ask for."""

from tests.lab.fixtures import (
    copied_tree,
    deployed,
    internet1,
    lab,
    mx1,
    operator,
    postal1,
    postal2,
    restored,
)

__all__ = [
    "copied_tree",
    "deployed",
    "internet1",
    "lab",
    "mx1",
    "operator",
    "postal1",
    "postal2",
    "restored",
]
