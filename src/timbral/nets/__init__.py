"""The networks in torch, with the parameter names of official checkpoints. They know no files and no training."""
