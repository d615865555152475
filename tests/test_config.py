"""Settings of synthesis: one definition, whoever names them."""

import pytest

from timbral.config import GenerationConfig, GenerationSettings, SamplingConfig
from timbral.errors import SettingError


def test_keyword_arguments_are_the_fields_of_the_config() -> None:
    assert GenerationSettings.__annotations__.keys() == GenerationConfig.model_fields.keys()


def test_sampling_settings_of_a_request_replace_those_of_the_model() -> None:
    defaults = SamplingConfig(top_k=7, temperature=0.5)
    assert GenerationConfig().sampling(defaults) == defaults
    chosen = GenerationConfig(temperature=0.9, top_p=0.8).sampling(defaults)
    assert chosen == SamplingConfig(top_k=7, top_p=0.8, temperature=0.9)


@pytest.mark.parametrize("wrong", [{"speed": float("nan")}, {"seed": "x"}, {"rate": 44_000}, {"spede": 1.0}])
def test_a_wrong_setting_is_one_line_that_names_it(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingError, match=next(iter(wrong))) as caught:
        GenerationConfig(**wrong)
    assert "\n" not in str(caught.value)
