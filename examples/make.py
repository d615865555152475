"""Makes the sounds that the README links: both recordings of this folder, cloned, speak three languages.

    python examples/make.py [FOLDER]

The seed is fixed, so that the same code makes the same sounds on the same machine.
"""

import sys
from pathlib import Path

import timbral

HERE = Path(__file__).parent
TEXTS = {
    "en": "The meeting on March 5 starts at 10:30, and it costs $12.50. Bring a friend!",
    "zh": "今天气温23℃，下午3点半我们去公园散步，好吗？",
    "ja": "明日は8時に駅で会いましょう。とても楽しみです。",
}


def main(folder: Path) -> None:
    """Writes RECORDING-LANGUAGE.mp3 for every recording and language."""
    synthesizer = timbral.load()
    for recording in sorted(HERE.glob("*.flac")):
        voice = synthesizer.clone(recording)
        for language, text in TEXTS.items():
            speech = synthesizer.say(text, voice, seed=7)
            speech.save(folder / f"{recording.stem}-{language}.mp3")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
