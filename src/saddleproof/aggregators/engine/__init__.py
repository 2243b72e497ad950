"""The plumbing of the rules: sorts, Gram matrices, blocks of columns, rows larger than memory."""
