"""Files to volumes and back: geometry, images, masks, data sets. No torch, no Qt."""
