"""Networks, views, contrastive losses and the stage runner: the room of torch.

Importing this package loads no torch; its modules do.
"""
