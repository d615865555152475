"""Distillation: students of the embedded model learn, resume to the same bytes, and speak."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

import timbral  # noqa: E402
from timbral.compression.distillation.distill import distill  # noqa: E402
from timbral.compression.distillation.settings import DistillationSettings  # noqa: E402
from timbral.compression.distillation.texts import drawn_texts, read_texts  # noqa: E402
from timbral.compression.distillation.timbres import invented, varied  # noqa: E402
from timbral.compression.distillation.token_merging import merge_tokens, merged_aligner  # noqa: E402
from timbral.errors import CompressionError  # noqa: E402
from timbral.models import open_bundle, read_bundle  # noqa: E402

pytestmark = pytest.mark.usefixtures("traced")

FEW = DistillationSettings(
    size="micro",
    utterances=8,
    sounded=8,
    updates=3,
    semantic_updates=2,
    content_updates=2,
    duration_updates=2,
    batch_size=2,
)


def quiet(what: str, share: float) -> None:
    """Says nothing."""


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student after a few updates, whose distillation was interrupted after each of its networks."""
    out = tmp_path_factory.mktemp("distilled") / "student"
    hurried = FEW.model_copy(update={"minutes": 1e-6})
    with pytest.raises(CompressionError, match="run the same command again"):
        distill(open_bundle(None).folder, out, hurried, quiet)
    assert not out.exists()

    def interrupted(what: str, share: float) -> None:
        if what.startswith("distilling semantic"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        distill(open_bundle(None).folder, out, FEW, interrupted)
    assert not out.exists()
    distill(open_bundle(None).folder, out, FEW, quiet)
    return out


def test_an_interrupted_distillation_ends_with_the_same_bytes(student: Path, tmp_path: Path) -> None:
    distill(open_bundle(None).folder, tmp_path / "again", FEW, quiet)
    assert read_bundle(tmp_path / "again").manifest == read_bundle(student).manifest


def test_a_student_speaks_and_clones(student: Path) -> None:
    bundle, parent = read_bundle(student), open_bundle(None)
    assert bundle.size < parent.size / 4
    assert bundle.manifest.acoustic.kind == "source-filter"
    assert bundle.manifest.acoustic.passes == 1
    tts = timbral.load(student, languages=[])
    voice = tts.clone("tests/data/english.flac")
    assert voice.residuals is not None
    for spoken_by in (voice, timbral.voices.load("default")):
        speech = tts.say("Hello.", spoken_by, "en", seed=1)
        assert np.isfinite(speech.samples).all()
        assert len(speech.samples) > 8000


def test_a_student_is_smaller_than_its_teacher(student: Path, tmp_path: Path) -> None:
    with pytest.raises(CompressionError, match="choose a smaller size"):
        distill(student, tmp_path / "larger", FEW.model_copy(update={"size": "small"}), quiet)


def test_merged_tokens_have_the_probabilities_of_their_members() -> None:
    chance = np.random.default_rng(0)
    embeddings = torch.from_numpy(chance.standard_normal((13, 4))).float()
    ratios = chance.standard_normal((5, 12)).astype(np.float32)
    merging = merge_tokens(embeddings, ratios, torch.ones(13), 6)
    assert merging.size == 7
    assert merging.groups[-1] == 6
    assert set(merging.groups.tolist()) == set(range(7))
    teacher = torch.rand(2, 13).softmax(-1)
    merged = merging.probabilities(teacher)
    torch.testing.assert_close(merged.sum(-1), torch.ones(2))
    members = merging.groups == merging.groups[0]
    torch.testing.assert_close(merged[:, merging.groups[0]], teacher[:, members].sum(-1))
    aligner = merged_aligner(ratios, np.arange(5), merging)
    mixture = np.log(np.exp(ratios[:, members[:-1].numpy()]).mean(1))
    np.testing.assert_allclose(aligner.ratios[:, int(merging.groups[0])], mixture, atol=1e-5)


def test_texts_and_timbres_follow_from_the_seed(tmp_path: Path) -> None:
    (tmp_path / "en.txt").write_text("One two three.\nFour five six.\n", "utf-8")
    texts = read_texts(tmp_path, ("zh", "en"))
    drawn = drawn_texts(texts, 5, seed=1)
    assert drawn == drawn_texts(texts, 5, seed=1)
    assert {language for language, _ in drawn} == {"en"}
    assert {text for _, text in drawn[:2]} == set(texts["en"])
    with pytest.raises(CompressionError, match=r"ja\.txt"):
        read_texts(tmp_path, ("ja",))
    voice = timbral.voices.load("default").timbre
    known = invented(voice, 3, np.random.default_rng(0))
    one, other = (varied(known, np.random.default_rng(seed)) for seed in (1, 2))
    assert np.isclose(np.linalg.norm(one[:256]), 16)
    assert not np.allclose(one, other)
    np.testing.assert_array_equal(one, varied(known, np.random.default_rng(1)))
