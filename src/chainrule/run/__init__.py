"""Running compiled programs, and graphs by NumPy where nothing can be compiled."""
