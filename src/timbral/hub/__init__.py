"""Published GPT-SoVITS models by name: what there is, and how one gets onto this machine.

    find("v2Pro")                  the catalog's entry; `catalog.MODELS` are all
    installed("v2Pro")             its bundle, if it is here already
    pull([find("v2Pro")], ...)     downloads, checks, imports, and cleans up behind itself

Only `pull` needs huggingface_hub and what importing needs, and imports them when it is called.
"""

from timbral.hub.catalog import HubFile, PublishedModel
from timbral.hub.pull import find, installed, pull

__all__ = ["HubFile", "PublishedModel", "find", "installed", "pull"]
