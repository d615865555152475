"""Training and fine-tuning of the networks of a bundle, and the fine-tuned voice that comes out (needs
torch).
"""

import os

# OpenMP threads that spin while they wait are many times slower on busy cores. torch reads this when it is
# imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
