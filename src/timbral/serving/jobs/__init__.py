"""Jobs: from uploaded recordings to a fine-tuned voice, in processes apart from the server."""
