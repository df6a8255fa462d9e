"""How every test draws its cases: without a time limit, since the machine may be busy."""

# gevent patches first, as it does in `mailfleet` itself: what took its parts of ssl before would
# break.
from gevent import monkey

monkey.patch_all()


from hypothesis import HealthCheck, settings

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")
