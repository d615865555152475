"""Playing: the sound card gets every sample in order, and silence while the next ones are being made."""

import threading

import numpy as np

from timbral.audio.playback import Player
from timbral.audio.writing import to_pcm


def test_the_sound_card_gets_all_samples_and_silence_where_none_are_ready() -> None:
    player, sound = Player(), np.linspace(-1, 1, 1000, dtype=np.float32)
    source = player.source()
    next(source)
    assert source.send(10) == bytes(20)
    player.write(sound[:300])
    blocks = [source.send(250), source.send(100)]
    assert blocks[1] == to_pcm(sound[250:300]) + bytes(100)
    player.write(sound[300:])
    finished = threading.Thread(target=player.finish)
    finished.start()
    blocks += [source.send(600), source.send(600)]
    assert next(source, None) is None
    finished.join(5)
    assert not finished.is_alive()
    played = b"".join([blocks[0], blocks[1][:100], blocks[2], blocks[3]])
    assert played[:2000] == to_pcm(sound)
