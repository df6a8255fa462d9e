"""What is wrong in a postal.yml."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """A mistake in a configuration. `value` is masked where it is or could hold a secret."""

    path: str
    value: object
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}; {self.remedy}"
