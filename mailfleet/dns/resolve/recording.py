"""Save the answers of a run to a file and check them again without a network."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mailfleet.dns.resolve.answer import Answer, Question, Status
from mailfleet.dns.resolve.probe import PROBES
from mailfleet.dns.resolve.wire import TYPES

Type = Annotated[str, Field(pattern=f"^({'|'.join((*TYPES, *PROBES))})$")]


class UnreadableRecordingError(Exception):
    """Not a file that `save_answers` wrote."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    type: Type
    status: Status
    values: tuple[str, ...] = ()
    chain: tuple[str, ...] = ()
    ttl: Annotated[int, Field(ge=0)] = 0
    unchecked: bool = False
    secure: bool = False


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: Annotated[int, Field(ge=1, le=1)]
    answers: list[_Entry]


def save_answers(answers: Iterable[Answer], file: Path) -> None:
    """Write the file, one answer a line. Raises OSError."""
    with file.open("w", encoding="utf-8") as lines:
        lines.write('{"version": 1, "answers": [')
        lead = ""
        for answer in answers:
            entry = {
                "name": answer.question.name,
                "type": answer.question.type,
                "status": answer.status.value,
                "values": answer.values,
                "chain": answer.chain,
                "ttl": answer.ttl,
                "unchecked": answer.question.unchecked,
                "secure": answer.secure,
            }
            lines.write(f"{lead}\n{json.dumps(entry)}")
            lead = ","
        lines.write("\n]}\n")


class Recording:
    """Answers by question, the last one where it was asked again."""

    def __init__(self, answers: Iterable[Answer]) -> None:
        self._answers = {answer.question: answer for answer in answers}

    def lookup(self, question: Question) -> Answer:
        return self._answers.get(question) or Answer(question, Status.NOT_RECORDED)

    @classmethod
    def load(cls, file: Path) -> "Recording":
        """Read a file that `save_answers` wrote. Raises OSError and UnreadableRecordingError."""
        try:
            content = _File.model_validate_json(file.read_bytes())
        except ValidationError as error:
            wrong = error.errors()[0]
            place = "".join(f"{part}: " for part in wrong["loc"])
            raise UnreadableRecordingError(
                f"{file}: not a recording: {place}{wrong['msg']}"
            ) from None
        return cls(
            Answer(
                Question(entry.name, entry.type, entry.unchecked),
                entry.status,
                entry.values,
                entry.chain,
                entry.ttl,
                entry.secure,
            )
            for entry in content.answers
        )
