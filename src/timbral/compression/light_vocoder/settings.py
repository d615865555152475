"""Settings of the light vocoder."""

from pydantic import Field

from timbral.compression.distillation.settings import TrainedStepSettings


class LightVocoderSettings(TrainedStepSettings):
    """Settings of the step `light-vocoder`.

    hidden, blocks: channels and number of ConvNeXt blocks. crops: of 1 s that the present vocoder speaks; voices:
    in how many, of `recordings` or else of the embedded model. updates: of the training. adversary: train against
    discriminators as well, from a quarter of the updates on.
    """

    hidden: int = Field(384, ge=16, le=2048)
    blocks: int = Field(8, ge=1, le=32)
    crops: int = Field(4000, ge=4)
    voices: int = Field(200, ge=1)
    updates: int = Field(100_000, ge=1)
    batch_size: int = Field(16, ge=1)
    rate: float = Field(5e-4, gt=0)
    adversary: bool = True
