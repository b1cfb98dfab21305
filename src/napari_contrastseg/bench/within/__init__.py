"""Work within one volume: answers from a few slices, and an annotator who goes on."""
