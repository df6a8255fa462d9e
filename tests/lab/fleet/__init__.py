"""Tests that look at the whole fleet or change several hosts: nothing else may run beside them."""
