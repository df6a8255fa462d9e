"""The age backend, held against the real `age` command of the distribution."""

import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from mailfleet.secrets import (
    MissingSecretError,
    MissingStoreError,
    Secret,
    SecretsError,
    files,
    generate,
    identity,
    open_store,
)
from mailfleet.secrets import age as age_module
from mailfleet.secrets.age import AgeStore

CANARY = "canary-5c1d"


@pytest.fixture
def store(tmp_path) -> AgeStore:
    identity.create(tmp_path / "identity.txt")
    store = AgeStore(tmp_path / "fleet.age", tmp_path / "identity.txt")
    store.create()
    return store


def age(*arguments: object, data: bytes = b"") -> bytes:
    """The age command; Debian package age."""
    command = ["age", *map(str, arguments)]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


def plain_yaml(path: Path, identity_path: Path) -> str:
    return age("-d", "-i", identity_path, path).decode()


def assert_fails(action, complaint: str) -> SecretsError:
    with pytest.raises(SecretsError, match=complaint) as caught:
        action()
    assert "\n" not in str(caught.value)
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    return caught.value


# Round trips


def test_values_round_trip_also_keys_of_several_lines(store):
    pem = Secret(generate.rsa_key()())
    store.set("postal/signing_key", pem)
    store.set("database/root", Secret('p: "ä" #\n'))
    again = AgeStore(store.path, store.identity_path)
    assert again.get("postal/signing_key") == pem
    assert again.get("database/root") == Secret('p: "ä" #\n')
    assert again.names() == ["database/root", "postal/signing_key"]


def test_age_opens_what_we_write(store):
    store.set("a", Secret("one\ntwo\n"))
    assert plain_yaml(store.path, store.identity_path) == "a: |\n  one\n  two\n"
    assert store.path.read_bytes().startswith(b"-----BEGIN AGE ENCRYPTED FILE-----\n")
    assert CANARY.encode() not in store.path.read_bytes()


@pytest.mark.parametrize("armor", [[], ["--armor"]])
def test_we_open_what_age_writes(store, armor):
    recipient = identity.load(store.identity_path).recipients[0]
    age("-e", *armor, "-r", recipient, "-o", store.path, data=b"a: one\nb: 'two'\n")
    assert store.get("a") == Secret("one")
    store.set("c", Secret("three"))
    assert plain_yaml(store.path, store.identity_path) == "a: one\nb: two\nc: three\n"


def test_we_take_the_identity_that_age_keygen_makes(tmp_path):
    subprocess.run(["age-keygen", "-o", tmp_path / "key"], check=True, capture_output=True)
    store = AgeStore(tmp_path / "fleet.age", tmp_path / "key")
    assert store.create()
    store.set("a", Secret("b"))
    assert plain_yaml(store.path, tmp_path / "key") == "a: b\n"


def test_age_keygen_reads_the_identity_that_we_make(store):
    shown = subprocess.run(
        ["age-keygen", "-y", store.identity_path], check=True, capture_output=True, text=True
    )
    assert (shown.stdout.strip(),) == identity.load(store.identity_path).recipients


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_ssh_keys_are_identities_and_recipients(tmp_path, store, kind):
    ssh_key = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", ssh_key], check=True)
    with store.recipients_path.open("a") as recipients:
        recipients.write(ssh_key.with_suffix(".pub").read_text())
    store.set("a", Secret("b"))
    colleague = AgeStore(store.path, ssh_key)
    colleague.set("c", Secret("d"))
    assert store.names() == ["a", "c"]
    assert plain_yaml(store.path, ssh_key) == "a: b\nc: d\n"


# Recipients


def test_all_listed_recipients_can_open_it_after_reencrypt(tmp_path, store):
    store.set("a", Secret("b"))
    other = identity.create(tmp_path / "other.txt")
    theirs = AgeStore(store.path, other.path)
    error = assert_fails(lambda: theirs.get("a"), "is not encrypted for identity")
    assert other.recipients[0] in str(error)
    with store.recipients_path.open("a") as recipients:
        recipients.write(f"\n# a colleague\n{other.recipients[0]}\n")
    own = identity.load(store.identity_path)
    assert store.reencrypt() == [*own.recipients, *other.recipients]
    assert theirs.get("a") == Secret("b")


def test_the_creator_keeps_access_when_a_colleague_writes(tmp_path, store):
    other = identity.create(tmp_path / "other.txt")
    with store.recipients_path.open("a") as recipients:
        recipients.write(other.recipients[0])
    store.set("a", Secret("b"))
    AgeStore(store.path, other.path).set("c", Secret("d"))
    assert store.get("c") == Secret("d")


def test_a_bad_recipient_is_named_by_line_only(store):
    store.recipients_path.write_text(f"# fine\nAGE-SECRET-KEY-{CANARY}\n")
    before = store.path.read_bytes()
    assert_fails(lambda: store.set("a", Secret("b")), r"fleet\.age\.recipients:2: not a public key")
    assert store.path.read_bytes() == before


# What can be wrong with the file


