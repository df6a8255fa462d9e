"""mailfleet: run your own mail infrastructure from one description."""
