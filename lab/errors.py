"""What goes wrong in the lab, said in one line that names the remedy."""


class LabError(Exception):
    """Shown to the person as it is, without a traceback."""
