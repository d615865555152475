"""Aligns the phones of all transcribed utterances with their audio.

    python align.py FEATURES OUT.npz [--steps 1500]       (resumes)

A small network is trained by CTC (Graves et al. 2006) to recognise phones from content features; the Viterbi
path is the alignment. It is used for the codebook, which separates these phones, and for the guided attention
of stage one. Utterances with an unlikely path have a wrong transcript or a bad recording and are dropped. The
network is in OUT.run.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from arrays import Utterance, read, write
from runs import (
    SteppedTask,
    adamw,
    generator,
    half,
    is_held_out,
    learned,
    open_device,
    run,
    training_arguments,
)
from torch import Tensor, nn
from torch.nn import functional as F

from timbral.errors import TextError
from timbral.text import to_phones
from timbral.training.task import Batch

Transcribed = tuple[Utterance, np.ndarray]
"""An utterance and its phones [n]."""
PHONES = 732
BLANK = PHONES
WIDTH, LAYERS = 384, 4
NOISE = 0.1
"""Standard deviation of the noise in training, relative to that of the features."""
GAPS, LONGEST_GAP = 2, 5
"""Number of masked gaps per utterance in training, and their maximum length in tokens."""
ALIGNED, BATCH, HELD_OUT = 64, 24, 64
"""Utterances that are aligned at once, trained at once, and used for validation."""
LEAST_SCORE = -2.0
"""Mean log-probability of a path below which an utterance is dropped."""


class Recogniser(nn.Module):
    """Content features [batch, T, 512] → log-probabilities of phones [batch, 2 T, 733] at 50 Hz."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv1d(512, WIDTH, 5, padding=2)
        self.more = nn.ModuleList(nn.Conv1d(WIDTH, WIDTH, 5, padding=2) for _ in range(LAYERS - 1))
        self.leave = nn.Linear(WIDTH, 2 * (PHONES + 1))

    def forward(self, content: Tensor) -> Tensor:
        x = F.gelu(self.enter(content.transpose(1, 2)))
        for layer in self.more:
            x = x + F.gelu(layer(F.dropout(x, 0.1, self.training)))
        y: Tensor = self.leave(x.transpose(1, 2))
        return y.unflatten(-1, (2, -1)).flatten(1, 2).float().log_softmax(-1)


def disturbed(content: Tensor) -> Tensor:
    """Adds noise to features [batch, T, 512] and masks gaps in each utterance."""
    content = content + NOISE * content.std() * torch.randn_like(content)
    for row in content:
        for _ in range(GAPS):
            length = int(torch.randint(LONGEST_GAP + 1, ()))
            start = int(torch.randint(max(1, len(row) - length), ()))
            row[start : start + length] = 0
    return content


def spoken(u: Utterance) -> np.ndarray | None:
    """Phone ids of the transcript of an utterance, None without one."""
    text, lang = u.meta["text"], u.meta["lang"]
    if not text or lang not in ("zh", "en", "ja") or u.meta["corpus"] == "cmn-syllables":
        return None
    if found := re.search(r"【(.+?)】", text):
        text = found[1]
    try:
        return to_phones(text, lang).ids
    except TextError:
        return None


