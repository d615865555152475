"""Which token speaks which phone: the HMM aligner and the duration model."""
