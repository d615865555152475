"""The server on a Ray cluster: an ingress that is the API, and engines that speak.

`serve run timbral.serving.ray:app` deploys it; `timbral serve --ray` does the same from one command.
"""

import os

# Before ray is imported: nothing is reported unless the operator wants it.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

from timbral.serving.ray.application import app

__all__ = ["app"]
