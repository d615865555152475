"""Reads and replaces the weights of ONNX graphs, by the names of the networks.

graph_file: constants of a graph file, without loading the graph. parameters: these as the weights of a
network, in any precision. adapter: low-rank changes of weights, which a fine-tuned voice has.
"""

from timbral.models.weights.adapter import Adapter, LowRank, part_of
from timbral.models.weights.parameters import Parameter, read_parameters

__all__ = ["Adapter", "LowRank", "Parameter", "part_of", "read_parameters"]
