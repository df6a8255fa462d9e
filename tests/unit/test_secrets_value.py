"""A secret's value shows nowhere unless it is revealed."""

import copy
import json
import logging
import pickle

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from mailfleet.secrets import MASK, Secret, SecretRef, generate, secret

CANARY = "canary-5c1d"


class Model(BaseModel):
    value: Secret
    ref: SecretRef = secret("database/root", generate.password())


class NoDefaults(BaseModel):
    value: Secret
    ref: SecretRef


def test_every_way_to_print_gives_the_mask():
    value = Secret(CANARY)
    assert {str(value), repr(value), f"{value}", f"{value!r}", f"{value:>40}", "%s" % value} == {  # noqa: UP031
        MASK
    }
    assert CANARY not in f"{[value]} {{'a': {value}}}"
    assert value.reveal() == CANARY


def test_logging_and_models_show_the_mask(caplog):
    model = Model(value=Secret(CANARY))
    logging.getLogger().warning("%s %r", model, model.value)
    shown = f"{model!r} {model.model_dump()} {model.model_dump_json()} {caplog.text}"
    assert CANARY not in shown
    assert json.loads(model.model_dump_json()) == {"value": MASK, "ref": 'secret("database/root")'}


def test_a_model_has_a_json_schema():
    properties = NoDefaults.model_json_schema()["properties"]
    assert properties["value"]["format"] == "password"
    assert properties["ref"]["type"] == "string"


def test_models_take_no_plain_text():
    with pytest.raises(ValidationError, match="secret value is needed"):
        Model(value="plain")
    with pytest.raises(ValidationError, match="mailfleet secrets set"):
        Model(value=Secret("a"), ref="plain")


@pytest.mark.parametrize("write", [pickle.dumps, json.dumps, yaml.safe_dump, vars])
def test_it_is_not_serialized_by_accident(write):
    with pytest.raises(Exception) as caught:
        write(Secret(CANARY))
    assert CANARY not in str(caught.value)


def test_it_compares_and_hashes_by_value():
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert Secret("ä\udcff") == Secret("ä\udcff")


def test_it_is_immutable_and_copies_to_itself():
    value = Secret("a")
    assert copy.copy(value) is value
    assert copy.deepcopy({"k": [value]})["k"][0] is value
    with pytest.raises(AttributeError):
        value.other = 1


def test_it_is_made_from_text_only():
    with pytest.raises(TypeError) as caught:
        Secret(CANARY.encode())
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("name", ["a", "postal/rails_secret_key", "dkim/example.com/2026-01", "-_"])
def test_names(name):
    assert secret(name).name == name
    assert repr(secret(name)) == f'secret("{name}")'


@pytest.mark.parametrize("name", ["", "/a", "a/", "a//b", "A", "a.b", "a b", "ä", "a\n", "a/b\n"])
def test_what_is_no_name(name):
    with pytest.raises(ValueError, match="lower-case letters"):
        secret(name)


def test_the_refusal_of_a_name_does_not_repeat_it():
    with pytest.raises(ValueError) as caught:
        secret(f"{CANARY}!")
    assert CANARY not in str(caught.value)


def test_references_are_equal_wherever_they_are_written():
    assert secret("a", generate.password(20)) == secret("a", generate.password(20))
    assert secret("a", generate.password(20)) != secret("a", generate.password(21))
