"""Japanese text to OpenJTalk phones with prosody marks."""
