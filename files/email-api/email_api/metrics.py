"""Metrics of the /metrics endpoint."""

from prometheus_client import Counter, Gauge, Histogram

handoffs = Counter("email_api_handoffs", "Messages handed off by Postfix, by result", ["result"])
forwarded = Counter("email_api_forwarded", "Copies accepted by the relay")
failed = Counter("email_api_failed", "Copies not accepted by the relay, by reason", ["reason"])
pending = Gauge("email_api_pending", "Messages being processed")
seconds = Histogram(
    "email_api_handoff_seconds",
    "Time from the complete message to the reply",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
