"""A page on this machine for listening to a training set and correcting it."""
