"""Catalog of the models that GPT-SoVITS publishes: the files of each, with size and SHA-256.

Revisions are commits, so a file cannot change behind its address. Sizes and SHA-256 are those that Git LFS
keeps for the files; each was found in at least two public projects that do not depend on each other, among
them copies of the repository with its LFS pointers. A file that is anything else is refused, wherever it came
from.
"""

from dataclasses import dataclass

from timbral.models.manifest import Language


@dataclass(frozen=True)
class HubFile:
    """A file of a repository at a commit, with its size and SHA-256."""

    repository: str
    revision: str
    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class PublishedModel:
    """A model by the name under which GPT-SoVITS knows it.

    languages: what its stage one was trained to speak. sample_rate: of its speech, in Hz. gpt, sovits: stage
    one and two. hubert: the encoder of references. bert: weights and vocabulary of the encoder of Chinese
    text, which belong into one folder. speaker: the speaker encoder of the Pro models. vocoder: of v3 and v4.
    g2pw: the archive of the G2PW model, for polyphonic Chinese characters; v1 was not trained with it.
    """

    name: str
    languages: tuple[Language, ...]
    sample_rate: int
    gpt: HubFile
    sovits: HubFile
    hubert: HubFile
    bert: tuple[HubFile, ...]
    speaker: HubFile | None = None
    vocoder: HubFile | None = None
    g2pw: HubFile | None = None

    @property
    def files(self) -> tuple[HubFile, ...]:
        """All files but G2PW, which is an extra."""
        single = (self.gpt, self.sovits, self.hubert, self.speaker, self.vocoder)
        return (*(file for file in single if file), *self.bert)


LICENCE = "MIT AND Apache-2.0"
"""Of the weights: MIT as lj1995/GPT-SoVITS, HuBERT and BigVGAN declare, Apache-2.0 for BERT, ERes2NetV2 and
G2PW.
"""


def _published(path: str, size: int, sha256: str) -> HubFile:
    return HubFile("lj1995/GPT-SoVITS", "336b2ec4e8d4ac74740798dd40af44e74659ecaf", path, size, sha256)


_HUBERT = _published(
    "chinese-hubert-base/pytorch_model.bin",
    188_811_417,
    "24164f129c66499d1346e2aa55f183250c223161ec2770c0da3d3b08cf432d3c",
)
_BERT = (
    _published(
        "chinese-roberta-wwm-ext-large/pytorch_model.bin",
        651_225_145,
        "e53a693acc59ace251d143d068096ae0d7b79e4b1b503fa84c9dcf576448c1d8",
    ),
    _published(
        "chinese-roberta-wwm-ext-large/tokenizer.json",
        268_962,
        "173796956820ea27bd14f76bf28162607ff4254807e2948253eb5b46f5bb643b",
    ),
)
_SPEAKER = _published(
    "sv/pretrained_eres2netv2w24s4ep4.ckpt",
    107_528_697,
    "4f5a0bf73c61eb41b174e1bb54e7ee3c83233892be8e0af1f187024e8e581a35",
)
_GPT_V3 = _published(
    "s1v3.ckpt", 155_284_856, "87133414860ea14ff6620c483a3db5ed07b44be42e2c3fcdad65523a729a745a"
)
_G2PW = HubFile(
    "XXXXRT/GPT-SoVITS-Pretrained",
    "0c47645e02a7bc3688d7b263b0042c81e3cd82cd",
    "G2PWModel.zip",
    588_856_634,
    "46292be0374a49308069233cd5c147ae4c41806558e4781a2467a31a4d8099da",
)
_FIVE: tuple[Language, ...] = ("zh", "en", "ja", "ko", "yue")

MODELS = (
    PublishedModel(
        "v1",
        languages=("zh", "en", "ja"),
        sample_rate=32_000,
        gpt=_published(
            "s1bert25hz-2kh-longer-epoch=68e-step=50232.ckpt",
            155_093_966,
            "b1c1e17e9c99547a89388f72048cd6e1b41b5a18b170e86a46dfde0324d63eb1",
        ),
        sovits=_published(
            "s2G488k.pth", 105_973_721, "020a014e1e01e550e510f2f61fae5e5f5b6aab40f15c22f1f12f724df507e835"
        ),
        hubert=_HUBERT,
        bert=_BERT,
    ),
    PublishedModel(
        "v2",
        languages=_FIVE,
        sample_rate=32_000,
        gpt=_published(
            "gsv-v2final-pretrained/s1bert25hz-5kh-longer-epoch=12-step=369668.ckpt",
            155_315_150,
            "732f94e63b148066e24c7f9d2637f3374083e637635f07fbdb695dee20ddbe1f",
        ),
        sovits=_published(
            "gsv-v2final-pretrained/s2G2333k.pth",
            106_035_259,
            "924fdccaa3c574bf139c25c9759aa1ed3b3f99e19a7c529ee996c2bc17663695",
        ),
        hubert=_HUBERT,
        bert=_BERT,
        g2pw=_G2PW,
    ),
    PublishedModel(
        "v2Pro",
        languages=_FIVE,
        sample_rate=32_000,
        gpt=_GPT_V3,
        sovits=_published(
            "v2Pro/s2Gv2Pro.pth",
            162_303_657,
            "0f8ead815234365edf045c6d86370ed6e4f440e8195be77ff0ea72684ad406a5",
        ),
        hubert=_HUBERT,
        bert=_BERT,
        speaker=_SPEAKER,
        g2pw=_G2PW,
    ),
    PublishedModel(
        "v2ProPlus",
        languages=_FIVE,
        sample_rate=32_000,
        gpt=_GPT_V3,
        sovits=_published(
            "v2Pro/s2Gv2ProPlus.pth",
            200_125_741,
            "d42a22bbbf65fb2bbdd45ad6a66841156977db45c7aabe0a6992ff378d9c7d3b",
        ),
        hubert=_HUBERT,
        bert=_BERT,
        speaker=_SPEAKER,
        g2pw=_G2PW,
    ),
    PublishedModel(
        "v3",
        languages=_FIVE,
        sample_rate=24_000,
        gpt=_GPT_V3,
        sovits=_published(
            "s2Gv3.pth", 769_035_145, "f33abb1920076d988e1711d5f41b5c9c6d7f92575b4acf0ad4fae6a4ebf0cf19"
        ),
        hubert=_HUBERT,
        bert=_BERT,
        vocoder=_published(
            "models--nvidia--bigvgan_v2_24khz_100band_256x/bigvgan_generator.pt",
            450_088_331,
            "6f9c5715550c9d0f11159ceb8935638da5aeb19e27d1e63677632df095e376f5",
        ),
        g2pw=_G2PW,
    ),
    PublishedModel(
        "v4",
        languages=_FIVE,
        sample_rate=48_000,
        gpt=_GPT_V3,
        sovits=_published(
            "gsv-v4-pretrained/s2Gv4.pth",
            769_025_545,
            "906fe22f48c3e037a389df291d4d32a9414e15dbb8f9628643e83aaced109ea4",
        ),
        hubert=_HUBERT,
        bert=_BERT,
        vocoder=_published(
            "gsv-v4-pretrained/vocoder.pth",
            57_781_109,
            "4d611913df7b12d49e8976c944558d2d096816365edfc6c35a9e85b67dd14ed9",
        ),
        g2pw=_G2PW,
    ),
)
