"""Step Tools: fill holes, smooth, grow, shrink, pieces, paint within a range."""
