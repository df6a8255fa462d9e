"""The text of postal.yml."""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import yaml

from mailfleet.components.postal.yml.schema import SCHEMA
from mailfleet.secrets import Secret


def render(config: Mapping[str, Mapping[str, object]]) -> str:
    """The text of postal.yml: `version: 2` first, then groups and keys in the schema's order.

    None and groups with nothing in them are left out: Postal does not start with an empty group.
    Secrets are revealed. Texts are always quoted, because Ruby's YAML reads some plain ones as
    something else that Python's would leave alone: `1,000` is a number, `:a` stops Postal.
    """
    parts = ["version: 2\n"]
    for group in _in_order(config, SCHEMA):
        if group == "version":
            continue
        known = SCHEMA.get(group, {})
        content = {k: config[group][k] for k in _in_order(config[group], known)}
        content = {name: value for name, value in content.items() if value is not None}
        if content:
            parts.append(_dump({group: content}))
    return "\n".join(parts)


class _Dumper(yaml.SafeDumper):
    """Quotes every text, except keys that are plain words."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_text(self, data: str) -> yaml.ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:str", data, style='"')

    def represent_secret(self, data: Secret) -> yaml.ScalarNode:
        return self.represent_text(data.reveal())

    def represent_mapping(
        self, tag: str, mapping: Any, flow_style: bool | None = None
    ) -> yaml.MappingNode:
        node = super().represent_mapping(tag, mapping, flow_style)
        for key, _ in node.value:
            if _KEY.fullmatch(str(key.value)) and key.value not in _YAML_WORDS:
                key.style = None
        return node


_KEY = re.compile(r"[a-z][a-z0-9_]+")
_YAML_WORDS = frozenset({"yes", "no", "on", "off", "true", "false", "null"})
_Dumper.add_representer(str, _Dumper.represent_text)
_Dumper.add_representer(Secret, _Dumper.represent_secret)


def _dump(content: Mapping[str, Mapping[str, object]]) -> str:
    return yaml.dump(
        content,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=2**31,  # a folded text would be harder to compare
    )


_Name = TypeVar("_Name")


def _in_order(given: Mapping[_Name, object], order: Mapping[_Name, object]) -> list[_Name]:
    return [name for name in order if name in given] + [name for name in given if name not in order]
