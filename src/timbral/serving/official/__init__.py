"""The API of GPT-SoVITS's `api_v2`, for clients that were written for it."""

from timbral.serving.official.routes import add_to

__all__ = ["add_to"]
