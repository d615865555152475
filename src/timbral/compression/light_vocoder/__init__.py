"""The step `light-vocoder`: a vocoder of a few ConvNeXt blocks learns what HiFi-GAN or BigVGAN does."""
