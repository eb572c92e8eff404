"""Recording: whether this thread records (`mode`), and in-place changes (`inplace`)."""
