"""GPT-SoVITS checkpoints to model bundles: reading, identification, export to graphs, precision."""
