"""A template that cannot be rendered, met when the host is planned for."""

import pytest

from tests.lab.console import Operator


@pytest.mark.parametrize(
    ("name", "line", "words"),
    [
        ("caddy/Caddyfile.j2", "{{ no_such_variable }}", ("Caddyfile.j2", "no_such_variable")),
        ("postal/compose.yaml.j2", "{% if %}", ("compose.yaml.j2", "Expected an expression")),
    ],
)
def test_a_broken_template_is_named_with_its_line(
    operator: Operator, copied_tree: Operator, name: str, line: str, words: tuple[str, ...]
) -> None:
    template = copied_tree.directory / "templates" / name
    text = template.read_text()
    template.write_text(f"{text}{line}\n")
    number = len(text.splitlines()) + 1
    copied_tree.deploy().refused(*words, f":{number}:")
    render = copied_tree.run("mailfleet", "render", copied_tree.inventory, "postal1")
    render.refused(*words, f":{number}:")