def test_no_file_yet(tmp_path, store):
    store.path.unlink()
    for action in (store.names, lambda: store.get("a"), lambda: store.set("a", Secret("b"))):
        with pytest.raises(MissingStoreError, match="mailfleet secrets init"):
            action()


@pytest.mark.parametrize(
    "tamper",
    [
        lambda sealed: b"",
        lambda sealed: b"a: plain\n",
        lambda sealed: sealed[:-60],
        lambda sealed: sealed[:200],
        lambda sealed: sealed.replace(b"A", b"B"),
    ],
)
def test_a_damaged_file(store, tamper):
    store.set("a", Secret(CANARY))
    store.path.write_bytes(tamper(store.path.read_bytes()))
    assert_fails(lambda: store.get("a"), r"fleet\.age is (damaged|not encrypted for)")


def test_one_flipped_bit_of_the_content_is_noticed(store):
    recipient = identity.load(store.identity_path).recipients[0]
    sealed = bytearray(age("-e", "-r", recipient, data=f"a: {CANARY}\n".encode()))
    sealed[-20] ^= 1
    store.path.write_bytes(sealed)
    assert_fails(lambda: store.get("a"), "is damaged")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (f"- {CANARY}".encode(), "not a YAML mapping"),
        (f"a: [{CANARY}]".encode(), "one text is needed"),
        (f"a: {CANARY}: b".encode(), "not valid YAML"),
        (CANARY.encode() + b"\xff", "not UTF-8"),
    ],
)
def test_content_that_is_no_flat_mapping(store, content, complaint):
    recipient = identity.load(store.identity_path).recipients[0]
    age("-e", "-r", recipient, "-o", store.path, data=content)
    assert_fails(lambda: store.get("a"), complaint)


def test_a_missing_secret_names_itself_and_the_command(store):
    with pytest.raises(
        MissingSecretError, match=r"postal/x is not set: .*secrets set INVENTORY postal"
    ):
        store.get("postal/x")
    with pytest.raises(MissingSecretError):
        store.delete("postal/x")


def test_delete(store):
    store.set("a", Secret("b"))
    store.delete("a")
    assert store.names() == []


@pytest.mark.parametrize(("name", "value"), [("A", "b"), ("a", "")])
def test_bad_names_and_empty_values_are_refused(store, name, value):
    with pytest.raises(ValueError):
        store.set(name, Secret(value))
    assert store.names() == []


# Identities


def test_no_identity(store):
    store.identity_path.unlink()
    assert_fails(lambda: store.get("a"), "no age identity at .* restore it .* MAILFLEET_IDENTITY")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o777])
def test_an_identity_open_to_others_is_refused(store, mode):
    store.identity_path.chmod(mode)
    assert_fails(lambda: store.get("a"), rf"\(mode {mode:o}\): run `chmod 600 .*identity\.txt`")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "holds no key"),
        ("# only a comment\n", "holds no key"),
        (f"# c\nAGE-SECRET-KEY-1{CANARY}\n", "line 2 is not an age private key"),
        (f"-----BEGIN OPENSSH PRIVATE KEY-----\n{CANARY}\n", "must be ed25519 or RSA"),
        (f"age-encryption.org/v1\n{CANARY}", "protected by a passphrase"),
    ],
)
def test_what_is_no_identity(store, text, complaint):
    store.identity_path.write_text(text)
    assert_fails(lambda: store.get("a"), complaint)


def test_an_identity_that_is_not_text(store):
    store.identity_path.write_bytes(b"\xff\xfe" + CANARY.encode())
    assert_fails(lambda: store.get("a"), "not a text file")


def test_an_ssh_key_with_a_passphrase(tmp_path, store):
    key = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", CANARY, "-f", key], check=True)
    assert_fails(lambda: AgeStore(store.path, key).get("a"), "have no passphrase")


