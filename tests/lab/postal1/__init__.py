"""Tests that change postal1 only."""
