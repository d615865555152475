"""Lets the trainings begin from the weights of a bundle, widened to float32, in place of from nothing.

    python begin.py BUNDLE RUNS

Writes RUNS/semantic, RUNS/acoustic and RUNS/content, each with a `last.pt` at step 0. Tokens mean the same only with the
codebook that the bundle was made with: `codebook.npz` beside this script fits the shipped weights; copy it into the
folder of work before `tokens.py` makes another.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from timbral.models import open_bundle
from timbral.nets.source_filter import LatentNet
from timbral.training.networks import restore_reference, restore_semantic, restore_source_filter


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("runs", type=Path)
    args = parser.parse_args()
    bundle = open_bundle(args.bundle)
    latent, vocoder = restore_source_filter(bundle)
    shape = bundle.manifest.semantic
    told = LatentNet(replace(latent.config, vocabulary=shape.vocabulary, phonemes=shape.phonemes))
    # What earlier networks were not told begins as nothing: phones by their last layer, a token that is not known as the mean.
    weights = {**told.state_dict(), **latent.state_dict()}
    tokens = weights["tokens.weight"]
    more = shape.vocabulary - len(tokens)
    weights["tokens.weight"] = torch.cat([tokens, tokens.mean(0, keepdim=True).expand(more, -1)])
    told.load_state_dict(weights)
    networks = {
        "semantic": restore_semantic(bundle),
        "acoustic": nn.ModuleDict({"latent": told, "vocoder": vocoder}),
        "content": restore_reference(bundle).content,
    }
    for name, network in networks.items():
        last = args.runs / name / "last.pt"
        if last.exists():
            raise SystemExit(f"{last} has begun already; remove it, or name another folder")
        last.parent.mkdir(parents=True, exist_ok=True)
        average = {name: weight.detach() for name, weight in network.named_parameters()}
        torch.save({"model": network.state_dict(), "ema": average, "step": 0}, last)


if __name__ == "__main__":
    main()
