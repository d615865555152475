"""An LRU cache of arrays."""

from collections import OrderedDict
from threading import Lock

import numpy as np
from numpy.typing import NDArray


class ArrayCache:
    """Arrays by key; the least recently used one makes room for a new one. May be shared by threads."""

    def __init__(self, capacity: int) -> None:
        """capacity: bytes of all arrays together."""
        self._capacity = capacity
        self._size = 0
        self._arrays: OrderedDict[bytes, NDArray[np.float32]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: bytes) -> NDArray[np.float32] | None:
        """The array of the key, if it is still there."""
        with self._lock:
            if key in self._arrays:
                self._arrays.move_to_end(key)
            return self._arrays.get(key)

    def put(self, key: bytes, array: NDArray[np.float32]) -> None:
        """Stores an array, which must not change from now on; one larger than the cache is not stored."""
        with self._lock:
            if key in self._arrays or array.nbytes > self._capacity:
                return
            self._arrays[key] = array
            self._size += array.nbytes
            while self._size > self._capacity:
                _, oldest = self._arrays.popitem(last=False)
                self._size -= oldest.nbytes
