"""What the prompt stage is made of: questions to language models, and their answers kept."""
