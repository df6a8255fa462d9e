"""Tests that change postal2 only: it is empty at first, and then carries no more than each host."""
