"""Home Assistant's Wyoming protocol, by the package `wyoming`."""

from timbral.serving.wyoming.listener import Listener, bind

__all__ = ["Listener", "bind"]
