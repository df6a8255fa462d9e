"""Names and labels of everything the lab makes, so that two clones of the work tree never meet."""

import hashlib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".lab"
RECIPES = Path(__file__).resolve().parent / "images"

LABEL = "mailfleet.lab"
# Hash of what an image or container was made from: equal means nothing to do.
SPEC_LABEL = "mailfleet.lab.spec"
HOST_LABEL = "mailfleet.lab.host"
# Volumes that `down --keep-images` keeps: they hold built images.
CACHE_LABEL = "mailfleet.lab.cache"


def lab_id(root: Path = ROOT) -> str:
    """Short and stable for one work tree."""
    return hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:8]


def labels(**more: str) -> dict[str, str]:
    return {LABEL: lab_id(), **more}


def label_filter() -> dict[str, str | list[str] | bool]:
    return {"label": [f"{LABEL}={lab_id()}"]}


def object_name(*parts: str) -> str:
    """Name of a container, network or volume."""
    return "-".join(("mailfleet-lab", lab_id(), *parts))


def image_name(recipe: str) -> str:
    return f"mailfleet-lab-{lab_id()}/{recipe}"
