"""Loops and branches in compiled code, beside C."""
