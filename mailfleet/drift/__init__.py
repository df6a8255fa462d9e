"""Drift: every difference between the description and the hosts, as values. Changes nothing."""
