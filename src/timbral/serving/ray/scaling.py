"""How many engines there should be. Ray's controller runs this by value, so that it imports nothing of the package."""

import math
from typing import Any

FIRST_SOUND = "first_sound_s"
"""Name under which engines report their 95th percentile of seconds to first sound."""

_STEEPEST = 2.0
"""Largest factor by which slowness alone asks for more engines at once."""


class EngineScaling:
    """A policy of Ray Serve: engines for the speeches that run and wait, and more while first sounds come late.

    Ray applies bounds and delays to what it returns.
    """

    def __init__(self, streams: float, first_sound_s: float) -> None:
        """streams: speeches that one engine is to have. first_sound_s: what the 95th percentile may be."""
        self._streams, self._bar = streams, first_sound_s

    def __call__(self, context: Any) -> tuple[int, dict[str, Any]]:
        """Wanted engines for an AutoscalingContext."""
        latencies = [
            value for value in (context.aggregated_metrics or {}).get(FIRST_SOUND, {}).values() if value
        ]
        wanted = engines_wanted(
            context.total_num_requests, context.current_num_replicas, latencies, self._streams, self._bar
        )
        return wanted, {}


def engines_wanted(
    speeches: float, engines: int, latencies: list[float], streams: float, first_sound_s: float
) -> int:
    """Engines for `speeches` that run or wait; latencies: the 95th percentiles in seconds of those that spoke lately."""
    for_queue = math.ceil(speeches / streams)
    if not latencies or not speeches:
        return for_queue
    slowness = sum(latencies) / len(latencies) / first_sound_s
    for_latency = math.ceil(engines * min(_STEEPEST, slowness)) if slowness > 1 else 0
    return max(for_queue, for_latency)
