"""Sender Policy Framework (RFC 7208)."""

from mailfleet.dns.spf.evaluate import Evaluation, evaluate
from mailfleet.dns.spf.policy import InvalidPolicyError, Policy, Verdict, is_policy, parse

__all__ = [
    "Evaluation",
    "InvalidPolicyError",
    "Policy",
    "Verdict",
    "evaluate",
    "is_policy",
    "parse",
]
