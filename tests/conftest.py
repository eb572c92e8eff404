"""Settings that hold for all tests."""

from __future__ import annotations

from hypothesis import settings

# the first example of a property pays for imports and caches, so a deadline would test the machine
settings.register_profile("chainrule", deadline=None, max_examples=50, derandomize=True)
settings.register_profile("long", deadline=None, max_examples=1000)
settings.load_profile("chainrule")
