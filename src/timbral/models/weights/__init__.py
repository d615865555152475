"""What the graphs of a bundle weigh, by the names of the networks: read back, and changed for a voice.

graph_file: constants of a graph file, without loading the graph. parameters: these as the weights of a network, whatever
the precision they are stored in. adapter: low-rank changes of weights, as a fine-tuned voice brings them.
"""

from timbral.models.weights.adapter import Adapter, LowRank, part_of
from timbral.models.weights.parameters import Parameter, read_parameters

__all__ = ["Adapter", "LowRank", "Parameter", "part_of", "read_parameters"]
