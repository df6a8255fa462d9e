"""The lab host whose programs read what is rendered."""

from tests.lab.fixtures import deployed, lab, operator, postal1

__all__ = ["deployed", "lab", "operator", "postal1"]
