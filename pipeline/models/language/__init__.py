"""Language models on this machine's own devices, through transformers."""