def viterbi(scores: Tensor, phones: list[np.ndarray]) -> list[tuple[np.ndarray, float]]:
    """The phone of each frame under CTC, with blanks assigned to the phone before, and the mean score of the
    path.

    scores: log-probabilities [batch, F, 733] of utterances of F frames each; phones: of each utterance.
    """
    batch, frames, _ = scores.shape
    device, every = scores.device, torch.arange(batch)
    counts = torch.tensor([len(p) for p in phones])
    states = torch.full((batch, 2 * int(counts.max()) + 1), BLANK)
    for row, said in enumerate(phones):
        states[row, 1 : 2 * len(said) : 2] = torch.from_numpy(said.astype(np.int64))
    skip = torch.zeros(states.shape, dtype=torch.bool)
    skip[:, 3::2] = states[:, 3::2] != states[:, 1:-2:2]
    emit = scores.gather(2, states.to(device)[:, None].expand(-1, frames, -1)).transpose(0, 1)
    barred = torch.where(skip, 0.0, -torch.inf).to(device)
    # Two impossible states on the left, for steps from before the first state.
    best = torch.full((batch, states.shape[1] + 2), -torch.inf, device=device)
    best[:, 2:4] = emit[0, :, :2]
    back = torch.zeros(emit.shape, dtype=torch.int8, device=device)
    for t in range(1, frames):
        arrivals, back[t] = torch.stack([best[:, 2:], best[:, 1:-1], best[:, :-2] + barred]).max(0)
        best[:, 2:] = arrivals + emit[t]
    best, back = best[:, 2:].cpu(), back.cpu()
    last, before = best[every, 2 * counts], best[every, 2 * counts - 1]
    state = 2 * counts - (before > last).long()
    score = torch.maximum(last, before) / frames
    path = torch.zeros(batch, frames, dtype=torch.long)
    for t in range(frames - 1, -1, -1):
        path[:, t] = state
        state = state - back[t, every, state]
    path = torch.minimum(((path - 1) // 2).clamp_min(0), counts[:, None] - 1)
    return [(p, float(s)) for p, s in zip(path.numpy(), score, strict=True)]


def aligned(
    model: Recogniser, found: list[Transcribed]
) -> Iterator[tuple[Utterance, np.ndarray, np.ndarray, float]]:
    """Utterances with phones, path and its score, in batches of the same length."""
    device = model.leave.weight.device
    lengths = np.array([len(u.content) for u, _ in found])
    for length in np.unique(lengths):
        same = np.flatnonzero(lengths == length)
        for group in np.split(same, range(ALIGNED, len(same), ALIGNED)):
            content = np.stack([found[i][0].content for i in group])
            with torch.inference_mode():
                paths = viterbi(
                    model(torch.from_numpy(content).to(device).float()), [found[i][1] for i in group]
                )
            yield from ((*found[i], *path) for i, path in zip(group, paths, strict=True))


class AlignmentTask(SteppedTask):
    """The recogniser, trained by CTC on utterances with transcripts."""

    def __init__(self, found: list[Transcribed], steps: int) -> None:
        model = Recogniser()
        super().__init__(model, adamw(model.parameters(), 0.01), steps)
        held_out = [is_held_out(u.meta["id"]) for u, _ in found]
        self.train = [one for one, out in zip(found, held_out, strict=True) if not out]
        self.held_out = [one for one, out in zip(found, held_out, strict=True) if out][:HELD_OUT]

    def draw(self, step: int) -> Batch:
        chosen = generator(step).integers(0, len(self.train), BATCH)
        return collate([self.train[i] for i in chosen])

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        loss = self._ctc(batch, disturbed(batch["content"]))
        return loss, {"ctc": loss}

    def measure(self) -> dict[str, Tensor]:
        if not self.held_out:
            return {}
        device = self.network.leave.weight.device
        batch = {name: part.to(device) for name, part in collate(self.held_out).items()}
        return {"ctc": self._ctc(batch, batch["content"])}

    def _ctc(self, batch: Batch, content: Tensor) -> Tensor:
        with half(content.device):
            scores = self.network(content)
        lengths = 2 * batch["tokens"], batch["phone_lengths"]
        return F.ctc_loss(scores.transpose(0, 1), batch["phones"], *lengths, blank=BLANK, zero_infinity=True)


def collate(found: list[Transcribed]) -> Batch:
    """Content [batch, T, 512], concatenated phones, and the lengths of both."""
    content = [torch.from_numpy(u.content.copy()).float() for u, _ in found]
    return {
        "content": nn.utils.rnn.pad_sequence(content, batch_first=True),
        "tokens": torch.tensor([len(one) for one in content]),
        "phones": torch.from_numpy(np.concatenate([p for _, p in found])).long(),
        "phone_lengths": torch.tensor([len(p) for _, p in found]),
    }


def main() -> None:
    parser = training_arguments(__doc__, hours=1.0, steps=1500, rate=2e-3)
    parser.add_argument("features", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    torch.manual_seed(0)
    found = [
        (u, p) for u in read(args.features) if (p := spoken(u)) is not None and len(p) <= 1.8 * len(u.content)
    ]
    folder = args.out.with_suffix(".run")
    run(AlignmentTask(found, args.steps), folder, args, warmup=1, clip=1.0, ema=0.0)
    write_alignment(args.out, found, read_recogniser(folder).to(open_device(args.device)))


def read_recogniser(folder: Path) -> Recogniser:
    model = Recogniser()
    model.load_state_dict(learned(folder))
    return model.eval()


def write_alignment(path: Path, found: list[Transcribed], model: Recogniser) -> None:
    """Aligns all utterances, and drops those with an unlikely path."""
    metas, phones, paths, dropped = [], [], [], 0
    for u, p, frames, score in aligned(model, found):
        if score < LEAST_SCORE:
            dropped += 1
            continue
        metas.append({"id": u.meta["id"], "lang": u.meta["lang"], "score": round(score, 3)})
        phones.append(p.astype(np.int16))
        paths.append(frames.astype(np.int16))
    print(f"{len(metas)} aligned, {dropped} dropped", flush=True)
    write(
        path,
        meta=np.frombuffer(json.dumps(metas).encode(), np.uint8),
        phones=np.concatenate(phones),
        phone_lengths=np.array([len(p) for p in phones]),
        paths=np.concatenate(paths),
        path_lengths=np.array([len(p) for p in paths]),
    )


if __name__ == "__main__":
    main()
