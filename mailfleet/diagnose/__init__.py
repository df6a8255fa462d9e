"""Why a message did not arrive: what was sent, what became of it, and what to do."""
