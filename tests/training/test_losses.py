"""Every loss beside the same in numpy and float64, written from its formula."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from tests.helpers.nets_weights import GOLDENS, golden_arrays
from timbral.nets.semantic import SemanticConfig, SemanticTransformer
from timbral.training import semantic_losses, vits_losses
from timbral.training.scaled_adam import ScaledAdam

Floats = NDArray[np.float64]


def normal(seed: int, *shape: int) -> tuple[torch.Tensor, Floats]:
    values = np.random.RandomState(seed).standard_normal(shape)
    return torch.from_numpy(values.astype(np.float32)), values.astype(np.float32).astype(np.float64)


def softmax_log(x: Floats) -> Floats:
    shifted = x - x.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def test_likelihood_counts_tokens_and_the_end_and_no_padding() -> None:
    logits, values = normal(0, 2, 6, 9)
    targets = np.array([[3, 1, 4, 1, 5, 8], [2, 7, 8, 8, 8, 8]])
    found = semantic_losses.log_likelihood(logits, torch.from_numpy(targets), torch.tensor([5, 2]))
    log = softmax_log(values)
    expected = [
        sum(log[0, t, targets[0, t]] for t in range(6)),
        sum(log[1, t, targets[1, t]] for t in range(3)),
    ]
    assert found.numpy() == pytest.approx(expected, rel=1e-6)


def test_loss_of_stage_one_is_the_official_one() -> None:
    """Their sum goes over the padding too, where the end token is expected."""
    config = SemanticConfig(hidden=64, layers=2, heads=4, feed_forward=256)
    network = SemanticTransformer(config).eval()
    network.load_state_dict(load_file(GOLDENS / "s1_small.safetensors"))
    golden = golden_arrays("s1_small_teacher.npz")
    full = torch.full((2,), golden["logits"].shape[1] - 1)
    found = semantic_losses.log_likelihood(golden["logits"], golden["targets"].long(), full)
    assert float(-found.sum()) == pytest.approx(float(golden["loss_sum"]), rel=1e-6)
    # The same by the network itself, for the row that has no padding.
    tokens, lengths = golden["semantic"][:1].long(), golden["semantic_len"][:1]
    logits = network(
        golden["phones"][:1].long(), golden["phones_len"][:1], tokens, lengths, golden["bert"][:1]
    )
    own = semantic_losses.log_likelihood(logits, network.targets(tokens, lengths), lengths)
    assert float(own.detach().sum()) == pytest.approx(float(found[0].sum()), rel=1e-5)


def test_preference() -> None:
    (chosen, a), (rejected, b) = normal(1, 5), normal(2, 5)
    expected = np.mean(np.log1p(np.exp(-0.2 * (a - b))))
    found = semantic_losses.preference_loss(chosen, rejected, 0.2)
    assert float(found) == pytest.approx(expected, rel=1e-6)


def test_corrupted_tokens_repeat_or_lack_a_span() -> None:
    tokens, lengths = torch.arange(1, 31).repeat(20, 1), torch.tensor([30, 17] * 10)
    torch.manual_seed(5)
    worse, counts = semantic_losses.corrupted_tokens(tokens, lengths)
    for row, count, length in zip(worse.tolist(), counts.tolist(), lengths.tolist(), strict=True):
        said, change = row[:count], count - length
        jumps = [i for i in range(1, count) if said[i] != said[i - 1] + 1]
        assert len(jumps) <= 1
        # Where it jumps back, the part between has been said before.
        if change > 0:
            assert said[jumps[0]] + change == said[jumps[0] - 1] + 1
        assert max(said, default=0) <= length
    assert {bool(c > n) for c, n in zip(counts, lengths, strict=True)} == {True, False}


def test_share_of_wrong_tokens() -> None:
    logits = torch.zeros(1, 4, 6)
    logits[0, :, :3] = torch.tensor([3.0, 2.0, 1.0])
    targets = torch.tensor([[0, 2, 5, 5]])
    assert float(semantic_losses.top_k_error(logits, targets, torch.tensor([3]))) == pytest.approx(1 / 3)


def test_divergence() -> None:
    latent, z = normal(3, 2, 4, 5)
    posterior, logs_q = normal(4, 2, 4, 5)
    mean, m = normal(5, 2, 4, 5)
    prior, logs_p = normal(6, 2, 4, 5)
    mask = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], np.float64)[:, None]
    nats = (logs_p - logs_q - 0.5 + 0.5 * (z - m) ** 2 / np.exp(logs_p) ** 2) * mask
    found = vits_losses.divergence(latent, posterior, mean, prior, torch.from_numpy(mask).float())
    assert float(found) == pytest.approx(nats.sum() / mask.sum(), rel=1e-6)

    levels = np.array([part.sum() / mask.sum() for part in np.split(nats, 2, axis=1)])
    weights = np.abs(levels) / np.abs(levels).mean()
    balanced = vits_losses.divergence(latent, posterior, mean, prior, torch.from_numpy(mask).float(), 2)
    assert float(balanced) == pytest.approx(float((levels * weights).sum()), rel=1e-5)


def test_adversarial_losses() -> None:
    (true, t), (false, f) = normal(7, 2, 9), normal(8, 2, 9)
    (seen, s), (other, o) = normal(9, 2, 3, 4), normal(10, 2, 3, 4)
    recorded, made = [(true, [seen, seen + 1])], [(false, [other, other])]
    judged = vits_losses.discriminator_loss(recorded, made)
    assert float(judged) == pytest.approx(np.mean((1 - t) ** 2) + np.mean(f**2), rel=1e-6)
    assert float(vits_losses.adversarial_loss(made)) == pytest.approx(np.mean((1 - f) ** 2), rel=1e-6)
    expected = 2 * (np.abs(s - o).mean() + np.abs(s + 1 - o).mean())
    assert float(vits_losses.feature_loss(recorded, made)) == pytest.approx(expected, rel=1e-6)


def test_slices() -> None:
    x = torch.arange(20.0).view(2, 1, 10)
    assert vits_losses.slices(x, torch.tensor([2, 7]), 3).tolist() == [[[2, 3, 4]], [[17, 18, 19]]]


def test_scaled_adam_beside_its_formulas() -> None:
    """A matrix and a scalar, over two changes of sizes; gradients are given."""
    rng = np.random.RandomState(0)
    matrix, scalar = rng.standard_normal((3, 4)), 0.7
    weight, single = (torch.nn.Parameter(torch.tensor(v, dtype=torch.float64)) for v in (matrix, [scalar]))
    optimizer = ScaledAdam([weight, single], lr=0.05, betas=(0.9, 0.95))
    change, squares, size = np.zeros((3, 4)), np.zeros((3, 4)), math.sqrt(np.mean(matrix**2))
    along, scale_squares = [], 0.0
    one_change, one_squares = 0.0, 0.0
    for step in range(8):
        gradient, one = rng.standard_normal((3, 4)), rng.standard_normal()
        weight.grad, single.grad = torch.from_numpy(gradient), torch.tensor([one], dtype=torch.float64)
        optimizer.step()

        change *= 0.9
        along.append((matrix * gradient).sum())
        if step % 4 == 3:
            size = math.sqrt(np.mean(matrix**2))
            decay = 0.95**4
            recent = np.array(along[-4:])
            scale_squares = decay * scale_squares + (1 - decay) * np.mean(recent**2)
            correction = math.sqrt(1 - decay ** ((step + 1) // 4))
            scale = -0.05 * 0.1 * correction * recent.sum() / (math.sqrt(scale_squares) + 1e-8)
            change += 0.1 * scale * matrix
        squares = 0.95 * squares + 0.05 * gradient**2
        corrected = squares / (1 - 0.95 ** (step + 1))
        change += -0.05 * 0.1 * size * gradient / (np.sqrt(corrected) + 1e-8)
        matrix = matrix + change
        one_squares = 0.95 * one_squares + 0.05 * one**2
        denominator = math.sqrt(one_squares / (1 - 0.95 ** (step + 1))) + 1e-8
        one_change = 0.9 * one_change - 0.05 * 0.1 * 0.1 * one / denominator
        scalar += one_change
        assert weight.detach().numpy() == pytest.approx(matrix, rel=1e-9)
        assert float(single.detach()) == pytest.approx(scalar, rel=1e-9)


def test_scaled_adam_clips_what_is_far_above_the_median() -> None:
    torch.manual_seed(0)
    steps = {}
    for scale in (None, 2.0):
        weight = torch.nn.Parameter(torch.ones(4, 4))
        optimizer = ScaledAdam([weight], lr=0.01, clipping_scale=scale, clipping_period=4)
        chance = torch.Generator().manual_seed(1)
        for step in range(9):
            weight.grad = torch.randn(4, 4, generator=chance) * (1000 if step == 8 else 1)
            before = weight.detach().clone()
            optimizer.step()
        steps[scale] = float((weight.detach() - before).norm())
    assert steps[2.0] < 0.8 * steps[None]
