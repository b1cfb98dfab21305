"""Segmentation metrics: Dice, pooled Dice, HD95, ASSD."""
