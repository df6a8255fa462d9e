"""One page about the whole fleet: what is described, what runs, and what is not well."""
