"""Newer versions than those that run, as the images' registries tell (OCI distribution
specification, "Listing Tags")."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import gevent
import requests

from mailfleet.components.docker.settings import DockerSettings
from mailfleet.fleet.fleet import Fleet

_SECONDS = 5
_PAGES = 10
_DOCKER_HUB = "registry-1.docker.io"
_VERSION = re.compile(r"(\D*)(\d+(?:\.\d+)*)(.*)", re.DOTALL)
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class Image:
    """An image by its full name."""

    registry: str
    name: str
    tag: str

    @classmethod
    def parse(cls, text: str) -> "Image | None":
        """`caddy:2.10.2`, `ghcr.io/postalserver/postal:3.3.7`; None without a tag, as of an image
        that was built on the host or is pinned by its digest alone."""
        plain = text.partition("@")[0]
        path, colon, tag = plain.rpartition(":")
        if not colon or "/" in tag:
            return None
        first, slash, rest = path.partition("/")
        if slash and ("." in first or ":" in first or first == "localhost"):
            return cls(first, rest, tag)
        return cls(_DOCKER_HUB, path if slash else f"library/{path}", tag)


def newest(tag: str, tags: Iterable[str]) -> str | None:
    """The highest version among tags of the same shape (`3.3.7`, `v1.2-alpine`), if it is newer.
    A tag that is no version, or that moves (`2`, `latest`), has none."""
    found = _VERSION.fullmatch(tag)
    if not found or "." not in found[2]:
        return None
    best, best_tag = _numbers(found[2]), None
    for other in tags:
        match = _VERSION.fullmatch(other)
        if not match or (match[1], match[3]) != (found[1], found[3]):
            continue
        numbers = _numbers(match[2])
        if len(numbers) == len(_numbers(found[2])) and numbers > best:
            best, best_tag = numbers, other
    return best_tag


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def newer_versions(fleet: Fleet, images: Collection[str]) -> dict[str, str]:
    """Image as it runs -> the newest tag, where a registry names a newer one. All registries are
    asked at once; one that does not answer tells nothing."""
    trusted = {
        registry.host: registry.ca_file
        for host in fleet.hosts.values()
        for registry in host[DockerSettings].registries
        if registry.ca_file
    }
    jobs = {text: gevent.spawn(_newer, text, trusted) for text in set(images)}
    gevent.joinall(list(jobs.values()))
    return {text: job.value for text, job in jobs.items() if job.value}


def _newer(text: str, trusted: Mapping[str, str]) -> str | None:
    image = Image.parse(text)
    if image is None:
        return None
    try:
        return newest(image.tag, tags_of(image, trusted.get(image.registry)))
    except (requests.RequestException, ValueError, KeyError):
        return None


def tags_of(image: Image, ca_file: str | None = None) -> list[str]:
    """All tags of an image. Raises RequestException, and ValueError or KeyError for what is no
    answer of a registry."""
    session = requests.Session()
    # Of the session it would give way to REQUESTS_CA_BUNDLE of the environment.
    get = partial(session.get, timeout=_SECONDS, verify=ca_file or True)
    url = f"https://{image.registry}/v2/{image.name}/tags/list?n=1000"
    tags: list[str] = []
    for _ in range(_PAGES):
        answer = get(url)
        if answer.status_code == 401 and "Authorization" not in session.headers:
            session.headers["Authorization"] = f"Bearer {_token(get, answer)}"
            answer = get(url)
        answer.raise_for_status()
        tags += answer.json()["tags"] or []
        following = answer.links.get("next", {}).get("url")
        if not following:
            break
        url = requests.compat.urljoin(url, following)
    return tags


def _token(get: Callable[..., requests.Response], answer: requests.Response) -> str:
    """Anonymous, as `docker pull` of a public image gets one (distribution's token
    authentication)."""
    challenge = dict(_CHALLENGE.findall(answer.headers.get("WWW-Authenticate", "")))
    realm = challenge.pop("realm")
    if not realm.startswith("https://"):
        raise ValueError(f"not asking {realm} for a token")
    granted = get(realm, params=challenge)
    granted.raise_for_status()
    return str(granted.json()["token"])
