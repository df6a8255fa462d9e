"""Secrets from environment variables."""

import pytest

from mailfleet.secrets import (
    MissingSecretError,
    ReadOnlyStoreError,
    Secret,
    SecretsError,
    missing,
    open_store,
)
from mailfleet.secrets.environment import EnvironmentStore, variable

CANARY = "canary-5c1d"
NAME = "postal/rails_secret_key"
VARIABLE = "MAILFLEET_SECRET_POSTAL_RAILS_SECRET_KEY"


def test_a_secret_comes_from_its_variable():
    assert variable(NAME) == VARIABLE
    assert EnvironmentStore({VARIABLE: "a\nb"}).get(NAME) == Secret("a\nb")


def test_open_store_reads_the_process_environment(monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, "a")
    assert open_store("environment", tmp_path / "unused").get(NAME) == Secret("a")


@pytest.mark.parametrize("environ", [{}, {VARIABLE: ""}])
def test_a_missing_one_names_secret_and_variable(environ):
    with pytest.raises(MissingSecretError, match=f"{NAME} is not set.*{VARIABLE}"):
        EnvironmentStore(environ).get(NAME)


def test_names_are_those_expected_or_asked_for_that_are_set():
    store = EnvironmentStore({VARIABLE: "a", "MAILFLEET_SECRET_B": "b"}, expected=[NAME, "c"])
    assert store.names() == [NAME]
    store.get("b")
    assert store.names() == ["b", NAME]


def test_it_cannot_be_written():
    store = EnvironmentStore({VARIABLE: CANARY})
    for change in (lambda: store.set(NAME, Secret(CANARY)), lambda: store.delete(NAME)):
        with pytest.raises(ReadOnlyStoreError, match=VARIABLE) as caught:
            change()
        assert CANARY not in str(caught.value)


def test_two_names_for_one_variable_are_refused():
    with pytest.raises(SecretsError, match=r"a/b_c and a_b/c would share .*_A_B_C: rename"):
        EnvironmentStore({}, expected=["a/b_c", "a_b/c"])
    store = EnvironmentStore({"MAILFLEET_SECRET_A_B": "x"})
    store.get("a/b")
    with pytest.raises(SecretsError, match="share"):
        store.get("a-b")


def test_what_is_no_name_is_no_variable():
    with pytest.raises(ValueError, match="lower-case"):
        variable("PATH")


def test_an_unknown_backend_is_an_error(tmp_path):
    with pytest.raises(SecretsError, match='"vault" does not exist'):
        open_store("vault", tmp_path)


def test_missing_works_without_expected_names():
    store = EnvironmentStore({VARIABLE: "a"})
    assert missing(store, [NAME, "other/one"]) == ["other/one"]
