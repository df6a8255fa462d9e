"""The check of one value: its type, then what Postal makes of it."""

import re
from collections.abc import Iterator, Mapping

from mailfleet.components.postal.yml.kinds import TEXT_CHECKS, Complaint
from mailfleet.components.postal.yml.problem import Problem
from mailfleet.components.postal.yml.schema import Key, Kind
from mailfleet.secrets import MASK, Secret, SecretRef

_TYPES: Mapping[str, tuple[type, ...]] = {
    "str": (str, Secret, SecretRef),
    "int": (int,),
    "bool": (bool,),
    "list": (list, tuple),
}
_TYPE_REMEDIES = {
    "str": "write a text in quotes",
    "int": "write a whole number, without quotes",
    "bool": "write true or false, without quotes",
    "list": "write a list of texts",
}


def is_of(name: str, value: object) -> bool:
    # Exactly: in Python True is an int, too.
    return type(value) in _TYPES[name]


def wrong_type(path: str, key: Key, value: object) -> Problem:
    if value is None:
        return Problem(path, None, "no value", "give one or leave the key out")
    harm = {
        "int": "Postal would take the digits it begins with, or 0",
        "bool": "Postal could take it as false",
        "str": "Postal would use the text that Ruby makes of it",
        "list": "Postal would make something else of it",
    }[key.type]
    got = {"str": "a text", "int": "a number", "float": "a decimal number", "bool": "true or false"}
    what = got.get(type(value).__name__, f"a {type(value).__name__}")
    message = f"{what} where {_TYPE_NAMES[key.type]} is needed: {harm}"
    return Problem(path, shown(key, value), message, _TYPE_REMEDIES[key.type])


_TYPE_NAMES = {"str": "a text", "int": "a whole number", "bool": "true or false", "list": "a list"}


def list_problems(
    path: str, key: Key, values: list[object] | tuple[object, ...]
) -> Iterator[Problem]:
    if not values and key.default:
        yield Problem(path, values, "an empty list", "list at least one or leave the key out")
    element = Key("str", None, key.meaning, key.kind, secret=key.secret)
    for index, value in enumerate(values):
        if not is_of("str", value):
            yield wrong_type(f"{path}[{index}]", element, value)
        else:
            yield from value_problems(f"{path}[{index}]", element, value)
            if value in values[:index] and value != MASK:
                yield Problem(f"{path}[{index}]", shown(element, value), "given twice", "drop one")


def shown(key: Key, value: object) -> object:
    """The value as a problem may show it."""
    if key.secret or isinstance(value, Secret | Mapping | list | tuple):
        return MASK if value else value
    if key.kind is Kind.RELAY and isinstance(value, str):
        return _without_credentials(value)
    return value


def _without_credentials(url: str) -> str:
    if re.fullmatch(r"[^@?]*(\?ssl_mode=\w*)?", url):
        return url
    return MASK


def value_problems(path: str, key: Key, value: object) -> Iterator[Problem]:
    plain = value.reveal() if isinstance(value, Secret) else value
    # A mask stands for a secret that was not looked up, as a reference does.
    if isinstance(plain, SecretRef) or plain == MASK:
        return
    for message, remedy in _complaints(path, key, plain):
        yield Problem(path, shown(key, value), message, remedy)


def _complaints(path: str, key: Key, value: object) -> Iterator[Complaint]:
    if isinstance(value, int):
        yield from _number_complaints(key, value)
    elif isinstance(value, str):
        general = list(_text_complaints(path, value))
        yield from general
        check = TEXT_CHECKS.get(key.kind)
        if check is not None and not general:
            yield from check(key, value)


def _number_complaints(key: Key, value: int) -> Iterator[Complaint]:
    if key.kind is Kind.PORT and not 1 <= value <= 65535:
        yield "not a port", "give a number from 1 to 65535"
    if key.kind is Kind.COUNT and value < key.minimum:
        yield f"less than {key.minimum}", f"give {key.minimum} or more"


def _text_complaints(path: str, value: str) -> Iterator[Complaint]:
    if not value:
        yield "an empty text, which Postal takes as not given", "give a value or leave the key out"
    elif any(ord(character) < 32 or ord(character) == 127 for character in value):
        yield "a line break or control character", "write it in one line"
    elif "<%" in value and "%>" in value:
        yield "Postal does not evaluate ERB here", "write the value itself"
    # config/database.yml puts these values between double quotes of another YAML file.
    elif path.startswith("main_db.") and ('"' in value or "\\" in value):
        yield (
            'Postal copies it unescaped into its database.yml, where " and \\ have a meaning',
            'use a value without " and \\',
        )
