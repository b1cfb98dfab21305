"""Networks: U-Net, normalisation layers, heads, pretrained encoders, feature maps."""
