"""`mailfleet queue` as an operator types it."""

import json
from typing import Any

from tests.lab.console import Operator


def entries(operator: Operator, host: str, mark: str) -> list[dict[str, Any]]:
    outcome = operator.run("mailfleet", "queue", operator.inventory, "--host", host, "--json").ok()
    return [one for one in json.loads(outcome.screen) if mark in one["sender"]]


def act(operator: Operator, host: str, action: str, *options: str, answer: str = "") -> str:
    chosen = [operator.inventory, action, "--host", host, *options]
    return operator.run("mailfleet", "queue", *chosen, answer=answer).screen
