"""Pipecat's service for OpenAI's speech API, in a real pipeline. It has an environment apart, since it pins what we don't."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.serving import RunningServer

ROOT = Path(__file__).parents[2]
CLIENTS = Path(os.environ.get("TIMBRAL_CLIENTS", ROOT / ".venv-clients"))
"""An environment with pipecat-ai, which `.ci/run` makes."""
PYTHON = CLIENTS / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")

PIPELINE = """
import asyncio, sys
from pipecat.frames.frames import TTSAudioRawFrame, TTSSpeakFrame
from pipecat.services.openai.tts import OpenAITTSService
from pipecat.tests.utils import run_test

async def main():
    service = OpenAITTSService(api_key="anything", base_url=sys.argv[1])
    down, up = await run_test(service, frames_to_send=[TTSSpeakFrame(text=sys.argv[2])], start_timeout=30.0)
    sound = [frame for frame in down if isinstance(frame, TTSAudioRawFrame)]
    assert sound and {(frame.sample_rate, frame.num_channels) for frame in sound} == {(24000, 1)}, down
    print(sum(len(frame.audio) for frame in sound))

asyncio.run(main())
"""


@pytest.mark.skipif(not PYTHON.exists(), reason="there is no environment with pipecat-ai; .ci/run makes one")
def test_a_pipeline_of_pipecat_speaks(server: RunningServer) -> None:
    text = "Hello there, this is a pipeline."
    done = subprocess.run(
        [PYTHON, "-c", PIPELINE, f"{server.address}/v1", text], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    spoken = int(done.stdout.split()[-1])
    assert spoken > 24_000
    assert spoken == pytest.approx(len(server.speak(text, voice="alloy").content), rel=0.5)
