"""Tests that change other hosts than postal1."""
