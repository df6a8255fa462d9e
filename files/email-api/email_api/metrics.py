"""What Prometheus reads at /metrics."""

from prometheus_client import Counter, Gauge, Histogram

handoffs = Counter(
    "email_api_handoffs", "Messages that Postfix offered, by what was answered", ["result"]
)
forwarded = Counter("email_api_forwarded", "Copies that the relay has taken")
failed = Counter("email_api_failed", "Copies that the relay has not taken", ["reason"])
pending = Gauge("email_api_pending", "Messages being worked on")
seconds = Histogram(
    "email_api_handoff_seconds",
    "Time from the whole message to the answer",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
