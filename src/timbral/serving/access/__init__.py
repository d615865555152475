"""Who may do what, how much of it, and the record of what was done: keys, limits, audit."""
