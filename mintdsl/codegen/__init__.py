"""From the typed core and its proof to the text of a standalone PyTorch module."""
