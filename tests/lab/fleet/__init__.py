"""Tests that change several hosts or the lab's DNS: they run alone, after all others."""
