"""Offer the built images in the lab's registry, under the names they have in public ones."""

import time
from concurrent.futures import Future
from pathlib import Path

import requests
from docker import DockerClient

from lab.errors import LabError
from lab.progress import Progress
from lab.ready import poll
from lab.recipes import Publication

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
ANSWER_SECONDS = 30


class Registry:
    def __init__(self, client: DockerClient, port: int, ca_file: Path, progress: Progress) -> None:
        self._client = client
        # The engine takes a registry on 127.0.0.1 without knowing its authority.
        self._where = f"127.0.0.1:{port}"
        self._ca_file = str(ca_file)
        self._progress = progress

    def wait(self) -> None:
        if not poll(self._answers, time.monotonic() + ANSWER_SECONDS):
            raise LabError(
                f"the registry does not answer on {self._where}: "
                "see `mailfleet lab ssh registry journalctl -u docker-registry`"
            )

    def publish(self, images: Future[dict[Publication, str]]) -> None:
        """Images of one recipe, once they are built."""
        for publication, image_id in images.result().items():
            self._publish(publication, image_id)

    def _publish(self, publication: Publication, image_id: str) -> None:
        if self._holds(publication, image_id):
            return
        name = f"{self._where}/{publication.repository}"
        with self._progress.step(f"publish {publication.repository}:{publication.tag}"):
            image = self._client.images.get(image_id)
            image.tag(name, publication.tag)
            try:
                events = self._client.api.push(name, publication.tag, stream=True, decode=True)
                for event in events:
                    if "error" in event:
                        raise LabError(f"pushing {name} failed: {event['error']}")
            finally:
                self._client.images.remove(f"{name}:{publication.tag}", noprune=True)

    def _holds(self, publication: Publication, image_id: str) -> bool:
        answer = self._get(f"/v2/{publication.repository}/manifests/{publication.tag}")
        if answer is None or answer.status_code != 200:
            return False
        # The id is the digest of the configuration, or of the manifest with containerd's store.
        config = answer.json().get("config", {}).get("digest")
        return image_id in (config, answer.headers.get("Docker-Content-Digest"))

    def _answers(self) -> bool:
        answer = self._get("/v2/")
        return answer is not None and answer.status_code == 200

    def _get(self, path: str) -> requests.Response | None:
        try:
            return requests.get(
                f"https://{self._where}{path}",
                headers={"Accept": MANIFEST},
                verify=self._ca_file,
                timeout=10,
            )
        except requests.RequestException:
            return None
