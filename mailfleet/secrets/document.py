"""The text inside the encrypted file: a flat YAML mapping of names to texts."""

import yaml

from mailfleet.secrets.errors import InvalidDocumentError
from mailfleet.secrets.reference import check_name
from mailfleet.secrets.value import Secret

_TEXT = "tag:yaml.org,2002:str"


def parse(text: str, source: str) -> dict[str, Secret]:
    """The secrets in a YAML text; `source` is how error messages call it.

    Raises InvalidDocumentError with the line, never with content, when it is not YAML, not a flat
    mapping of names (see `check_name`) to non-empty texts, or holds a name twice.
    """
    root = _root(text, source)
    if root is None:
        return {}
    if not isinstance(root, yaml.MappingNode):
        raise InvalidDocumentError(
            f'{source}: not a YAML mapping: write one "name: value" per line'
        )
    values: dict[str, Secret] = {}
    for key, value in root.value:
        name = _name(key, source)
        if name in values:
            raise InvalidDocumentError(f"{source}: line {_line(key)}: {name} is there twice")
        values[name] = Secret(_text(name, value, source))
    return values


def dump(values: dict[str, Secret]) -> str:
    """YAML sorted by name, values of several lines (keys) as literal blocks."""
    plain = {name: value.reveal() for name, value in values.items()}
    return yaml.dump(plain, Dumper=_Dumper, sort_keys=True, allow_unicode=True, width=4096)


def _root(text: str, source: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f": line {mark.line + 1}" if mark else ""
    # Raised outside the handler: the parser's error quotes the text around the fault, and must
    # not hang on to ours as its context.
    raise InvalidDocumentError(
        f"{source}{where}: not valid YAML (quote a value that holds special characters)"
    )


def _name(node: yaml.Node, source: str) -> str:
    if isinstance(node, yaml.ScalarNode):
        try:
            return check_name(node.value)
        except ValueError as error:
            raise InvalidDocumentError(f"{source}: line {_line(node)}: {error}") from None
    raise InvalidDocumentError(f"{source}: line {_line(node)}: a secret's name must be a text")


def _text(name: str, node: yaml.Node, source: str) -> str:
    where = f"{source}: line {_line(node)}: {name}"
    if not isinstance(node, yaml.ScalarNode):
        raise InvalidDocumentError(f"{where}: one text is needed, not a list or mapping")
    if node.tag != _TEXT:
        # 0123, yes or 2026-01-01 would come out otherwise than they are written.
        raise InvalidDocumentError(f"{where}: put the value in quotes, it does not read as a text")
    if not node.value:
        raise InvalidDocumentError(f"{where}: the value is empty")
    return str(node.value)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


class _Dumper(yaml.SafeDumper):
    """Private, so that the representer below changes no one else's YAML."""


def _represent(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar(_TEXT, text, style=_style(text))


def _style(text: str) -> str | None:
    if not text.replace("\n", "").isprintable():
        # PyYAML 6.0 takes U+0085 and its like for line ends in all other styles and alters them.
        return '"'
    return "|" if "\n" in text else None


_Dumper.add_representer(str, _represent)
