"""Parts of the prompt stage: language models are asked, their answers kept."""
