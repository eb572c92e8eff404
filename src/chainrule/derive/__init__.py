"""The derivative walks: backwards (`reverse`) and forwards (`forward`) over a recorded graph."""
