"""Constants of sovits-tiny's vocoder, which torch trains (`timbral.nets.source_filter`) and numpy runs
(`timbral.inference.acoustic.rendering`).
"""

SPEAKER, BANDS = 256, 80
"""Sizes of the speaker embedding and of the mean log-mel spectrum, the first parts of a timbre vector."""
LOUDNESS = (-12.0, 6.0)
"""Limits of the log magnitude of a filter."""
ALIASING = 0.48
"""Of the sample rate: harmonics up to there."""
NEAR = 1e-4
"""Sines below which the ratio of two of them is taken at its limit."""
KERNEL_WIDTH, PRIOR_COUNT = 0.25, 1.0
"""Of a voice's residuals: width of the regression kernel in nepers, and weight of the mean one in equivalent observations."""
