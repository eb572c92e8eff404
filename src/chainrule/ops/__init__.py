"""The operation table: one row per operation, one file per family of mathematics."""
