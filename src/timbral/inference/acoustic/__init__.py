"""Stage two: semantic tokens and a timbre to samples, one decoder a family behind one interface."""
