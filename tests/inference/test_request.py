"""Requests: what of prompt and utterance stage one reads."""

import numpy as np

from timbral.inference.request import Conditioning, UtteranceRequest

TIMBRE = np.zeros(1, np.float32)


def test_phones_of_the_prompt_come_first() -> None:
    request = UtteranceRequest(np.arange(2), Conditioning(TIMBRE, prompt_phones=np.arange(5, 8)))
    assert request.all_phones.tolist() == [5, 6, 7, 0, 1]


def test_features_that_are_missing_are_zeros() -> None:
    some = np.ones((2, 4), np.float32)
    prompt = Conditioning(TIMBRE, prompt_phones=np.arange(3))
    of_text = UtteranceRequest(np.arange(2), prompt, features=some).all_features
    assert of_text is not None
    assert of_text.sum(1).tolist() == [0, 0, 0, 4, 4]
    prompt = Conditioning(TIMBRE, prompt_phones=np.arange(2), prompt_features=some)
    of_prompt = UtteranceRequest(np.arange(3), prompt).all_features
    assert of_prompt is not None
    assert of_prompt.sum(1).tolist() == [4, 4, 0, 0, 0]
    assert UtteranceRequest(np.arange(2), Conditioning(TIMBRE)).all_features is None
