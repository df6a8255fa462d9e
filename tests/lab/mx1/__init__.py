"""Tests that change mx1 only."""
