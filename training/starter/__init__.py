"""The starter's own recipe: VAE, tokenizer, text encoder, U-Net, classifier, export, evaluation."""
