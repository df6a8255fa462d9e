"""Build the lab's images, each only when what it is made from has changed."""

from collections.abc import Mapping
from contextlib import suppress

import docker.errors
from docker import DockerClient
from docker.models.images import Image

from lab.base_image import root_image
from lab.errors import LabError
from lab.mirror import machine_mirror
from lab.names import RECIPES, SPEC_LABEL, image_name, lab_id, labels
from lab.progress import Progress
from lab.recipes import Publication, recipe_context, recipe_hash

LOG_LINES = 25


class Builder:
    def __init__(self, client: DockerClient, progress: Progress) -> None:
        self._client = client
        self._progress = progress
        self.built = 0

    def base(self) -> str:
        """Debian 13 with this machine's package sources; returns the image's id."""
        mirror = machine_mirror()
        # `%b` in the recipe turns these back into line ends.
        sources = mirror.sources().replace("\n", "\\n") if mirror else ""
        arguments = {"SOURCES": sources, "LAB": lab_id()}
        spec = recipe_hash(RECIPES / "base", arguments)
        if found := self._current("base:latest", spec):
            return found
        arguments["ROOT"] = root_image(self._client, self._progress)
        return self._build("base", "latest", arguments, spec)

    def image(
        self, recipe: str, parents: Mapping[str, str], arguments: Mapping[str, str], tag: str
    ) -> str:
        """Image of one recipe; `parents` maps build arguments to image ids. Returns its id."""
        wanted = {**parents, **arguments}
        spec = recipe_hash(RECIPES / recipe, wanted)
        return self._current(f"{recipe}:{tag}", spec) or self._build(recipe, tag, wanted, spec)

    def publications(self, group: list[Publication], base: str) -> dict[Publication, str]:
        """Images of one recipe, one after the other: they share their first layers."""
        images: dict[Publication, str] = {}
        built: dict[tuple[tuple[str, str], ...], str] = {}
        for publication in group:
            arguments = publication.arguments
            if arguments not in built:
                built[arguments] = self.image(
                    publication.recipe, {"BASE": base}, dict(arguments), publication.tag
                )
            images[publication] = built[arguments]
        return images

    def clear_superseded(self) -> None:
        """Images that a rebuild has left without a name."""
        if self.built:
            for image in self._client.images.list(
                filters={"dangling": True, "label": f"{_lab_label()}"}
            ):
                with suppress(docker.errors.APIError):
                    self._client.images.remove(image.id or "")

    def _current(self, name: str, spec: str) -> str | None:
        try:
            image = self._client.images.get(image_name(name))
        except docker.errors.ImageNotFound:
            return None
        return _id(image) if image.labels.get(SPEC_LABEL) == spec else None

    def _build(self, recipe: str, tag: str, arguments: Mapping[str, str], spec: str) -> str:
        name = f"{image_name(recipe)}:{tag}"
        with self._progress.step(f"image {recipe}:{tag}" if tag != "latest" else f"image {recipe}"):
            log: list[str] = []
            stream = self._client.api.build(
                fileobj=recipe_context(RECIPES / recipe),
                custom_context=True,
                tag=name,
                buildargs=dict(arguments),
                labels=labels(**{SPEC_LABEL: spec}),
                rm=True,
                forcerm=True,
                decode=True,
            )
            for event in stream:
                log += event.get("stream", "").splitlines()
                if "error" in event:
                    tail = "\n".join(log[-LOG_LINES:])
                    raise LabError(f"building lab/images/{recipe} failed: {event['error']}\n{tail}")
        self.built += 1
        return _id(self._client.images.get(name))


def _id(image: Image) -> str:
    assert image.id
    return image.id


def _lab_label() -> str:
    ((name, value),) = labels().items()
    return f"{name}={value}"