def test_where_the_identity_is(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("MAILFLEET_IDENTITY", raising=False)
    assert identity.default_path() == tmp_path / ".config/mailfleet/identity.txt"
    monkeypatch.setenv("MAILFLEET_IDENTITY", "~/key")
    assert identity.default_path() == tmp_path / "key"
    assert open_store("age", tmp_path / "f").identity_path == tmp_path / "key"
    assert open_store("age", tmp_path / "f", Path("/x")).identity_path == Path("/x")


def test_a_new_identity_is_private_and_replaces_none(tmp_path):
    path = tmp_path / "a" / "b" / "identity.txt"
    identity.create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    before = path.read_text()
    assert_fails(lambda: identity.create(path), "exists already")
    assert path.read_text() == before


def test_the_repr_of_an_identity_holds_no_key(store):
    own = identity.load(store.identity_path)
    assert "AGE-SECRET-KEY" not in f"{own} {own!r}"


# Writing


def test_the_file_is_private(store):
    store.path.chmod(0o644)
    store.set("a", Secret("b"))
    assert store.path.stat().st_mode & 0o777 == 0o600


def test_a_symbolic_link_to_the_file_stays_one(tmp_path, store):
    link = tmp_path / "link" / "fleet.age"
    link.parent.mkdir()
    link.symlink_to(store.path)
    AgeStore(link, store.identity_path).set("a", Secret("b"))
    assert link.is_symlink()
    assert store.get("a") == Secret("b")


def test_an_equal_value_writes_nothing(store):
    store.set("a", Secret("b"))
    before = store.path.read_bytes()
    store.set("a", Secret("b"))
    assert store.add_missing({"a": generate.password()}) == []
    assert store.path.read_bytes() == before


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_before_the_rename_leaves_the_former_file(store, monkeypatch, failure):
    store.set("a", Secret("b"))
    before = sorted(store.path.parent.iterdir()), store.path.read_bytes()

    def fail(*_):
        raise failure

    monkeypatch.setattr(files.os, "fsync", fail)
    expected = SecretsError if isinstance(failure, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        store.set("a", Secret(CANARY))
    assert (sorted(store.path.parent.iterdir()), store.path.read_bytes()) == before
    assert store.get("a") == Secret("b")


def _write_and_die_before_the_rename(path, identity_path):
    def die(*_):
        os._exit(9)

    Path.replace = die
    AgeStore(path, identity_path).set("a", Secret(CANARY))


def test_a_kill_before_the_rename_leaves_the_former_file(store):
    store.set("a", Secret("b"))
    killed = run_process(_write_and_die_before_the_rename, store.path, store.identity_path)
    assert killed.exitcode == 9
    assert store.get("a") == Secret("b")
    store.set("c", Secret("d"))  # Its lock went with it.
    for left in store.path.parent.iterdir():
        assert CANARY.encode() not in left.read_bytes()


def _set_many(path, identity_path, prefix):
    store = AgeStore(path, identity_path)
    for number in range(20):
        store.set(f"{prefix}/{number}", Secret(f"{prefix}{number}"))


def test_concurrent_writers_keep_each_others_values(store):
    writers = [
        start_process(_set_many, store.path, store.identity_path, prefix) for prefix in "abc"
    ]
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert store.names() == sorted(f"{prefix}/{n}" for prefix in "abc" for n in range(20))


_INSIDE_PYINFRA = """
import sys
from pathlib import Path
import pyinfra_cli  # Patches gevent into the process, with a close() that may come later.
import gevent, subprocess
from mailfleet.secrets import Secret
from mailfleet.secrets.age import AgeStore

store = AgeStore(Path(sys.argv[1]), Path(sys.argv[2]))
subprocess.run(["true"])  # Starts gevent's event loop.
store.set("a", Secret("1"))
store.set("b", Secret("2"))
writers = [gevent.spawn(store.set, f"c/{n}", Secret("3")) for n in range(5)]
gevent.joinall(writers, raise_error=True, timeout=20)
"""


def test_repeated_writes_inside_pyinfra_do_not_block_each_other(store):
    command = [sys.executable, "-c", _INSIDE_PYINFRA, store.path, store.identity_path]
    subprocess.run(command, check=True, timeout=30)
    assert store.names() == ["a", "b", *(f"c/{number}" for number in range(5))]


def test_a_writer_gives_up_when_another_does_not_end(store, monkeypatch):
    monkeypatch.setattr(files, "_PATIENCE_SECONDS", 0.1)
    with files.locked(store.path.parent):
        assert_fails(lambda: store.set("a", Secret(CANARY)), "cannot write .* another process")
    store.set("a", Secret("b"))


def _add_missing(path, identity_path):
    AgeStore(path, identity_path).add_missing({"a": generate.password(), "b": generate.token()})


def test_a_generated_value_is_made_once_by_whoever_comes_first(store):
    starters = [start_process(_add_missing, store.path, store.identity_path) for _ in range(4)]
    for starter in starters:
        starter.join(60)
    first = store.get("a")
    assert store.add_missing({"a": generate.password()}) == []
    assert store.get("a") == first


def test_it_is_decrypted_once_per_version_of_the_file(store, monkeypatch):
    calls = []
    decrypt = age_module.pyrage.decrypt

    def counting(*arguments):
        calls.append(1)
        return decrypt(*arguments)

    monkeypatch.setattr(age_module.pyrage, "decrypt", counting)
    store.set("a", Secret("b"))
    calls.clear()
    for _ in range(5):
        AgeStore(store.path, store.identity_path).get("a")
    assert len(calls) == 1
    run_process(_set_many, store.path, store.identity_path, "z").close()
    assert store.get("z/19") == Secret("z19")
    assert len(calls) == 2


def _set_without_room(store):
    # Root may write everywhere, but not past this limit: as on a full disk.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    assert_fails(lambda: store.set("a", Secret(CANARY)), "cannot write .* as it was before")


def test_a_store_that_cannot_be_written_stays_as_it_was(store):
    store.set("a", Secret("before"))
    assert run_process(_set_without_room, store).exitcode == 0
    assert AgeStore(store.path, store.identity_path).get("a") == Secret("before")


def test_the_age_command_is_installed():
    assert shutil.which("age"), "install the Debian package age"


def start_process(target, *arguments):
    process = multiprocessing.get_context("fork").Process(target=target, args=arguments)
    process.start()
    return process


def run_process(target, *arguments):
    process = start_process(target, *arguments)
    process.join(60)
    return process
