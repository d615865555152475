"""Uploaded files as bytes, within the limit of the server. Their names are never used as paths."""

from fastapi import UploadFile

from timbral.serving.errors import ApiError
from timbral.serving.services import Services


async def content_of(upload: UploadFile, parts: Services, param: str) -> bytes:
    """Content of an uploaded recording. Raises ApiError: empty, or too large (413)."""
    megabytes = parts.config.limits.recording_mb
    content = await upload.read((megabytes << 20) + 1)
    if len(content) > megabytes << 20:
        raise ApiError(413, f"a recording has at most {megabytes} MB", code="file_too_large", param=param)
    if not content:
        raise ApiError(400, "the uploaded file is empty", code="invalid_recording", param=param)
    return content
