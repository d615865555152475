"""Stage two of v3 and v4 against the official networks, part by part and as a whole."""

import gzip
import json

import pytest
import torch

from tests.helpers.mel_acoustic_models import golden_of, small_network
from tests.helpers.nets_weights import GOLDENS, relative_error
from timbral.nets.mel_acoustic import MEL_FAMILIES, MelAcousticNetwork, mel_places

families = pytest.mark.parametrize("family", MEL_FAMILIES)


@families
@torch.no_grad()
def test_features_and_speed(family: str) -> None:
    model, golden = small_network(), golden_of(family)
    ge = model.timbre(golden["refer"])
    assert relative_error(ge, golden["ge"]) < 1e-4
    frames = model.prior(golden["codes"][0], golden["text"], ge)
    for speed, name in ((1.0, "fea"), (1.25, "fea_speed1.25")):
        places, length = mel_places(10, MEL_FAMILIES[family].mel_rate, speed)
        features = model.features(frames, ge, places, torch.tensor([length]))
        assert relative_error(features, golden[name]) < 1e-4


@families
@torch.no_grad()
def test_velocity(family: str) -> None:
    estimator, golden = small_network().cfm.estimator, golden_of(family)
    features = golden["fea"].expand(2, -1, -1)
    for name, known, said in (
        ("cond", golden["dit_prompt"], features),
        ("uncond", torch.zeros_like(golden["dit_prompt"]), torch.zeros_like(features)),
    ):
        embedded = estimator.text_embed(said.transpose(1, 2))
        assert relative_error(embedded, golden[f"dit_{name}_text"]) < 1e-4
        velocity = estimator(
            golden["dit_x"], known, said, golden["dit_t"], golden["dit_d"], golden["dit_lens"]
        )
        assert relative_error(velocity.transpose(1, 2), golden[f"dit_{name}"]) < 1e-4


@families
@pytest.mark.parametrize(("steps", "guidance"), [(4, 0.0), (4, 0.5), (8, 0.0)])
@torch.no_grad()
def test_solver(family: str, steps: int, guidance: float) -> None:
    golden = golden_of(family)
    mel = small_network().cfm.solve(golden["fea"], golden["cfm_prompt"], golden["cfm_noise"], steps, guidance)
    assert relative_error(mel, golden[f"cfm_steps{steps}_cfg{guidance:g}"]) < 1e-4
    assert not mel[:, :, : golden["cfm_prompt"].shape[2]].any()


@families
def test_official_names_and_shapes(family: str) -> None:
    with gzip.open(GOLDENS / "state_dict_manifest.json.gz", "rt") as file:
        official = json.load(file)["s2_v3_v4"]
    with torch.device("meta"):
        state = MelAcousticNetwork(MEL_FAMILIES[family]).state_dict()
    assert {key: list(tensor.shape) for key, tensor in state.items()} == {
        key: shape for key, (shape, _) in official.items()
    }
