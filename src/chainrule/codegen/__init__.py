"""From graphs to machine code: values, loop nests, memory plan, LLVM, in this order."""
