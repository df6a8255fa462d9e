"""Sender Policy Framework, SPF (RFC 7208).

A domain publishes in one TXT record (`v=spf1 ...`) which addresses may send mail with the domain in
the envelope sender or HELO name. A receiver evaluates the terms from left to right for the client's
address; the first match gives pass, fail (-), softfail (~) or neutral (?). Terms such as include
and mx cost DNS lookups; more than 10 of them end in permerror, which counts as a broken policy."""

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
